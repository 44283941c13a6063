import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, mkdirSync, openSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { chmod, readdir, rename, rm } from '../base/async-files.js';
import { errnoOf } from '../base/errors.js';
import { tryLock } from '../os/native.js';
import { toWriteError } from './files.js';

/** A directory that lives as long as its owner: disposing removes it, and a later process sweeps what a killed owner left. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

const LOCK_SUFFIX = '.lock';

/**
 * Makes `<parent>/<name>` and holds a flock(2) on `<parent>/<name>.lock` beside it, which exists and is locked before the directory is made:
 * a directory whose lock is free or missing has no owner.
 * @throws BuildError `environment`
 */
export function makeTempDir(parent: string): TempDir {
  try {
    for (;;) {
      const path = join(parent, randomBytes(6).toString('hex'));
      const lockPath = path + LOCK_SUFFIX;
      const lock = openSync(lockPath, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
      // A sweep may have come in between and taken the lock, or even removed the file already: then another name.
      if (tryLock(lock, 'exclusive') && isSameFile(lock, lockPath)) {
        mkdirSync(path, 0o700);
        return { path, [Symbol.asyncDispose]: () => removeOwned(path, lock) };
      }
      closeSync(lock);
    }
  } catch (error) {
    throw toWriteError(error, parent);
  }
}

/** Removes the directories that no living process owns. Never throws: what cannot be removed stays for the next sweep. */
export async function sweepTempDirs(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const ids = new Set(names.map((name) => (name.endsWith(LOCK_SUFFIX) ? name.slice(0, -LOCK_SUFFIX.length) : name)));
  for (const id of ids) await sweepOne(join(parent, id)).catch(() => undefined);
}

async function sweepOne(path: string): Promise<void> {
  const lockPath = path + LOCK_SUFFIX;
  let lock: number;
  try {
    lock = openSync(lockPath, constants.O_RDWR);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') await removeTree(path);
    return;
  }
  if (tryLock(lock, 'exclusive') && isSameFile(lock, lockPath)) await removeOwned(path, lock);
  else closeSync(lock);
}

/**
 * The lock goes last, so that a directory never stands without one while it is being removed. Never throws: a failed clean-up must not hide
 * how the work itself ended, and the next sweep tries again.
 */
async function removeOwned(path: string, lock: number): Promise<void> {
  try {
    await removeTree(path);
    unlinkSync(path + LOCK_SUFFIX);
  } catch {
    // What is left has a free lock from here on.
  } finally {
    closeSync(lock);
  }
}

/** Half of what the kernel takes: a name may follow, and most paths stay as they are. */
const LONG_PATH_BYTES = 2048;

/** `rm -rf`, whatever a step has left there. */
export async function removeTree(path: string): Promise<void> {
  if (isRemovedEmpty(path)) return;
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) throw error;
    await makeRemovable(Buffer.from(path));
    await rm(path, { recursive: true, force: true });
  }
}

/** That of a small build is empty at its end, and the general way takes 2 ms to load. */
function isRemovedEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Without privilege a directory must be writable before its children can go: overlayfs makes its work directory with mode 0, and layers hold
 * directories of any mode. And a process that enters them one by one makes directories deeper than any path reaches: those come to the top.
 */
async function makeRemovable(root: Buffer): Promise<void> {
  const pending = [root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    await chmod(directory, 0o700).catch(() => undefined);
    for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' })) {
      if (entry.isDirectory()) pending.push(await withShortPath(Buffer.concat([directory, Buffer.from('/'), entry.name]), root));
    }
  }
}

async function withShortPath(path: Buffer, root: Buffer): Promise<Buffer> {
  if (path.length < LONG_PATH_BYTES) return path;
  const short = Buffer.concat([root, Buffer.from(`/${randomBytes(6).toString('hex')}`)]);
  // To move a directory is to write its `..`.
  await chmod(path, 0o700).catch(() => undefined);
  await rename(path, short);
  return short;
}

function isSameFile(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === fstatSync(fd).ino;
}
