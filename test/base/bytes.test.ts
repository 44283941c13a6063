import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromText, toFsPath, toText } from '../../src/base/bytes.js';

describe('file names are bytes', () => {
  test('any bytes come through a system call', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const name = Buffer.from(bytes).toString('latin1');
        expect(Buffer.from(toFsPath(name) as string)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test('text comes through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(toText(fromText(text))).toBe(text);
      }),
    );
  });

  test('strings sort as their bytes do', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const [left, right] = [Buffer.from(a).toString('latin1'), Buffer.from(b).toString('latin1')];
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(Buffer.compare(a, b));
      }),
    );
  });

  test('what is no UTF-8 is shown as such', () => {
    expect(toText('caf\xe9')).toBe('caf�');
    expect(toText(fromText('café'))).toBe('café');
    expect(toFsPath('plain')).toBe('plain');
  });
});
