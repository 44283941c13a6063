import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type * as koffiTypes from 'koffi';
import { toFsPath, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { Xattrs } from '../tar/entry.js';

/** The few system calls that a root file system needs and Node does not have. All are synchronous, and none follows a symlink. */

/** `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel: no list of names and no value is longer, so that one call always suffices. */
const XATTR_MAX_BYTES = 65536;
/** `PATH_MAX` */
const PATH_MAX_BYTES = 4096;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const LOCK = { shared: 1, exclusive: 2 } as const;
const LOCK_NB = 4;
const NODE_TYPE = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

type CString = string | Buffer;

interface Libc {
  errno(): number;
  llistxattr(path: CString, list: Buffer, size: number): number;
  lgetxattr(path: CString, name: CString, value: Buffer, size: number): number;
  lsetxattr(path: CString, name: CString, value: Buffer, size: number, flags: number): number;
  lremovexattr(path: CString, name: CString): number;
  mknod(path: CString, mode: number, device: number): number;
  utimensat(directory: number, path: CString, times: BigInt64Array, flags: number): number;
  flock(fd: number, operation: number): number;
  /** Takes what xattr calls return. Allocated once: a fresh 64 KiB per file would cost more than the call. */
  readonly buffer: Buffer;
  /** Access time and modification time, each as seconds and nanoseconds. */
  readonly times: BigInt64Array;
}

type Koffi = typeof koffiTypes;

let loaded: Libc | undefined;

/** @throws BuildError `environment` when the package koffi has no library for this machine */
function libc(): Libc {
  loaded ??= loadLibc();
  return loaded;
}

function loadLibc(): Libc {
  try {
    const koffi = loadKoffi();
    return bind(koffi, openLibc(koffi));
  } catch (cause) {
    throw new BuildError('environment', `package "koffi" cannot call this machine's C library (${process.platform} ${process.arch})`, {
      hint: 'tsbuild needs Linux with glibc or musl on a processor that koffi supports.',
      cause,
    });
  }
}

/** Its native part alone, where it lies: the JavaScript around it looks for that, warns of old names, and takes 5 ms of a small build. */
function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  try {
    return require(`@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`) as Koffi;
  } catch {
    // Another C library, or packages laid out otherwise.
    return require('koffi') as Koffi;
  }
}

function openLibc(koffi: Koffi): ReturnType<Koffi['load']> {
  try {
    const process = koffi.load(null);
    process.func('int flock(int fd, int operation)');
    return process;
  } catch {
    return koffi.load('libc.so.6');
  }
}

function bind(koffi: Koffi, library: ReturnType<Koffi['load']>): Libc {
  return {
    errno: () => koffi.errno(),
    llistxattr: library.func('int64_t llistxattr(const char *path, void *list, size_t size)'),
    lgetxattr: library.func('int64_t lgetxattr(const char *path, const char *name, void *value, size_t size)'),
    lsetxattr: library.func('int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)'),
    lremovexattr: library.func('int lremovexattr(const char *path, const char *name)'),
    mknod: bindMknod(library),
    utimensat: library.func('int utimensat(int fd, const char *path, const void *times, int flags)'),
    flock: library.func('int flock(int fd, int operation)'),
    buffer: Buffer.alloc(XATTR_MAX_BYTES),
    times: new BigInt64Array(4),
  };
}

/** Up to glibc 2.32 `mknod` was an inline function over `__xmknod`, which takes the device by reference. */
function bindMknod(library: ReturnType<Koffi['load']>): Libc['mknod'] {
  try {
    return library.func('int mknod(const char *path, uint32_t mode, uint64_t device)');
  } catch {
    const xmknod = library.func('int __xmknod(int version, const char *path, uint32_t mode, const void *device)');
    return (path, mode, device) => xmknod(0, path, mode, BigUint64Array.of(BigInt(device))) as number;
  }
}

/** All extended attributes of a file, sorted by name; empty where the file system has none or does not let us look. */
export function listXattrs(path: FsPath): Xattrs {
  const c = libc();
  const target = toCString(path);
  const length = c.llistxattr(target, c.buffer, XATTR_MAX_BYTES);
  if (length === 0) return [];
  if (length < 0) {
    const code = errnoName(c.errno());
    if (code === 'ENOTSUP' || code === 'EPERM') return [];
    throw failure('llistxattr', path, code);
  }
  const names = c.buffer.toString('latin1', 0, length - 1).split('\0');
  const found: (readonly [ByteString, Buffer])[] = [];
  for (const name of names.toSorted()) {
    const value = getXattr(path, name);
    // Removed since it was listed, or not readable without privilege.
    if (value !== undefined) found.push([name, value]);
  }
  return found;
}

