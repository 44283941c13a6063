import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import type { ByteString, FsPath } from '../base/bytes.js';
import { errnoOf } from '../base/errors.js';

/** What lies at a path of a file system, no symlink followed. */
export interface NodeStat {
  readonly type: 'file' | 'directory' | 'symlink' | 'fifo' | 'char' | 'block' | 'socket';
  /** Permission bits with setuid, setgid and sticky: 0–0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for anything but a file. */
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** 0 for anything but a device. */
  readonly devMajor: number;
  readonly devMinor: number;
  /** `device:inode`: equal for the names of one file. */
  readonly inode: string;
  readonly linkCount: number;
  /** Text of a symlink. */
  readonly linkTarget?: ByteString;
  readonly fsPath: FsPath;
}

const TYPE_MASK = 0o170000;

const TYPES: Readonly<Record<number, NodeStat['type']>> = {
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o010000: 'fifo',
  0o020000: 'char',
  0o060000: 'block',
  0o140000: 'socket',
};

/** `lstat` without an exception for what is not there: a missing name, a parent that is no directory, a name that is too long to exist. */
export function tryLstat(path: FsPath): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

/** The result of `lstat` in the words of layers. */
export function toNodeStat(stats: Stats, fsPath: FsPath): NodeStat {
  const type = nodeTypeOf(stats);
  const isDevice = type === 'char' || type === 'block';
  const stat = {
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: type === 'file' ? stats.size : 0,
    mtimeSeconds: mtimeSecondsOf(stats),
    devMajor: isDevice ? majorOf(stats.rdev) : 0,
    devMinor: isDevice ? minorOf(stats.rdev) : 0,
    inode: inodeOf(stats, fsPath),
    linkCount: stats.nlink,
    fsPath,
  };
  return type === 'symlink' ? { ...stat, linkTarget: readlinkSync(fsPath, 'latin1') } : stat;
}

function nodeTypeOf(stats: Stats): NodeStat['type'] {
  return TYPES[stats.mode & TYPE_MASK] ?? 'file';
}

/** Whole seconds, rounded down. Node's milliseconds are a double, so that the last 0.2 µs of a second count as the next one. */
function mtimeSecondsOf(stats: Stats): number {
  return Math.floor(stats.mtimeMs / 1000);
}

function inodeOf(stats: Stats, fsPath: FsPath): string {
  if (Number.isSafeInteger(stats.ino)) return `${stats.dev}:${stats.ino}`;
  // Some file systems (NFS, FUSE, overlayfs with xino) use all 64 bits, of which a double keeps 53.
  const exact = lstatSync(fsPath, { bigint: true });
  return `${exact.dev}:${exact.ino}`;
}

/** Linux's `dev_t`: 12 bits of major above 8 of minor, the rest of both further up. Beyond 32 bits, hence no shifts there. */
export function majorOf(device: number): number {
  const high = Math.floor(device / 2 ** 32);
  return ((device >>> 8) & 0xfff) | (high & 0xfffff000);
}

export function minorOf(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
