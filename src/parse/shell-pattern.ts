import { BuildError } from '../base/errors.js';

/** One character of a pattern: itself, `?` or `*`. */
type Token = { readonly kind: 'char'; readonly char: string } | { readonly kind: 'any' } | { readonly kind: 'star' };

const ESCAPABLE = new Set(['*', '?', '\\']);

/**
 * The patterns of `${name#p}`, `${name%p}` and `${name/p/r}`: `*` and `?` match anything but a newline, `\*`, `\?` and `\\` themselves. There
 * are no bracket expressions. `\}` and `\/` stand for what could not be written otherwise inside the braces.
 * @throws BuildError `dockerfile` for any other escape
 */
function parsePattern(pattern: string): Token[] {
  const chars = Array.from(pattern);
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; at++) {
    let char = chars[at] ?? '';
    if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'any' });
    else if (char === '\\' && (chars[at + 1] === '}' || chars[at + 1] === '/')) continue;
    else {
      if (char === '\\') {
        char = chars[++at] ?? '';
        if (!ESCAPABLE.has(char)) {
          throw new BuildError('dockerfile', `invalid pattern (${pattern}) in substitution: invalid escape '\\${char}'`);
        }
      }
      tokens.push({ kind: 'char', char });
    }
  }
  return tokens;
}

/**
 * Where matches that begin at `start` can end: the nearest or the farthest such place. All ends are followed at once, so that no pattern
 * takes longer than its length times that of the text.
 */
function matchEnd(
  tokens: readonly Token[],
  text: readonly string[],
  { start, longest }: { start: number; longest: boolean },
): number | undefined {
  let ends = [start];
  for (const token of tokens) {
    ends = token.kind === 'star' ? spread(ends, text) : step(ends, text, token.kind === 'char' ? token.char : undefined);
    if (ends.length === 0) return undefined;
  }
  return longest ? ends.at(-1) : ends[0];
}

/** Each place of `ends` and those after it up to the next newline, ascending. */
function spread(ends: readonly number[], text: readonly string[]): number[] {
  const reached: number[] = [];
  let next = 0;
  for (const end of ends) {
    if (end < next) continue;
    next = end;
    reached.push(next);
    while (next < text.length && text[next] !== '\n') reached.push(++next);
    next++;
  }
  return reached;
}

function step(ends: readonly number[], text: readonly string[], char: string | undefined): number[] {
  const reached: number[] = [];
  for (const end of ends) {
    const found = text[end];
    if (found !== undefined && (char === undefined ? found !== '\n' : found === char)) reached.push(end + 1);
  }
  return reached;
}

export interface TrimRequest {
  readonly side: 'prefix' | 'suffix';
  readonly longest: boolean;
}

/** `${name#p}`, `##`, `%` and `%%`. */
export function trimMatch(value: string, pattern: string, { side, longest }: TrimRequest): string {
  const tokens = parsePattern(pattern);
  const text = Array.from(value);
  if (side === 'suffix') {
    tokens.reverse();
    text.reverse();
  }
  const end = matchEnd(tokens, text, { start: 0, longest });
  if (end === undefined) return value;
  const rest = text.slice(end);
  return (side === 'suffix' ? rest.toReversed() : rest).join('');
}

export interface ReplaceRequest {
  readonly replacement: string;
  readonly all: boolean;
}

/** `${name/p/r}` and `//`: the leftmost longest match or all of them. */
export function replaceMatch(value: string, pattern: string, { replacement, all }: ReplaceRequest): string {
  const tokens = parsePattern(pattern);
  const text = Array.from(value);
  let result = '';
  let previousEnd = -1;
  let start = 0;
  while (start <= text.length) {
    const end = matchEnd(tokens, text, { start, longest: true });
    // An empty match right behind another match does not count, as in Go's regexp.
    const counts = end !== undefined && !(end === start && start === previousEnd);
    if (counts) {
      result += replacement;
      if (!all) return result + text.slice(end).join('');
      previousEnd = end;
    }
    if (counts && end > start) start = end;
    else result += text[start++] ?? '';
  }
  return result;
}
