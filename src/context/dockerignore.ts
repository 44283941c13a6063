import { fromText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { cleanPath } from '../base/paths.js';
import { globExpression, parseGlob, toRunes, type GlobToken } from './match.js';

/** The line of the ignore file that decides about a path. */
interface IgnoreRule {
  readonly line: number;
  /** As written, without white space around it. */
  readonly text: string;
  /** The line begins with `!`: what it matches is let in. */
  readonly negated: boolean;
}

/**
 * What is known about a directory: handed down a walk, so that nothing above it is matched again. The path of the directory and the state of its
 * parent make its own (`enter`).
 */
export interface IgnoreState {
  readonly excluded: boolean;
  /** The last rule that matches, whatever it says. */
  readonly rule: IgnoreRule | undefined;
  /** By rule: whether it matches this directory or one above; it holds for everything below, then. */
  readonly inherited: Uint8Array;
}

export interface IgnoreMatcher {
  readonly fileName: string;
  readonly rules: readonly IgnoreRule[];
  /** The state of the root of the context, which no rule excludes. */
  readonly root: IgnoreState;
  /** The state of a directory, from that of its parent. */
  enter(parent: IgnoreState, path: ByteString): IgnoreState;
  /** The same decision for a path that nothing lies below. */
  isExcluded(parent: IgnoreState, path: ByteString): boolean;
  /** Whether a later rule could let something in below a directory that is excluded: if not, a walk need not look. */
  mayReinclude(state: IgnoreState, path: ByteString): boolean;
  /** For a single path, outside of a walk: the rule that decides, if any does. */
  decide(path: ByteString): IgnoreRule | undefined;
}

interface CompiledRule extends IgnoreRule {
  readonly matches: (path: ByteString, runes: string) => boolean;
  /** The part of the pattern before anything special: what every match begins with. */
  readonly prefix: ByteString;
}

/**
 * The rules of .dockerignore as moby/patternmatcher has them. They are not those of .gitignore, so the package `ignore` cannot apply them: a
 * pattern without a slash matches at the root only, a trailing slash means nothing, and a path can be let in below an excluded directory.
 * @param text of the ignore file
 * @param fileName for messages
 * @throws BuildError `input` for a lone `!` or a malformed pattern
 */
export function parseIgnore(text: string, fileName: string): IgnoreMatcher {
  return new RuleList(readRules(text, fileName), fileName);
}

/**
 * The same for patterns that come one by one, as from `--exclude`: without comments, and no file's.
 * @param name what errors call them
 * @throws BuildError `dockerfile` for a lone `!` or a malformed pattern
 */
export function parsePatterns(patterns: readonly string[], name: string): IgnoreMatcher {
  try {
    return new RuleList(
      patterns.flatMap((pattern, index) => toRule(pattern.trim(), { line: index + 1, place: name })),
      name,
    );
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError('dockerfile', error.message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}

class RuleList implements IgnoreMatcher {
  readonly fileName: string;
  readonly rules: readonly CompiledRule[];
  readonly root: IgnoreState;

  constructor(rules: readonly CompiledRule[], fileName: string) {
    this.rules = rules;
    this.fileName = fileName;
    this.root = { excluded: false, rule: undefined, inherited: new Uint8Array(rules.length) };
  }

  enter(parent: IgnoreState, path: ByteString): IgnoreState {
    const inherited = new Uint8Array(parent.inherited);
    const runes = toRunes(path);
    let last: CompiledRule | undefined;
    for (const [index, rule] of this.rules.entries()) {
      if (inherited[index] === 0 && rule.matches(path, runes)) inherited[index] = 1;
      if (inherited[index] === 1) last = rule;
    }
    return { excluded: last !== undefined && !last.negated, rule: last, inherited };
  }

  isExcluded(parent: IgnoreState, path: ByteString): boolean {
    const rule = this.#lastMatch(parent.inherited, path);
    return rule !== undefined && !rule.negated;
  }

  mayReinclude(state: IgnoreState, path: ByteString): boolean {
    // Rules before the one that excludes the directory can never win below it.
    for (let index = this.rules.length - 1; index >= 0; index--) {
      const rule = this.rules[index];
      if (rule === undefined || rule === state.rule) return false;
      if (!rule.negated) continue;
      const below = `${path}/`;
      if (rule.prefix.startsWith(below) || below.startsWith(rule.prefix)) return true;
    }
    return false;
  }

  decide(path: ByteString): IgnoreRule | undefined {
    let state = this.root;
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) state = this.enter(state, path.slice(0, slash));
    return this.#lastMatch(state.inherited, path);
  }

  /** From the last rule on: the first that matches decides. */
  #lastMatch(inherited: Uint8Array, path: ByteString): CompiledRule | undefined {
    const runes = toRunes(path);
    for (let index = this.rules.length - 1; index >= 0; index--) {
      const rule = this.rules[index];
      if (rule !== undefined && (inherited[index] === 1 || rule.matches(path, runes))) return rule;
    }
    return undefined;
  }
}

function readRules(text: string, fileName: string): CompiledRule[] {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  return lines.flatMap((raw, index) =>
    // A comment begins in the first column: ` #x` is a pattern.
    raw.startsWith('#') ? [] : toRule(raw.trim(), { line: index + 1, place: `${fileName}:${index + 1}` }),
  );
}

function toRule(text: string, { line, place }: { readonly line: number; readonly place: string }): CompiledRule[] {
  if (text === '') return [];
  const negated = text.startsWith('!');
  const pattern = cleanPattern(negated ? text.slice(1).trim() : text);
  if (pattern === '')
    throw new BuildError('input', `${place}: illegal exclusion pattern: "!"`, { hint: 'name what "!" shall let in, or drop the line' });
  return [{ line, text, negated, ...compilePattern(fromText(pattern), place) }];
}

function cleanPattern(pattern: string): string {
  if (pattern === '') return '';
  const clean = cleanPath(pattern);
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
}

function compilePattern(pattern: ByteString, place: string): Pick<CompiledRule, 'matches' | 'prefix'> {
  const tokens = parsePattern(pattern, place);
  const [first] = tokens;
  const prefix = first?.kind === 'literal' ? fromText(first.text) : '';
  return { prefix, matches: plainMatch(pattern, tokens) ?? expressionMatch(tokens) };
}

function parsePattern(pattern: ByteString, place: string): readonly GlobToken[] {
  try {
    return parseGlob(pattern, { globstar: true });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError('input', `${place}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

/** The frequent shapes without an expression: `dist`, `dist` and a `**` below, `**` and a name, `**` and a suffix such as `*.log`. */
function plainMatch(pattern: ByteString, tokens: readonly GlobToken[]): CompiledRule['matches'] | undefined {
  const literal = fromText(tokens.map((token) => (token.kind === 'literal' ? token.text : '')).join(''));
  switch (tokens.map(({ kind }) => kind).join(' ')) {
    case 'rest':
      return () => true;
    case 'literal':
      return (path) => path === literal;
    case 'literal rest':
      return (path) => path.startsWith(literal);
    case 'globstar literal': {
      // `**foo` matches `xfoo`, as patternmatcher's comparison of suffixes has it; `**/foo` does not, nor does a pattern with an escape.
      if (pattern.includes('\\')) return undefined;
      const suffix = pattern.startsWith('**/') ? `/${literal}` : literal;
      return (path) => path === literal || path.endsWith(suffix);
    }
    case 'globstar star literal':
      return literal.includes('/') ? undefined : (path) => path.endsWith(literal);
    default:
      return undefined;
  }
}

function expressionMatch(tokens: readonly GlobToken[]): CompiledRule['matches'] {
  const expression = globExpression(tokens);
  return (_path, runes) => expression.test(runes);
}
