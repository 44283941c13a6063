import type { ByteString, FsPath } from '../base/bytes.js';

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'char' | 'block';

/** Extended attributes in the order of their names; names as the kernel has them (`security.capability`), values raw. */
export type Xattrs = readonly (readonly [name: ByteString, value: Buffer])[];

/** Where the bytes of a file come from. Everything that makes or eats entries is synchronous: one thread, no promise per file. */
export type Content = { readonly kind: 'path'; readonly path: FsPath } | { readonly kind: 'bytes'; readonly bytes: Buffer };

/** One member of a layer, as it shall stand in the tar. */
export interface TarEntry {
  /** Relative to the root, no leading or trailing slash; the root itself is `''`. */
  readonly path: ByteString;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky: 0–0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for anything but a file. */
  readonly sizeBytes: number;
  /** Whole seconds since 1970, negative before. */
  readonly mtimeSeconds: number;
  /** Text of a symlink; path from the root of a hard link's target. */
  readonly linkTarget?: ByteString;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: Xattrs;
  /** For files of more than 0 bytes. */
  readonly content?: Content;
}
