import type { Stats } from 'node:fs';
import type { FsPath } from '../base/bytes.js';
import { errnoOf } from '../base/errors.js';
import { getXattr, makeNode, setXattr } from '../os/native.js';
import { majorOf, minorOf } from '../os/stat.js';
import type { Xattrs } from '../tar/entry.js';
import { OPAQUE_XATTRS } from './whiteout.js';

/** How a directory in overlay format says "deleted" (the kernel's filesystems/overlayfs.rst, "whiteouts and opaque directories"). */

const YES = Buffer.from('y');

/** Is it a character device 0/0? */
export function isWhiteout(stats: Stats | undefined): boolean {
  return stats !== undefined && stats.isCharacterDevice() && majorOf(stats.rdev) === 0 && minorOf(stats.rdev) === 0;
}

/** Needs no privilege: of all devices this is the one that anybody may make. */
export function makeWhiteout(path: FsPath): void {
  makeNode(path, { type: 'char', mode: 0, major: 0, minor: 0 });
}

/** In either form: the kernel heeds the one that suits the mount, and a store is only ever mounted in one way. */
export function isOpaque(directory: FsPath): boolean {
  return OPAQUE_XATTRS.some((name) => getXattr(directory, name)?.equals(YES) === true);
}

/** The same for a directory whose xattrs are known. */
export function isMarkedOpaque(xattrs: Xattrs): boolean {
  return xattrs.some(([name, value]) => (name === OPAQUE_XATTRS[0] || name === OPAQUE_XATTRS[1]) && value.equals(YES));
}

export function markOpaque(directory: FsPath): void {
  const [trusted, user] = OPAQUE_XATTRS;
  try {
    setXattr(directory, trusted, YES);
  } catch (error) {
    const code = errnoOf(error);
    // In a user namespace nobody may write `trusted.*`; the mounts made there are told to look at `user.*`.
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    setXattr(directory, user, YES);
  }
}
