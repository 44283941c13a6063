import { parseBool } from './csv.js';
import { BuildError } from './errors.js';
import { relativeToRoot } from './paths.js';

/** A git repository, or a directory of it, at one commit. */
export interface GitRemote {
  /** Without the fragment, and without the query keys that are read here. */
  readonly url: string;
  /** Branch, tag or commit; the default is the remote's HEAD. */
  readonly ref?: string;
  /** Relative to the root, `..` clamped there. Symlinks in it are yet to be followed. */
  readonly subdir?: string;
  /** The commit that `ref` must be, or the beginning of its name. */
  readonly checksum?: string;
  readonly submodules: boolean;
  /** `keep-git-dir` of the query, for where no flag says more. */
  readonly keepGitDir?: boolean;
  /** Files have the time of the commit; without, that of the checkout. */
  readonly mtime?: 'commit';
}

const SCHEME = /^[a-z0-9]+:\/\//i;
const SCP_STYLE = /^[\w-]+@[a-z0-9.-]+:/i;
const FULL_COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether a ref can be nothing but a commit, named in full. */
export function isFullCommit(ref: string): boolean {
  return FULL_COMMIT.test(ref);
}

/**
 * Reads `https://host/repo.git`, `git://host/repo`, `ssh://user@host/repo` and `user@host:repo`, with `#ref:subdir` or `?ref=…&subdir=…` behind it. A
 * context may also be `github.com/owner/repo`, which as a source of ADD is a path like any other.
 * @returns `undefined` for what is no git repository, such as an http URL whose path does not end in `.git`
 * @throws BuildError `dockerfile` for ADD and `usage` for a context, when the query is wrong
 */
export function parseGitRemote(text: string, of: 'add' | 'context'): GitRemote | undefined {
  const parts = of === 'context' && text.startsWith('github.com/') ? splitUrl(`https://${text}`, '') : splitText(text);
  if (parts === undefined) return undefined;
  try {
    return toRemote(parts);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError(of === 'add' ? 'dockerfile' : 'usage', error.message, { cause: error });
  }
}

interface UrlParts {
  readonly url: string;
  readonly query: URLSearchParams;
  readonly fragment: string;
}

function splitText(text: string): UrlParts | undefined {
  if (SCHEME.test(text)) return splitUrl(text, '.git');
  if (!SCP_STYLE.test(text)) return undefined;
  const [, url = '', query = '', fragment = ''] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text) ?? [];
  return { url, query: new URLSearchParams(query), fragment };
}

/** @param suffix what the path of an http URL must end in, since most of them lead to files */
function splitUrl(text: string, suffix: string): UrlParts | undefined {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = parsed?.protocol ?? '';
  if (parsed === undefined || !['http:', 'https:', 'ssh:', 'git:'].includes(scheme)) return undefined;
  if (scheme.startsWith('http') && !parsed.pathname.endsWith(suffix)) return undefined;
  const [url = ''] = text.split(/[?#]/, 1);
  return { url, query: parsed.searchParams, fragment: decode(parsed.hash.slice(1)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function toRemote({ url, query, fragment }: UrlParts): GitRemote {
  const values = readQuery(query);
  const [, fragmentRef = '', fragmentDir = ''] = /^([^:]*)(?::(.*))?$/s.exec(fragment) ?? [];
  const checksum = values.checksum ?? values.commit;
  const ref = values['fetch-by-commit'] === true && checksum !== undefined ? checksum : chooseRef(fragmentRef, values);
  const subdir = relativeToRoot(agreed('subdir', fragmentDir, values.subdir) ?? '');
  if (checksum !== undefined && !/^[0-9a-f]{1,64}$/.test(checksum)) {
    throw invalid(`invalid checksum ${JSON.stringify(checksum)}: want the hexadecimal name of a commit`);
  }
  return {
    url,
    ...optional('ref', ref ?? checksum),
    ...optional('subdir', subdir === '' ? undefined : subdir),
    ...optional('checksum', checksum),
    submodules: values.submodules ?? true,
    ...optional('keepGitDir', values['keep-git-dir']),
    ...(values.mtime === 'commit' ? { mtime: 'commit' } : {}),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [name in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [name in K]?: V });
}

const TEXT_KEYS = ['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', 'mtime'] as const;
const TOGGLES = ['keep-git-dir', 'submodules', 'fetch-by-commit'] as const;

type Query = { readonly [name in (typeof TEXT_KEYS)[number]]?: string } & { readonly [name in (typeof TOGGLES)[number]]?: boolean };

function readQuery(query: URLSearchParams): Query {
  const values: Record<string, string | boolean> = {};
  for (const [key, value] of query) {
    if (Object.hasOwn(values, key)) throw invalid(`query ${JSON.stringify(key)} has multiple values`);
    values[key] = (TOGGLES as readonly string[]).includes(key) ? readToggle(key, value) : readText(key, value);
  }
  return values;
}

function readText(key: string, value: string): string {
  if (!(TEXT_KEYS as readonly string[]).includes(key)) throw invalid(`unexpected query ${JSON.stringify(key)}`);
  if (value === '') throw invalid(`query ${JSON.stringify(key)} has no value`);
  if (key === 'mtime' && value !== 'commit' && value !== 'checkout') throw invalid(`invalid mtime value: ${JSON.stringify(value)}`);
  return value;
}

/** A bare key is yes. */
function readToggle(key: string, value: string): boolean {
  const on = value === '' ? true : parseBool(value);
  if (on === undefined) throw invalid(`invalid ${key} value: ${JSON.stringify(value)}`);
  return on;
}

function chooseRef(fragment: string, { ref, tag, branch }: Query): string | undefined {
  if (tag !== undefined && branch !== undefined) throw invalid('branch conflicts with tag');
  const named = tag === undefined ? inside('refs/heads/', branch) : inside('refs/tags/', tag);
  return agreed('ref', agreed('ref', fragment, ref) ?? '', named);
}

function inside(prefix: string, name: string | undefined): string | undefined {
  return name === undefined || name.startsWith(prefix) ? name : prefix + name;
}

/** Of two ways to say the same. */
function agreed(what: string, first: string, second: string | undefined): string | undefined {
  if (first !== '' && second !== undefined && first !== second) {
    throw invalid(`${what} conflicts: ${JSON.stringify(first)} vs ${JSON.stringify(second)}`);
  }
  return first === '' ? second : first;
}

function invalid(message: string): BuildError {
  return new BuildError('usage', message);
}
