import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareEntryPaths } from '../../src/tar/order.js';

const rank = (part: string): number => (part === '.wh..wh..opq' ? 0 : part.startsWith('.wh.') ? 1 : 2);

/** The same, told slowly. */
const slow = (a: string, b: string): number => {
  const [left, right] = [a === '' ? [] : a.split('/'), b === '' ? [] : b.split('/')];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [x, y] = [left[index] ?? '', right[index] ?? ''];
    if (x !== y) return Math.sign(rank(x) - rank(y)) || (x < y ? -1 : 1);
  }
  return Math.sign(left.length - right.length);
};

describe('compareEntryPaths', () => {
  it('is depth first, whiteouts in front', () => {
    const sorted = [
      '',
      'a',
      'a/.wh..wh..opq',
      'a/.wh.!',
      'a/.wh.x',
      'a/!',
      'a/.hidden',
      'a/b',
      'a/b/c',
      'a/b!',
      'a!',
      'a-b',
      'a.b',
      'a.b/z',
      'ab',
      'b\x7f',
      'b\xe9',
      'b\xff',
    ];
    expect(sorted.toReversed().toSorted(compareEntryPaths)).toEqual(sorted);
    expect(sorted.toSorted(() => 0)).toEqual(sorted);
  });

  it('is the order of a walk', () => {
    const name = fc.stringMatching(/^[!a./\xe9-]{1,3}$/).filter((text) => !text.includes('/') && text !== '.' && text !== '..');
    const whiteout = name.map((text) => `.wh.${text}`);
    const path = fc.array(fc.oneof(name, name, whiteout, fc.constant('.wh..wh..opq')), { maxLength: 4 }).map((parts) => parts.join('/'));
    const property = fc.property(path, path, (a, b) => {
      expect(Math.sign(compareEntryPaths(a, b))).toBe(slow(a, b));
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
