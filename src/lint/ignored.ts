import { fromText } from '../base/bytes.js';
import { parseGitRemote } from '../base/git-url.js';
import { cleanPath } from '../base/paths.js';
import type { IgnoreMatcher } from '../context/dockerignore.js';
import type { CopyInstruction } from '../parse/instruction.js';
import type { Linter } from './linter.js';
import { DETAILS, RULES } from './rules.js';

/** Patterns that leave nothing of a context. */
const EVERYTHING = new Set(['*', '**', '**/*']);

/** Sources that the ignore file keeps out of the context. Nobody looks into the context for that. */
export function lintIgnored(sources: readonly string[], instruction: CopyInstruction, at: { ignore: IgnoreMatcher; linter: Linter }): void {
  if (instruction.from !== undefined) return;
  const { ignore, linter } = at;
  for (const source of sources) {
    if (isRemote(source)) continue;
    const path = cleanPath(source);
    if (!isKeptOut(path, ignore)) continue;
    linter.warn(RULES.copyIgnoredFile, instruction, DETAILS.copyIgnoredFile(instruction.op === 'ADD' ? 'Add' : 'Copy', path));
  }
}

function isRemote(source: string): boolean {
  try {
    return /^https?:\/\//.test(source) || parseGitRemote(source, 'add') !== undefined;
  } catch {
    return true;
  }
}

function isKeptOut(path: string, ignore: IgnoreMatcher): boolean {
  const isRoot = path === '.' || path === '/';
  const rules = ignore.rules.map(({ text, negated }) => ({ negated, pattern: toPattern(text) }));
  if (isRoot && !rules.some(({ negated, pattern }) => !negated && EVERYTHING.has(pattern))) return false;
  const below = isRoot ? '' : path.replace(/^\//, '');
  if (rules.some(({ negated, pattern }) => negated && mayLetIn(pattern, below))) return false;
  const rule = ignore.decide(fromText(path));
  return rule !== undefined && !rule.negated;
}

function toPattern(text: string): string {
  return cleanPath(text.replace(/^!/, '').trim()).replace(/^\/(?=.)/, '');
}

/** Whether a `!` pattern could match the path or something below it. What follows a wildcard, in either of them, could be anything. */
function mayLetIn(pattern: string, path: string): boolean {
  const [letIn, source] = [literalPrefix(pattern), literalPrefix(path)];
  return isAtOrBelow(letIn.prefix, source.prefix) || (letIn.isWild && isAtOrBelow(source.prefix, letIn.prefix));
}

function literalPrefix(pattern: string): { prefix: string; isWild: boolean } {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?[\\]/.test(part));
  return wild === -1 ? { prefix: pattern, isWild: false } : { prefix: parts.slice(0, wild).join('/'), isWild: true };
}

function isAtOrBelow(path: string, top: string): boolean {
  return top === '' || path === top || path.startsWith(`${top}/`);
}
