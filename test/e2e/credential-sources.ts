import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UserPassword } from '../../src/registry/options.js';
import type { TestRegistry } from '../helpers/registry.js';

export interface Given {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** In what `-D` says of where the credentials come from. */
  readonly source: string;
}

export interface CredentialSource {
  readonly name: string;
  /** Needs a token server. */
  readonly isForTokens?: true;
  /** @param dir of its own, for files that may have the password */
  give(dir: string, registry: TestRegistry, user: UserPassword & { readonly identityToken: string }): Given;
}

const authOf = ({ username, password }: UserPassword): string => Buffer.from(`${username}:${password}`).toString('base64');

function writeConfig(dir: string, config: unknown): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'config.json');
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}

/** Every place that credentials are taken from. */
export const CREDENTIAL_SOURCES: readonly CredentialSource[] = [
  {
    name: '--creds',
    give: (_, __, { username, password }) => ({ flags: ['--creds', `${username}:${password}`], env: {}, source: '--creds' }),
  },
  {
    name: '--authfile',
    give(dir, { host }, user) {
      const path = writeConfig(dir, { auths: { [host]: { auth: authOf(user) } } });
      return { flags: ['--authfile', path], env: {}, source: `file ${path}` };
    },
  },
  {
    name: 'REGISTRY_AUTH_FILE',
    give(dir, { host }, user) {
      const path = writeConfig(dir, { auths: { [host]: { auth: authOf(user) } } });
      return { flags: [], env: { REGISTRY_AUTH_FILE: path }, source: `file ${path}` };
    },
  },
  {
    name: 'DOCKER_AUTH_CONFIG',
    give: (_, { host }, user) => ({
      flags: [],
      env: { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth: authOf(user) } } }) },
      source: 'DOCKER_AUTH_CONFIG',
    }),
  },
  {
    name: 'config.json',
    give(dir, { host }, { username, password }) {
      const path = writeConfig(dir, { auths: { [host]: { username, password } } });
      return { flags: [], env: { DOCKER_CONFIG: dir }, source: `file ${path}` };
    },
  },
  {
    name: 'a credential helper',
    give(dir, { host }, { username, password }) {
      writeConfig(dir, { credHelpers: { [host]: 'leaktest' } });
      const program = join(dir, 'docker-credential-leaktest');
      const answer = JSON.stringify({ ServerURL: host, Username: username, Secret: password });
      writeFileSync(program, `#!/bin/sh\ncat >/dev/null\ncat <<'END'\n${answer}\nEND\n`);
      chmodSync(program, 0o755);
      const env = { DOCKER_CONFIG: dir, PATH: `${dir}:${process.env['PATH'] ?? ''}` };
      return { flags: [], env, source: 'helper docker-credential-leaktest' };
    },
  },
  {
    name: 'CI_REGISTRY_PASSWORD',
    give: (_, { host }, { username, password }) => ({
      flags: [],
      env: { CI_REGISTRY: host, CI_REGISTRY_USER: username, CI_REGISTRY_PASSWORD: password },
      source: 'CI_REGISTRY_USER',
    }),
  },
  {
    name: 'an identity token',
    isForTokens: true,
    give(dir, { host }, { username, identityToken }) {
      const auth = Buffer.from(`${username}:`).toString('base64');
      const path = writeConfig(dir, { auths: { [host]: { auth, identitytoken: identityToken } } });
      return { flags: [], env: { DOCKER_CONFIG: dir }, source: `file ${path}` };
    },
  },
  {
    name: 'a registry token',
    isForTokens: true,
    give(dir, { host, tokens }) {
      const scopes = ['base', 'made/app', 'made/copy'].map((name) => `repository:${name}:pull,push`);
      const path = writeConfig(dir, { auths: { [host]: { registrytoken: tokens?.mint(scopes) } } });
      return { flags: [], env: { DOCKER_CONFIG: dir }, source: `file ${path}` };
    },
  },
];
