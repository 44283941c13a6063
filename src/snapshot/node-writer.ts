import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { toFsPath, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { makeNode, setTimes, setXattr } from '../os/native.js';
import type { TarEntry } from '../tar/entry.js';
import { imageXattrs } from './xattrs.js';

/** What `NodeWriter` could not or would not put on disk; texts for a person. */
export type Warn = (message: string) => void;

export type Metadata = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtimeSeconds' | 'xattrs'>;

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Creates the nodes of an archive where nothing is yet, with all their metadata. A file stays open while its content comes, so that most
 * calls go by its descriptor: five for a plain file that belongs to us.
 */
export class NodeWriter {
  readonly #warn: Warn;
  readonly #umask = process.umask();
  /** Whom the kernel gives new files to: no `chown` for them. Directories are without setgid bit as long as they are filled. */
  readonly #uid = process.geteuid?.();
  readonly #gid = process.getegid?.();
  #fd: number | undefined;
  #path: FsPath = '';
  #entry: TarEntry | undefined;
  #position = 0;
  #hasHoles = false;

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** @throws with code `EEXIST` when something is there */
  openFile(entry: TarEntry, path: FsPath): void {
    this.#fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777);
    this.#path = path;
    this.#entry = entry;
    this.#position = 0;
    this.#hasHoles = false;
  }

  /** Does nothing without an open file: the content of a member that is left out. */
  write(chunk: Buffer): void {
    if (this.#fd === undefined) return;
    for (let done = 0; done < chunk.length;) {
      done += this.#hasHoles
        ? writeSync(this.#fd, chunk, done, chunk.length - done, this.#position + done)
        : writeSync(this.#fd, chunk, done, chunk.length - done);
    }
    this.#position += chunk.length;
  }

  skip(sizeBytes: number): void {
    this.#hasHoles = true;
    this.#position += sizeBytes;
  }

  closeFile(): void {
    const fd = this.#fd;
    const entry = this.#entry;
    if (fd === undefined || entry === undefined) return;
    const { uid, gid, mode, mtimeSeconds } = entry;
    if (this.#hasHoles) ftruncateSync(fd, entry.sizeBytes);
    const isOwned = uid === this.#uid && gid === this.#gid;
    // The order matters: a change of owner clears setuid bits and capabilities.
    if (!isOwned) fchownSync(fd, uid, gid);
    if (entry.xattrs !== undefined) this.setXattrs(entry, this.#path);
    if ((mode & 0o777 & ~this.#umask) !== mode) fchmodSync(fd, mode);
    if (mtimeSeconds >= 0) futimesSync(fd, mtimeSeconds, mtimeSeconds);
    else setTimes(this.#path, mtimeSeconds);
    this.abort();
  }

  /** Closes what is open, as it is. */
  abort(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  createSymlink(entry: TarEntry, path: FsPath): void {
    if (!entry.linkTarget) throw new BuildError('input', `symlink "${toText(entry.path)}" has no target`);
    symlinkSync(toFsPath(entry.linkTarget), path);
    if (entry.uid !== this.#uid || entry.gid !== this.#gid) lchownSync(path, entry.uid, entry.gid);
    if (entry.xattrs !== undefined) this.setXattrs(entry, path);
    setTimes(path, entry.mtimeSeconds);
  }

  createDevice(entry: TarEntry, path: FsPath, type: 'char' | 'block' | 'fifo'): void {
    makeNode(path, { type, mode: entry.mode, major: entry.devMajor ?? 0, minor: entry.devMinor ?? 0 });
    this.applyMetadata(entry.path, entry, path);
  }

  /** To anything but a symlink. */
  applyMetadata(name: ByteString, metadata: Metadata, path: FsPath): void {
    lchownSync(path, metadata.uid, metadata.gid);
    if (metadata.xattrs !== undefined) this.setXattrs({ path: name, xattrs: metadata.xattrs }, path);
    chmodSync(path, metadata.mode);
    setTimes(path, metadata.mtimeSeconds);
  }

  /** Those that belong to an image: a layer shall not talk to overlayfs or to the security modules of this machine by way of the others. */
  setXattrs(entry: Pick<TarEntry, 'path' | 'xattrs'>, path: FsPath): void {
    for (const [name, value] of imageXattrs(entry.xattrs ?? [])) {
      try {
        setXattr(path, name, value);
      } catch (error) {
        const code = errnoOf(error);
        // Where the file system has no such attributes, or the kernel none for such a file; every tool goes on without them.
        if (code !== 'ENOTSUP' && !(code === 'EPERM' && name.startsWith('user.'))) throw error;
        this.#warn(`extended attribute "${toText(name)}" of "/${toText(entry.path)}" is lost: ${code}`);
      }
    }
  }
}

/** The kernel's form of a whiteout. A layer or archive that has such a device would delete what lies below, where it has no right to. */
export function isOverlayWhiteout(entry: TarEntry): boolean {
  return entry.type === 'char' && entry.devMajor === 0 && entry.devMinor === 0;
}

/** Says which entry it was, and whose fault. */
export function explainWriteError(error: unknown, entry: Pick<TarEntry, 'path'> | undefined): unknown {
  const code = errnoOf(error);
  if (error instanceof BuildError || code === undefined || entry === undefined) return error;
  const message = `cannot unpack "/${toText(entry.path)}": ${error instanceof Error ? error.message : code}`;
  switch (code) {
    case 'ENAMETOOLONG':
    case 'ELOOP':
      return new BuildError('input', message, { cause: error });
    case 'EPERM':
    case 'EACCES':
      return new BuildError('privilege', message, {
        hint: 'unpacking gives files the owners that they have in the image, which needs root: run tsbuild with sudo.',
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new BuildError('environment', message, { hint: 'free space on the disk of the store.', cause: error });
    default:
      return new BuildError('environment', message, { cause: error });
  }
}
