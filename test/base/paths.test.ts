import * as fc from 'fast-check';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { baseOf, cleanPath, joinPath, parentOf, relativeToRoot } from '../../src/base/paths.js';

const path = fc.array(fc.constantFrom('a', 'b', '.', '..', '...', '', '\xe9'), { maxLength: 8 }).map((parts) => parts.join('/'));

describe('Clean', () => {
  test.each([
    ['', '.'],
    ['.', '.'],
    ['/', '/'],
    ['//', '/'],
    ['a', 'a'],
    ['a/', 'a'],
    ['a//b/./c/', 'a/b/c'],
    ['a/..', '.'],
    ['a/../..', '..'],
    ['../a', '../a'],
    ['../../a/..', '../..'],
    ['/..', '/'],
    ['/../a/../../b', '/b'],
    ['./a', 'a'],
    ['...', '...'],
    ['a/.../b', 'a/.../b'],
    ['a b\\c', 'a b\\c'],
  ])('%j is %j', (text, clean) => expect(cleanPath(text)).toBe(clean));

  test('is normalize without a trailing slash, and does nothing twice', () => {
    fc.assert(
      fc.property(path, (text) => {
        const clean = cleanPath(text);
        expect(clean).toBe(posix.normalize(text).replace(/(?<=.)\/$/, ''));
        expect(cleanPath(clean)).toBe(clean);
      }),
    );
  });
});

describe('Join', () => {
  test.each([
    [[], ''],
    [['', ''], ''],
    [['', 'a'], 'a'],
    [['a', ''], 'a'],
    [['a', 'b/'], 'a/b'],
    [['/', 'a'], '/a'],
    [['/', ''], '/'],
    [['a', '/b'], 'a/b'],
    [['a', '../../b'], '../b'],
    [['.', ''], '.'],
  ])('%j is %j', (parts, joined) => expect(joinPath(...parts)).toBe(joined));
});

describe('below a root', () => {
  test.each([
    ['', ''],
    ['/', ''],
    ['.', ''],
    ['..', ''],
    ['/../../etc', 'etc'],
    ['a/../../b/', 'b'],
  ])('%j is %j', (text, relative) => expect(relativeToRoot(text)).toBe(relative));

  test('nothing climbs out', () => {
    fc.assert(
      fc.property(path, (text) => {
        expect(relativeToRoot(text).split('/')).not.toContain('..');
      }),
    );
  });
});

test.each([
  ['a', '', 'a'],
  ['a/b', 'a', 'b'],
  ['a/b/c', 'a/b', 'c'],
  ['', '', ''],
])('%j has the parent %j and the base %j', (text, parent, base) => {
  expect([parentOf(text), baseOf(text)]).toEqual([parent, base]);
});
