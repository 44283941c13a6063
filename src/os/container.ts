import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../base/errors.js';
import { Chain, fileOf, rootfsOf, type CgroupMode, type ChainRun } from './chain.js';
import { nameOverlay } from './overlay.js';
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
  /** Text of config.json; its root is `rootfsOf(dir)`. */
  readonly config: string;
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
      writeFileSync(join(place.dir, 'config.json'), request.config);
      const outcome = await attempt({ ...place, ...request, cgroups, chain });
      if (outcome.kind !== 'not-started' || !/cgroup/i.test(outcome.message)) return outcome;
      // A runtime that insists on cgroups: nothing has run so far, so the same root can be used again.
      await using second = new Chain({ ...place, cgroups: 'plain' });
      return await attempt({ ...place, ...request, cgroups: 'plain', chain: second });
    },
  };
}

interface Attempt extends ContainerPlace, ContainerRequest {
  readonly cgroups: CgroupMode;
  readonly chain: Chain;
}

async function attempt({ dir, cgroups, chain, work, lowers, upper, onLine, signal }: Attempt): Promise<ContainerOutcome> {
  if (signal.aborted) throw cancelled();
  // A volatile overlay marks its work directory, so that it cannot be mounted again.
  mkdirSync(join(work, cgroups));
  const overlay = nameOverlay({ dir: join(dir, `l-${cgroups}`), lowers, upper, work: join(work, cgroups) });
  const { end, ...rest } = await chain.run({ overlay, onLine, signal });
  if (typeof end === 'number') return { kind: 'exited', exitCode: end };
  if (signal.aborted) throw cancelled();
  if (end === 'lost') throw new BuildError('environment', 'the process of the step is gone, and its exit status with it');
  return whyNot({ log: fileOf({ dir, cgroups }, 'log'), ...rest });
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
