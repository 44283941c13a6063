import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { setXattr } from '../../src/os/native.js';
import { applyEntries, makeUpper } from '../../src/snapshot/apply.js';
import { isOpaque, isWhiteout } from '../../src/snapshot/overlay.js';
import { openRootView } from '../../src/snapshot/view.js';
import type { EntryType, TarEntry } from '../../src/tar/entry.js';
import { readTree } from '../helpers/tree.js';

// Owners and devices need root.
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: applying entries needs root\n');

let dir: string;
let upper: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-apply-'));
  upper = join(dir, 'upper');
  mkdirSync(upper);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function entry(type: EntryType, path: string, more: Partial<TarEntry> = {}): TarEntry {
  return { path, type, mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1000, ...more };
}

function file(path: string, text: string, more: Partial<TarEntry> = {}): TarEntry {
  const bytes = Buffer.from(text);
  return entry('file', path, { mode: 0o644, sizeBytes: bytes.length, content: { kind: 'bytes', bytes }, ...more });
}

function failureOf(entries: readonly TarEntry[]): string {
  try {
    applyEntries(entries, upper);
  } catch (error) {
    return error instanceof BuildError ? `${error.kind}: ${error.message}` : `internal: ${String(error)}`;
  }
  return 'none';
}

describe.skipIf(!isRoot)('applyEntries', () => {
  test('makes every type with all its metadata', () => {
    const source = join(dir, 'source');
    writeFileSync(source, 'from a path', { mode: 0o400 });
    const xattrs = [['user.a', Buffer.from('1')]] as const;
    applyEntries(
      [
        entry('directory', 'd', { mode: 0o1777, uid: 1, gid: 2, mtimeSeconds: -5, xattrs }),
        file('d/bytes', 'text', { mode: 0o4755, uid: 3, gid: 4, xattrs }),
        entry('file', 'd/caf\xe9', { mode: 0o600, sizeBytes: 11, content: { kind: 'path', path: source } }),
        entry('hardlink', 'd/link', { linkTarget: 'd/bytes' }),
        entry('symlink', 'd/sym', { mode: 0o777, uid: 5, gid: 6, mtimeSeconds: -7, linkTarget: '/no\xe9where' }),
        entry('char', 'null', { mode: 0o666, devMajor: 1, devMinor: 3 }),
        file('pipe-to-be', 'x'),
        entry('fifo', 'pipe-to-be', { mode: 0o622 }),
      ],
      upper,
    );
    expect(Object.fromEntries(readTree(upper))).toMatchObject({
      d: { type: 'directory', mode: '1777', uid: 1, gid: 2, mtimeSeconds: -5, xattrs: { 'user.a': '31' } },
      'd/bytes': { type: 'file', mode: '4755', uid: 3, gid: 4, sizeBytes: 4, mtimeSeconds: 1000, xattrs: { 'user.a': '31' } },
      'd/caf\xe9': { type: 'file', mode: '0600', uid: 0, sizeBytes: 11, mtimeSeconds: 1000 },
      'd/link': { linkOf: 'd/bytes' },
      'd/sym': { type: 'symlink', uid: 5, gid: 6, mtimeSeconds: -7, linkTarget: '/no\xe9where' },
      null: { type: 'char', mode: '0666', device: '1, 3' },
      'pipe-to-be': { type: 'fifo', mode: '0622' },
    });
    expect(readFileSync(join(upper, 'd/bytes'), 'utf8')).toBe('text');
  });

  test('a later entry replaces an earlier one; a directory merges', () => {
    writeFileSync(join(dir, 'outside'), 'host');
    applyEntries(
      [
        entry('directory', 'a', { xattrs: [['user.old', Buffer.from('1')]] }),
        file('a/x', '1'),
        entry('symlink', 'a/y', { linkTarget: join(dir, 'outside') }),
        file('a/y', 'new'),
        entry('directory', 'a', { mode: 0o700 }),
        entry('directory', 'b'),
        entry('directory', 'b/c'),
        file('b', 'file'),
        file('c', 'file'),
        entry('directory', 'c'),
        file('c/z', ''),
      ],
      upper,
    );
    const tree = readTree(upper);
    expect([...tree.keys()]).toEqual(['', 'a', 'a/x', 'a/y', 'b', 'c', 'c/z']);
    expect(tree.get('a')).toMatchObject({ mode: '0700', xattrs: {} });
    expect(tree.get('b')).toMatchObject({ type: 'file', sizeBytes: 4 });
    expect(readFileSync(join(dir, 'outside'), 'utf8')).toBe('host');
  });

  test('a second call goes on where the first ended', () => {
    applyEntries([entry('directory', 'w')], upper);
    applyEntries([entry('directory', 'w', { mode: 0o700 }), file('w/a', '1')], upper);
    expect([...readTree(upper).keys()]).toEqual(['', 'w', 'w/a']);
  });

  test('whiteouts take their form on disk and spare what the same layer has', () => {
    applyEntries(
      [
        file('.wh.gone', ''),
        file('.wh.new', ''),
        entry('directory', 'd'),
        file('d/.wh..wh..opq', ''),
        file('d/.wh.f', ''),
        file('d/f', 'x'),
        entry('directory', 'late'),
        file('.wh.late', ''),
        entry('directory', 'new'),
        file('.wh.d', ''),
      ],
      upper,
    );
    const at = (path: string): string => join(upper, path);
    expect(isWhiteout(lstatSync(at('gone')))).toBe(true);
    expect(['d', 'late', 'new'].map((path) => isOpaque(at(path)))).toEqual([true, true, true]);
    expect(readFileSync(at('d/f'), 'utf8')).toBe('x');
    const lower = join(dir, 'lower');
    mkdirSync(join(lower, 'new/old'), { recursive: true });
    mkdirSync(join(lower, 'gone'));
    expect(openRootView([{ path: upper }, { path: lower }]).list('')).toEqual(['d', 'late', 'new']);
    expect(openRootView([{ path: upper }, { path: lower }]).list('new')).toEqual([]);
  });

  test.each(['.wh.', '.wh..', '.wh...', '.wh..wh.x'])('a whiteout %s is refused', (name) => {
    expect(() => applyEntries([file(name, '')], upper)).toThrow(`whiteout "${name}" is invalid`);
  });

  test('a symlink in the way of an entry is not followed', () => {
    mkdirSync(join(dir, 'outside'));
    symlinkSync(join(dir, 'outside'), join(upper, 'd'));
    for (const one of [file('d/x', '1'), file('d/.wh.x', ''), entry('hardlink', 'y', { linkTarget: 'd/x' })]) {
      expect(() => applyEntries([one], upper)).toThrow('"/d" is not a directory');
    }
    applyEntries([entry('directory', 'd'), file('d/x', '1')], upper);
    expect([...readTree(join(dir, 'outside')).keys()]).toEqual(['']);
  });

  test('errors name the path and say whose fault it is', () => {
    const missing = entry('file', 'a', { sizeBytes: 1, content: { kind: 'path', path: `${dir}/missing` } });
    expect(failureOf([missing])).toBe(`input: cannot read "${dir}/missing": no such file or directory (ENOENT)`);
    expect(failureOf([file('n'.repeat(256), 'x')])).toMatch(/^environment: cannot write "\/nnn.*ENAMETOOLONG/);
    expect(failureOf([entry('char', 'c')])).toMatch(/^input: device "\/c" has the numbers 0, 0/);
    expect(failureOf([file('none/a', '')])).toMatch(/^internal: .*entry of directory "none" is missing/);
  });

  test("a full disk is the environment's fault", async () => {
    const { OverlayLab } = await import('../helpers/overlay.js');
    const lab = await OverlayLab.open();
    if (lab === undefined) return;
    const small = lab.newDir();
    await lab.shell(lab.dir, `mount -t tmpfs -o size=64k none ${small}`);
    const big = file('big', 'x'.repeat(200_000));
    const inside = `/proc/${lab.pid}/root${small}`;
    try {
      applyEntries([big], inside);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ kind: 'environment', hint: 'free space on the disk of the store.' });
    } finally {
      await lab.close();
    }
  });
});

describe.skipIf(!isRoot)('makeUpper', () => {
  test('has the metadata of the root below, so that the step changes nothing there', () => {
    const lower = join(dir, 'lower');
    mkdirSync(lower);
    chmodSync(lower, 0o555);
    setXattr(lower, 'user.a', Buffer.from('1'));
    const made = join(dir, 'made/fs');
    makeUpper(made, openRootView([{ path: lower }]));
    expect(readTree(made).get('')).toEqual(readTree(lower).get(''));
    makeUpper(join(dir, 'scratch'), undefined);
    expect(readTree(join(dir, 'scratch')).get('')).toMatchObject({ mode: '0755', uid: 0, gid: 0, mtimeSeconds: 0 });
  });
});
