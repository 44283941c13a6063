import { chmodSync, chownSync } from 'node:fs';
import { BuildError } from './base/errors.js';
import type { CacheMount, RunStep } from './plan/plan.js';
import type { StepMountsHost } from './step-mounts.js';
import { openCacheDir, type CacheDir } from './store/cache-dirs.js';
import { findMountSource, openSource } from './tree-copy.js';

/** The cache directories of one step, its own until disposed. */
export interface StepCaches extends Disposable {
  /** The directory of a mount, which may share it with another mount of the step. */
  dirOf(mount: CacheMount): string;
}

/** Of several mounts of one cache, the one that wants the least company decides. */
const STRICTNESS = ['shared', 'private', 'locked'] as const;

/**
 * Opens the caches of a step, always in the order of their keys: two steps that want two locked caches each do not wait for each other for ever.
 */
export async function openStepCaches(step: RunStep, host: StepMountsHost): Promise<StepCaches> {
  const keys = new Map<CacheMount, string>();
  const wanted = new Map<string, CacheMount>();
  for (const mount of step.mounts.filter((candidate) => candidate.kind === 'cache')) {
    const key = await keyOf(mount, host);
    keys.set(mount, key);
    wanted.set(key, stricter(mount, wanted.get(key)));
  }
  const opened = new Map<string, CacheDir>();
  const close = (): void => {
    for (const dir of opened.values()) dir[Symbol.dispose]();
  };
  try {
    for (const [key, mount] of [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      opened.set(key, await open(key, { step, mount, host }));
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    dirOf: (mount) => {
      const dir = opened.get(keys.get(mount) ?? '');
      if (dir === undefined) throw new Error(`the cache of ${mount.target} is not open`);
      return dir.path;
    },
    [Symbol.dispose]: close,
  };
}

/**
 * What makes two caches the same one: the id, and what it began with, be that a directory of a certain owner and mode, or the content of a part of an
 * image, a stage or a context: when that changes, a new cache begins.
 */
async function keyOf({ id, from, source, uid, gid, mode }: CacheMount, { context, sourceOf }: StepMountsHost): Promise<string> {
  if (from === undefined) return JSON.stringify([id, uid, gid, mode]);
  if (from.kind === 'image') return JSON.stringify([id, 'image', context.bases.get(from.key).descriptor.digest, source]);
  return JSON.stringify([id, 'tree', await context.pool.run('digestTree', { source: await sourceOf(from), path: source })]);
}

function stricter(mount: CacheMount, other: CacheMount | undefined): CacheMount {
  const rank = ({ sharing }: CacheMount): number => STRICTNESS.indexOf(sharing);
  return other === undefined || rank(mount) > rank(other) ? mount : other;
}

interface Opening {
  readonly step: RunStep;
  readonly mount: CacheMount;
  readonly host: StepMountsHost;
}

function open(key: string, { step, mount, host }: Opening): Promise<CacheDir> {
  const { store, stop, progress } = host.context;
  const line = `waiting for the cache mounted at ${mount.target}, which another step uses`;
  return openCacheDir(store.root, {
    key,
    sharing: mount.sharing,
    fill: (dir) => fill(dir, mount, host),
    onWait: () => progress.emit({ type: 'step-output', stepId: step.id, line }),
    signal: stop.signal,
  });
}

async function fill(dir: string, { from, source: path, uid, gid, mode }: CacheMount, { context, sourceOf }: StepMountsHost): Promise<void> {
  if (from === undefined) {
    chownSync(dir, uid, gid);
    chmodSync(dir, mode);
    return;
  }
  const source = await sourceOf(from);
  const { isFile } = await findMountSource(source, openSource(source), path);
  if (isFile) throw new BuildError('input', `RUN --mount=type=cache: a cache cannot begin with "${path}": it is not a directory`);
  await context.pool.run('copyTree', { source, path, dir });
}
