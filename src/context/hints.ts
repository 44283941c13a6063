import { readdirSync } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { fromText, toText } from '../base/bytes.js';
import { errnoOf } from '../base/errors.js';
import { baseOf, parentOf, relativeToRoot } from '../base/paths.js';
import { suggest } from '../base/suggest.js';
import type { IgnoreMatcher } from './dockerignore.js';
import { HostView } from './host-view.js';
import { hasWildcard } from './match.js';

/** A hint is not worth more: an error waits for it. */
const SEARCH_TIME_MS = 400;
const SEARCH_DEPTH = 6;
const MAX_SUGGESTIONS = 3;
const MAX_GITIGNORE_BYTES = 1024 * 1024;

export interface MissingSource {
  readonly contextDir: string;
  readonly ignore: IgnoreMatcher | undefined;
  /** As the Dockerfile names it. */
  readonly source: string;
}

/**
 * Why a source of COPY is not in the context: the line of the ignore file that hides it, or where a file of that name lies.
 * @returns one sentence for `BuildError.hint`
 */
export async function missingSourceHint({ contextDir, ignore, source }: MissingSource): Promise<string | undefined> {
  const path = relativeToRoot(source);
  const hidden = ignore === undefined ? undefined : hiddenBy(contextDir, ignore, path);
  if (hidden !== undefined) return hidden;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === '' || hasWildcard(path)) return undefined;
  if (topLevelNames(contextDir).length === 0)
    return 'the build context is empty; a Dockerfile from standard input gets one by --file - DIR';
  const found = await findNamed(contextDir, name);
  const visible = found.filter((candidate) => ignore === undefined || ignore.decide(fromText(candidate))?.negated !== false);
  const similar = visible.length > 0 ? undefined : similarName(contextDir, ignore, path);
  if (similar !== undefined) return `did you mean "${similar}"?`;
  if (visible.length === 0) return 'sources are relative to the build context, not to the Dockerfile';
  return `did you mean ${visible.map((candidate) => `"${candidate}"`).join(' or ')}?`;
}

function hiddenBy(contextDir: string, ignore: IgnoreMatcher, path: string): string | undefined {
  const everything = new HostView(contextDir, undefined);
  const resolved = everything.resolve(fromText(path));
  if (everything.lstat(resolved) === undefined) return undefined;
  const rule = ignore.decide(resolved);
  return rule === undefined || rule.negated ? undefined : `it is excluded by ${ignore.fileName}:${rule.line} "${rule.text}"`;
}

/** Paths of that base name in any letter case, the nearest to the root first. In a large context only those found in time. */
async function findNamed(contextDir: string, name: string): Promise<readonly string[]> {
  const { default: glob } = await import('fast-glob');
  const stream = glob.stream(`**/${glob.escapePath(name)}`, {
    cwd: contextDir,
    deep: SEARCH_DEPTH,
    dot: true,
    onlyFiles: false,
    caseSensitiveMatch: false,
    followSymbolicLinks: false,
    suppressErrors: true,
    ignore: ['**/node_modules/**', '**/.git/**'],
  });
  const found: string[] = [];
  try {
    for await (const path of addAbortSignal(AbortSignal.timeout(SEARCH_TIME_MS), stream as Readable)) found.push(String(path));
  } catch {
    // Out of time. The search serves an error that is told anyway.
  }
  return found.toSorted((a, b) => depthOf(a) - depthOf(b) || (a < b ? -1 : 1)).slice(0, MAX_SUGGESTIONS);
}

/** What stands in the same directory under nearly the same name. */
function similarName(contextDir: string, ignore: IgnoreMatcher | undefined, path: string): string | undefined {
  const view = new HostView(contextDir, ignore);
  const parent = parentOf(fromText(path));
  const best = suggest(baseOf(path), view.list(view.resolve(parent)).map(toText));
  return best === undefined || parent === '' ? best : `${toText(parent)}/${best}`;
}

function depthOf(path: string): number {
  return path.split('/').length;
}

/**
 * Top-level names of a context that git ignores, when it has a .gitignore and no .dockerignore: what a build that copies whole directories takes
 * along by mistake (`node_modules`, `dist`). Sorted.
 */
export async function gitIgnoredEntries(dir: string): Promise<string[]> {
  const names = topLevelNames(dir);
  if (!names.some(({ name }) => name === '.gitignore') || names.some(({ name }) => name === '.dockerignore')) return [];
  const rules = new HostView(dir, undefined).readFile('.gitignore', MAX_GITIGNORE_BYTES);
  if (rules === undefined) return [];
  const { default: ignore } = await import('ignore');
  const git = ignore().add(rules.toString('utf8'));
  return names.filter(({ name, isDirectory }) => git.ignores(isDirectory ? `${name}/` : name)).map(({ name }) => name);
}

function topLevelNames(dir: string): { readonly name: string; readonly isDirectory: boolean }[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true, encoding: 'utf8' });
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}
