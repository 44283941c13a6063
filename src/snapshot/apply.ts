import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { fromText, toFsPath, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { baseOf, parentOf } from '../base/paths.js';
import { makeNode, removeXattr, setTimes, setXattr } from '../os/native.js';
import { tryLstat } from '../os/stat.js';
import type { TarEntry } from '../tar/entry.js';
import { isWhiteout, makeWhiteout, markOpaque } from './overlay.js';
import type { RootView } from './root-view.js';
import { isWhiteoutName, OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from './whiteout.js';
import { readImageXattrs } from './xattrs.js';

const NEW_ROOT = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };

/**
 * Makes an empty upper directory. The root of an overlay has the metadata of the upper directory alone, so that they must be those of the
 * root below, else each step would reset them.
 */
export function makeUpper(dir: string, below: RootView | undefined): void {
  mkdirSync(dir, { recursive: true });
  const { mode, uid, gid, mtimeSeconds } = below?.lstat('') ?? NEW_ROOT;
  const xattrs = below?.xattrs('') ?? [];
  applyEntries([{ path: '', type: 'directory', mode, uid, gid, sizeBytes: 0, mtimeSeconds, xattrs }], dir);
}

/**
 * Puts the entries of a layer into an upper directory in overlay format, over what it holds already. An entry comes after the directory that it
 * stands in, the target of a hard link before the link; whiteouts take their form on disk. No symlink is followed.
 *
 * @throws BuildError `input` when a file cannot be read or a parent is no directory, `privilege` or `environment` when one cannot be written
 */
export function applyEntries(entries: Iterable<TarEntry>, dir: string): void {
  const applier = new Applier(dir);
  for (const entry of entries) {
    try {
      applier.apply(entry);
    } catch (error) {
      throw explain(error, entry);
    }
  }
  applier.finish();
}

class Applier {
  readonly #prefix: ByteString;
  /** Known to be real directories. */
  readonly #directories = new Set<ByteString>(['']);
  /** Whatever is put into a directory changes its time, so that it is set last. */
  readonly #times = new Map<ByteString, number>();

  constructor(dir: string) {
    this.#prefix = `${fromText(dir)}/`;
  }

  apply(entry: TarEntry): void {
    const name = baseOf(entry.path);
    this.#requireDirectory(parentOf(entry.path));
    if (name === OPAQUE_WHITEOUT) markOpaque(this.#at(parentOf(entry.path)));
    else if (isWhiteoutName(name)) this.#deleteBelow(parentOf(entry.path), name.slice(WHITEOUT_PREFIX.length));
    else this.#put(entry, this.#at(entry.path));
  }

  finish(): void {
    for (const [path, mtimeSeconds] of this.#times) setTimes(this.#at(path), mtimeSeconds);
  }

  #at(path: ByteString): FsPath {
    return toFsPath(this.#prefix + path);
  }

  #requireDirectory(path: ByteString): void {
    if (this.#directories.has(path)) return;
    this.#requireDirectory(parentOf(path));
    const stats = tryLstat(this.#at(path));
    if (stats === undefined) throw new Error(`entry of directory "${toText(path)}" is missing`);
    if (!stats.isDirectory()) throw new BuildError('input', `"/${toText(path)}" is not a directory`);
    this.#directories.add(path);
  }

  #deleteBelow(parent: ByteString, name: ByteString): void {
    if (name === '' || name === '.' || name === '..' || isWhiteoutName(name))
      throw new BuildError('input', `whiteout "${toText(WHITEOUT_PREFIX + name)}" is invalid`);
    const fsPath = this.#at(parent === '' ? name : `${parent}/${name}`);
    const stats = tryLstat(fsPath);
    // What this layer itself has under the name survives: a directory only stops merging, anything else hides what is below anyway.
    if (stats === undefined) makeWhiteout(fsPath);
    else if (stats.isDirectory()) markOpaque(fsPath);
  }

  #put(entry: TarEntry, fsPath: FsPath): void {
    if (entry.type === 'directory') this.#putDirectory(entry, fsPath);
    else this.#putOther(entry, fsPath);
    if (entry.type !== 'hardlink') setMetadata(entry, fsPath);
    if (entry.type === 'directory') this.#times.set(entry.path, entry.mtimeSeconds);
    else if (entry.type !== 'hardlink') setTimes(fsPath, entry.mtimeSeconds);
  }

  #putDirectory({ path }: TarEntry, fsPath: FsPath): void {
    const stats = path === '' ? lstatSync(fsPath) : tryLstat(fsPath);
    if (stats?.isDirectory() === true) {
      for (const [name] of readImageXattrs(fsPath)) removeXattr(fsPath, name);
    } else {
      if (stats !== undefined) rmSync(fsPath);
      mkdirSync(fsPath, 0o700);
      // It takes the place of a whiteout: what that deleted must not come back.
      if (isWhiteout(stats)) markOpaque(fsPath);
    }
    this.#directories.add(path);
  }

  /** Nearly always the name is free: to look first would cost a call for each file. */
  #putOther(entry: TarEntry, fsPath: FsPath): void {
    try {
      this.#create(entry, fsPath);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      this.#remove(entry.path, fsPath);
      this.#create(entry, fsPath);
    }
  }

  #create(entry: TarEntry, fsPath: FsPath): void {
    switch (entry.type) {
      case 'file':
        return createFile(entry, fsPath);
      case 'symlink':
        return symlinkSync(toFsPath(entry.linkTarget ?? ''), fsPath);
      case 'hardlink':
        return this.#createLink(entry.linkTarget ?? '', fsPath);
      case 'fifo':
        return makeNode(fsPath, { type: 'fifo', mode: entry.mode, major: 0, minor: 0 });
      case 'char':
      case 'block':
        return createDevice(entry, fsPath, entry.type);
      case 'directory':
        return undefined;
    }
  }

  #createLink(target: ByteString, fsPath: FsPath): void {
    this.#requireDirectory(parentOf(target));
    linkSync(this.#at(target), fsPath);
  }

  #remove(path: ByteString, fsPath: FsPath): void {
    rmSync(fsPath, { recursive: true, force: true });
    const inside = `${path}/`;
    for (const directory of this.#directories) {
      if (directory !== path && !directory.startsWith(inside)) continue;
      this.#directories.delete(directory);
      this.#times.delete(directory);
    }
  }
}

