import { randomBytes } from 'node:crypto';
import { closeSync, fdatasync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readdir, rm, stat } from '../base/async-files.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on that file system',
  EDQUOT: 'free some space: the quota of this user is used up',
  EROFS: 'choose a directory on a writable file system',
  EACCES: 'check who owns it, or choose another directory',
  EPERM: 'check who owns it, or choose another directory',
};

/** The failure of a system call as one that names the path; anything that the machine is not to blame for passes through. */
export function toWriteError(error: unknown, path: string): unknown {
  const code = errnoOf(error);
  if (error instanceof BuildError || code === undefined) return error;
  const hint = HINTS[code];
  return new BuildError('environment', `cannot write "${path}": ${systemErrorText(error)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A name that no other process chooses; hidden, so that no reader of the directory takes it for finished. */
export function temporaryName(): string {
  return `.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
}

const TEMPORARY_NAME = /^\.tmp-(\d+)-[0-9a-f]{12}$/;
/** A process in another pid namespace looks dead from here; a file that it writes is younger. */
const STRAY_AGE_MS = 60_000;

/**
 * Removes the unfinished files of processes that were killed. Never throws: what cannot be removed stays for the next time.
 * @param dir where `publishFile` and its like put their temporary files
 */
export async function sweepTemporaryFiles(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    const pid = TEMPORARY_NAME.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(dir, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < STRAY_AGE_MS) continue;
    await rm(path, { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: somebody else's.
    return errnoOf(error) !== 'ESRCH';
  }
}

/**
 * `mkdir -p`. Not Node's own (`recursive: true`), which loops for ever where a directory refuses new names with ENOENT, as /proc does.
 * @throws BuildError `environment`
 */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const isThere = errnoOf(error) === 'EEXIST' && statSync(path).isDirectory();
    if (isThere) return;
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw toWriteError(error, path);
    makeDirectory(dirname(path));
    // Not once more by way of this function: see above.
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      if (errnoOf(again) !== 'EEXIST') throw toWriteError(again, path);
    }
  }
}

/**
 * Publishes a file whole: written beside its place under a temporary name, on disk before the rename makes it visible.
 * @throws BuildError `environment`
 */
export async function publishFile(path: string, bytes: Uint8Array | string, temporaryPath: string): Promise<void> {
  try {
    const fd = openSync(temporaryPath, 'wx', 0o644);
    try {
      writeFileSync(fd, bytes);
      await syncData(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporaryPath, path);
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw toWriteError(error, path);
  }
}

/**
 * Everything that an index refers to is on disk before the index is: a power cut may lose the newest image, never leave one that is named but
 * torn. fdatasync is enough, since a size that is not on disk counts as data. The directory is not synced: file systems with a journal keep the order of renames.
 */
export const syncData: (fd: number) => Promise<void> = promisify(fdatasync);
