import { readFileSync } from 'node:fs';
import { parentOf, baseOf } from '../../src/base/paths.js';
import { applyEntries, makeUpper } from '../../src/snapshot/apply.js';
import { diffEntries } from '../../src/snapshot/diff.js';
import type { RootView } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import { isWhiteoutName, OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from '../../src/snapshot/whiteout.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { compareEntryPaths } from '../../src/tar/order.js';
import { expect } from 'vitest';
import type { OverlayLab } from '../helpers/overlay.js';
import { readTree, toTreeNode, type Tree, type TreeNode } from '../helpers/tree.js';

/**
 * What must hold of every upper directory: the view shows what the kernel mounts; its entries, unpacked as a layer or applied to a fresh upper
 * directory, give the same tree.
 */
export async function expectLaws(lab: OverlayLab, lowers: readonly string[], upper: string, merged: string): Promise<TarEntry[]> {
  const mounted = readTree(merged);
  const below = openRootView(lowers.map((path) => ({ path })));
  expect(viewTree(openRootView([upper, ...lowers].map((path) => ({ path }))))).toEqual(mounted);

  const entries = [...diffEntries(upper, below)];
  expectOrder(entries);
  const withoutSockets = new Map([...mounted].filter(([, node]) => node.type !== 'socket'));
  expect(unpack(viewTree(below), entries)).toEqual(timeless(withoutSockets));

  const fresh = lab.newDir();
  makeUpper(fresh, below);
  applyEntries(entries, fresh);
  expect(timeless(viewTree(openRootView([fresh, ...lowers].map((path) => ({ path })))))).toEqual(timeless(withoutSockets));
  const remounted = await lab.mount(lowers, fresh);
  expect(timeless(readTree(remounted))).toEqual(timeless(withoutSockets));
  await lab.unmount(remounted);
  expect(describeEntries(diffEntries(fresh, below))).toEqual(describeEntries(entries));
  return entries;
}

/** Trees that came about in different ways differ in the times of their roots. */
function timeless(tree: Tree): Tree {
  const root = tree.get('');
  return root === undefined ? tree : new Map([...tree, ['', { ...root, mtimeSeconds: 0 }]]);
}

/** `file 0644 0:0 a/b`, with what is special behind it. */
export function describeEntries(entries: Iterable<TarEntry>): string[] {
  return Array.from(entries, (entry) => {
    const parts: string[] = [
      entry.type,
      entry.mode.toString(8).padStart(4, '0'),
      `${entry.uid}:${entry.gid}`,
      entry.path === '' ? '/' : entry.path,
    ];
    if (entry.linkTarget !== undefined) parts.push(`-> ${entry.linkTarget}`);
    if (entry.devMajor !== undefined) parts.push(`${entry.devMajor}, ${entry.devMinor}`);
    for (const [name, value] of entry.xattrs ?? []) parts.push(`${name}=${value.toString('hex')}`);
    return parts.join(' ');
  });
}

function expectOrder(entries: readonly TarEntry[]): void {
  for (let index = 1; index < entries.length; index++) {
    const [a, b] = [entries[index - 1]?.path ?? '', entries[index]?.path ?? ''];
    expect(compareEntryPaths(a, b), `${a} before ${b}`).toBeLessThan(0);
  }
}

function viewTree(view: RootView): Tree {
  const tree: Tree = new Map();
  const links = new Map<string, string>();
  const visit = (path: string): void => {
    const stat = view.lstat(path);
    if (stat === undefined) throw new Error(`the view lists "${path}" but does not have it`);
    const linkOf = links.get(stat.inode);
    if (stat.type !== 'directory' && stat.linkCount > 1 && linkOf === undefined) links.set(stat.inode, path);
    const bytes = stat.type === 'file' ? view.readFile(path, 1 << 20) : undefined;
    tree.set(path, toTreeNode(stat, { bytes, xattrs: view.xattrs(path), linkOf }));
    for (const name of view.list(path)) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return tree;
}

/** The image-spec's rules for a layer over a tree, on a map: an oracle that shares nothing with the code under test. */
function unpack(below: Tree, entries: readonly TarEntry[]): Tree {
  const tree = new Map(below);
  const groups = new Map([...below].map(([path, { linkOf }]) => [path, `below ${linkOf ?? path}`]));
  const drop = (path: string, self: boolean): void => {
    for (const other of tree.keys()) if ((self && other === path) || other.startsWith(path === '' ? '' : `${path}/`)) tree.delete(other);
  };
  for (const { path } of entries) {
    const name = baseOf(path);
    if (name === OPAQUE_WHITEOUT) drop(parentOf(path), false);
    else if (isWhiteoutName(name)) drop([parentOf(path), name.slice(WHITEOUT_PREFIX.length)].filter((part) => part !== '').join('/'), true);
  }
  for (const entry of entries) {
    const { path, content } = entry;
    if (isWhiteoutName(baseOf(path))) continue;
    if (entry.type !== 'directory' || tree.get(path)?.type !== 'directory') drop(path, true);
    if (path !== '' && tree.get(parentOf(path))?.type !== 'directory') throw new Error(`"${path}" has no directory`);
    const target = entry.type === 'hardlink' ? tree.get(entry.linkTarget ?? '') : undefined;
    if (entry.type === 'hardlink' && target === undefined) throw new Error(`"${path}" links to nothing`);
    const bytes = content === undefined ? Buffer.alloc(0) : content.kind === 'bytes' ? content.bytes : readFileSync(content.path);
    const { type, devMajor = 0, devMinor = 0, xattrs = [], ...rest } = entry;
    const made =
      target ??
      toTreeNode(
        { ...rest, type: type === 'hardlink' ? 'file' : type, devMajor, devMinor },
        { bytes: type === 'file' ? bytes : undefined, xattrs },
      );
    tree.set(path, made);
    groups.set(path, `layer ${entry.linkTarget !== undefined && type === 'hardlink' ? entry.linkTarget : path}`);
  }
  const sorted = [...tree].toSorted(([a], [b]) => compareEntryPaths(a, b));
  return timeless(relink(sorted, groups));
}

function relink(nodes: readonly (readonly [string, TreeNode])[], groups: ReadonlyMap<string, string>): Tree {
  const firsts = new Map<string, string>();
  return new Map(
    nodes.map(([path, { linkOf: _old, ...node }]) => {
      const group = groups.get(path) ?? path;
      const first = firsts.get(group);
      if (first === undefined) firsts.set(group, path);
      return [path, first === undefined || node.type === 'directory' ? node : { ...node, linkOf: first }];
    }),
  );
}
