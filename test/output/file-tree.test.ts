import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeTreeFiles, writeTreeTar } from '../../src/output/file-tree.js';
import { applyEntries } from '../../src/snapshot/apply.js';
import type { RootView } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import type { TarEntry } from '../../src/tar/entry.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: file trees with owners and devices need root');

const MTIME = 1_600_000_000;
let dir: string;
let root: RootView;

function entry(path: string, more: Partial<TarEntry>): TarEntry {
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: MTIME, ...more };
}

function file(path: string, text: string, more: Partial<TarEntry> = {}): TarEntry {
  const bytes = Buffer.from(text);
  return entry(path, { sizeBytes: bytes.length, content: { kind: 'bytes', bytes }, ...more });
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-tree-'));
  if (!isRoot) return;
  const layers = ['top', 'base'].map((name) => ({ path: join(dir, name) }));
  for (const { path } of layers) mkdirSync(path);
  applyEntries(
    [
      entry('bin', { type: 'directory', mode: 0o755 }),
      file('bin/su', 'setuid', { mode: 0o4755, uid: 7, gid: 8 }),
      entry('dev', { type: 'directory', mode: 0o755 }),
      entry('dev/null', { type: 'char', mode: 0o666, devMajor: 1, devMinor: 3 }),
      entry('dev/pipe', { type: 'fifo' }),
      file('gone', 'below'),
      file('link-a', 'linked'),
      entry('link-b', { type: 'hardlink', linkTarget: 'link-a' }),
      entry('ro', { type: 'directory', mode: 0o555 }),
      file('ro/file', 'x', { mode: 0o400 }),
      entry('sym', { type: 'symlink', mode: 0o777, linkTarget: '/etc/passwd' }),
      entry('tmp', { type: 'directory', mode: 0o1777 }),
      file('\xff\xfe-latin', 'bytes'),
    ],
    join(dir, 'base'),
  );
  applyEntries([entry('.wh.gone', { mode: 0 }), file('new', 'above', { mtimeSeconds: MTIME + 1000 })], join(dir, 'top'));
  root = openRootView(layers);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe.skipIf(!isRoot)('writeTreeFiles', () => {
  it('writes the union as files of the caller', async () => {
    const dest = join(dir, 'deep/out');
    const skipped = await writeTreeFiles({ root, dest });
    expect(skipped).toEqual(['dev/null', 'dev/pipe']);
    expect(readdirSync(dest, 'latin1').toSorted()).toEqual(['bin', 'dev', 'link-a', 'link-b', 'new', 'ro', 'sym', 'tmp', '\xff\xfe-latin']);
    expect(statSync(join(dest, 'bin/su'))).toMatchObject({ uid: 0, gid: 0, mode: 0o100755, mtimeMs: MTIME * 1000 });
    expect(statSync(join(dest, 'ro')).mode & 0o7777).toBe(0o555);
    expect(statSync(join(dest, 'ro')).mtimeMs).toBe(MTIME * 1000);
    expect(statSync(join(dest, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(statSync(join(dest, 'link-a')).ino).toBe(statSync(join(dest, 'link-b')).ino);
    expect(readlinkSync(join(dest, 'sym'))).toBe('/etc/passwd');
    expect(lstatSync(join(dest, 'sym')).mtimeMs).toBe(MTIME * 1000);
    expect(readdirSync(join(dir, 'deep'))).toEqual(['out']);
  });

  it('merges into an existing directory, and follows no symlink there', async () => {
    const dest = join(dir, 'out');
    mkdirSync(join(dest, 'tmp/mine'), { recursive: true });
    mkdirSync(join(dir, 'elsewhere'));
    writeFileSync(join(dir, 'elsewhere/new'), 'precious');
    symlinkSync(join(dir, 'elsewhere'), join(dest, 'bin'));
    symlinkSync(join(dir, 'elsewhere/new'), join(dest, 'new'));
    mkdirSync(join(dest, 'sym'));
    await writeTreeFiles({ root, dest });
    await writeTreeFiles({ root, dest });
    expect(readdirSync(join(dest, 'tmp'))).toEqual(['mine']);
    expect(lstatSync(join(dest, 'bin')).isDirectory()).toBe(true);
    expect(readdirSync(join(dir, 'elsewhere'))).toEqual(['new']);
    expect(readFileSync(join(dir, 'elsewhere/new'), 'utf8')).toBe('precious');
    expect(readFileSync(join(dest, 'new'), 'utf8')).toBe('above');
    expect(readlinkSync(join(dest, 'sym'))).toBe('/etc/passwd');
    expect(readdirSync(dest).filter((name) => name.startsWith('.tmp'))).toEqual([]);
  });

  it('does not remove a full directory for a file', async () => {
    const dest = join(dir, 'out');
    mkdirSync(join(dest, 'new/full'), { recursive: true });
    await expect(writeTreeFiles({ root, dest })).rejects.toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining('/new"') as string }),
    );
    expect(existsSync(join(dest, 'new/full'))).toBe(true);
    expect(readdirSync(dest).filter((name) => name.startsWith('.tmp'))).toEqual([]);
  });

  it('gives every file the one time', async () => {
    const dest = join(dir, 'out');
    await writeTreeFiles({ root, dest, timeSeconds: MTIME + 1 });
    expect(statSync(join(dest, 'new')).mtimeMs).toBe((MTIME + 1) * 1000);
    expect(statSync(join(dest, 'link-a')).mtimeMs).toBe((MTIME + 1) * 1000);
  });
});

describe('writeTreeFiles', () => {
  it('stops when it is told to, and leaves nothing of a new directory', async () => {
    const many = join(dir, 'many');
    mkdirSync(many);
    for (let index = 0; index < 1000; index++) writeFileSync(join(many, String(index)), '');
    const stop = new AbortController();
    const dest = join(dir, 'out/tree');
    setImmediate(() => stop.abort(new Error('enough')));
    await expect(writeTreeFiles({ root: openRootView([{ path: many }]), dest, signal: stop.signal })).rejects.toThrow('enough');
    expect(readdirSync(join(dir, 'out'))).toEqual([]);
  });
});

describe.skipIf(!isRoot)('writeTreeTar', () => {
  it('keeps owners, modes, devices, links and names', async () => {
    const dest = join(dir, 'root.tar');
    await writeTreeTar({ trees: [{ platform: { os: 'linux', architecture: 'amd64' }, root }], isSplit: false, dest, timeSeconds: MTIME });
    const listing = execFileSync('tar', ['--utc', '--numeric-owner', '--quoting-style=escape', '-tvf', dest], { encoding: 'utf8' });
    const lines = listing
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' '));
    expect(lines).toEqual([
      'drwxr-xr-x 0/0 0 2020-09-13 12:26 bin/',
      '-rwsr-xr-x 7/8 6 2020-09-13 12:26 bin/su',
      'drwxr-xr-x 0/0 0 2020-09-13 12:26 dev/',
      'crw-rw-rw- 0/0 1,3 2020-09-13 12:26 dev/null',
      'prw-r--r-- 0/0 0 2020-09-13 12:26 dev/pipe',
      '-rw-r--r-- 0/0 6 2020-09-13 12:26 link-a',
      'hrw-r--r-- 0/0 0 2020-09-13 12:26 link-b link to link-a',
      '-rw-r--r-- 0/0 5 2020-09-13 12:26 new',
      'dr-xr-xr-x 0/0 0 2020-09-13 12:26 ro/',
      '-r-------- 0/0 1 2020-09-13 12:26 ro/file',
      'lrwxrwxrwx 0/0 0 2020-09-13 12:26 sym -> /etc/passwd',
      'drwxrwxrwt 0/0 0 2020-09-13 12:26 tmp/',
      '-rw-r--r-- 0/0 5 2020-09-13 12:26 \\377\\376-latin',
    ]);
  });

  it('has a directory for each platform, links staying inside', async () => {
    const dest = join(dir, 'split.tar');
    const trees = ['amd64', 'arm'].map((architecture) => ({ platform: { os: 'linux', architecture, variant: 'v7' }, root }));
    await writeTreeTar({ trees, isSplit: true, dest, timeSeconds: MTIME });
    const listing = execFileSync('tar', ['--utc', '--numeric-owner', '-tvf', dest], { encoding: 'utf8' }).replaceAll(/ +/g, ' ');
    expect(listing).toMatch(/^drwxr-xr-x 0\/0 0 2020-09-13 12:26 linux_amd64_v7\/\n/);
    expect(listing).toContain('hrw-r--r-- 0/0 0 2020-09-13 12:26 linux_arm_v7/link-b link to linux_arm_v7/link-a\n');
    await expect(writeTreeTar({ trees, isSplit: false, dest: join(dir, 'joined.tar') })).rejects.toThrow(
      'cannot overwrite "bin/su" from linux/amd64/v7 with linux/arm/v7 when split option is disabled',
    );
    expect(existsSync(join(dir, 'joined.tar'))).toBe(false);
  });
});
