import { describe, expect, test } from 'vitest';
import { formatBytes, formatDuration } from '../../src/base/format.js';

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1234, '1.23 kB'],
    [9994, '9.99 kB'],
    [9995, '10.0 kB'],
    [12_345, '12.3 kB'],
    [99_949, '99.9 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [64 * 2 ** 30, '68.7 GB'],
    [5e12, '5.00 TB'],
    [5e15, '5000 TB'],
  ])('%d are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe('durations', () => {
  test.each([
    [0, '0.00s'],
    [4, '0.00s'],
    [123, '0.12s'],
    [9994, '9.99s'],
    [9995, '10.0s'],
    [12_345, '12.3s'],
    [59_949, '59.9s'],
    [59_950, '1m00s'],
    [60_000, '1m00s'],
    [125_400, '2m05s'],
    [3_599_600, '60m00s'],
  ])('%d ms are %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text));
});
