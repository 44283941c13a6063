import { execFileSync } from 'node:child_process';
import { closeSync, lstatSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errnoOf } from '../../src/base/errors.js';
import { getXattr, listXattrs, makeNode, removeXattr, setTimes, setXattr, tryLock } from '../../src/os/native.js';
import { majorOf, minorOf } from '../../src/os/stat.js';

const dir = mkdtempSync(join(tmpdir(), 'tsbuild-native-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: devices and trusted xattrs need root');

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return errnoOf(error);
  }
}

const paths: readonly (readonly [string, string | Buffer])[] = [
  ['a string', join(dir, 'plain')],
  ['a string with non-ASCII text', join(dir, 'caf\u00e9 \u{1f600}')],
  ['a Buffer', Buffer.from(join(dir, 'buffer'))],
  ['a Buffer that is not UTF-8', Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x63, 0xe9, 0xff])])],
];

describe.each(paths)('xattrs of %s', (_kind, path) => {
  beforeAll(() => writeFileSync(path, ''));

  it('are set, listed in order, read and removed', () => {
    expect(listXattrs(path)).toEqual([]);
    const binary = Buffer.from([0, 255, 10, 0]);
    setXattr(path, 'user.b', binary);
    setXattr(path, 'user.a', Buffer.alloc(0));
    setXattr(path, 'user.\xff', Buffer.from('x'));
    expect(listXattrs(path)).toEqual([
      ['user.a', Buffer.alloc(0)],
      ['user.b', binary],
      ['user.\xff', Buffer.from('x')],
    ]);
    expect(getXattr(path, 'user.b')).toEqual(binary);
    expect(getXattr(path, 'user.none')).toBeUndefined();
    for (const name of ['user.a', 'user.b', 'user.\xff']) removeXattr(path, name);
    expect(listXattrs(path)).toEqual([]);
    expect(codeOf(() => removeXattr(path, 'user.a'))).toBe('ENODATA');
  });

  it('are of the size that the file system takes', () => {
    const value = Buffer.alloc(3000, 7);
    setXattr(path, 'user.large', value);
    expect(getXattr(path, 'user.large')).toEqual(value);
    expect(codeOf(() => setXattr(path, 'user.large', Buffer.alloc(70_000)))).toBe('E2BIG');
    removeXattr(path, 'user.large');
  });

  it('and the time, from before 1970 to after 2038', () => {
    for (const seconds of [0, -1, -315_619_200, 4_102_444_800, 1_700_000_000]) {
      setTimes(path, seconds);
      const stats = lstatSync(path);
      expect([stats.mtimeMs, stats.atimeMs]).toEqual([seconds * 1000, seconds * 1000]);
    }
  });
});

describe('getXattr', () => {
  it('gives a Buffer of its own', () => {
    const path = join(dir, 'own');
    writeFileSync(path, '');
    setXattr(path, 'user.a', Buffer.from('first'));
    const first = getXattr(path, 'user.a');
    setXattr(path, 'user.a', Buffer.from('other'));
    getXattr(path, 'user.a');
    expect(first?.toString()).toBe('first');
  });

  it.skipIf(!isRoot)('does not follow a symlink', () => {
    const target = join(dir, 'target');
    const link = join(dir, 'link');
    writeFileSync(target, '');
    symlinkSync('target', link);
    setXattr(target, 'user.a', Buffer.from('t'));
    setXattr(link, 'trusted.a', Buffer.from('l'));
    expect(listXattrs(link).filter(([name]) => name !== 'security.selinux')).toEqual([['trusted.a', Buffer.from('l')]]);
    expect(getXattr(target, 'trusted.a')).toBeUndefined();
    setTimes(link, 1000);
    expect(lstatSync(link).mtimeMs).toBe(1_000_000);
    expect(lstatSync(target).mtimeMs).not.toBe(1_000_000);
  });
});

