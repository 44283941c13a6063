import { array, assert, nat, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { LineSplitter } from '../../src/os/lines.js';

function split(chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

test.each([
  ['', []],
  ['a', ['a']],
  ['a\nb\n', ['a', 'b']],
  ['a\r\nb', ['a', 'b']],
  ['\n\n', ['', '']],
  ['10%\r20%\r100%\ndone', ['100%', 'done']],
  ['10%\r\r\n', ['10%']],
  ['\u00e4\u20ac', ['\u00e4\u20ac']],
])('%j', (text, lines) => {
  expect(split([Buffer.from(text)])).toEqual(lines);
});

test('lines do not depend on where chunks are cut', () => {
  assert(
    property(string({ unit: 'binary' }), array(nat(40)), (text, cuts) => {
      const bytes = Buffer.from(text);
      const chunks: Buffer[] = [];
      let start = 0;
      for (const cut of cuts) {
        chunks.push(bytes.subarray(start, start + cut));
        start += cut;
      }
      chunks.push(bytes.subarray(start));
      expect(split(chunks)).toEqual(split([bytes]));
    }),
  );
});

test('a line without end is cut', () => {
  const lines = split([Buffer.alloc(200_000, 'x')]);
  expect(lines.join('')).toHaveLength(200_000);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(65536);
});
