import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { fromText, toFsPath, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { toNodeStat, tryLstat } from '../os/stat.js';
import type { Xattrs } from '../tar/entry.js';
import { isOpaque, isWhiteout } from './overlay.js';
import type { LayerDir, ViewStat } from './root-view.js';
import { readImageXattrs } from './xattrs.js';

/** One layer alone, for the union. Every path given is one whose parent is known to be a real directory of this very layer. */
export interface LayerReader {
  /** The root is known not to be opaque. */
  readonly mergesRoot: boolean;
  lstat(path: ByteString): ViewStat | 'whiteout' | undefined;
  /** Does the directory hide what the layers below have in it? */
  isOpaque(path: ByteString): boolean;
  /** Is the directory there without metadata of its own? */
  isImplied(path: ByteString): boolean;
  /** The children of a directory, whiteouts too, in any order. */
  list(path: ByteString): readonly LayerChild[];
  xattrs(path: ByteString): Xattrs;
  /** The bytes of a regular file. @throws BuildError `input` when it is larger than `maxBytes` */
  readFile(path: ByteString, maxBytes: number): Buffer | undefined;
}

export interface LayerChild {
  readonly name: ByteString;
  readonly isWhiteout: boolean;
}

/** Reads a directory in overlay format. */
export function openLayerDir({ path: dir, implied, mergesRoot = false }: LayerDir): LayerReader {
  const root = fromText(dir);
  const prefix = root.endsWith('/') ? root : `${root}/`;
  const impliedPaths = new Set(implied);
  const at = (path: ByteString): FsPath => toFsPath(prefix + path);
  return {
    mergesRoot,
    lstat(path) {
      const fsPath = at(path);
      const stats = tryLstat(fsPath);
      if (stats === undefined) return undefined;
      return isWhiteout(stats) ? 'whiteout' : toNodeStat(stats, fsPath);
    },
    isOpaque: (path) => isOpaque(at(path)),
    isImplied: (path) => impliedPaths.has(path),
    list(path) {
      const parent = path === '' ? prefix : `${prefix}${path}/`;
      const children = readdirSync(toFsPath(parent), { withFileTypes: true, encoding: 'latin1' });
      return children.map((child) => ({
        name: child.name,
        isWhiteout: child.isCharacterDevice() && isWhiteout(tryLstat(toFsPath(parent + child.name))),
      }));
    },
    xattrs: (path) => readImageXattrs(at(path)),
    readFile: (path, maxBytes) => readRegularFile(at(path), { path, maxBytes }),
  };
}

/** Neither may a FIFO that an image put there block the build, nor a device or a symlink lead out of the layer. */
function readRegularFile(fsPath: FsPath, { path, maxBytes }: { readonly path: ByteString; readonly maxBytes: number }): Buffer | undefined {
  const fd = openSync(fsPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return undefined;
    if (stats.size > maxBytes) {
      throw new BuildError('input', `file "${toText(path)}" of the image is too large: got ${stats.size} bytes, want at most ${maxBytes}`);
    }
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(fd, bytes, length, bytes.length - length, length);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
