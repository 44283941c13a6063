import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../base/errors.js';
import { Chain, fileOf, rootfsOf, type CgroupMode, type ChainRun } from './chain.js';
import { nameOverlay, type NamedOverlay } from './overlay.js';
import { privatePathOf, type PrivateFile } from './private-files.js';
import type { Runtime } from './runtime.js';

export interface ContainerPlace {
  readonly runtime: Runtime;
  /** A private directory: everything of this container's own goes there. It is left for the caller to remove. */
  readonly dir: string;
}

export interface ContainerRequest extends Pick<ChainRun, 'onLine' | 'signal'> {
  /** Lower directories of the overlay, topmost first, at least one. */
  readonly lowers: readonly string[];
  readonly upper: string;
  /** Empty, on the file system of `upper`. */
  readonly work: string;
  /** Mounted before the runtime starts: what the bundle binds from. */
  readonly sources: readonly SourceMount[];
  /** Text of config.json; its root is `rootfsOf(dir)`. */
  readonly config: string;
  /** To be found at their `privatePathOf`. Where there is a list, an empty one too, nor does config.json touch a disk. */
  readonly secrets?: readonly PrivateFile[];
}

/** A mount at a place of its own, in the mount namespace of one container. */
export type SourceMount = OverlayMount | BindMount;

/** A chain of layers. */
export interface OverlayMount {
  readonly kind: 'overlay';
  /** An empty directory. */
  readonly at: string;
  /** Topmost first, at least one. */
  readonly lowers: readonly string[];
  /** Takes what is written; without it the mount is read-only. */
  readonly scratch?: {
    readonly upper: string;
    /** Empty, on the file system of `upper`. */
    readonly work: string;
  };
}

/** A directory that another container may be moving about: whatever it does, none but the very path given is mounted. */
export interface BindMount {
  readonly kind: 'bind';
  /** An empty directory. */
  readonly at: string;
  /** Absolute, without symlinks. */
  readonly from: string;
}

export type ContainerOutcome =
  /** 128 + n when a signal n ended the process. */
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The runtime could not make the container or start its process; nothing of it ran. */
  | { readonly kind: 'not-started'; readonly message: string }
  /** The mounts around it failed. */
  | { readonly kind: 'not-mounted'; readonly message: string };

/** A container whose surroundings stand ready. To be disposed in any case. */
export interface PreparedContainer extends ContainerPlace, AsyncDisposable {
  /**
   * Mounts the layers and runs the container to its end, once; then nothing is left to clean up.
   * @throws BuildError `cancelled` when the signal fired: by then every process of the container is dead
   */
  run(request: ContainerRequest): Promise<ContainerOutcome>;
}

export function prepareContainer(place: ContainerPlace): PreparedContainer {
  mkdirSync(rootfsOf(place.dir));
  const cgroups = place.runtime.kind === 'other' ? 'plain' : 'hidden';
  const chain = new Chain({ ...place, cgroups });
  return {
    ...place,
    [Symbol.asyncDispose]: () => chain[Symbol.asyncDispose](),
    run: async (request) => {
      const secrets = writeConfig(place.dir, request);
      const outcome = await attempt({ ...place, ...request, secrets, cgroups, chain });
      if (outcome.kind !== 'not-started' || !/cgroup/i.test(outcome.message)) return outcome;
      // A runtime that insists on cgroups: nothing has run so far, so the same root can be used again.
      await using second = new Chain({ ...place, cgroups: 'plain' });
      return await attempt({ ...place, ...request, secrets, cgroups: 'plain', chain: second });
    },
  };
}

/** @returns all secrets, config.json among them if it has some */
function writeConfig(dir: string, { config, secrets }: ContainerRequest): readonly PrivateFile[] | undefined {
  const path = join(dir, 'config.json');
  if (secrets === undefined) {
    writeFileSync(path, config);
    return undefined;
  }
  symlinkSync(privatePathOf(dir, 'config.json'), path);
  return [...secrets, { name: 'config.json', bytes: Buffer.from(config), uid: 0, gid: 0, mode: 0o400 }];
}

interface Attempt extends ContainerPlace, Omit<ContainerRequest, 'secrets'> {
  readonly secrets: readonly PrivateFile[] | undefined;
  readonly cgroups: CgroupMode;
  readonly chain: Chain;
}

async function attempt({ dir, cgroups, chain, secrets, work, lowers, upper, sources, onLine, signal }: Attempt): Promise<ContainerOutcome> {
  if (signal.aborted) throw cancelled();
  // A volatile overlay marks its work directory, so that it cannot be mounted again.
  mkdirSync(join(work, cgroups));
  const overlay = nameOverlay({ dir: join(dir, `l-${cgroups}`), lowers, scratch: { upper, work: join(work, cgroups) } });
  const named = sources.map((source, index) => {
    return source.kind === 'bind' ? source : { at: source.at, ...nameSource(source, join(dir, `l-${cgroups}-${index}`)) };
  });
  const { end, ...rest } = await chain.run({ overlay, sources: named, secrets, onLine, signal });
  if (typeof end === 'number') return { kind: 'exited', exitCode: end };
  if (signal.aborted) throw cancelled();
  if (end === 'lost') throw new BuildError('environment', 'the process of the step is gone, and its exit status with it');
  return whyNot({ log: fileOf({ dir, cgroups }, 'log'), ...rest });
}

/** @param dir does not exist; of this overlay and this attempt alone */
function nameSource({ lowers, scratch }: OverlayMount, dir: string): NamedOverlay {
  mkdirSync(dir);
  const names = join(dir, 'l');
  if (scratch !== undefined) {
    const work = mkdtempSync(join(scratch.work, 'w'));
    return nameOverlay({ dir: names, lowers, scratch: { upper: scratch.upper, work } });
  }
  // The kernel wants two layers where nothing can be written.
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  return nameOverlay({ dir: names, lowers: lowers.length === 1 ? [...lowers, empty] : lowers });
}

interface Failure {
  readonly log: string;
  /** Standard error of the chain. */
  readonly complaint: string;
  readonly exitCode: number | undefined;
}

function whyNot({ log, complaint, exitCode }: Failure): ContainerOutcome {
  const error = readRuntimeError(log);
  if (error !== undefined) return { kind: 'not-started', message: error };
  const message = complaint.trim() === '' ? `exit code ${exitCode ?? 'unknown'}` : complaint.trim();
  return { kind: 'not-mounted', message };
}

/** The last error of a runtime's JSON log; `undefined` when it has not come to log one. */
function readRuntimeError(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const errors = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => parseLogLine(line) ?? []);
  return errors.at(-1)?.replace(/^runc run failed: (unable to start container process: )?/, '');
}

function parseLogLine(line: string): string | undefined {
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return (level === 'error' || level === 'fatal') && typeof msg === 'string' ? msg : undefined;
  } catch {
    return undefined;
  }
}

function cancelled(): BuildError {
  return new BuildError('cancelled', 'the step was stopped');
}
