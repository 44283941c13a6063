import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerConfig } from '../../src/oci/types.js';
import { readConfig, run } from './image-tools.js';

/** Those of docker's that the processes of images rely on; umoci gives fewer. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID'].map((name) => `CAP_${name}`);

/** An image of an OCI layout, unpacked by umoci to a bundle that runc can run. */
export class Container {
  readonly #bundle: string;
  readonly #id = `tsbuild-test-${randomUUID()}`;
  readonly config: ContainerConfig;

  /** @param bundle a path for umoci, of the caller's, who removes it */
  constructor(layout: string, tag: string, bundle: string) {
    this.#bundle = bundle;
    this.config = readConfig(layout, tag).config ?? {};
    run('umoci', ['--log', 'error', 'unpack', '--image', `${layout}:${tag}`, bundle]);
  }

  at(path: string): string {
    return join(this.#bundle, 'rootfs', path);
  }

  read(path: string): string {
    return readFileSync(this.at(path), 'utf8');
  }

  /** As `ls` says it in numbers: `755 0:0`, the mode in octal without leading zeros. */
  access(path: string): string {
    const { mode, uid, gid } = lstatSync(this.at(path));
    return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
  }

  /** What the image's process prints until it ends, on both streams. @throws Error with that when it fails */
  run(command?: readonly string[]): string {
    this.#prepare(command);
    const { status, stdout, stderr } = spawnSync('runc', ['run', '--bundle', this.#bundle, this.#id], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (status !== 0) throw new Error(`the container ended with ${status}:\n${stdout}${stderr}`);
    return `${stdout}${stderr}`;
  }

  /**
   * Runs the image's process beside `use`, then stops it by the signal of the image, if that names one.
   * @returns what it printed, and its status
   */
  async serve(use: (service: Service) => Promise<void>): Promise<{ readonly output: string; readonly status: number | null }> {
    this.#prepare();
    const child = spawn('runc', ['run', '--bundle', this.#bundle, this.#id], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const closed = once(child, 'close') as Promise<[number | null]>;
    try {
      await use({
        until: (pattern) =>
          waitFor(
            () => pattern.test(output),
            `${pattern} in the output: `,
            () => output,
          ),
        get: (port, path) => this.#get(`http://127.0.0.1:${port}${path}`, () => output),
        exec: (command) => spawnSync('runc', ['exec', this.#id, ...command], { stdio: 'ignore' }).status,
      });
      const { StopSignal: signal } = this.config;
      // As the first process of its namespace it need not heed any other.
      if (signal === undefined) return { output, status: null };
      spawnSync('runc', ['kill', this.#id, signal]);
      const status = await Promise.race([closed.then(([code]) => code), sleep(10_000, 'still there' as const, { ref: false })]);
      if (status === 'still there') throw new Error(`${signal} does not stop it:\n${output}`);
      return { output, status };
    } finally {
      spawnSync('runc', ['kill', this.#id, 'KILL'], { stdio: 'ignore' });
      await closed;
      spawnSync('runc', ['delete', '-f', this.#id], { stdio: 'ignore' });
    }
  }

  /** From a network in which there is nothing but the container. */
  async #get(url: string, said: () => string): Promise<string> {
    let answer = '';
    const ask = (): boolean => {
      const state = spawnSync('runc', ['state', this.#id], { encoding: 'utf8' });
      // Not there yet.
      if (state.status !== 0) return false;
      const { pid } = JSON.parse(state.stdout) as { pid: number };
      // Without the proxies of this machine.
      const env = { PATH: process.env['PATH'] ?? '' };
      const fetched = spawnSync('nsenter', ['-t', String(pid), '-n', 'busybox', 'wget', '-q', '-O', '-', url], { encoding: 'utf8', env });
      answer = fetched.stdout;
      return fetched.status === 0;
    };
    await waitFor(ask, `an answer of ${url}; the container said: `, said);
    return answer;
  }

  #prepare(command?: readonly string[]): void {
    const path = join(this.#bundle, 'config.json');
    const spec = JSON.parse(readFileSync(path, 'utf8')) as {
      process: { terminal: boolean; args: readonly string[]; capabilities: Record<string, readonly string[]> };
    };
    spec.process.terminal = false;
    spec.process.capabilities = { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES };
    if (command !== undefined) spec.process.args = command;
    writeFileSync(path, JSON.stringify(spec));
  }
}

export interface Service {
  /** Waits until the output of the process matches. */
  readonly until: (pattern: RegExp) => Promise<void>;
  /** Fetches a path from the service, when it is up. */
  readonly get: (port: number, path: string) => Promise<string>;
  /** Exit status of a further process in the container, such as that of a health check. */
  readonly exec: (command: readonly string[]) => number | null;
}

async function waitFor(probe: () => boolean, what: string, details: () => string): Promise<void> {
  for (let tries = 0; !probe(); tries++) {
    if (tries === 100) throw new Error(`waited in vain for ${what}${details()}`);
    await sleep(100);
  }
}
