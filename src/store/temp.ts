import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * `rm -rf`. Without privilege a directory must be writable before its children can go: overlayfs makes its work directory with mode 0, and
 * layers hold directories of any mode.
 */
async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM') throw error;
    await openDirectories(Buffer.from(path));
    await rm(path, { recursive: true, force: true });
  }
}

async function openDirectories(directory: Buffer): Promise<void> {
  await chmod(directory, 0o700).catch(() => undefined);
  for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await openDirectories(Buffer.concat([directory, Buffer.from('/'), entry.name]));
  }
}

function isSameFile(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === fstatSync(fd).ino;
}
