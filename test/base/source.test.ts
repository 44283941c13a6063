import { describe, expect, test } from 'vitest';
import { formatFrame, formatPosition, type SourceRange } from '../../src/base/source.js';

function rangeOf(lines: readonly string[], startLine: number, endLine = startLine): SourceRange {
  return { file: { name: 'Dockerfile', lines }, startLine, startColumn: 5, endLine, endColumn: 9 };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index + 1}`);

test('a position', () => expect(formatPosition(rangeOf([], 3))).toBe('Dockerfile:3:5'));

describe('a frame', () => {
  test('shows two lines around', () => {
    expect(formatFrame(rangeOf(numbered(9), 5))).toBe(
      ['    3 | line 3', '    4 | line 4', '>>> 5 | line 5', '    6 | line 6', '    7 | line 7'].join('\n'),
    );
  });

  test('ends with the file', () => {
    expect(formatFrame(rangeOf(['FROM x'], 1))).toBe('>>> 1 | FROM x');
    expect(formatFrame(rangeOf(numbered(3), 2, 3))).toBe(['    1 | line 1', '>>> 2 | line 2', '>>> 3 | line 3'].join('\n'));
  });

  test('aligns numbers, and has no blanks at the end of a line', () => {
    expect(formatFrame(rangeOf([...numbered(8), '', 'line 10'], 10))).toBe(['     8 | line 8', '     9 |', '>>> 10 | line 10'].join('\n'));
  });

  test('shows the start of what is long', () => {
    const lines = formatFrame(rangeOf(numbered(40), 3, 30)).split('\n');
    expect(lines).toHaveLength(2 + 12 + 1);
    expect(lines.slice(-2)).toEqual(['>>> 14 | line 14', '       | … (up to line 30)']);
    expect(formatFrame(rangeOf(['x'.repeat(10_000)], 1))).toBe(`>>> 1 | ${'x'.repeat(240)}… (10000 characters)`);
  });

  test('of a file of one instruction of twelve lines is whole', () => {
    expect(formatFrame(rangeOf(numbered(12), 1, 12)).split('\n')).toHaveLength(12);
  });
});
