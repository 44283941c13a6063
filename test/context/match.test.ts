import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.js';
import { BuildError } from '../../src/base/errors.js';
import { compileMatch, hasWildcard, parseGlob, toRunes } from '../../src/context/match.js';

/** Rows from the rules of Go's path/filepath.Match; the last column is what it says. */
const MATCHES: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*', '', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'abc', true],
  ['a*', 'ab/c', false],
  ['a*b*c*d*e*', 'axbxcxdxe', true],
  ['a*b*c*d*e*', 'axbxcxdxexxx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['ab[^b-d]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  [String.raw`a\*b`, 'a*b', true],
  [String.raw`a\*b`, 'ab', false],
  ['a?b', 'a☺b', true],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['a[^a][^a][^a]b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['a*b', 'a/b', false],
  ['a[^x]b', 'a/b', false],
  [String.raw`[\]a]`, ']', true],
  [String.raw`[\-]`, '-', true],
  [String.raw`[x\-]`, 'x', true],
  [String.raw`[x\-]`, '-', true],
  [String.raw`[x\-]`, 'z', false],
  [String.raw`[\-x]`, 'a', false],
  ['[z-a]', 'm', false],
  ['[^z-a]', 'm', true],
  ['*x', 'xxx', true],
  ['a]', 'a]', true],
  ['arr[[]0].txt', 'arr[0].txt', true],
  ['[*]', '*', true],
  ['[*]', 'a', false],
  ['[!a]', '!', true],
  ['**', 'ab', true],
  ['.*', '.env', true],
  ['*', '.env', true],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['a.c', 'abc', false],
  ['', '', true],
  ['', 'a', false],
  ['?', '\n', true],
];

const MALFORMED = ['[]a]', '[-]', '[x-]', '[-x]', '\\', 'a\\', '[', '[^', '[^bc', 'a[', 'a[a', '[a-b-c]', '[a-', '[\\', '[a\\', '[]'];

describe('filepath.Match', () => {
  it.each(MATCHES)('%s on %s: %s', (pattern, name, matches) => {
    expect(compileMatch(fromText(pattern))(fromText(name))).toBe(matches);
  });

  it.each(MALFORMED)('%s is malformed', (pattern) => {
    const compile = (): unknown => compileMatch(pattern);
    expect(compile).toThrow(BuildError);
    expect(compile).toThrow(`syntax error in pattern: "${pattern}"`);
  });

  it('takes a byte that is not UTF-8 as one character and keeps it apart from others', () => {
    expect(compileMatch('a?b')('a\xffb')).toBe(true);
    expect(compileMatch('a??b')('a\xffb')).toBe(false);
    expect(toRunes('\xff')).not.toBe(toRunes('\xfe'));
    expect(toRunes('\xc3\xa9\xff')).toHaveLength(2);
    expect(toRunes(fromText('\ufffd\u{1f600}é'))).toBe('\ufffd\u{1f600}é');
  });

  it('takes no time that grows with the number of stars', () => {
    const startedMs = performance.now();
    expect(compileMatch(`${'*a'.repeat(12)}c`)(`${'a'.repeat(200)}b`)).toBe(false);
    expect(compileMatch(`${'*a?'.repeat(12)}*c`)(`${'a'.repeat(200)}c`)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  it('agrees with a matcher that only follows the definition', () => {
    const piece = fc.constantFrom('a', 'b', 'é', '*', '?', '[ab]', '[^a]', '[a-b]', String.raw`\*`, '[^é]', '*', '?');
    const name = fc.array(fc.constantFrom('a', 'b', 'é', '*', '☺'), { maxLength: 6 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), name, (pieces, text) => {
        expect(compileMatch(fromText(pieces.join('')))(fromText(text))).toBe(definedMatch(pieces, Array.from(text)));
      }),
      { numRuns: 3000 },
    );
  });
});

/** One rule per line of Go's documentation, with no thought of speed. */
function definedMatch(pieces: readonly string[], name: readonly string[]): boolean {
  const [piece, ...rest] = pieces;
  if (piece === undefined) return name.length === 0;
  if (piece === '*') return name.some((_, skipped) => definedMatch(rest, name.slice(skipped))) || definedMatch(rest, []);
  const [character, ...others] = name;
  if (character === undefined) return false;
  const accepts: Record<string, boolean> = {
    '?': true,
    '[ab]': 'ab'.includes(character),
    '[^a]': character !== 'a',
    '[a-b]': 'ab'.includes(character),
    [String.raw`\*`]: character === '*',
    '[^é]': character !== 'é',
  };
  return (accepts[piece] ?? piece === character) && definedMatch(rest, others);
}

describe('hasWildcard', () => {
  it.each([
    ['a/b', false],
    ['a/*', true],
    ['a?', true],
    ['a[', true],
    [String.raw`a\*b`, false],
    [String.raw`a\\*b`, true],
    ['a\\', false],
  ])('%s: %s', (path, want) => {
    expect(hasWildcard(path)).toBe(want);
  });
});

describe('parseGlob', () => {
  it('knows ** only when asked', () => {
    expect(parseGlob('**/a', { globstar: true })).toEqual([{ kind: 'globstar' }, { kind: 'literal', text: 'a' }]);
    expect(parseGlob('**/a')).toEqual([{ kind: 'star' }, { kind: 'star' }, { kind: 'literal', text: '/a' }]);
    expect(parseGlob('a/**', { globstar: true })).toEqual([{ kind: 'literal', text: 'a/' }, { kind: 'rest' }]);
  });
});
