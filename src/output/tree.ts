import type { ByteString } from '../base/bytes.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { TarEntry } from '../tar/entry.js';

/** Shape of a tar entry, with what a file system needs besides. */
export interface TreeEntry extends TarEntry {
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'char' | 'block';
}

/**
 * Every path of a root file system as an entry, the root itself left out: depth first, children in byte order, a further name of an inode as
 * hard link to the first. Sockets are left out, since no archive can hold them.
 *
 * @param timeSeconds of every entry, in place of its own
 */
export function* treeEntries(root: RootView, timeSeconds?: number): Generator<TreeEntry, void, void> {
  const firstNames = new Map<string, ByteString>();
  const stack: ByteString[] = root.list('').toReversed();
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const stat = root.lstat(path);
    if (stat === undefined || stat.type === 'socket') continue;
    yield toEntry(root, path, stat, firstNames, timeSeconds);
    if (stat.type !== 'directory') continue;
    const names = root.list(path);
    for (let index = names.length - 1; index >= 0; index--) stack.push(`${path}/${names[index] ?? ''}`);
  }
}

function toEntry(
  root: RootView,
  path: ByteString,
  stat: ViewStat,
  firstNames: Map<string, ByteString>,
  timeSeconds: number | undefined,
): TreeEntry {
  const common = {
    path,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    sizeBytes: 0,
    mtimeSeconds: timeSeconds ?? stat.mtimeSeconds,
  };
  if (stat.type !== 'directory' && stat.linkCount > 1) {
    const first = firstNames.get(stat.inode);
    if (first !== undefined) return { ...common, type: 'hardlink', linkTarget: first };
    firstNames.set(stat.inode, path);
  }
  const xattrs = root.xattrs(path);
  return {
    ...common,
    type: stat.type as TreeEntry['type'],
    ...(xattrs.length === 0 ? {} : { xattrs }),
    ...(stat.linkTarget === undefined ? {} : { linkTarget: stat.linkTarget }),
    ...(stat.type === 'char' || stat.type === 'block' ? { devMajor: stat.devMajor, devMinor: stat.devMinor } : {}),
    ...(stat.type === 'file' ? { sizeBytes: stat.sizeBytes, content: { kind: 'path', path: stat.fsPath } } : {}),
  };
}

/** The entries below a directory of that name, the directory first. */
export function* entriesBelow(name: ByteString, entries: Iterable<TreeEntry>, timeSeconds = 0): Generator<TreeEntry, void, void> {
  yield { path: name, type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: timeSeconds };
  for (const entry of entries) {
    const path = `${name}/${entry.path}`;
    yield entry.type === 'hardlink' ? { ...entry, path, linkTarget: `${name}/${entry.linkTarget ?? ''}` } : { ...entry, path };
  }
}
