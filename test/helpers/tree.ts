import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fromText, toFsPath, type ByteString } from '../../src/base/bytes.js';
import { listXattrs } from '../../src/os/native.js';
import { toNodeStat, tryLstat, type NodeStat } from '../../src/os/stat.js';

/** All that a layer can say about a file, in a form that `toEqual` shows well. */
export interface TreeNode {
  readonly type: NodeStat['type'];
  /** Octal, four digits. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** Of a file's bytes. */
  readonly sha256?: string;
  readonly linkTarget?: ByteString;
  /** `major, minor` */
  readonly device?: string;
  /** Hexadecimal values by name. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** First path, in the order of the tree, of the file that this is a hard link to. */
  readonly linkOf?: ByteString;
}

/** By path relative to the root, which is `''`; depth first, children in byte order. */
export type Tree = Map<ByteString, TreeNode>;

/** What the kernel's overlayfs keeps for itself is no part of a tree. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;

/** Reads a directory, following no symlink. In paths like `/proc/PID/root/…` it sees the mounts of that process. */
export function readTree(dir: string): Tree {
  const tree: Tree = new Map();
  const links = new Map<string, ByteString>();
  const root = fromText(dir);
  const visit = (path: ByteString): void => {
    const full = path === '' ? `${root}/` : `${root}/${path}`;
    const stats = tryLstat(toFsPath(full));
    if (stats === undefined) throw new Error(`${full} vanished`);
    const stat = toNodeStat(stats, toFsPath(full));
    const first = links.get(stat.inode);
    if (stat.type !== 'directory' && stat.linkCount > 1 && first === undefined) links.set(stat.inode, path);
    const bytes = stat.type === 'file' ? readFileSync(toFsPath(full)) : undefined;
    const xattrs = stat.type === 'symlink' ? [] : listXattrs(toFsPath(full)).filter(([name]) => !OVERLAY_XATTR.test(name));
    tree.set(path, toTreeNode(stat, { bytes, xattrs, linkOf: first }));
    if (stat.type !== 'directory') return;
    const names = readdirSync(toFsPath(full), 'latin1').toSorted();
    for (const name of names) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return tree;
}

/** One node from what a reader of its own found: a `RootView`, the entries of a layer. */
export function toTreeNode(
  stat: Omit<NodeStat, 'inode' | 'linkCount' | 'fsPath'>,
  extra: {
    readonly bytes?: Buffer | undefined;
    readonly xattrs: readonly (readonly [string, Buffer])[];
    readonly linkOf?: ByteString | undefined;
  },
): TreeNode {
  const { type, mode, uid, gid, sizeBytes, mtimeSeconds, linkTarget } = stat;
  return {
    type,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    sizeBytes,
    mtimeSeconds,
    ...(extra.bytes === undefined ? {} : { sha256: createHash('sha256').update(extra.bytes).digest('hex') }),
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(type === 'char' || type === 'block' ? { device: `${stat.devMajor}, ${stat.devMinor}` } : {}),
    xattrs: Object.fromEntries(extra.xattrs.map(([name, value]) => [name, value.toString('hex')])),
    ...(extra.linkOf === undefined ? {} : { linkOf: extra.linkOf }),
  };
}