/** `undefined` when the file has no such attribute, or its file system has none at all. */
export function getXattr(path: FsPath, name: ByteString): Buffer | undefined {
  const c = libc();
  const length = c.lgetxattr(toCString(path), toXattrName(name), c.buffer, XATTR_MAX_BYTES);
  if (length >= 0) return Buffer.from(c.buffer.subarray(0, length));
  const code = errnoName(c.errno());
  if (code === 'ENODATA' || code === 'ENOTSUP' || code === 'EPERM') return undefined;
  throw failure('lgetxattr', path, code);
}

export function setXattr(path: FsPath, name: ByteString, value: Buffer): void {
  const c = libc();
  if (c.lsetxattr(toCString(path), toXattrName(name), value, value.length, 0) !== 0) throw lastFailure('lsetxattr', path);
}

export function removeXattr(path: FsPath, name: ByteString): void {
  if (libc().lremovexattr(toCString(path), toXattrName(name)) !== 0) throw lastFailure('lremovexattr', path);
}

export interface DeviceNode {
  readonly type: 'char' | 'block' | 'fifo';
  /** Permission bits, set as they stand whatever the umask. */
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
}

export function makeNode(path: FsPath, node: DeviceNode): void {
  const { type, mode, major, minor } = node;
  // The kernel has 12 bits of major and 20 of minor; some C libraries drop the rest without a word.
  if (major > 0xfff || minor > 0xfffff) throw failure('mknod', path, 'EINVAL');
  const device = (minor & 0xff) + major * 0x100 + (minor >>> 8) * 0x100000;
  if (libc().mknod(toCString(path), NODE_TYPE[type] | (mode & 0o777), device) !== 0) throw lastFailure('mknod', path);
  if (mode !== 0) chmodSync(path, mode);
}

/**
 * Sets the modification time, and the access time to the same, of a file or of a symlink itself. Node's own `utimes` takes negative
 * numbers, which are times before 1970, for "now".
 */
export function setTimes(path: FsPath, mtimeSeconds: number): void {
  const c = libc();
  c.times[0] = c.times[2] = BigInt(mtimeSeconds);
  if (c.utimensat(AT_FDCWD, toCString(path), c.times, AT_SYMLINK_NOFOLLOW) !== 0) throw lastFailure('utimensat', path);
}

/** Takes an advisory lock on an open file without waiting; `false` when another open file holds one. Closing the file drops the lock. */
export function tryLock(fd: number, mode: 'shared' | 'exclusive'): boolean {
  const c = libc();
  if (c.flock(fd, LOCK[mode] | LOCK_NB) === 0) return true;
  const code = errnoName(c.errno());
  if (code === 'EAGAIN' || code === 'EINTR') return false;
  throw failure('flock', `fd ${fd}`, code);
}

const cPath = Buffer.alloc(PATH_MAX_BYTES);

/** koffi ends a string with NUL, a Buffer it hands over as it is. */
function toCString(path: FsPath): CString {
  if (typeof path === 'string') {
    if (path.includes('\0')) throw failure('path', path, 'EINVAL');
    return path;
  }
  if (path.length >= PATH_MAX_BYTES) throw failure('path', path, 'ENAMETOOLONG');
  if (path.includes(0)) throw failure('path', path, 'EINVAL');
  cPath.set(path);
  cPath[path.length] = 0;
  return cPath;
}

function toXattrName(name: ByteString): CString {
  const bytes = toFsPath(name);
  return typeof bytes === 'string' ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
// Names that share a number on Linux: EAGAIN is EWOULDBLOCK, ENOTSUP is EOPNOTSUPP.
ERRNO_NAMES.set(constants.errno.EAGAIN, 'EAGAIN').set(constants.errno.ENOTSUP, 'ENOTSUP');

function errnoName(number: number): string {
  return ERRNO_NAMES.get(number) ?? `errno ${number}`;
}

function lastFailure(call: string, path: FsPath): NodeJS.ErrnoException {
  return failure(call, path, errnoName(libc().errno()));
}

function failure(call: string, path: FsPath, code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${call} ${path.toString()}: ${code}`), { code, syscall: call, path: path.toString() });
}
