import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Slots } from '../../src/base/slots.js';
import { BLOB_SIGNATURE } from '../helpers/blob-storage.js';
import { finished, scratchDir, startTsbuild, type CliResult } from '../helpers/cli.js';
import type { Script } from '../helpers/scripted-registry.js';
import { leaksInText, needlesOf, type Needles } from './leak-lab.js';

/** Letters that JSON, URLs, shells and base64 write in other ways, but not in all. */
export const USER = { username: 'ann', password: 'c0rrect/"horse"+b4ttery?&staple', identityToken: 'identity-0f-ann-5d41402abc4b2a76' };
export const STRANGER = { username: 'ann', password: 'wr0ng/"horse"+b4ttery?&paper' };
export const CREDS: readonly string[] = ['--creds', `${USER.username}:${USER.password}`];

/** Asks for a password, then does as the script says. */
export function guarded(script: Script): Script {
  return (asked, response, request) => {
    if (asked.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else script(asked, response, request);
  };
}

export interface Run {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly during?: (pid: number) => Promise<unknown>;
}

/** Runs commands that know credentials, and looks through all that they say. */
export class SecretLab implements Disposable {
  /** Where commands leave things: stores, temporary files, what they are told to write. Not where credentials are kept. */
  readonly left: string;
  readonly needles: Needles;
  readonly #scratch = scratchDir('tsbuild-leaks-');
  readonly #slots = new Slots(3);
  #places = 0;

  /** @param needles besides the user's and the stranger's password in all forms, and what registries sign */
  constructor(needles: Readonly<Record<string, string>> = {}) {
    this.left = this.at('left');
    for (const name of ['left/tmp', 'left/home', 'credentials']) mkdirSync(this.at(name), { recursive: true });
    this.needles = new Map([
      ...needlesOf('user', USER),
      ...needlesOf('stranger', STRANGER),
      ['identity token', USER.identityToken],
      ['signature of a blob', BLOB_SIGNATURE],
      ['state of an upload', '_state='],
      ...Object.entries(needles),
    ]);
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }

  at(...names: string[]): string {
    return join(this.#scratch.path, ...names);
  }

  /** A path that nothing has. */
  place(): string {
    return join(this.left, `${++this.#places}`);
  }

  /** Of a user without credentials. */
  get env(): Record<string, string> {
    return {
      HOME: join(this.left, 'home'),
      TMPDIR: join(this.left, 'tmp'),
      XDG_RUNTIME_DIR: join(this.left, 'home/run'),
      DOCKER_CONFIG: join(this.left, 'home/.docker'),
      REGISTRY_AUTH_FILE: '',
      DOCKER_AUTH_CONFIG: '',
      CI: '',
      CI_REGISTRY: '',
    };
  }

  tsbuild(args: readonly string[], { env = {}, input, during }: Run = {}): Promise<CliResult> {
    return this.#slots.run(async () => {
      const child = startTsbuild(args, { env: { ...this.env, ...env }, cwd: this.left, ...(input === undefined ? {} : { input }) });
      const ended = finished(child);
      await during?.(child.pid ?? 0);
      const result = await ended;
      const text = result.stdout + result.stderr;
      expect(leaksInText(args[0] ?? '', text, this.needles), `tsbuild ${args.join(' ')}\n${text}`).toEqual([]);
      return result;
    });
  }

  /** The same, and it has to succeed. @returns all that it said */
  async expectTsbuild(args: readonly string[], how?: Run): Promise<string> {
    const { status, stdout, stderr } = await this.tsbuild(args, how);
    expect(status, `tsbuild ${args.join(' ')}\n${stderr}`).toBe(0);
    return stdout + stderr;
  }
}
