import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { expandWord, expandWords } from '../../src/parse/words.js';
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../cases/fuzz.js';
import { modelWord, type ModelOptions, type ModelResult } from './words-model.js';

type Env = Readonly<Record<string, string>>;

function ourWord(word: string, env: Env, options: ModelOptions): ModelResult | 'error' {
  const lookup = (name: string): string | undefined => (Object.hasOwn(env, name) ? env[name] : undefined);
  try {
    return { text: expandWord(word, lookup, options), words: expandWords(word, lookup, options) };
  } catch (error) {
    if (error instanceof BuildError && error.kind === 'dockerfile') return 'error';
    throw error;
  }
}

const NAMES = ['a', 'B_1', '_', 'é', 'none', 'empty'];
const CHAR = fc.constantFrom(
  ...Array.from('abx_ \t\n/*?.:-+#%[]{}()^|=!@&;,0123éß한👽'),
  '\\',
  '`',
  "'",
  '"',
  '$',
  '\\\\',
  '\\$',
  '\\*',
  '\\?',
  '\\/',
  '\\}',
  '\u0085',
  '\u2003',
);
const LITERAL = fc.array(CHAR, { maxLength: 4 }).map((chars) => chars.join(''));
const NAME = fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom('', '1', '10', '#', '?', '@', '*', '-', '!', '$', '0'));

/** Words that mostly make sense: nested substitutions, quotes, escapes. */
const { word: WORD } = fc.letrec<{ word: string; piece: string }>((tie) => ({
  word: fc.array(tie('piece'), { maxLength: 4, depthIdentifier: 'word' }).map((pieces) => pieces.join('')),
  piece: fc.oneof(
    { depthIdentifier: 'word', maxDepth: 4 },
    LITERAL,
    NAME.map((name) => `$${name}`),
    NAME.map((name) => `\${${name}}`),
    fc
      .tuple(NAME, fc.constantFrom('-', ':-', '+', ':+', '?', ':?', '#', '##', '%', '%%', '=', ':=', ':#', ':', ''), tie('word'))
      .map(([name, operator, operand]) => `\${${name}${operator}${operand}}`),
    fc
      .tuple(NAME, fc.constantFrom('/', '//'), tie('word'), tie('word'))
      .map(([name, operator, pattern, by]) => `\${${name}${operator}${pattern}/${by}}`),
    tie('word').map((inner) => `"${inner}"`),
    LITERAL.map((inner) => `'${inner.replaceAll("'", '')}'`),
  ),
}));

const VALUE = fc.array(fc.constantFrom(...Array.from('abxb \t\n/*?.#%\\{}$[]é👽')), { maxLength: 8 }).map((chars) => chars.join(''));
const ENV = fc.record({ a: VALUE, B_1: VALUE, _: VALUE, é: VALUE, empty: fc.constant('') }, { requiredKeys: [] });
const OPTIONS = fc.record({
  escape: fc.constantFrom('\\' as const, '`' as const),
  quotes: fc.constantFrom('process' as const, 'keep' as const),
});

describe('expandWord and its specification', () => {
  it('agree about generated words', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const outcomes = { error: 0, text: 0 };
    fc.assert(
      fc.property(WORD, ENV, OPTIONS, (word, env, options) => {
        const expected = modelWord(word, env, options);
        outcomes[expected === 'error' ? 'error' : 'text']++;
        expect(ourWord(word, env, options)).toEqual(expected);
      }),
      fuzzRuns(8000),
    );
    // Neither half may be a rarity, or the comparison would say little.
    expect(Math.min(outcomes.error, outcomes.text)).toBeGreaterThan(200);
  });

  it('agree about arbitrary text', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const text = fc.array(fc.oneof(CHAR, fc.constantFrom('${', '}', '${a', '${a#', '${a%', '${a/', ':-', '"', "'")), { maxLength: 20 });
    fc.assert(
      fc.property(text, ENV, OPTIONS, (chars, env, options) => {
        const word = chars.join('');
        expect(ourWord(word, env, options)).toEqual(modelWord(word, env, options));
      }),
      fuzzRuns(8000),
    );
  });
});
