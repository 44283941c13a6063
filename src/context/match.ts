import { fromText, toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';

/** One part of a pattern in the syntax of Go's `filepath.Match`; `globstar` comes from .dockerignore only. */
export type GlobToken =
  | { readonly kind: 'literal'; readonly text: string }
  /** `*`: any run of characters but `/`. */
  | { readonly kind: 'star' }
  /** `?`: one character but `/`. */
  | { readonly kind: 'any' }
  /** `[a-z]`, `[^a-z]`: ranges of code points, both ends included. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [low: number, high: number])[] }
  /** `**` with a slash after it, if there is one: any number of whole directories. */
  | { readonly kind: 'globstar' }
  /** `**` at the end: everything. */
  | { readonly kind: 'rest' };

const NON_ASCII = /[\u0080-\uffff]/;
/** Where Unicode keeps one code unit for each byte that is not UTF-8, the way Python's `surrogateescape` does. */
const LONE_BYTE_BASE = 0xdc00;

/**
 * Characters instead of bytes, since `?` and classes take one character: UTF-8 decoded, each byte that is not UTF-8 as one lone surrogate, so
 * that different names stay different.
 */
export function toRunes(bytes: ByteString): string {
  if (!NON_ASCII.test(bytes)) return bytes;
  const text = toText(bytes);
  if (!text.includes('\ufffd')) return text;
  let runes = '';
  for (let at = 0; at < bytes.length;) {
    const sequence = sequenceAt(bytes, at);
    runes += sequence === undefined ? String.fromCharCode(LONE_BYTE_BASE + bytes.charCodeAt(at)) : sequence;
    at += sequence === undefined ? 1 : fromText(sequence).length;
  }
  return runes;
}

/** The one character whose UTF-8 form begins at a byte. */
function sequenceAt(bytes: ByteString, at: number): string | undefined {
  const lead = bytes.charCodeAt(at);
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const slice = bytes.slice(at, at + length);
  const character = toText(slice);
  return fromText(character) === slice && character.length > 0 ? character : undefined;
}

/**
 * @param options.globstar read `**` as .dockerignore does; otherwise it is twice `*`
 * @throws BuildError `dockerfile` for what Go calls ErrBadPattern: an open or empty class, a range without an end, a backslash at the end
 */
export function parseGlob(pattern: ByteString, options: { readonly globstar: boolean } = { globstar: false }): readonly GlobToken[] {
  const runes = Array.from(toRunes(pattern));
  const tokens: GlobToken[] = [];
  let literal = '';
  const flush = (): void => {
    if (literal !== '') tokens.push({ kind: 'literal', text: literal });
    literal = '';
  };
  let at = 0;
  while (at < runes.length) {
    const rune = runes[at++] ?? '';
    if (rune === '\\') {
      if (at === runes.length) throw badPattern(pattern);
      literal += runes[at++] ?? '';
    } else if (rune === '*' || rune === '?' || rune === '[') {
      flush();
      if (rune === '[') {
        const parsed = parseClass(runes, at, pattern);
        tokens.push(parsed.token);
        at = parsed.end;
      } else if (rune === '*' && options.globstar && runes[at] === '*') {
        at += runes[at + 1] === '/' ? 2 : 1;
        tokens.push({ kind: at === runes.length ? 'rest' : 'globstar' });
      } else tokens.push({ kind: rune === '*' ? 'star' : 'any' });
    } else literal += rune;
  }
  flush();
  return tokens;
}

type ClassToken = Extract<GlobToken, { kind: 'class' }>;

/** From the character after `[`. A `]` may stand first only when escaped, a `-` nowhere but between two ends. */
function parseClass(runes: readonly string[], start: number, pattern: ByteString): { token: ClassToken; end: number } {
  let at = start;
  const negated = runes[at] === '^';
  if (negated) at++;
  const readEnd = (): number => {
    let rune = runes[at++];
    if (rune === undefined || rune === '-' || rune === ']') throw badPattern(pattern);
    if (rune === '\\') rune = runes[at++];
    const codePoint = rune?.codePointAt(0);
    // A class that ends with the pattern is an open one.
    if (codePoint === undefined || at >= runes.length) throw badPattern(pattern);
    return codePoint;
  };
  const ranges: [number, number][] = [];
  while (ranges.length === 0 || runes[at] !== ']') {
    const low = readEnd();
    if (runes[at] === '-') at++;
    else {
      ranges.push([low, low]);
      continue;
    }
    ranges.push([low, readEnd()]);
  }
  return { token: { kind: 'class', negated, ranges }, end: at + 1 };
}

function badPattern(pattern: ByteString): BuildError {
  return new BuildError('dockerfile', `syntax error in pattern: "${toText(pattern)}"`, {
    hint: 'write a literal "[" as "[[]" and close every character class',
  });
}

const REGEXP_SPECIAL = /[\\^$.*+?()[\]{}|/]/g;

/**
 * An expression over `toRunes` of a path. Between two `*` the first place that fits is as good as any and is not left again: trying all of them
 * takes a time that grows with the length of the path to the power of the stars.
 */
export function globExpression(tokens: readonly GlobToken[]): RegExp {
  let source = '';
  let firstPlaces = 0;
  /** What stands behind a `*`, while no other has come. */
  let behindStar: string | undefined;
  for (const token of tokens) {
    if (token.kind === 'star') {
      if (behindStar !== undefined) source += `(?=([^/]*?${behindStar}))(?:\\${++firstPlaces})`;
      behindStar = '';
    } else if (behindStar === undefined) source += tokenSource(token);
    else if (token.kind === 'globstar' || token.kind === 'rest') {
      source += TOKEN_SOURCES.star + behindStar + tokenSource(token);
      behindStar = undefined;
    } else behindStar += tokenSource(token);
  }
  if (behindStar !== undefined) source += TOKEN_SOURCES.star + behindStar;
  return new RegExp(`^${source}$`, 'su');
}

const TOKEN_SOURCES = { star: '[^/]*', any: '[^/]', globstar: '(?:.*/)?', rest: '.*' } as const;

function tokenSource(token: GlobToken): string {
  if (token.kind === 'literal') return token.text.replace(REGEXP_SPECIAL, String.raw`\$&`);
  return token.kind === 'class' ? classSource(token) : TOKEN_SOURCES[token.kind];
}

function classSource({ negated, ranges }: ClassToken): string {
  // Go takes `[z-a]` and lets it match nothing; RegExp would refuse it.
  const usable = ranges.filter(([low, high]) => low <= high);
  const body = usable.map(([low, high]) => `\\u{${low.toString(16)}}-\\u{${high.toString(16)}}`).join('');
  return `(?!/)[${negated ? '^' : ''}${body}]`;
}

/**
 * Go's `filepath.Match` for one path segment.
 * @throws BuildError `dockerfile` when the pattern is malformed
 */
export function compileMatch(pattern: ByteString): (name: ByteString) => boolean {
  const tokens = parseGlob(pattern);
  const [first] = tokens;
  if (tokens.length === 0) return (name) => name === '';
  if (tokens.length === 1 && first?.kind === 'literal') {
    const literal = first.text;
    return (name) => toRunes(name) === literal;
  }
  const expression = globExpression(tokens);
  return (name) => expression.test(toRunes(name));
}

/** Whether a source of COPY is a pattern at all: `*`, `?` or `[` that no backslash stands before. */
export function hasWildcard(path: ByteString): boolean {
  return /^(?:[^\\*?[]|\\.)*[*?[]/s.test(path);
}