describe('errors', () => {
  it('have the code and name call and path', () => {
    const missing = join(dir, 'missing');
    expect(() => listXattrs(missing)).toThrow(`llistxattr ${missing}: ENOENT`);
    expect(codeOf(() => getXattr(missing, 'user.a'))).toBe('ENOENT');
    expect(codeOf(() => setXattr(missing, 'user.a', Buffer.from('x')))).toBe('ENOENT');
    expect(codeOf(() => setTimes(missing, 0))).toBe('ENOENT');
    expect(codeOf(() => setXattr(dir, 'nonsense', Buffer.from('x')))).toBe('ENOTSUP');
  });

  it('refuse what a C string cannot hold', () => {
    expect(codeOf(() => listXattrs(`${dir}\0/x`))).toBe('EINVAL');
    expect(codeOf(() => listXattrs(Buffer.from(`${dir}\0/x`)))).toBe('EINVAL');
    expect(codeOf(() => listXattrs(Buffer.alloc(5000, 'x')))).toBe('ENAMETOOLONG');
    expect(codeOf(() => listXattrs('x'.repeat(5000)))).toBe('ENAMETOOLONG');
  });

  it('are none where a file system has no xattrs', () => {
    expect(listXattrs('/proc/self/status')).toEqual([]);
    expect(getXattr('/proc/self/status', 'user.a')).toBeUndefined();
  });
});

describe('makeNode', () => {
  it('makes a FIFO with the mode asked for', () => {
    const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from('pipe\xe9', 'latin1')]);
    const umask = process.umask(0o077);
    try {
      makeNode(path, { type: 'fifo', mode: 0o1666, major: 0, minor: 0 });
    } finally {
      process.umask(umask);
    }
    expect(lstatSync(path).isFIFO()).toBe(true);
    expect(lstatSync(path).mode & 0o7777).toBe(0o1666);
    expect(codeOf(() => makeNode(path, { type: 'fifo', mode: 0, major: 0, minor: 0 }))).toBe('EEXIST');
  });

  it.skipIf(!isRoot).each([
    ['char', 0, 0],
    ['char', 1, 3],
    ['block', 259, 70_000],
    ['char', 4095, 1_048_575],
  ] as const)('makes a %s device %i, %i', (type, major, minor) => {
    const path = join(dir, `${type}-${major}-${minor}`);
    makeNode(path, { type, mode: 0o640, major, minor });
    const stats = lstatSync(path);
    expect(type === 'char' ? stats.isCharacterDevice() : stats.isBlockDevice()).toBe(true);
    expect([majorOf(stats.rdev), minorOf(stats.rdev), stats.mode & 0o7777]).toEqual([major, minor, 0o640]);
  });

  it('refuses numbers that Linux does not have', () => {
    expect(codeOf(() => makeNode(join(dir, 'no'), { type: 'char', mode: 0, major: 4096, minor: 0 }))).toBe('EINVAL');
    expect(codeOf(() => makeNode(join(dir, 'no'), { type: 'char', mode: 0, major: 0, minor: 1_048_576 }))).toBe('EINVAL');
  });
});

describe('tryLock', () => {
  it('shares, excludes and is dropped with the file', () => {
    const path = join(dir, 'lock');
    writeFileSync(path, '');
    const [one, two, three] = [openSync(path, 'r'), openSync(path, 'r'), openSync(path, 'r')];
    expect([tryLock(one, 'shared'), tryLock(two, 'shared'), tryLock(three, 'exclusive')]).toEqual([true, true, false]);
    closeSync(one);
    expect(tryLock(three, 'exclusive')).toBe(false);
    closeSync(two);
    expect(tryLock(three, 'exclusive')).toBe(true);
    const other = spawnFlock(path);
    closeSync(three);
    expect([other, spawnFlock(path)]).toEqual(['locked', 'free']);
    expect(codeOf(() => tryLock(9999, 'shared'))).toBe('EBADF');
  });
});

/** The lock as another program sees it. */
function spawnFlock(path: string): string {
  return execFileSync('sh', ['-c', `flock -n "${path}" true && echo free || echo locked`], { encoding: 'utf8' }).trim();
}

describe('koffi', () => {
  it('is not loaded before the first call', () => {
    const source = readFileSync(new URL('../../src/os/native.ts', import.meta.url), 'utf8');
    expect(source.match(/import (?!type)[^;]*'koffi'/)).toBeNull();
    expect(Object.keys(createRequire(import.meta.url).cache).some((name) => name.endsWith('/koffi.node'))).toBe(true);
  });
});
