import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { atRange, BuildError, errnoOf, systemErrorText } from '../../src/base/errors.js';

const file = { name: 'Dockerfile', lines: ['RUN x'] };
const range = { file, startLine: 1, startColumn: 1, endLine: 1, endColumn: 6 };

function thrown(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe('the place of an error', () => {
  test('is added, and nothing is lost', () => {
    const error = new BuildError('step', 'failed', { hint: 'try', exitCode: 7, lastLines: ['oops'] });
    expect(atRange(error, range)).toMatchObject({
      kind: 'step',
      message: 'failed',
      hint: 'try',
      exitCode: 7,
      lastLines: ['oops'],
      range,
      cause: error,
    });
  });

  test('is the first that was known', () => {
    const other = { ...range, startLine: 9 };
    const error = new BuildError('input', 'bad', { range: other });
    expect(atRange(error, range)).toBe(error);
  });

  test('is not for faults of our own', () => {
    const error = new TypeError('x is undefined');
    expect(atRange(error, range)).toBe(error);
    expect(atRange('text', range)).toBe('text');
  });
});

describe('failed system calls', () => {
  const missing = thrown(() => readFileSync('/nowhere'));
  test('have a name and words', () => {
    expect(errnoOf(missing)).toBe('ENOENT');
    expect(systemErrorText(missing)).toBe('no such file or directory (ENOENT)');
    expect(systemErrorText(Object.assign(new Error('x'), { code: 'EWHATEVER' }))).toBe('EWHATEVER');
  });

  test('are not other errors', () => {
    expect(errnoOf(new Error('x'))).toBeUndefined();
    expect(errnoOf(Object.assign(new Error('x'), { code: 7 }))).toBeUndefined();
    expect(errnoOf({ code: 'ENOENT' })).toBeUndefined();
    expect(systemErrorText(new Error('words'))).toBe('words');
    expect(systemErrorText('words')).toBe('words');
  });
});
