import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  type Stats,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fromText, toFsPath, toText, type ByteString } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { parentOf } from '../base/paths.js';
import type { RootView } from '../snapshot/root-view.js';
import { temporaryName, toWriteError } from '../store/files.js';
import type { TarEntry } from '../tar/entry.js';
import { makeParent, writeFileTar } from './archive.js';
import { joinedEntries, splitEntries, type PlatformTree } from './split.js';
import { treeEntries } from './tree.js';

export interface TreeOutputRequest {
  readonly root: RootView;
  readonly dest: string;
  /** The time of every file (SOURCE_DATE_EPOCH) in place of its own. */
  readonly timeSeconds?: number;
  /** Stops `writeTreeFiles`. */
  readonly signal?: AbortSignal;
}

export interface TarOutputRequest {
  readonly trees: readonly PlatformTree[];
  /** Each below a directory that is named after its platform. */
  readonly isSplit: boolean;
  readonly dest: string;
  readonly timeSeconds?: number;
}

/**
 * `type=tar`: root file systems as one tar, owners, devices and extended attributes kept.
 * @throws BuildError `environment`, `usage` when trees that are not split have a file in common
 */
export function writeTreeTar({ trees, isSplit, dest, timeSeconds }: TarOutputRequest): Promise<void> {
  return writeFileTar(dest, isSplit ? splitEntries(trees, timeSeconds) : joinedEntries(trees, timeSeconds));
}

/**
 * `type=local`: the root file system as files of the caller. Owners are not kept, and so neither are setuid and setgid bits: they would lend
 * the caller's rights to a program of the image. Devices and FIFOs are left out.
 *
 * A new directory appears whole; into an existing one files are put one by one, each whole, and what the image does not have stays.
 *
 * @returns paths of the image that were left out
 * @throws BuildError `usage` when a directory stands where the image has something else, `environment` when it cannot be written, and
 *   the reason of the signal
 */
export async function writeTreeFiles({ root, dest, timeSeconds, signal }: TreeOutputRequest): Promise<readonly ByteString[]> {
  const isNew = lstatSync(dest, { throwIfNoEntry: false }) === undefined;
  const target = isNew ? join(dirname(dest), temporaryName()) : dest;
  makeParent(dest);
  try {
    if (isNew) mkdirSync(target);
    const skipped = await writeEntries(fromText(target), treeEntries(root, timeSeconds), signal);
    if (isNew) renameSync(target, dest);
    return skipped;
  } catch (error) {
    if (isNew) await rm(target, { recursive: true, force: true });
    throw toWriteError(error, dest);
  }
}

/** Files between two looks at signals and progress, which wait meanwhile. */
const BREATH_FILES = 200;

async function writeEntries(base: ByteString, entries: Iterable<TarEntry>, signal?: AbortSignal): Promise<ByteString[]> {
  const skipped: ByteString[] = [];
  const directories: TarEntry[] = [];
  let count = 0;
  for (const entry of entries) {
    if (++count % BREATH_FILES === 0) await nextTurn();
    signal?.throwIfAborted();
    const path = `${base}/${entry.path}`;
    if (entry.type === 'directory') {
      makeDirectory(path, entry);
      directories.push(entry);
    } else if (entry.type === 'file' || entry.type === 'symlink' || entry.type === 'hardlink') {
      if (entry.type === 'hardlink' && skipped.includes(entry.linkTarget ?? '')) skipped.push(entry.path);
      else placeFile(base, path, entry);
    } else {
      skipped.push(entry.path);
    }
  }
  // Last, deepest first: a directory without write permission takes no files, and each file changes its time.
  for (const entry of directories.toReversed()) {
    const path = toFsPath(`${base}/${entry.path}`);
    chmodSync(path, permissions(entry));
    setTime(path, entry);
  }
  return skipped;
}

function makeDirectory(path: ByteString, entry: TarEntry): void {
  const found = statOf(path);
  if (found?.isDirectory() === true) return;
  if (found !== undefined) unlinkSync(toFsPath(path));
  mkdirSync(toFsPath(path), 0o700 | entry.mode);
}

/** Made beside its place and renamed, so that a reader sees the old file or the new one, and a symlink in the place is not followed. */
function placeFile(base: ByteString, path: ByteString, entry: TarEntry): void {
  const temporaryPath = toFsPath(`${parentOf(path)}/${temporaryName()}`);
  try {
    makeFile(base, temporaryPath, entry);
    if (statOf(path)?.isDirectory() === true) removeDirectory(path, entry);
    renameSync(temporaryPath, toFsPath(path));
    // rename(2) does nothing when both names are the same inode already.
    if (entry.type === 'hardlink') rmSync(temporaryPath, { force: true });
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw error;
  }
}

function makeFile(base: ByteString, path: string | Buffer, entry: TarEntry): void {
  switch (entry.type) {
    case 'symlink':
      symlinkSync(toFsPath(entry.linkTarget ?? ''), path);
      break;
    case 'hardlink':
      linkSync(toFsPath(`${base}/${entry.linkTarget ?? ''}`), path);
      return;
    default:
      if (entry.content?.kind !== 'path') throw new Error(`entry "${entry.path}" has no file`);
      copyFileSync(entry.content.path, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      chmodSync(path, permissions(entry));
  }
  setTime(path, entry);
}

function removeDirectory(path: ByteString, entry: TarEntry): void {
  try {
    rmdirSync(toFsPath(path));
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY') throw error;
    throw new BuildError('usage', `output: directory "${toText(path)}" stands where the image has a ${entry.type}`, {
      hint: 'remove it, or name another output directory',
      cause: error,
    });
  }
}

function permissions(entry: TarEntry): number {
  return entry.mode & (entry.type === 'directory' ? 0o1777 : 0o777);
}

/** Node's `lutimes` takes a negative number for now. */
function setTime(path: string | Buffer, entry: TarEntry): void {
  const seconds = Math.max(0, entry.mtimeSeconds);
  lutimesSync(path, seconds, seconds);
}

function statOf(path: ByteString): Stats | undefined {
  return lstatSync(toFsPath(path), { throwIfNoEntry: false });
}
