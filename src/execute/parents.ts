import { fromText, toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { baseOf, parentOf, relativeToRoot } from '../base/paths.js';
import { parsePatterns, type IgnoreMatcher, type IgnoreState } from '../context/dockerignore.js';
import { hasWildcard } from '../context/match.js';
import { matchPaths, splitWildcard } from '../context/wildcard.js';
import type { RootView } from '../snapshot/root-view.js';
import type { CopyRequest } from './copy-request.js';
import { findSources, missingSource, withoutEscapes, type FoundSource } from './copy-sources.js';

/** What one source of `COPY --parents` stands for. */
export interface ParentsSource {
  /** The directory up to which the path is dropped: the pivot, or the root. */
  readonly pivot: FoundSource;
  /** What is copied, below it; of a directory everything. No match lies in another. */
  readonly matches: readonly ByteString[];
}

/**
 * The sources of `COPY --parents`. A source keeps its path from the root on, or from the first `/./` in it; `**` stands for any number of
 * directories. Symlinks in what is kept are files like others, before the pivot they are followed.
 * @throws BuildError `input` when a source without wildcards is not there, `dockerfile` for a malformed wildcard
 */
export function findParents(request: CopyRequest, view: RootView): readonly ParentsSource[] {
  return request.sources.flatMap((text) => {
    const { pivot, kept } = splitPivot(text);
    const pivots = findSources({ ...request, sources: [pivot] }, view).filter(({ stat }) => stat.type === 'directory');
    const found = pivots.map((directory) => ({ pivot: directory, matches: matchKept(view, directory.path, kept) }));
    const isMissing =
      !hasWildcard(kept) && found.every(({ matches }) => matches.length === 0) && !(hasWildcard(pivot) && found.length === 0);
    if (isMissing) throw explainMissing(text, { request, view, path: childOf(pivots[0]?.path ?? '', kept) });
    return found;
  });
}

/** `a/./b/c` → `a` and `b/c`; without a pivot everything is kept. */
export function splitPivot(text: string): { readonly pivot: string; readonly kept: ByteString } {
  const at = text.indexOf('/./');
  const pivot = at === -1 ? '/' : text.slice(0, at);
  return { pivot, kept: relativeToRoot(fromText(at === -1 ? text : text.slice(at + 3))) };
}

function matchKept(view: RootView, root: ByteString, kept: ByteString): readonly ByteString[] {
  if (!hasWildcard(kept)) {
    const path = findLiteral(view, root, kept);
    return path === undefined ? [] : [path];
  }
  const { literal, segments } = splitWildcard(kept);
  const start = findLiteral(view, root, literal);
  if (start === undefined) return [];
  if (!segments.some((segment) => segment.includes('**'))) return matchPaths(view, start, segments);
  return matchAnyDepth(view, { root, start, kept });
}

/** As for any other source a backslash is one, unless only the escaped name exists. */
function findLiteral(view: RootView, root: ByteString, path: ByteString): ByteString | undefined {
  return [path, withoutEscapes(path)].map((each) => childOf(root, each)).find((each) => view.lstat(each) !== undefined);
}

/** The topmost paths below `start` that match a pattern with `**`, which is read as .dockerignore reads it. */
function matchAnyDepth(view: RootView, place: { root: ByteString; start: ByteString; kept: ByteString }): readonly ByteString[] {
  const { root, start, kept } = place;
  // A pattern of its own, not the negation of another.
  const matcher = parsePatterns([kept.startsWith('!') ? `\\${toText(kept)}` : toText(kept)], 'COPY --parents');
  const found: ByteString[] = [];
  const descend = (directory: ByteString, state: IgnoreState): void => {
    for (const name of view.list(directory)) {
      const path = childOf(directory, name);
      const relative = root === '' ? path : path.slice(root.length + 1);
      if (matcher.isExcluded(state, relative)) found.push(path);
      else if (view.lstat(path)?.type === 'directory') descend(path, matcher.enter(state, relative));
    }
  };
  descend(start, stateAt(matcher, root === '' ? start : start.slice(root.length + 1)));
  return found;
}

/** Of a directory by its path below the root of the patterns. */
function stateAt(matcher: IgnoreMatcher, path: ByteString): IgnoreState {
  return path === '' ? matcher.root : matcher.enter(stateAt(matcher, parentOf(path)), path);
}

function explainMissing(text: string, at: { request: CopyRequest; view: RootView; path: ByteString }): BuildError {
  const { request, view, path } = at;
  for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
    if (view.lstat(above)?.type !== 'symlink') continue;
    return new BuildError('input', `${request.op}: "${text}" not found: "${toText(above)}" is a symlink`, {
      hint: `--parents follows no symlink in the path that it keeps: name what "${toText(baseOf(above))}" points to, or end what is followed with "/./"`,
    });
  }
  return missingSource(text, path, { request, view });
}

function childOf(directory: ByteString, name: ByteString): ByteString {
  return directory === '' || name === '' ? directory + name : `${directory}/${name}`;
}
