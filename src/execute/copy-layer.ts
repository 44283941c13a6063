import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { baseOf, parentOf } from '../base/paths.js';
import type { RootView } from '../snapshot/root-view.js';
import type { EntryType, TarEntry } from '../tar/entry.js';
import { compareEntryPaths } from '../tar/order.js';

/** What layers name a deletion with: such a file cannot be in an image (image-spec, layer.md, "Whiteouts"). */
const WHITEOUT_PREFIX = '.wh.';

const NO_NAMES: ReadonlySet<ByteString> = new Set();

type NewDirectory = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtimeSeconds'>;

/** Collects what a step puts over a root file system, and tells what that has at a path by then. */
export class CopyLayer {
  readonly #below: RootView;
  /** For directories that no source has. */
  readonly #newDirectory: NewDirectory;
  readonly #made = new Map<ByteString, TarEntry>();
  /** What lies below this layer in a directory that something is put into. */
  readonly #namesBelow = new Map<ByteString, ReadonlySet<ByteString>>();
  /** Of those in `#made` that `takeEntries` has not given out yet. */
  #pending = new Map<ByteString, TarEntry>();
  /** Inode of each pending file that has several names. */
  #inodes = new Map<ByteString, string>();

  constructor(below: RootView, newDirectory: NewDirectory) {
    this.#below = below;
    this.#newDirectory = newDirectory;
  }

  typeAt(path: ByteString): EntryType | 'socket' | undefined {
    return this.#made.get(path)?.type ?? this.#typeBelow(path);
  }

  /**
   * A directory and all those above it: the ones that are there with their metadata, so that the layer extracted alone has the same modes; the
   * missing ones new.
   * @param mode of the new ones, where it is not that of the request
   * @throws BuildError `input` when something else stands in the way
   */
  makeDirectories(path: ByteString, mode = this.#newDirectory.mode): void {
    if (path === '' || this.#made.get(path)?.type === 'directory') return;
    this.makeDirectories(parentOf(path), mode);
    const type = this.typeAt(path);
    if (type === undefined) this.putDirectory({ path, type: 'directory', sizeBytes: 0, ...this.#newDirectory, mode });
    else if (type === 'directory') this.#takeFromBelow(path);
    else throw notDirectory(path, type);
  }

  /** The mtime of a directory that is there, whose other metadata stay. */
  touchDirectory(path: ByteString, mtimeSeconds: number): void {
    const entry = this.#made.get(path);
    if (entry !== undefined) this.#put({ ...entry, mtimeSeconds });
  }

  /** @throws BuildError `input` when something else is there */
  putDirectory(entry: TarEntry): void {
    const { path } = entry;
    const type = this.typeAt(path);
    if (type === undefined) this.#namesBelow.set(path, NO_NAMES);
    else if (type !== 'directory') throw notDirectory(path, type);
    this.#put(entry);
  }

  /**
   * Anything but a directory.
   * @param inode of a file that has other names, which may be copied as well
   * @throws BuildError `input` when a directory is there
   */
  putFile(entry: TarEntry, sourcePath: ByteString, inode?: string): void {
    const { path } = entry;
    if (this.typeAt(path) === 'directory') {
      throw new BuildError('input', `cannot replace to directory "/${toText(path)}" with file "${toText(sourcePath)}"`, {
        hint: 'remove the directory in an earlier step, or copy to another path',
      });
    }
    if (inode === undefined) this.#inodes.delete(path);
    else this.#inodes.set(path, inode);
    this.#put(entry);
  }

  /** What was put since the last call, in the order of a layer. */
  takeEntries(): readonly TarEntry[] {
    const entries = [...this.#pending.values()];
    // One tree, the usual case, comes in the right order already.
    if (!isOrdered(entries)) entries.sort((a, b) => compareEntryPaths(a.path, b.path));
    const linked = this.#inodes.size === 0 ? entries : this.#linkNames(entries);
    this.#pending = new Map();
    this.#inodes = new Map();
    return linked;
  }

  /** Of several names of one file the first is the file and the others are hard links to it. */
  #linkNames(entries: readonly TarEntry[]): readonly TarEntry[] {
    const firstNames = new Map<string, ByteString>();
    return entries.map((entry) => {
      const inode = this.#inodes.get(entry.path);
      if (inode === undefined) return entry;
      const linkTarget = firstNames.get(inode);
      if (linkTarget !== undefined) return toHardLink(entry, linkTarget);
      firstNames.set(inode, entry.path);
      return entry;
    });
  }

  #put(entry: TarEntry): void {
    if (baseOf(entry.path).startsWith(WHITEOUT_PREFIX)) {
      throw new BuildError(
        'input',
        `"/${toText(entry.path)}" cannot be in an image: names that begin with ".wh." mark deletions in layers`,
        {
          hint: 'rename the file, or exclude it in .dockerignore',
        },
      );
    }
    this.#made.set(entry.path, entry);
    this.#pending.set(entry.path, entry);
  }

  #takeFromBelow(path: ByteString): void {
    const stat = this.#below.lstat(path);
    if (stat === undefined) return;
    const { mode, uid, gid } = stat;
    const xattrs = this.#below.xattrs(path);
    const entry: TarEntry = { path, type: 'directory', mode, uid, gid, sizeBytes: 0, mtimeSeconds: stat.mtimeSeconds };
    this.#put(xattrs.length === 0 ? entry : { ...entry, xattrs });
  }

  /** The names of a directory are read once, so that a tree copied into an empty place costs no lookup per file. */
  #typeBelow(path: ByteString): EntryType | 'socket' | undefined {
    if (path === '') return 'directory';
    const parent = parentOf(path);
    let names = this.#namesBelow.get(parent);
    if (names === undefined) {
      names = new Set(this.#below.list(parent));
      this.#namesBelow.set(parent, names);
    }
    return names.has(baseOf(path)) ? this.#below.lstat(path)?.type : undefined;
  }
}

export function notDirectory(path: ByteString, type: EntryType | 'socket'): BuildError {
  return new BuildError('input', `cannot copy to non-directory: "/${toText(path)}" is a ${type}`, {
    hint: 'remove it in an earlier step, or copy to another path',
  });
}

function toHardLink(entry: TarEntry, linkTarget: ByteString): TarEntry {
  const { path, mode, uid, gid, mtimeSeconds } = entry;
  return { path, type: 'hardlink', mode, uid, gid, sizeBytes: 0, mtimeSeconds, linkTarget };
}

function isOrdered(entries: readonly TarEntry[]): boolean {
  for (let index = 1; index < entries.length; index++) {
    if (compareEntryPaths(entries[index - 1]?.path ?? '', entries[index]?.path ?? '') > 0) return false;
  }
  return true;
}
