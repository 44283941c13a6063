import { fromText, toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { baseOf, relativeToRoot } from '../base/paths.js';
import { hasWildcard } from '../context/match.js';
import { matchPaths, splitWildcard } from '../context/wildcard.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { CopyRequest } from './copy-request.js';

/** One thing that COPY or ADD takes: a source, or one match of a wildcard. */
export interface FoundSource {
  /** As the Dockerfile names it. */
  readonly text: string;
  /** Its name when it goes into a directory: that of the symlink, if a symlink was named. */
  readonly name: ByteString;
  /** Where it is, symlinks followed. */
  readonly path: ByteString;
  readonly stat: ViewStat;
}

/**
 * What the sources of a request stand for, in order. A wildcard without a match stands for nothing.
 * @throws BuildError `input` when a source is not there, `dockerfile` for a malformed wildcard
 */
export function findSources(request: CopyRequest, view: RootView): readonly FoundSource[] {
  return request.sources.flatMap((text) => {
    const path = relativeToRoot(fromText(text));
    return hasWildcard(path) ? matchWildcard(text, path, { request, view }) : [findLiteral(text, path, { request, view })];
  });
}

/** The first source that `findSources` does not find, as the Dockerfile names it. */
export function firstMissing(request: CopyRequest, view: RootView): string | undefined {
  return request.sources.find((text) => {
    const path = relativeToRoot(fromText(text));
    const start = hasWildcard(path) ? splitWildcard(path).literal : path;
    return follow(text, start, view) === undefined;
  });
}

interface Place {
  readonly request: CopyRequest;
  readonly view: RootView;
}

function findLiteral(text: string, path: ByteString, { request, view }: Place): FoundSource {
  const found = follow(text, path, view);
  if (found !== undefined) return found;
  // Without a wildcard a backslash is a character like any other, unless only the escaped name exists.
  const unescaped = path.includes('\\') ? follow(text, withoutEscapes(path), view) : undefined;
  if (unescaped === undefined) throw missingSource(text, path, { request, view });
  return unescaped;
}

export function withoutEscapes(path: ByteString): ByteString {
  return path.replace(/\\(.)/gs, '$1');
}

function matchWildcard(text: string, path: ByteString, { request, view }: Place): FoundSource[] {
  const { literal, segments } = splitWildcard(path);
  const start = view.resolve(literal);
  if (view.lstat(start) === undefined) throw missingSource(text, literal, { request, view });
  return matchPaths(view, start, segments).map((match) => {
    const found = follow(text, match, view);
    if (found === undefined) throw missingSource(toText(match), match, { request, view });
    return found;
  });
}

function follow(text: string, path: ByteString, view: RootView): FoundSource | undefined {
  const resolved = view.resolve(path);
  const stat = view.lstat(resolved);
  return stat === undefined ? undefined : { text, name: baseOf(path), path: resolved, stat };
}

export function missingSource(text: string, path: ByteString, { request, view }: Place): BuildError {
  const place = request.fromContext ? 'the build context' : (request.sourceName ?? 'the image that it copies from');
  const link = view.lstat(path)?.linkTarget;
  const why = link === undefined ? '' : `: it is a symlink to "${toText(link)}", which is not there`;
  return new BuildError('input', `${request.op}: "${text}" not found in ${place}${why}`);
}
