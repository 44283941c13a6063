/*
 * Patterns of COPY and .dockerignore as dockerfile-semantics (1.8, 1.9) has them, written down as plainly as possible: a pattern is taken apart
 * character by character and every way to match is tried. Slow, and independent of src: it exists to be compared with.
 */

/** Go's `filepath.Match` for one segment; `'error'` where Go says ErrBadPattern. Both are given as characters, not bytes. */
export function modelMatch(pattern: string, name: string): boolean | 'error' {
  const tokens = tokenize(Array.from(pattern), { globstar: false });
  return tokens === undefined ? 'error' : matches(tokens, Array.from(name));
}

interface IgnoreRule {
  readonly tokens: readonly Token[];
  /** `**` and nothing but ordinary characters behind it: patternmatcher compares the end of the path then. */
  readonly suffix: string | undefined;
  readonly negated: boolean;
}

/** Whether the lines of an ignore file exclude a path: of those that match it or a directory above it, the last decides. */
export function modelIgnore(lines: readonly string[], path: string): boolean | 'error' {
  const rules = lines.map(readRule);
  let excluded = false;
  for (const rule of rules) {
    if (rule === 'error') return 'error';
    if (rule !== undefined && pathsAbove(path).some((above) => ruleMatches(rule, above))) excluded = !rule.negated;
  }
  return excluded;
}

function readRule(line: string): IgnoreRule | 'error' | undefined {
  const trimmed = line.trim();
  if (line.startsWith('#') || trimmed === '') return undefined;
  const negated = trimmed.startsWith('!');
  const pattern = clean(negated ? trimmed.slice(1).trim() : trimmed);
  const tokens = tokenize(Array.from(pattern), { globstar: true });
  if (pattern === '' || tokens === undefined) return 'error';
  const suffix = /^\*\*([^*?[\]\\]+)$/.exec(pattern)?.[1];
  return { tokens, suffix, negated };
}

function ruleMatches({ tokens, suffix }: IgnoreRule, path: string): boolean {
  if (suffix !== undefined) return path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  return matches(tokens, Array.from(path));
}

/** Go's `filepath.Clean`, and the root's slash dropped. */
function clean(pattern: string): string {
  if (pattern === '') return '';
  const kept: string[] = [];
  for (const segment of pattern.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') kept.push(segment);
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (!pattern.startsWith('/')) kept.push(segment);
  }
  return kept.join('/') || (pattern.startsWith('/') ? '/' : '.');
}

function pathsAbove(path: string): string[] {
  const segments = path.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}

type Token =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'star' | 'any' | 'directories' | 'everything' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

/** `undefined` for a malformed pattern. */
function tokenize(input: string[], { globstar }: { globstar: boolean }): Token[] | undefined {
  const tokens: Token[] = [];
  for (let char = input.shift(); char !== undefined; char = input.shift()) {
    if (char === '*' && globstar && input[0] === '*') {
      input.shift();
      if (input.at(0) === '/') input.shift();
      tokens.push({ kind: input.length === 0 ? 'everything' : 'directories' });
    } else if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'any' });
    else if (char === '[') {
      const found = tokenizeClass(input);
      if (found === undefined) return undefined;
      tokens.push(found);
    } else {
      const literal = char === '\\' ? input.shift() : char;
      if (literal === undefined) return undefined;
      tokens.push({ kind: 'char', char: literal });
    }
  }
  return tokens;
}

function tokenizeClass(input: string[]): Token | undefined {
  const negated = input[0] === '^';
  if (negated) input.shift();
  const ranges: [string, string][] = [];
  while (ranges.length === 0 || input[0] !== ']') {
    const low = classChar(input);
    if (low === undefined) return undefined;
    if (input.at(0) !== '-') {
      ranges.push([low, low]);
      continue;
    }
    input.shift();
    const high = classChar(input);
    if (high === undefined) return undefined;
    ranges.push([low, high]);
  }
  input.shift();
  return { kind: 'class', negated, ranges };
}

/** One end of a range. Something must follow it: a class that the pattern's end closes is an error. */
function classChar(input: string[]): string | undefined {
  const first = input.shift();
  if (first === undefined || first === '-' || first === ']') return undefined;
  const char = first === '\\' ? input.shift() : first;
  return input.length === 0 ? undefined : char;
}

function matches(tokens: readonly Token[], text: readonly string[]): boolean {
  const [token, ...rest] = tokens;
  if (token === undefined) return text.length === 0;
  switch (token.kind) {
    case 'everything':
      return true;
    case 'directories':
      return text.some((char, index) => char === '/' && matches(rest, text.slice(index + 1))) || matches(rest, text);
    case 'star': {
      const slash = text.indexOf('/');
      const longest = slash === -1 ? text.length : slash;
      return Array.from({ length: longest + 1 }, (_, length) => length).some((length) => matches(rest, text.slice(length)));
    }
    case 'any':
    case 'char':
    case 'class': {
      const [char, ...more] = text;
      return char !== undefined && charMatches(token, char) && matches(rest, more);
    }
    default:
      throw new Error('no such token');
  }
}

function charMatches(token: Token, char: string): boolean {
  if (token.kind === 'char') return token.char === char;
  if (char === '/') return false;
  if (token.kind !== 'class') return true;
  const code = codeOf(char);
  return token.ranges.some(([low, high]) => codeOf(low) <= code && code <= codeOf(high)) !== token.negated;
}

function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0;
}
