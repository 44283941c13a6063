import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** The cases of dockerfile-semantics, section 2. */
const CASES = 142;

/** Cases without a test, and why. */
const EXEMPT: ReadonlyMap<number, string> = new Map([
  [135, 'nothing caches steps yet'],
  [136, 'nothing caches steps yet'],
  [137, 'nothing caches steps yet'],
]);

const TESTS = fileURLToPath(new URL('..', import.meta.url));

/** The beginning of a title, as the first argument of a call or the first member of a row: `it('12: …'`, `['121, 122: …'`, `test('97–99: …'`. */
const TITLE = /(?<![.\w](?:skip|todo))[([]\s*['"`](\d{1,3}(?:(?:, |–|-)\d{1,3})*): /g;

/** `97–99, 103` → 97, 98, 99, 103 */
function numbersOf(title: string): number[] {
  return title.split(', ').flatMap((part) => {
    const [first = 0, last = first] = part.split(/[–-]/).map(Number);
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

function testedIn(text: string): number[] {
  return [...text.matchAll(TITLE)].flatMap(([, title = '']) => numbersOf(title));
}

describe('the numbered cases', () => {
  it('are read off titles', () => {
    const text =
      "it('1: a'\nit.each([\n  ['2, 3: b', x],\n  [\n    \"5–7: c\",\n it.skip('8: d'\n it('9 d'\n x = '10: e'\n describe(`11: ${f}`\n ['it', '12: g']";
    expect(testedIn(text)).toEqual([1, 2, 3, 5, 6, 7, 11]);
  });

  const tested = new Set(
    readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts') && !name.endsWith('complete.test.ts'))
      .flatMap((name) => testedIn(readFileSync(join(TESTS, name), 'utf8'))),
  );

  it.each(Array.from({ length: CASES }, (_, index) => index + 1))('%d has a test or a reason to have none', (number) => {
    expect(tested.has(number) || EXEMPT.has(number), `no title begins with "${number}: "`).toBe(true);
  });

  it('that are exempt have no test either', () => {
    expect([...EXEMPT.keys()].filter((number) => tested.has(number))).toEqual([]);
  });

  it('go no further', () => {
    expect([...tested].filter((number) => number < 1 || number > CASES)).toEqual([]);
  });
});
