import type { ByteString } from '../base/bytes.js';
import type { RootView } from '../snapshot/root-view.js';
import { compileMatch, hasWildcard } from './match.js';

/** A pattern split before its first segment that has a wildcard. */
export interface WildcardPath {
  /** `''` for the root. */
  readonly literal: ByteString;
  readonly segments: readonly ByteString[];
}

export function splitWildcard(path: ByteString): WildcardPath {
  const segments = path.split('/');
  const first = segments.findIndex(hasWildcard);
  return { literal: segments.slice(0, first).join('/'), segments: segments.slice(first) };
}

/**
 * Paths below `start` that match segment by segment, in the order of a tree walk. Like BuildKit's walk it goes through real directories only:
 * a symlink can be the last thing matched, but nothing is looked for behind it.
 */
export function matchPaths(view: RootView, start: ByteString, segments: readonly ByteString[]): readonly ByteString[] {
  const matchers = segments.map(compileMatch);
  const found: ByteString[] = [];
  const descend = (directory: ByteString, depth: number): void => {
    const matches = matchers[depth];
    if (matches === undefined) return;
    for (const name of view.list(directory)) {
      if (!matches(name)) continue;
      const path = directory === '' ? name : `${directory}/${name}`;
      if (depth === matchers.length - 1) found.push(path);
      else if (view.lstat(path)?.type === 'directory') descend(path, depth + 1);
    }
  };
  descend(start, 0);
  return found;
}