/** `copyFile` is a few calls inside libuv, cheaper than the same by way of a buffer here, and shares the blocks where the file system can. */
function createFile({ content }: TarEntry, fsPath: FsPath): void {
  if (content?.kind === 'path') copyFileSync(content.path, fsPath, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  else writeFileSync(fsPath, content?.bytes ?? '', { flag: 'wx', mode: 0o600 });
}

function createDevice(entry: TarEntry, fsPath: FsPath, type: 'char' | 'block'): void {
  const { mode, devMajor: major = 0, devMinor: minor = 0 } = entry;
  if (type === 'char' && major === 0 && minor === 0) {
    throw new BuildError('input', `device "/${toText(entry.path)}" has the numbers 0, 0, which mark a deleted file in a layer`);
  }
  makeNode(fsPath, { type, mode, major, minor });
}

/** In an order that matters: a change of owner clears setuid bits and capabilities, and a file without write permission may refuse xattrs. */
function setMetadata(entry: TarEntry, fsPath: FsPath): void {
  lchownSync(fsPath, entry.uid, entry.gid);
  for (const [name, value] of entry.xattrs ?? []) setXattr(fsPath, name, value);
  if (entry.type !== 'symlink') chmodSync(fsPath, entry.mode);
}

const READ_ERRORS: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ELOOP']);

function explain(error: unknown, entry: TarEntry): unknown {
  const code = errnoOf(error);
  if (error instanceof BuildError || code === undefined) return error;
  const { content } = entry;
  // The parent exists and the name is free by then: what is missing or locked is the source.
  if (content?.kind === 'path' && READ_ERRORS.has(code)) {
    return new BuildError('input', `cannot read "${toText(content.path.toString('latin1'))}": ${systemErrorText(error)}`, { cause: error });
  }
  const message = `cannot write "/${toText(entry.path)}" of the image: ${error instanceof Error ? error.message : code}`;
  if (code === 'EPERM' || code === 'EACCES') {
    return new BuildError('privilege', message, {
      hint: 'owners, devices and capabilities of files need root or a user namespace.',
      cause: error,
    });
  }
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new BuildError('environment', message, { hint: 'free space on the disk of the store.', cause: error });
  return new BuildError('environment', message, { cause: error });
}
