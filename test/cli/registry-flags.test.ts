import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { renderError } from '../../src/cli/errors.js';
import { parsePullPolicy, REGISTRY_FLAGS, toRegistryOptions, type RawRegistryFlags } from '../../src/cli/registry-flags.js';
import type { BuildOptions } from '../../src/options.js';
import type { RegistryOptions } from '../../src/registry/options.js';
import { runFlags, type CliRun } from '../helpers/run-cli.js';

const SECRET = 'hunter2:Correct';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-registry-flags-'));
  writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

/** What `tsbuild build ARGS DIR` would build, or why not. */
function build(args: readonly string[]): Promise<CliRun> {
  return runFlags(
    args.map((arg) => arg.replaceAll('DIR', dir)),
    { HOME: '/home/me' },
  );
}

function failureOf(run: () => unknown): BuildError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(BuildError);
    return error as BuildError;
  }
  throw new Error('it was taken');
}

describe('flags of registries', () => {
  it.each<[string, RawRegistryFlags, RegistryOptions]>([
    ['nothing', {}, {}],
    ['--creds', { creds: 'me:pw' }, { credentials: { username: 'me', password: 'pw' } }],
    ['--creds with colons', { creds: `me:${SECRET}` }, { credentials: { username: 'me', password: SECRET } }],
    ['--authfile', { authfile: 'a.json' }, { authFile: 'a.json' }],
    ['--tls-verify', { tlsVerify: 'true' }, { tlsVerify: true }],
    ['--tls-verify=false', { tlsVerify: 'false' }, { tlsVerify: false }],
    ['--tls-verify=0', { tlsVerify: '0' }, { tlsVerify: false }],
    ['--cert-dir', { certDir: '/certs' }, { certDir: '/certs' }],
    [
      '--insecure-registry',
      { insecureRegistry: ['a.example', 'b:5000', '10.0.0.1', '[::1]:80', 'under_score'] },
      { insecureRegistries: ['a.example', 'b:5000', '10.0.0.1', '[::1]:80', 'under_score'] },
    ],
    [
      '--registry-mirror',
      { registryMirror: ['docker.io=m.example', 'docker.io=http://m:5000/hub/', 'r.example:1=https://m.example/a/b'] },
      {
        mirrors: [
          { host: 'docker.io', mirror: 'm.example' },
          { host: 'docker.io', mirror: 'http://m:5000/hub' },
          { host: 'r.example:1', mirror: 'https://m.example/a/b' },
        ],
      },
    ],
    ['--registries-conf', { registriesConf: 'r.conf' }, { registriesConf: 'r.conf' }],
    ['--retry 0', { retry: '0' }, { retries: 0 }],
    ['--retry', { retry: '12' }, { retries: 12 }],
    ['--retry-delay 2s', { retryDelay: '2s' }, { retryDelayMs: 2000 }],
    ['--retry-delay 500ms', { retryDelay: '500ms' }, { retryDelayMs: 500 }],
    ['--retry-delay 1.5s', { retryDelay: '1.5s' }, { retryDelayMs: 1500 }],
    ['--retry-delay 0', { retryDelay: '0' }, { retryDelayMs: 0 }],
    ['--retry-delay 0s', { retryDelay: '0s' }, { retryDelayMs: 0 }],
    ['--timeout 1m', { timeout: '1m' }, { timeoutMs: 60_000 }],
    ['--timeout 1m30s', { timeout: '1m30s' }, { timeoutMs: 90_000 }],
    ['--jobs', { jobs: '8' }, { jobs: 8 }],
  ])('%s', (_, raw, expected) => {
    expect(toRegistryOptions(raw, { A: 'b' })).toEqual({ env: { A: 'b' }, ...expected });
  });

  it.each<[string, RawRegistryFlags, string, string?]>([
    ['--creds without a password', { creds: SECRET.slice(0, 7) }, 'invalid --creds: the password is missing, want USER:PASSWORD'],
    ['--creds with an empty password', { creds: 'hunter2:' }, 'invalid --creds: the password is missing'],
    ['--creds without a name', { creds: `:${SECRET}` }, 'invalid --creds: the name is missing'],
    ['--creds that is empty', { creds: '' }, 'invalid --creds: the name is missing'],
    ['--authfile that is empty', { authfile: '' }, 'invalid --authfile "": it is empty'],
    ['--cert-dir that is empty', { certDir: '' }, 'invalid --cert-dir'],
    ['--registries-conf that is empty', { registriesConf: '' }, 'invalid --registries-conf'],
    ['--tls-verify=no', { tlsVerify: 'no' }, 'invalid --tls-verify "no": want true or false'],
    ['--tls-verify=', { tlsVerify: '' }, 'invalid --tls-verify ""'],
    [
      '--insecure-registry with a scheme',
      { insecureRegistry: ['http://a'] },
      'want HOST or HOST:PORT',
      'leave out everything but the host',
    ],
    ['--insecure-registry with a network', { insecureRegistry: ['10.0.0.0/8'] }, 'want HOST or HOST:PORT'],
    ['--insecure-registry with a password', { insecureRegistry: [`u:${SECRET}@h`] }, 'invalid --insecure-registry "***@h"'],
    [
      '--registry-mirror without a host',
      { registryMirror: ['mirror.example'] },
      'want HOST=MIRROR',
      'for Docker Hub: --registry-mirror docker.io=mirror.example',
    ],
    ['--registry-mirror without a mirror', { registryMirror: ['docker.io='] }, 'want HOST=[http://]MIRROR'],
    ['--registry-mirror of a path', { registryMirror: ['docker.io/library=m'] }, '"docker.io/library" is no registry host'],
    ['--registry-mirror with a tag', { registryMirror: ['a=m/x:1'] }, 'want HOST=[http://]MIRROR'],
    ['--registry-mirror with ftp', { registryMirror: ['a=ftp://m'] }, 'want HOST=[http://]MIRROR'],
    [
      '--registry-mirror with a password',
      { registryMirror: [`a=https://u:${SECRET}@m`] },
      '"a=https://***@m": credentials do not',
      'tsbuild login m',
    ],
    ['... without a scheme', { registryMirror: [`a=u:${SECRET}=@m`] }, '"a=***@m": credentials do not', 'tsbuild login m'],
    ['... without a host', { registryMirror: [`https://u:${SECRET}@m`] }, '"https://***@m": want HOST=MIRROR'],
    ['--retry -1', { retry: '-1' }, 'want a whole number from 0 to 100'],
    ['--retry 1.5', { retry: '1.5' }, 'want a whole number from 0 to 100'],
    ['--retry 1e3', { retry: '1e3' }, 'want a whole number from 0 to 100'],
    ['--retry many', { retry: '101' }, 'want a whole number from 0 to 100'],
    ['--retry-delay without a unit', { retryDelay: '2' }, 'want a duration, for example', 'for seconds: --retry-delay 2s'],
    ['--retry-delay -1s', { retryDelay: '-1s' }, 'want a duration'],
    ['--retry-delay 1s 2', { retryDelay: '1s2' }, 'want a duration'],
    ['--retry-delay that is empty', { retryDelay: '' }, 'want a duration'],
    ['--timeout 0s', { timeout: '0s' }, 'want a duration above 0'],
    ['--timeout 1y', { timeout: '1y' }, 'want a duration'],
    ['--timeout 25h', { timeout: '25h' }, 'want at most 24h'],
    ['--jobs 0', { jobs: '0' }, 'want a whole number from 1 to 64'],
    ['--jobs 1000', { jobs: '1000' }, 'want a whole number from 1 to 64'],
  ])('refuses %s', (_, raw, message, hint = '') => {
    const error = failureOf(() => toRegistryOptions(raw, {}));
    expect(error.kind).toBe('usage');
    expect(error.message).toContain(message);
    expect(error.hint ?? '').toContain(hint);
    for (const part of SECRET.split(':')) expect(`${error.stack ?? ''} ${error.hint ?? ''}`).not.toContain(part);
  });

  it.each([
    ['always', 'always'],
    ['missing', 'missing'],
    ['never', 'never'],
    ['newer', 'newer'],
    ['ifnewer', 'newer'],
    ['true', 'always'],
    ['1', 'always'],
    ['false', 'missing'],
  ])('read --pull=%s as %s', (text, policy) => {
    expect(parsePullPolicy(text)).toBe(policy);
  });

  it.each([
    ['allways', '(did you mean always?)'],
    ['nevr', '(did you mean never?)'],
    ['', 'want always, missing, never, newer, true or false'],
    ['constructor', 'want always'],
  ])('refuse --pull=%s', (text, message) => {
    expect(failureOf(() => parsePullPolicy(text)).message).toContain(message);
  });

  it('have one syntax each, with a word of help', () => {
    const names = REGISTRY_FLAGS.map(({ syntax }) => syntax.split(' ')[0]);
    expect(new Set(names).size).toBe(names.length);
    for (const { syntax, help, bare } of REGISTRY_FLAGS) {
      expect(help).not.toBe('');
      expect(bare !== undefined).toBe(syntax.includes('['));
    }
  });
});

