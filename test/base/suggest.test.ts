import { describe, expect, test } from 'vitest';
import { didYouMean, suggest } from '../../src/base/suggest.js';

describe('suggestions', () => {
  const names = ['FROM', 'RUN', 'COPY', 'ENTRYPOINT', 'ENV'];
  test.each([
    ['FORM', 'FROM'],
    ['form', 'FROM'],
    ['COP', 'COPY'],
    ['COPPYY', 'COPY'],
    ['ENTRYPOINT', 'ENTRYPOINT'],
    ['ENTRYPIONTS', undefined],
    ['RUNNER', undefined],
    ['', undefined],
    ['X'.repeat(100), undefined],
  ])('%j is %j', (word, found) => expect(suggest(word, names)).toBe(found));

  test('the nearest wins, of equal ones the first', () => {
    expect(suggest('build', ['built', 'builds', 'guild'])).toBe('built');
    expect(suggest('build', ['bild1', 'build1'])).toBe('build1');
  });

  test('as a part of a sentence', () => {
    expect(didYouMean('--form', ['--from', '--chmod'])).toBe(' (did you mean --from?)');
    expect(didYouMean('--what', ['--from', '--chmod'])).toBe('');
  });

  test('of words equally far, the one with the letters swapped', () => {
    expect(suggest('RNU', ['ENV', 'RUN', 'CMD'])).toBe('RUN');
    expect(suggest('abd', ['abc', 'abx'])).toBe('abc');
  });

  test('a word as long as a file takes no time', () => {
    const startedAt = performance.now();
    expect(suggest('x'.repeat(5_000_000), names)).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});
