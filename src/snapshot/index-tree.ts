import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { walkPath } from '../base/links.js';
import { baseOf, parentOf } from '../base/paths.js';
import type { TarEntry } from '../tar/entry.js';
import { isOverlayWhiteout } from './node-writer.js';
import { badLink } from './upper-tree.js';
import { hiddenName, isBelowWhiteout, isWhiteoutName } from './whiteout.js';

/** A directory can be there without an entry of its own. The names of one file share its entry. */
export type IndexNode = TarEntry | 'implied' | 'whiteout';

/** Where a whiteout stands, and what it hides: a path in that directory. */
interface Whiteout {
  readonly directory: ByteString;
  readonly path: ByteString;
}

/**
 * What a layer's entries, in the order of its tar, make of an empty directory: the same as `extractLayer`, without a disk. Of a path that has a
 * node, every parent is a directory.
 * @throws BuildError `input` where `extractLayer` does
 */
export class IndexTree {
  readonly #nodes = new Map<ByteString, IndexNode>([['', 'implied']]);
  readonly #children = new Map<ByteString, Set<ByteString>>();
  readonly #opaque = new Set<ByteString>();

  constructor(entries: readonly TarEntry[]) {
    const whiteouts: Whiteout[] = [];
    for (const entry of entries) {
      if (entry.path === '') this.#setRoot(entry);
      else if (isWhiteoutName(baseOf(entry.path))) this.#addWhiteout(entry, whiteouts);
      else if (!isBelowWhiteout(entry.path)) this.#add(entry);
    }
    this.#hide(whiteouts);
  }

  get(path: ByteString): IndexNode | undefined {
    return this.#nodes.get(path);
  }

  isOpaque(path: ByteString): boolean {
    return this.#opaque.has(path);
  }

  /** Names, in any order. */
  list(path: ByteString): ReadonlySet<ByteString> {
    return this.#children.get(path) ?? NO_NAMES;
  }

  #isDirectory(path: ByteString): boolean {
    const node = this.#nodes.get(path);
    return node === 'implied' || (typeof node === 'object' && node.type === 'directory');
  }

  #setRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw new BuildError('input', `the root is a ${entry.type}, not a directory`);
    this.#putDirectory('', entry);
  }

  #addWhiteout({ path }: TarEntry, whiteouts: Whiteout[]): void {
    const hidden = hiddenName(path);
    if (hidden === undefined) return;
    const directory = this.#enter(parentOf(path));
    if (hidden === '') this.#opaque.add(directory);
    else whiteouts.push({ directory, path: childOf(directory, hidden) });
  }

  #add(entry: TarEntry): void {
    const path = childOf(this.#enter(parentOf(entry.path)), baseOf(entry.path));
    if (isOverlayWhiteout(entry)) return;
    if (entry.type === 'directory') this.#putDirectory(path, entry);
    else if (entry.type === 'hardlink') this.#putLink(path, entry);
    else this.#put(path, entry);
  }

  /** The directory of this path, all symlinks followed; made where it is missing, in the place of a file if need be. */
  #enter(path: ByteString): ByteString {
    if (this.#isDirectory(path)) return path;
    const entered = this.#walk(path, (at) => {
      if (!this.#isDirectory(at)) this.#put(at, 'implied');
      return true;
    });
    // The step above stops nowhere.
    return entered as ByteString;
  }

  /** Follows a path component by component; `step` says whether to go on into what is there, which is no symlink. */
  #walk(path: ByteString, step: (path: ByteString) => boolean): ByteString | undefined {
    return walkPath(path, (here) => {
      const node = this.#nodes.get(here);
      const target = typeof node === 'object' ? node.linkTarget : undefined;
      return target ?? (step(here) ? undefined : false);
    });
  }

  #putDirectory(path: ByteString, entry: TarEntry): void {
    const node = this.#nodes.get(path);
    if (!this.#isDirectory(path)) this.#put(path, entry);
    else if (typeof node !== 'object' || node.xattrs === undefined) this.#nodes.set(path, entry);
    else this.#nodes.set(path, { ...entry, xattrs: [...new Map([...node.xattrs, ...(entry.xattrs ?? [])])] });
  }

  #putLink(path: ByteString, entry: TarEntry): void {
    const wanted = entry.linkTarget ?? '';
    const parent = this.#walk(parentOf(wanted), (at) => this.#isDirectory(at));
    const target = parent === undefined ? '' : childOf(parent, baseOf(wanted));
    const node = target === '' ? undefined : this.#nodes.get(target);
    if (node === undefined || node === 'whiteout') throw badLink(entry, 'does not exist');
    if (this.#isDirectory(target)) throw badLink(entry, 'is a directory');
    if (target.startsWith(`${path}/`)) throw badLink(entry, 'lies in what the link replaces');
    if (target !== path) this.#put(path, node);
  }

  /** In the place of whatever is there. */
  #put(path: ByteString, node: IndexNode): void {
    if (typeof node === 'object' && node.type === 'symlink' && !node.linkTarget)
      throw new BuildError('input', `symlink "${toText(path)}" has no target`);
    if (this.#nodes.has(path)) this.#removeChildren(path);
    const siblings = this.#children.get(parentOf(path));
    if (siblings === undefined) this.#children.set(parentOf(path), new Set([baseOf(path)]));
    else siblings.add(baseOf(path));
    this.#nodes.set(path, node);
  }

  #removeChildren(path: ByteString): void {
    for (const name of this.list(path)) {
      const child = childOf(path, name);
      this.#removeChildren(child);
      this.#nodes.delete(child);
    }
    this.#children.delete(path);
  }

  /** Last: a whiteout hides what lies in lower layers, never what its own layer has under the name, before or after. */
  #hide(whiteouts: readonly Whiteout[]): void {
    for (const path of this.#opaque) if (!this.#isDirectory(path)) this.#opaque.delete(path);
    // Below a file nothing needs to be hidden, and in an opaque directory everything is.
    const hiding = whiteouts.filter(({ directory }) => this.#isDirectory(directory) && !this.#opaque.has(directory));
    for (const { path } of hiding) {
      if (!this.#nodes.has(path)) this.#put(path, 'whiteout');
      else if (this.#isDirectory(path)) this.#opaque.add(path);
    }
  }
}

const NO_NAMES: ReadonlySet<ByteString> = new Set();

function childOf(directory: ByteString, name: ByteString): ByteString {
  return directory === '' ? name : `${directory}/${name}`;
}
