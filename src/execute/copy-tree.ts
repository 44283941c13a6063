import type { ByteString } from '../base/bytes.js';
import { parentOf } from '../base/paths.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { EntryMaker, Origin } from './copy-entry.js';
import type { CopyLayer } from './copy-layer.js';

export interface TreePlace {
  readonly origin: Origin;
  /** The directory that is copied, in the view of its origin. */
  readonly root: ByteString;
  /** Where its contents go, symlinks followed. */
  readonly destRoot: ByteString;
  /** Directories that are there already stay as they are, instead of taking over the metadata of the source's. */
  readonly keepsDirectories: boolean;
}

/** The contents of one directory on their way into a layer. */
export class CopyTree {
  readonly #layer: CopyLayer;
  readonly #entries: EntryMaker;
  readonly #place: TreePlace;
  readonly #prefix: ByteString;
  readonly #sourceLength: number;
  /** Of the source; those that were put. */
  readonly #directories: Set<ByteString>;

  constructor(layer: CopyLayer, entries: EntryMaker, place: TreePlace) {
    this.#layer = layer;
    this.#entries = entries;
    this.#place = place;
    this.#prefix = place.destRoot === '' ? '' : `${place.destRoot}/`;
    this.#sourceLength = place.root === '' ? 0 : place.root.length + 1;
    this.#directories = new Set([place.root]);
  }

  /** The directory that it lies in must have been put. */
  put(path: ByteString, stat: ViewStat): void {
    if (stat.type === 'directory') this.#putDirectory(path, stat, this.#place.keepsDirectories);
    else putFile(this.#layer, this.#toEntry(path, stat), { path, stat });
  }

  /** The same with the directories that it lies in, as far as they are not there yet. */
  putWithParents(path: ByteString, stat: ViewStat): void {
    this.#putParents(path);
    this.put(path, stat);
    if (stat.type === 'directory') this.#directories.add(path);
  }

  #putParents(path: ByteString): void {
    const parent = parentOf(path);
    if (this.#directories.has(parent)) return;
    this.#putParents(parent);
    this.#directories.add(parent);
    const stat = this.#place.origin.view.lstat(parent);
    if (stat !== undefined) this.#putDirectory(parent, stat, true);
  }

  #putDirectory(path: ByteString, stat: ViewStat, keeps: boolean): void {
    const target = this.#target(path);
    if (keeps && this.#layer.typeAt(target) === 'directory') this.#layer.makeDirectories(target);
    else this.#layer.putDirectory(this.#toEntry(path, stat));
  }

  #toEntry(path: ByteString, stat: ViewStat): ReturnType<EntryMaker['toEntry']> {
    return this.#entries.toEntry(this.#target(path), this.#place.origin, path, stat);
  }

  #target(path: ByteString): ByteString {
    return this.#prefix + path.slice(this.#sourceLength);
  }
}

/** Anything but a directory, from a source that may have other names of the same file. */
export function putFile(layer: CopyLayer, entry: ReturnType<EntryMaker['toEntry']>, source: { path: ByteString; stat: ViewStat }): void {
  const { type, linkCount, inode } = source.stat;
  layer.putFile(entry, source.path, type === 'file' && linkCount > 1 ? inode : undefined);
}

/** Everything below a directory of a view. */
export function walkView(view: RootView, path: ByteString, visit: (path: ByteString, stat: ViewStat) => void): void {
  if (view.walk !== undefined) {
    view.walk(path, visit);
    return;
  }
  for (const name of view.list(path)) {
    const child = path === '' ? name : `${path}/${name}`;
    const stat = view.lstat(child);
    if (stat === undefined) continue;
    visit(child, stat);
    if (stat.type === 'directory') walkView(view, child, visit);
  }
}
