import { createHash } from 'node:crypto';
import { closeSync, constants, existsSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nowMs } from '../base/clock.js';
import { tryLock } from '../os/native.js';
import { makeDirectory, toWriteError } from './files.js';
import { makeTempDir } from './temp.js';

/**
 * Directories that outlive builds: what `RUN --mount=type=cache` shows. Each is `cache-mounts/<sha256 of its key>-<n>` in the store, and whoever
 * uses it holds a flock(2) on `….lock` beside it; the kernel drops that with the process, however it ends.
 */
const DIRECTORY = 'cache-mounts';

/** Those who wait find a free lock no later than this. */
const LONGEST_POLL_MS = 200;
const FIRST_POLL_MS = 5;
/** To make a directory is no waiting worth telling. */
const TELL_AFTER_MS = 150;

export interface CacheDirRequest {
  /** Any text: what is equal is the same cache. */
  readonly key: string;
  /**
   * - `shared`: with any number of others at the same time
   * - `locked`: alone; whoever comes later waits
   * - `private`: alone; whoever comes later gets another directory
   */
  readonly sharing: 'shared' | 'private' | 'locked';
  /** Fills a new directory, which is empty, and gives it owner and mode. What it leaves when it fails is removed. */
  readonly fill: (dir: string) => Promise<void>;
  /** Called once if another build, or another step, has to be waited for. */
  readonly onWait: () => void;
  readonly signal: AbortSignal;
}

/** In use until it is disposed. */
export interface CacheDir extends Disposable {
  readonly path: string;
}

/**
 * @param root of the store
 * @throws BuildError `environment`, what `fill` throws, or the reason of the signal
 */
export async function openCacheDir(root: string, request: CacheDirRequest): Promise<CacheDir> {
  const parent = join(root, DIRECTORY);
  makeDirectory(parent, 0o700);
  const name = join(parent, createHash('sha256').update(request.key).digest('hex'));
  const place = { root, request };
  return request.sharing === 'private' ? openFree(name, place) : openInTurn(`${name}-0`, place);
}

interface Place {
  readonly root: string;
  readonly request: CacheDirRequest;
}

/** The first directory that nobody uses. */
async function openFree(name: string, place: Place): Promise<CacheDir> {
  for (let number = 0; ; number++) {
    place.request.signal.throwIfAborted();
    const opened = await tryOpen(`${name}-${number}`, place);
    if (opened !== undefined) return opened;
  }
}

async function openInTurn(path: string, place: Place): Promise<CacheDir> {
  const { signal, onWait } = place.request;
  const startedMs = nowMs();
  let isTold = false;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(2 * pollMs, LONGEST_POLL_MS)) {
    signal.throwIfAborted();
    const opened = await tryOpen(path, place);
    if (opened !== undefined) return opened;
    if (!isTold && nowMs() - startedMs > TELL_AFTER_MS) {
      isTold = true;
      onWait();
    }
    // The reason of the signal is told above, not the timer's own.
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** `undefined` when somebody is in the way. */
async function tryOpen(path: string, place: Place): Promise<CacheDir | undefined> {
  let lock: number | undefined;
  try {
    lock = openSync(`${path}.lock`, constants.O_CREAT | constants.O_RDWR, 0o600);
    if (await tryTake(lock, path, place)) {
      const held = hold(lock, path);
      lock = undefined;
      return held;
    }
    return undefined;
  } catch (error) {
    throw toWriteError(error, path);
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

/** A number that is closed twice may be another file's by then. */
function hold(lock: number, path: string): CacheDir {
  let isOpen = true;
  return {
    path,
    [Symbol.dispose]: () => {
      if (isOpen) closeSync(lock);
      isOpen = false;
    },
  };
}

async function tryTake(lock: number, path: string, { root, request }: Place): Promise<boolean> {
  const mode = request.sharing === 'shared' ? 'shared' : 'exclusive';
  if (existsSync(path)) return tryLock(lock, mode);
  if (!tryLock(lock, 'exclusive')) return false;
  if (!existsSync(path)) await makeFilled(path, root, request.fill);
  return mode === 'exclusive' || tryLock(lock, mode);
}

/** It appears with all that it begins with, or not at all. */
async function makeFilled(path: string, root: string, fill: CacheDirRequest['fill']): Promise<void> {
  await using temp = makeTempDir(join(root, 'tmp'));
  const dir = join(temp.path, 'cache');
  mkdirSync(dir, 0o700);
  await fill(dir);
  renameSync(dir, path);
}
