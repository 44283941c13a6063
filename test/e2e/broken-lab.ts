import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { BrokenRegistry, type Fault } from '../helpers/broken-registry.js';
import { finished, scratchDir, startTsbuild, writeFiles, type CliResult } from '../helpers/cli.js';
import { layoutFaults, unfinished } from '../helpers/leftovers.js';
import { writeRawLayout, type RawLayout } from '../helpers/raw-layout.js';
import { member, tarOf } from '../helpers/tar-builder.js';
import type { Authority } from '../helpers/web.js';
import { expectTsbuild } from './registry-lab.js';

/** Of every command: it must never be shown. */
export const PASSWORD = 'pAssw0rd-of-this-test';
/** No credentials of this machine. */
const NOWHERE = { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
const CREDS = `robot:${PASSWORD}`;

export const LAYERS: readonly Buffer[] = ['one', 'two'].map((text) => tarOf(member({ path: text, text })));

/** Commands that read from a registry, and that write to one. */
export type Reading = 'pull' | 'pull --extract' | 'build' | 'cp';
export type Writing = 'push' | 'build --push' | 'cp to';
export type Command = Reading | Writing;
export const READING: readonly Reading[] = ['pull', 'build', 'cp'];
export const WRITING: readonly Writing[] = ['push', 'build --push', 'cp to'];

export interface Trial {
  readonly commands: readonly Command[];
  readonly fault?: Fault;
  /** What the registry serves. */
  readonly raw?: RawLayout;
  /** Changes a layout that has been written. */
  readonly damage?: (layout: string) => void;
  readonly authority?: Authority;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** In place of a store of its own. */
  readonly store?: string;
  /** `HOST`, in place of `localhost`; with a port it is another server. */
  readonly host?: string;
  /** Behind the host, in place of `/team/app:1`. */
  readonly path?: string;
  /** Without credentials. */
  readonly isNobody?: boolean;
}

export interface Outcome extends CliResult {
  readonly command: Command;
  readonly registry: BrokenRegistry;
  readonly store: string;
  /** From the interruption to the end; NaN without one. */
  readonly waitedMs: number;
}

/** Where commands are tried on registries that do wrong. */
export class BrokenLab implements Disposable {
  readonly #scratch = scratchDir('tsbuild-broken-');
  #count = 0;
  #good: string | undefined;
  #stock: Promise<string> | undefined;

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }

  /** A path that nothing has. */
  place(): string {
    return join(this.#scratch.path, String(this.#count++));
  }

  /** A layout in which nothing is wrong. */
  get good(): string {
    this.#good ??= writeRawLayout(this.place(), { layers: LAYERS });
    return this.#good;
  }

  /** Every command by itself, each with a registry, a store and a destination of its own, side by side. */
  try(trial: Trial): Promise<Outcome[]> {
    return Promise.all(trial.commands.map((command) => this.#try(command, trial)));
  }

  async #try(command: Command, trial: Trial): Promise<Outcome> {
    const layout = WRITING.some((each) => each === command)
      ? ''
      : trial.raw === undefined && trial.damage === undefined
        ? this.good
        : writeRawLayout(this.place(), { layers: LAYERS, ...trial.raw });
    if (layout !== '') trial.damage?.(layout);
    await using registry = await BrokenRegistry.start(trial.fault, {
      layout,
      ...(trial.authority === undefined ? {} : { authority: trial.authority }),
    });
    const store = trial.store ?? this.place();
    const destination = this.place();
    const args = await this.#argsOf(command, { name: `${hostOf(registry, trial)}${trial.path ?? '/team/app:1'}`, store, destination });
    const creds = trial.isNobody === true ? [] : ['--creds', CREDS];
    const child = startTsbuild([...args, '--retry', '0', ...creds, ...(trial.flags ?? [])], { env: { ...NOWHERE, ...trial.env } });
    let interruptedMs = Number.NaN;
    registry.interrupt = () => {
      // The second one would be meant to kill.
      registry.interrupt = () => undefined;
      interruptedMs = performance.now();
      child.kill('SIGINT');
    };
    const result = await finished(child);
    const outcome = { ...result, command, registry, store, waitedMs: performance.now() - interruptedMs };
    expectNothingHalfDone(outcome, destination);
    return outcome;
  }

  /** A store with a good image, to be copied. */
  #stocked(): Promise<string> {
    this.#stock ??= this.#fill(this.place());
    return this.#stock;
  }

  async #fill(store: string): Promise<string> {
    await expectTsbuild(['cp', '--root', store, `oci:${this.good}`, 'store:here']);
    return store;
  }

  async #argsOf(command: Command, { name, store, destination }: { name: string; store: string; destination: string }): Promise<string[]> {
    const root = ['--root', store];
    const context = (dockerfile: string): string => writeFiles(this.place(), { Dockerfile: dockerfile, file: 'x' });
    switch (command) {
      case 'pull':
        return ['pull', ...root, name];
      case 'pull --extract':
        return ['pull', ...root, '--extract', name];
      case 'build':
        return ['build', ...root, '--progress', 'plain', '-t', 'built', context(`FROM ${name}\nCOPY file /etc/\n`)];
      case 'cp':
        return ['cp', ...root, `docker://${name}`, `oci:${destination}`];
      case 'cp to':
        return ['cp', ...root, `oci:${this.good}`, `docker://${name}`];
      case 'build --push':
        return ['build', ...root, '--progress', 'plain', '--push', '-t', name, context('FROM scratch\nCOPY file /\n')];
      case 'push':
        cpSync(await this.#stocked(), store, { recursive: true });
        return ['push', ...root, 'here', name];
    }
  }
}

/** Of the image: the registry, or where nobody is. */
export function hostOf(registry: BrokenRegistry, { host = 'localhost' }: Pick<Trial, 'host'>): string {
  return host.includes(':') ? host : `${host}:${registry.port}`;
}

/** Whatever failed: no name, no tag, nothing that is not whole, no secret, no stack trace. */
function expectNothingHalfDone({ command, registry, store, stdout, stderr, status }: Outcome, destination: string): void {
  const said = stdout + stderr;
  for (const secret of [PASSWORD, Buffer.from(CREDS).toString('base64')]) expect(said).not.toContain(secret);
  expect(stderr).not.toMatch(/internal error|\n {4}at |undefined|\[object/);
  if (status === 0) return;
  expect(stdout).toBe('');
  expect(stderr.split('\n').filter((line) => line.length > 600)).toEqual([]);
  expect(registry.tagged).toEqual([]);
  if (existsSync(store)) expect(unfinished(store)).toEqual([]);
  if (existsSync(join(store, 'index.json'))) {
    expect(layoutFaults(store)).toEqual([]);
    expect(namesIn(store)).toEqual(command === 'push' ? ['docker.io/library/here:latest'] : []);
  }
  expect(existsSync(join(destination, 'index.json'))).toBe(false);
}

function namesIn(store: string): string[] {
  const { manifests } = JSON.parse(readFileSync(join(store, 'index.json'), 'utf8')) as {
    manifests: { annotations?: Record<string, string> }[];
  };
  return manifests.flatMap(
    ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? annotations?.['io.containerd.image.name'] ?? [],
  );
}
