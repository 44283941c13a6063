import { existsSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { expandWord, expandWords } from '../../src/parse/words.js';

const CORPUS = new URL('../../../shared/corpora/buildkit/shell/', import.meta.url);

function lookupIn(env: Readonly<Record<string, string>>): (name: string) => string | undefined {
  const map = new Map(Object.entries(env));
  return (name) => map.get(name);
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BuildError && error.kind === 'dockerfile' && error.range === undefined) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function corpusRows(name: string): string[] {
  const file = new URL(name, CORPUS);
  if (!existsSync(file)) {
    console.warn(`skipped: ${file.pathname} is absent`);
    return [];
  }
  return readFileSync(file, 'utf8').split('\n');
}

describe('the corpus of single words', () => {
  const lookup = lookupIn({ PWD: '/home', SHELL: 'bash', KOREAN: '한국어', NULL: '' });
  const rows = corpusRows('envVarTest').filter((row) => row.trim() !== '' && !row.startsWith('#'));
  const cases = rows.map((row) => row.split('|').map((part) => part.trim())).filter(([platform]) => platform !== 'W');

  test.skipIf(cases.length === 0)('has its rows', () => expect(cases.length).toBeGreaterThan(190));

  for (const [, input = '', expected = ''] of cases) {
    test(`${input} → ${expected}`, () => {
      if (expected === 'error') expect(messageOf(() => expandWord(input, lookup))).toMatch(/^failed to process "/);
      else expect(expandWord(input, lookup)).toBe(expected);
    });
  }
});

describe('the corpus of split words', () => {
  const env: Record<string, string> = {};
  for (const row of corpusRows('wordsTest')) {
    if (row === '' || row.startsWith('#')) continue;
    if (row.startsWith('ENV ')) {
      const [name = '', ...value] = row.slice(4).split('=');
      env[name] = value.join('=');
      continue;
    }
    const [input = '', expected = ''] = row.split(' | ').length === 2 ? row.split(' | ') : row.split('|');
    const lookup = lookupIn(env);
    test(`${input} → ${expected}`, () => {
      if (expected.trim() === 'error') expect(() => expandWords(input.trim(), lookup)).toThrow(BuildError);
      else expect(expandWords(input.trim(), lookup)).toEqual(expected.trimStart().split(','));
    });
  }
});

describe('modifiers', () => {
  const rows: [word: string, env: Record<string, string>, expected: string][] = [
    ['${FOO-aaa} ${BAR-bbb} ${BAZ-ccc}', { FOO: 'xxx', BAR: '' }, 'xxx  ccc'],
    ['${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc}', { FOO: 'xxx', BAR: '' }, 'xxx bbb ccc'],
    ['${FOO+aaa} ${BAR+bbb} ${BAZ+ccc}', { FOO: 'xxx', BAR: '' }, 'aaa bbb '],
    ['${FOO:+aaa} ${BAR:+bbb} ${BAZ:+ccc}', { FOO: 'xxx', BAR: '' }, 'aaa  '],
    ['${FOO:-"a b"}', {}, 'a b'],
    ["${FOO:-'$x'}", { x: '1' }, '$x'],
    ['${a:-${b:-${c:-d}}}', {}, 'd'],
    ['${FOO#()[]{\\}^$.\\*\\?|\\\\}', { FOO: '()[]{}^$.*?|\\x' }, 'x'],
    ['${FOO%%\\**}', { FOO: 'xx**' }, 'xx'],
    ['${FOO%%\\**\\*}', { FOO: 'a***yy*' }, 'a'],
    ['${FOO#*x*y}', { FOO: 'xxyy' }, 'y'],
    ['${FOO##*x*y}', { FOO: 'xxyy' }, ''],
    ['${FOO#*}', { FOO: 'xxyy' }, 'xxyy'],
    ['${FOO##*}', { FOO: 'xxyy' }, ''],
    ['${FOO#$BAR}', { FOO: 'xxyy', BAR: 'x' }, 'xyy'],
    ['${FOO##*x}', { FOO: 'xxyy' }, 'yy'],
    ['${FOO#?\\?}', { FOO: '???y' }, '?y'],
    ['${FOO%x}', { FOO: 'xxyy' }, 'xxyy'],
    ['${FOO%y*}', { FOO: 'xxyy' }, 'xxy'],
    ['${FOO%%y*}', { FOO: 'xxyy' }, 'xx'],
    ['${FOO#[x]}', { FOO: 'xx' }, 'xx'],
    ['${image#idle}box', { image: 'idlebusy' }, 'busybox'],
    ['${FOO%?}', { FOO: 'a👽' }, 'a'],
    ['${FOO##*}', { FOO: 'a\nb' }, '\nb'],
    ['${FOO/$NEEDLE/.} - ${FOO//$NEEDLE/.}', { FOO: '/foo*/*/*.txt', NEEDLE: '\\*/' }, '/foo.*/*.txt - /foo..*.txt'],
    ['${FOO/$NEEDLE/} - ${FOO//$NEEDLE/}', { FOO: '/tmp/tmp/bar.txt', NEEDLE: '/tmp' }, '/tmp/bar.txt - /bar.txt'],
    ['${FOO/$N/$R} - ${FOO//$N/$R}', { FOO: '/a/foo/b/c.txt', N: '/?/', R: '/' }, '/foo/b/c.txt - /foo/c.txt'],
    ['${FOO//\\//\\/}', { FOO: '/tmp/foo.txt' }, '\\/tmp\\/foo.txt'],
    ['${FOO/$BAR/ww}', { FOO: 'xxyy', BAR: '' }, 'wwxxyy'],
    ['${FOO//\\*/}', { FOO: 'a*b*c' }, 'abc'],
    ['${FOO//*/z}', { FOO: 'abc' }, 'z'],
    ['${FOO///}', { FOO: 'xxyy' }, 'xxyy'],
    ['${FOO///}', {}, ''],
    ['${FOO/b/[$&]}', { FOO: 'abc' }, 'a[$&]c'],
  ];
  for (const [word, env, expected] of rows) {
    test(`${word} of ${JSON.stringify(env)}`, () => expect(expandWord(word, lookupIn(env))).toBe(expected));
  }
});

describe('messages', () => {
  const rows: [word: string, message: string][] = [
    ['${FOO:?message $ARG}', 'FOO: message x'],
    ['${FOO?}', 'FOO: is not allowed to be unset'],
    ['${EMPTY:?}', 'EMPTY: is not allowed to be empty'],
    ['${FOO:?}', 'FOO: is not allowed to be unset'],
    ['${}', 'syntax error: bad substitution'],
    ['${FOO', "syntax error: missing '}'"],
    ['${FOO:-x', "syntax error: missing '}'"],
    ['${', "syntax error: missing '}'"],
    ['${FOO/a}', "syntax error: missing '/' in ${}"],
    ['${FOO/a/b', "syntax error: missing '}'"],
    ['${FOO=x}', 'unsupported modifier (=) in substitution'],
    ['${FOO:=x}', 'unsupported modifier (:=) in substitution'],
    ['${FOO:#x}', 'unsupported modifier (:#) in substitution'],
    ['${#FOO}', 'unsupported modifier (F) in substitution'],
    ['${ARG#\\x}', "invalid pattern (\\x) in substitution: invalid escape '\\x'"],
    ["'a", 'unexpected end of statement while looking for matching single-quote'],
    ['"a', 'unexpected end of statement while looking for matching double-quote'],
  ];
  for (const [word, message] of rows) {
    test(word, () => {
      expect(messageOf(() => expandWord(word, lookupIn({ ARG: 'x', EMPTY: '' })))).toBe(
        `failed to process ${JSON.stringify(word)}: ${message}`,
      );
    });
  }

  test('a long word is cut short', () => {
    expect(messageOf(() => expandWord(`${'a'.repeat(5000)}'`, lookupIn({}))).length).toBeLessThan(400);
  });
});

describe('options', () => {
  const lookup = lookupIn({ x: 'X' });

  test('the backtick escapes instead of the backslash', () => {
    expect(expandWord('a`$x \\b "`$x \\c"', lookup, { escape: '`' })).toBe('a$x \\b $x \\c');
  });

  test('kept quotes are characters, and every escape vanishes', () => {
    const body = `"$x" '\${x}' \\$x \\n \\\\ \\\nend`;
    expect(expandWord(body, lookup, { quotes: 'keep' })).toBe(`"X" 'X' $x n \\ \nend`);
  });

  test('names that were looked up and missed are seen by the lookup', () => {
    const missed: string[] = [];
    expandWord('$x ${y:-$z} "$q" \'$n\'', (name) => {
      if (name !== 'x') missed.push(name);
      return name === 'x' ? 'X' : undefined;
    });
    expect(missed).toEqual(['z', 'y', 'q']);
  });
});

describe('hostile words', () => {
  test('deep nesting is an error, not an overflow', () => {
    const word = `${'${a:-'.repeat(20_000)}${'}'.repeat(20_000)}`;
    expect(messageOf(() => expandWord(word, lookupIn({})))).toMatch(/nested too deeply/);
  });

  test('a value that doubles is stopped', () => {
    const big = 'x'.repeat(9 * 1024 * 1024);
    expect(messageOf(() => expandWord('$a$a', lookupIn({ a: big })))).toMatch(/longer than 16 MiB/);
  });

  test('many stars do not backtrack', () => {
    const start = performance.now();
    expect(expandWord(`\${a##${'*a'.repeat(30)}b}`, lookupIn({ a: 'a'.repeat(5000) }))).toHaveLength(5000);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  const pieces = [
    '$',
    '{',
    '}',
    ':',
    '-',
    '+',
    '?',
    '#',
    '%',
    '/',
    '*',
    '\\',
    '`',
    "'",
    '"',
    ' ',
    'a',
    'B',
    '_',
    '1',
    '\n',
    'é',
    '👽',
    '${a',
    '${a:-',
  ];
  const hostile = fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 30 })
    .map((parts) => parts.join(''));

  test('nothing but a BuildError of kind dockerfile is ever thrown', () => {
    fc.assert(
      fc.property(hostile, fc.dictionary(fc.constantFrom('a', 'B', '1', '_'), hostile), (word, env) => {
        for (const options of [{}, { escape: '`' as const }, { quotes: 'keep' as const }]) {
          try {
            expandWords(word, lookupIn(env), options);
          } catch (error) {
            expect(error).toBeInstanceOf(BuildError);
            expect((error as BuildError).kind).toBe('dockerfile');
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a word without special characters is itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (word) => {
        fc.pre(!/[$'"\\]/.test(word));
        expect(expandWord(word, lookupIn({}))).toBe(word);
      }),
    );
  });
});
