import { lstatSync, readdirSync, type Dirent } from 'node:fs';
import { fromText, toFsPath, toText, type ByteString } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { listXattrs } from '../os/native.js';
import { toNodeStat, tryLstat, type NodeStat } from '../os/stat.js';
import type { TarEntry, Xattrs } from '../tar/entry.js';
import { isMarkedOpaque, isWhiteout } from './overlay.js';
import type { RootView } from './root-view.js';
import { isWhiteoutName, opaqueWhiteoutFor, whiteoutFor } from './whiteout.js';
import { imageXattrs } from './xattrs.js';

/**
 * What the upper directory of an overlay holds, as the entries of a layer over `below`, in the order of `compareEntryPaths`. A whiteout or an
 * opaque directory becomes an entry only where it deletes something: without `below` there is nothing to delete.
 *
 * All directories are entries: those in which only a child changed were copied up by the kernel together with it, and an unpacker that
 * starts from this layer needs their metadata. Hard links are found among the files of the upper directory; a link to a file of `below` was
 * broken by the kernel when it copied that name up (`index=off`). Sockets are left out: a layer has no form for them.
 *
 * @throws BuildError `input` for a name that layers reserve (`.wh.…`), and for a path too long for the kernel
 */
export function* diffEntries(upper: string, below: RootView | undefined): Generator<TarEntry, void, void> {
  const prefix = `${fromText(upper)}/`;
  const links = new Map<string, ByteString>();
  const root = rootEntry(prefix, below);
  if (root !== undefined) yield root;

  // Depth first without recursion: a generator that delegates costs one call per level for each entry. The next path is the last one.
  const pending: ByteString[] = [];
  // The opaque directory around the present path, in which nothing of the layers below is left to delete.
  let cleared: ByteString | undefined;
  for (let path: ByteString | undefined = ''; path !== undefined; path = pending.pop()) {
    if (cleared !== undefined && !path.startsWith(`${cleared}/`)) cleared = undefined;
    if (path !== '') {
      const stat = statInUpper(prefix, path);
      // On a symlink the kernel allows only xattrs that do not belong to an image.
      const xattrs = stat.type === 'symlink' ? [] : listXattrs(stat.fsPath);
      yield toEntry(path, stat, imageXattrs(xattrs), links);
      if (stat.type !== 'directory') continue;
      if (cleared === undefined && isMarkedOpaque(xattrs)) {
        cleared = path;
        if (below !== undefined && below.list(path).length > 0) yield emptyFile(opaqueWhiteoutFor(path));
      }
    }
    const children = readChildren(prefix, path);
    for (const deleted of children.deleted) {
      if (cleared === undefined && below?.lstat(deleted) !== undefined) yield emptyFile(whiteoutFor(deleted));
    }
    for (let index = children.kept.length - 1; index >= 0; index--) pending.push(children.kept[index] as ByteString);
  }
}

/**
 * The root is an entry only when a step changed its owner, mode or xattrs: every other change in it shows up as its modification time,
 * and an entry for that would make each layer rewrite the root of whoever unpacks it.
 */
function rootEntry(prefix: ByteString, below: RootView | undefined): TarEntry | undefined {
  const stat = toNodeStat(lstatSync(toFsPath(prefix)), toFsPath(prefix));
  const xattrs = imageXattrs(listXattrs(stat.fsPath));
  const old = below?.lstat('') ?? { mode: 0o755, uid: 0, gid: 0 };
  const isSame = stat.mode === old.mode && stat.uid === old.uid && stat.gid === old.gid && areEqual(xattrs, below?.xattrs('') ?? []);
  return isSame ? undefined : toEntry('', stat, xattrs, new Map());
}

function areEqual(a: Xattrs, b: Xattrs): boolean {
  return a.length === b.length && a.every(([name, value], index) => name === b[index]?.[0] && value.equals(b[index][1]));
}

interface Children {
  /** Paths at which the upper directory has a whiteout, or a socket: that hides what is below as well. */
  readonly deleted: readonly ByteString[];
  readonly kept: readonly ByteString[];
}

function readChildren(prefix: ByteString, path: ByteString): Children {
  const parent = path === '' ? '' : `${path}/`;
  const deleted: ByteString[] = [];
  const kept: ByteString[] = [];
  for (const child of readdirSync(toFsPath(prefix + parent), { withFileTypes: true, encoding: 'latin1' })) {
    const childPath = parent + child.name;
    if (hasNoEntry(child, prefix + childPath)) deleted.push(childPath);
    else if (isWhiteoutName(child.name)) throw reservedName(childPath);
    else kept.push(childPath);
  }
  return { deleted: deleted.toSorted(), kept: kept.toSorted() };
}

function hasNoEntry(child: Dirent, fullPath: ByteString): boolean {
  return child.isSocket() || (child.isCharacterDevice() && isWhiteout(tryLstat(toFsPath(fullPath))));
}

function statInUpper(prefix: ByteString, path: ByteString): NodeStat {
  const fsPath = toFsPath(prefix + path);
  try {
    return toNodeStat(lstatSync(fsPath), fsPath);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENAMETOOLONG') throw cause;
    throw new BuildError('input', `path of ${path.length} bytes is too long: "${toText(path.slice(0, 200))}…"`, {
      hint: 'remove the directory in the step that makes it.',
      cause,
    });
  }
}

function reservedName(path: ByteString): BuildError {
  return new BuildError(
    'input',
    `file "/${toText(path)}" cannot be part of a layer: names that start with ".wh." mark deleted files there`,
    {
      hint: 'rename the file or remove it in the step that makes it.',
    },
  );
}

function toEntry(path: ByteString, stat: NodeStat, xattrs: Xattrs, links: Map<string, ByteString>): TarEntry {
  if (stat.type === 'socket') throw new Error(`socket "${path}" has no entry`);
  const { type, mode, uid, gid, sizeBytes, mtimeSeconds } = stat;
  if (stat.linkCount > 1 && type !== 'directory') {
    const first = links.get(stat.inode);
    if (first !== undefined) return { path, type: 'hardlink', mode, uid, gid, sizeBytes: 0, mtimeSeconds, linkTarget: first };
    links.set(stat.inode, path);
  }
  return {
    path,
    type,
    mode,
    uid,
    gid,
    sizeBytes,
    mtimeSeconds,
    ...(stat.linkTarget === undefined ? {} : { linkTarget: stat.linkTarget }),
    ...(type === 'char' || type === 'block' ? { devMajor: stat.devMajor, devMinor: stat.devMinor } : {}),
    ...(xattrs.length === 0 ? {} : { xattrs }),
    ...(sizeBytes === 0 ? {} : { content: { kind: 'path', path: stat.fsPath } }),
  };
}

/** A whiteout says nothing but its name: the rest is fixed, so that equal steps make equal layers. */
function emptyFile(path: ByteString): TarEntry {
  return { path, type: 'file', mode: 0, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 0 };
}