describe('tsbuild build', () => {
  it.each<[string, string[], Partial<RegistryOptions>]>([
    ['--tls-verify alone', ['--tls-verify', 'DIR'], { tlsVerify: true }],
    ['--tls-verify=false', ['--tls-verify=false', 'DIR'], { tlsVerify: false }],
    ['--tls-verify at the end', ['DIR', '--tls-verify'], { tlsVerify: true }],
    [
      'several flags',
      ['--creds', `me:${SECRET}`, '--retry=5', '--jobs', '2', 'DIR'],
      { credentials: { username: 'me', password: SECRET }, retries: 5, jobs: 2 },
    ],
    [
      'repeated flags',
      ['--insecure-registry', 'a', '--insecure-registry=b', '--registry-mirror=a=b', '--registry-mirror', 'a=c', 'DIR'],
      {
        insecureRegistries: ['a', 'b'],
        mirrors: [
          { host: 'a', mirror: 'b' },
          { host: 'a', mirror: 'c' },
        ],
      },
    ],
    ['a value that looks like a flag', ['--authfile', '--tls-verify', 'DIR'], { authFile: '--tls-verify' }],
  ])('takes %s', async (_, args, registry) => {
    const { options, error } = await build(args);
    expect(error).toBeUndefined();
    expect(options?.registry).toEqual({ env: { HOME: '/home/me' }, ...registry });
    expect(options?.context).toBe(dir);
  });

  it.each<[string[], BuildOptions['pull']]>([
    [[], undefined],
    [['--pull'], 'always'],
    [['--pull=newer'], 'newer'],
    [['--pull', 'newer'], 'newer'],
    [['--pull', 'never', '--no-cache'], 'never'],
    [['--pull=false'], 'missing'],
    [['--pull=never', '--pull'], 'always'],
  ])('takes %j', async (args, policy) => {
    const { options, error } = await build([...args, 'DIR']);
    expect(error).toBeUndefined();
    expect(options?.pull).toBe(policy);
    expect(options?.context).toBe(dir);
  });

  it.each([
    [['--pull=sometimes', 'DIR'], 'usage', 'invalid --pull "sometimes"'],
    [['--pull-never', 'DIR'], 'unsupported', 'not supported yet: --pull-never'],
    [['--tls-verify=perhaps', 'DIR'], 'usage', 'invalid --tls-verify'],
    [['--jobs', 'x', 'DIR'], 'usage', 'invalid --jobs'],
  ])('refuses %j', async (args, kind, message) => {
    const { options, error } = await build(args);
    expect(error).toMatchObject({ kind });
    expect((error as BuildError).message).toContain(message);
    expect(options).toBeUndefined();
  });

  it.each([
    [['--skip-tls-verify', 'DIR'], '--tls-verify=false'],
    [['--push-retry', '3', 'DIR'], '--retry'],
  ])('says what to use in place of %j', async (args, hint) => {
    expect(((await build(args)).error as BuildError).hint).toContain(hint);
  });

  it.each([
    [['--creds', 'DIR']],
    [[`--cred=me:${SECRET}`, 'DIR']],
    [[`--creds=:${SECRET}`, 'DIR']],
    [['--creds', `me:${SECRET}`, '--nonsense', 'DIR']],
    [['--creds', `me:${SECRET}`, 'DIR/none']],
    [['--creds', `me:${SECRET}`, '--timeout', '5', 'DIR']],
    [['--creds', `me:${SECRET}`, 'DIR', 'DIR']],
  ])('tells nobody a password: %j', async (args) => {
    const { error, stderr } = await build(args);
    const said = `${stderr}${renderError(error, { debug: true })}`;
    expect(error).toBeInstanceOf(BuildError);
    for (const part of SECRET.split(':')) expect(said).not.toContain(part);
  });
});
