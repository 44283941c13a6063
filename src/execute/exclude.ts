import type { ByteString } from '../base/bytes.js';
import { parentOf } from '../base/paths.js';
import type { IgnoreMatcher, IgnoreState } from '../context/dockerignore.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';

export type Visit = (path: ByteString, stat: ViewStat) => void;

/** A directory source, with what `--exclude` says about the paths below it. */
export interface FilteredTree {
  readonly view: RootView;
  readonly root: ByteString;
  readonly exclude: IgnoreMatcher;
}

/**
 * What `--exclude` leaves of a tree, or of one path in it and everything below that: each directory before its contents, in byte order. A
 * directory that is excluded is not told, even if something below it is let in again by a pattern with `!`. The root itself is never excluded.
 */
export function walkIncluded(tree: FilteredTree, start: ByteString, visit: Visit): void {
  const walker = new FilteredWalk(tree, visit);
  if (start === tree.root) walker.descend(start, tree.exclude.root);
  else walker.visitOne(start, walker.stateOf(parentOf(start)));
}

class FilteredWalk {
  readonly #tree: FilteredTree;
  readonly #visit: Visit;

  constructor(tree: FilteredTree, visit: Visit) {
    this.#tree = tree;
    this.#visit = visit;
  }

  descend(directory: ByteString, state: IgnoreState): void {
    for (const name of this.#tree.view.list(directory)) this.visitOne(directory === '' ? name : `${directory}/${name}`, state);
  }

  /** @param parent state of the directory that it lies in */
  visitOne(path: ByteString, parent: IgnoreState): void {
    const { view, exclude } = this.#tree;
    const stat = view.lstat(path);
    if (stat === undefined) return;
    const relative = this.#relative(path);
    if (stat.type !== 'directory') {
      if (!exclude.isExcluded(parent, relative)) this.#visit(path, stat);
      return;
    }
    const state = exclude.enter(parent, relative);
    if (!state.excluded) this.#visit(path, stat);
    else if (!exclude.mayReinclude(state, relative)) return;
    this.descend(path, state);
  }

  stateOf(directory: ByteString): IgnoreState {
    const { root, exclude } = this.#tree;
    return directory === root ? exclude.root : exclude.enter(this.stateOf(parentOf(directory)), this.#relative(directory));
  }

  #relative(path: ByteString): ByteString {
    return this.#tree.root === '' ? path : path.slice(this.#tree.root.length + 1);
  }
}
