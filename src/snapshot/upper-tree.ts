import { chmodSync, constants, copyFileSync, linkSync, mkdirSync, readlinkSync, rmSync, type Stats } from 'node:fs';
import { fromText, toFsPath, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { walkPath } from '../base/links.js';
import { parentOf } from '../base/paths.js';
import { toNodeStat, tryLstat } from '../os/stat.js';
import type { TarEntry, Xattrs } from '../tar/entry.js';
import type { Metadata, NodeWriter } from './node-writer.js';
import { isOpaque, isWhiteout, markOpaque } from './overlay.js';
import type { RootView, ViewStat } from './root-view.js';

const SETGID = 0o2000;

/** What happens where a member's parent is not a directory that is there already. */
export interface ParentPolicy {
  /** The metadata of a directory that no member has made. */
  missing(path: ByteString): Metadata;
  /** Whether a file in the way gives place to a directory, or is an error. */
  readonly replacesFiles: boolean;
}

export interface UpperTreeOptions {
  readonly dir: string;
  /** What the directory is laid over. */
  readonly below?: RootView;
  readonly policy: ParentPolicy;
  readonly writer: NodeWriter;
}

/**
 * An upper directory that an archive is unpacked into. Paths are those of the root file system, symlinks in them are followed inside it,
 * with `below` shining through.
 *
 * The directory is private to us while it is filled, so that paths can be checked first and used afterwards. What must never happen is
 * that a symlink leads a call out of it: every call's path has as its parent one of `#directories`, which were made or seen to be real
 * directories in this run, and no call follows the last component.
 *
 * Directories get their metadata last, children first: what is put into them changes their time, a setgid bit or an ACL of theirs would be
 * handed on to their files, and they may not be writable.
 */
export class UpperTree {
  readonly #prefix: ByteString;
  readonly #below: RootView | undefined;
  readonly #policy: ParentPolicy;
  readonly #writer: NodeWriter;
  readonly #directories = new Map<ByteString, Metadata>();
  /** Directories that hide what lies below. */
  readonly #opaque = new Set<ByteString>();

  constructor({ dir, below, policy, writer }: UpperTreeOptions) {
    this.#prefix = `${fromText(dir)}/`;
    this.#below = below;
    this.#policy = policy;
    this.#writer = writer;
    this.#adopt('', tryLstat(this.at('')));
  }

  at(path: ByteString): FsPath {
    return toFsPath(this.#prefix + path);
  }

  isDirectory(path: ByteString): boolean {
    return this.#directories.has(path);
  }

  setMetadata(directory: ByteString, metadata: Metadata): void {
    this.#directories.set(directory, metadata);
  }

  /** The directory of this path, all symlinks followed; made where it is missing. */
  enter(path: ByteString): ByteString {
    if (this.#directories.has(path)) return path;
    const entered = this.#walk(path, (candidate, found) => this.#enterChild(candidate, found));
    // The step above stops nowhere.
    return entered as ByteString;
  }

  /** Makes a directory, or gives an existing one new metadata. The parent must have been entered. */
  putDirectory(path: ByteString, entry: TarEntry): void {
    const lower = this.#directories.get(path) ?? this.#openDirectory(path);
    this.#directories.set(path, { ...toMetadata(entry), xattrs: mergeXattrs(lower?.xattrs, entry.xattrs) });
  }

  /** Puts anything else in the place of whatever is there. Nearly always nothing is: to look first would cost a call for each file. */
  put(path: ByteString, create: (fsPath: FsPath) => void): void {
    const fsPath = this.at(path);
    try {
      create(fsPath);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      this.#remove(path);
      create(fsPath);
    }
  }

  /**
   * Makes a hard link. A target that lies below only is copied up, as the kernel would do.
   * @throws BuildError `input` when the target is missing or a directory
   */
  putLink(path: ByteString, entry: TarEntry): void {
    const target = this.#findTarget(entry);
    if (target === path) return;
    // The directory would go first, and the target with it.
    if (target.startsWith(`${path}/`)) throw badLink(entry, 'lies in what the link replaces');
    this.put(path, (fsPath) => linkSync(this.at(target), fsPath));
  }

  finish(): void {
    for (const [path, metadata] of [...this.#directories].toReversed()) this.#writer.applyMetadata(path, metadata, this.at(path));
  }

  /** Follows a path component by component; `step` says whether to go on into what was found, which is no symlink. */
  #walk(path: ByteString, step: (path: ByteString, found: Found | undefined) => boolean): ByteString | undefined {
    return walkPath(path, (candidate) => {
      if (this.#directories.has(candidate)) return undefined;
      const found = this.#find(candidate);
      return found?.linkTarget ?? (step(candidate, found) ? undefined : false);
    });
  }

  /** What the merged view has at a path whose parent is a real directory in it. */
  #find(path: ByteString): Found | undefined {
    const fsPath = this.at(path);
    const upper = tryLstat(fsPath);
    if (isWhiteout(upper)) return undefined;
    if (upper === undefined) {
      const lower = this.#lowerStat(path);
      return lower === undefined ? undefined : { isDirectory: lower.type === 'directory', linkTarget: lower.linkTarget, upper, lower };
    }
    const linkTarget = upper.isSymbolicLink() ? readlinkSync(fsPath, 'latin1') : undefined;
    return { isDirectory: upper.isDirectory(), linkTarget, upper, lower: undefined };
  }

  #enterChild(path: ByteString, found: Found | undefined): true {
    if (found !== undefined && !found.isDirectory && !this.#policy.replacesFiles) {
      throw new BuildError('input', `"/${toText(path)}" is not a directory`);
    }
    const lower = this.#openDirectory(path);
    if (lower === undefined) this.#directories.set(path, this.#policy.missing(path));
    return true;
  }

  /** Makes sure that a directory of ours is there, with the metadata that it has; `undefined` when it has none yet. */
  #openDirectory(path: ByteString): Metadata | undefined {
    const fsPath = this.at(path);
    const upper = this.#makeDirectory(fsPath) ? undefined : tryLstat(fsPath);
    if (upper?.isDirectory() === true) return this.#adopt(path, upper);
    if (upper === undefined) return this.#copyUpDirectory(path);
    this.#remove(path);
    mkdirSync(fsPath, 0o700);
    // It takes the place of a whiteout or a file: what that hid must not come back.
    if (this.#lowerStat(path) !== undefined) {
      markOpaque(fsPath);
      this.#opaque.add(path);
    }
    return undefined;
  }

  #makeDirectory(fsPath: FsPath): boolean {
    try {
      mkdirSync(fsPath, 0o700);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** Takes over a directory of an earlier step of the same layer. */
  #adopt(path: ByteString, stats: Stats | undefined): Metadata {
    if (stats?.isDirectory() !== true) throw new Error(`${this.#prefix}${path} is not a directory`);
    const fsPath = this.at(path);
    if (isOpaque(fsPath)) this.#opaque.add(path);
    if ((stats.mode & SETGID) !== 0) chmodSync(fsPath, 0o700);
    const metadata = toMetadata(toNodeStat(stats, fsPath));
    this.#directories.set(path, metadata);
    return metadata;
  }

  #copyUpDirectory(path: ByteString): Metadata | undefined {
    const lower = this.#lowerStat(path);
    if (lower?.type !== 'directory') return undefined;
    const metadata = { ...toMetadata(lower), xattrs: this.#below?.xattrs(path) ?? [] };
    this.#directories.set(path, metadata);
    return metadata;
  }

  #lowerStat(path: ByteString): ViewStat | undefined {
    if (this.#below === undefined) return undefined;
    if (this.#opaque.size > 0) {
      for (let above = path; above !== ''; above = parentOf(above)) if (this.#opaque.has(above)) return undefined;
      if (this.#opaque.has('')) return undefined;
    }
    return this.#below.lstat(path);
  }

  #findTarget(entry: TarEntry): ByteString {
    const wanted = entry.linkTarget ?? '';
    const parent = this.#walk(parentOf(wanted), (_path, found) => found?.isDirectory === true);
    const target = parent === undefined ? '' : childOf(parent, wanted.slice(wanted.lastIndexOf('/') + 1));
    const found = target === '' ? undefined : this.#directories.has(target) ? KNOWN_DIRECTORY : this.#find(target);
    if (found === undefined) throw badLink(entry, 'does not exist');
    if (found.isDirectory) throw badLink(entry, 'is a directory');
    if (found.lower !== undefined) this.#copyUp(target, found.lower, entry);
    return target;
  }

  #copyUp(path: ByteString, lower: ViewStat, entry: TarEntry): void {
    if (lower.type !== 'file') throw badLink(entry, `is a ${lower.type} of the image`);
    this.enter(parentOf(path));
    const fsPath = this.at(path);
    copyFileSync(lower.fsPath, fsPath, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    this.#writer.applyMetadata(path, { ...toMetadata(lower), xattrs: this.#below?.xattrs(path) ?? [] }, fsPath);
  }

  #remove(path: ByteString): void {
    rmSync(this.at(path), { recursive: true, force: true });
    if (!this.#directories.has(path)) return;
    const inside = `${path}/`;
    for (const directory of this.#directories.keys()) {
      if (directory !== path && !directory.startsWith(inside)) continue;
      this.#directories.delete(directory);
      this.#opaque.delete(directory);
    }
  }
}

interface Found {
  readonly isDirectory: boolean;
  readonly linkTarget: ByteString | undefined;
  readonly upper: Stats | undefined;
  /** Set when it is not in the upper directory. */
  readonly lower: ViewStat | undefined;
}

const KNOWN_DIRECTORY: Found = { isDirectory: true, linkTarget: undefined, upper: undefined, lower: undefined };

function childOf(directory: ByteString, name: ByteString): ByteString {
  return directory === '' ? name : `${directory}/${name}`;
}

function toMetadata({ mode, uid, gid, mtimeSeconds }: Metadata): Metadata {
  return { mode, uid, gid, mtimeSeconds };
}

function mergeXattrs(lower: Xattrs = [], upper: Xattrs = []): Xattrs {
  return lower.length === 0 ? upper : [...new Map([...lower, ...upper])];
}

export function badLink(entry: TarEntry, reason: string): BuildError {
  return new BuildError('input', `hard link "/${toText(entry.path)}": its target "/${toText(entry.linkTarget ?? '')}" ${reason}`);
}
