import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { setXattr } from '../../src/os/native.js';
import type { ViewLayer } from '../../src/snapshot/root-view.js';
import { openRootView, visibleLayers } from '../../src/snapshot/view.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-view-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Files by path; a name that ends in `/` is a directory, a value that starts with `->` a symlink. */
function makeLayer(name: string, files: Readonly<Record<string, string>>): ViewLayer & { readonly path: string } {
  const root = join(dir, name);
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (content.startsWith('->')) symlinkSync(content.slice(2), full);
    else if (!path.endsWith('/')) writeFileSync(full, content);
  }
  return { path: root };
}

/** The `user` form needs no privilege. */
function makeOpaque(layer: { readonly path: string }, path: string): void {
  setXattr(join(layer.path, path), 'user.overlay.opaque', Buffer.from('y'));
}

describe('lookups', () => {
  test('paths are taken as they stand', () => {
    const view = openRootView([makeLayer('a', { 'd/f': 'x' })]);
    expect(view.lstat('d/f')?.type).toBe('file');
    for (const path of [
      '/d/f',
      'd//f',
      'd/',
      './d',
      'd/.',
      'd/../d',
      '..',
      '../a/d',
      'd/f/x',
      'x/y',
      'd/f\0',
      'n'.repeat(300),
      'd/n'.repeat(2000),
    ]) {
      expect(view.lstat(path), path).toBeUndefined();
      expect(view.list(path), path).toEqual([]);
      expect(view.xattrs(path), path).toEqual([]);
      expect(view.readFile(`${path}/none`, 9), path).toBeUndefined();
    }
  });

  test('no component of a layer is followed', () => {
    writeFileSync(join(dir, 'secret'), 'host');
    const top = makeLayer('top', { out: `->${dir}`, up: '->..' });
    const lower = makeLayer('lower', { d: `->${dir}`, 'e/secret': 'layer' });
    const over = makeLayer('over', { 'd/': '', e: '->../lower/e' });
    expect(openRootView([top]).lstat('out/secret')).toBeUndefined();
    expect(openRootView([top]).lstat('up/secret')).toBeUndefined();
    expect(openRootView([top, lower]).lstat('d/secret')).toBeUndefined();
    expect(openRootView([over, lower]).list('d')).toEqual([]);
    expect(openRootView([over, lower]).lstat('e/secret')).toBeUndefined();
    expect(openRootView([lower, over]).lstat('e/secret')?.sizeBytes).toBe(5);
    // Inside the root the host's directory is not there: the path stays as it leads.
    expect(openRootView([top]).resolve('out/secret')).toBe(`${dir.slice(1)}/secret`);
    expect(openRootView([top]).readFile('out/secret', 99)).toBeUndefined();
    expect(openRootView([top]).readFile('up/secret', 99)).toBeUndefined();
  });

  test('the topmost layer may change between calls', () => {
    const top = makeLayer('top', {});
    const view = openRootView([top, makeLayer('lower', { 'd/a': '1', 'd/b': '2' })]);
    expect(view.list('d')).toEqual(['a', 'b']);
    mkdirSync(join(top.path, 'd'));
    writeFileSync(join(top.path, 'd/c'), '');
    expect(view.list('d')).toEqual(['a', 'b', 'c']);
    makeOpaque(top, 'd');
    expect(view.list('d')).toEqual(['c']);
    rmSync(join(top.path, 'd'), { recursive: true });
    writeFileSync(join(top.path, 'd'), '');
    expect(view.lstat('d/a')).toBeUndefined();
    rmSync(join(top.path, 'd'));
    expect(view.lstat('d/a')?.type).toBe('file');
  });

  test('an implied directory has the metadata of the layers below', () => {
    const implied = { ...makeLayer('top', { 'd/e/f': '', 'new/x': '' }), implied: ['', 'd', 'd/e', 'new'] };
    const middle = { ...makeLayer('middle', { 'd/e/g': '' }), implied: ['d'] };
    const lower = makeLayer('lower', { 'd/e/h': '' });
    execFileSync('chmod', ['700', join(implied.path, 'd'), join(implied.path, 'd/e'), middle.path]);
    execFileSync('chmod', ['711', join(middle.path, 'd/e'), join(middle.path, 'd')]);
    execFileSync('chmod', ['1777', join(lower.path, 'd')]);
    for (const layers of [
      [implied, middle, lower],
      [makeLayer('empty', {}), implied, middle, lower],
    ]) {
      const view = openRootView(layers);
      expect(view.lstat('d')?.mode.toString(8)).toBe('1777');
      expect(view.lstat('d/e')?.mode.toString(8)).toBe('711');
      expect(view.lstat('new')?.type).toBe('directory');
    }
    expect(openRootView([implied, middle, lower]).lstat('')?.mode.toString(8)).toBe('700');
    makeOpaque(implied, 'd');
    const cleared = openRootView([makeLayer('another', {}), implied, middle, lower]);
    expect(cleared.list('d')).toEqual(['e']);
    expect(cleared.lstat('d')?.mode.toString(8)).toBe('1777');
  });

  test('an opaque root hides the layers below, which a mount must leave out', () => {
    const layers = [makeLayer('top', { a: '' }), makeLayer('middle', { b: '' }), makeLayer('lower', { c: '' })];
    expect(visibleLayers(layers)).toEqual(layers);
    makeOpaque({ path: join(dir, 'middle') }, '');
    expect(visibleLayers(layers)).toEqual(layers.slice(0, 2));
    expect(openRootView(layers).list('')).toEqual(['a', 'b']);
  });

  test('a layer that is known to merge is not asked', () => {
    const top = makeLayer('top', { x: '' });
    const lower = makeLayer('lower', { y: '' });
    makeOpaque(top, '');
    expect(openRootView([top, lower]).list('')).toEqual(['x']);
    expect(openRootView([{ ...top, mergesRoot: true }, lower]).list('')).toEqual(['x', 'y']);
  });

  test('an image without layers has a root', () => {
    const view = openRootView([]);
    expect(view.lstat('')).toMatchObject({ type: 'directory', mode: 0o755, uid: 0, gid: 0 });
    expect(view.list('')).toEqual([]);
    expect(view.xattrs('')).toEqual([]);
    expect(view.resolve('/a/../b/c')).toBe('b/c');
  });

  test('names come in byte order, those that are not UTF-8 too', () => {
    const layer = makeLayer('top', { b: '', 'a-': '', B: '', 'a/': '' });
    writeFileSync(Buffer.from(`${layer.path}/\xe9`, 'latin1'), 'x');
    const view = openRootView([layer]);
    expect(view.list('')).toEqual(['B', 'a', 'a-', 'b', '\xe9']);
    expect(view.readFile('\xe9', 9)?.toString()).toBe('x');
  });

  test('walk meets everything below a directory, each directory before its contents', () => {
    const view = openRootView([makeLayer('top', { 'd/b/x': '', 'd/a': '' }), makeLayer('lower', { 'd/b/w': '', 'd/c/': '', e: '' })]);
    const met: string[] = [];
    view.walk?.('d', (path, stat) => met.push(`${stat.type} ${path}`));
    expect(met).toEqual(['file d/a', 'directory d/b', 'file d/b/w', 'file d/b/x', 'directory d/c']);
  });
});

describe('resolve', () => {
  const files = {
    'usr/bin/sh': 'x',
    bin: '->usr/bin',
    abs: '->/usr',
    up: '->../../../usr/bin',
    chain: '->abs/../bin/',
    dangling: '->no/where',
    'usr/rel': '->../bin/../rel2',
    self: '->self',
    file: 'x',
    slash: '->/',
  };
  const rows: readonly { readonly path: string; readonly found: string; readonly unfollowed?: string }[] = [
    { path: '', found: '' },
    { path: '/', found: '' },
    { path: '.', found: '' },
    { path: '../..', found: '' },
    { path: '/bin/sh', found: 'usr/bin/sh' },
    { path: 'bin', found: 'usr/bin', unfollowed: 'bin' },
    { path: 'bin/', found: 'usr/bin', unfollowed: 'bin' },
    { path: 'bin/.', found: 'usr/bin', unfollowed: 'usr/bin' },
    { path: 'abs/bin/./sh', found: 'usr/bin/sh' },
    { path: 'up/sh', found: 'usr/bin/sh' },
    { path: 'chain/sh', found: 'usr/bin/sh' },
    { path: 'dangling', found: 'no/where', unfollowed: 'dangling' },
    { path: 'dangling/x', found: 'no/where/x' },
    { path: 'usr/rel', found: 'usr/rel2', unfollowed: 'usr/rel' },
    { path: 'new/a/../b', found: 'new/b' },
    { path: 'new/../bin/sh', found: 'usr/bin/sh' },
    { path: 'bin/../x', found: 'usr/x' },
    { path: 'file/x', found: 'file/x' },
    { path: 'slash', found: '', unfollowed: 'slash' },
    { path: 'slash/slash/bin', found: 'usr/bin', unfollowed: 'bin' },
  ];
  test.each(rows)('"$path" is "$found"', ({ path, found, unfollowed = found }) => {
    const view = openRootView([makeLayer('upper', {}), makeLayer('root', files)]);
    expect(view.resolve(path)).toBe(found);
    expect(view.resolve(path, { followLast: false })).toBe(unfollowed);
  });

  test('40 links are followed, 41 are not', () => {
    const links = Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`l${index + 1}`, `->l${index}`]));
    const view = openRootView([makeLayer('root', { l0: 'end', ...links })]);
    expect(view.resolve('l40')).toBe('l0');
    expect(() => view.resolve('l41')).toThrow('too many symbolic links on the way to "l41"');
    expect(view.resolve('l41', { followLast: false })).toBe('l41');
  });

  test('a loop ends', () => {
    const view = openRootView([makeLayer('root', { self: '->self', a: '->b/x', b: '->a/x' })]);
    expect(() => view.resolve('self')).toThrow(BuildError);
    expect(() => view.readFile('a', 9)).toThrow(BuildError);
  });
});

describe('readFile', () => {
  test('reads regular files alone, through links inside the root', () => {
    const layer = makeLayer('root', { 'etc/passwd': 'root', link: '->/etc/../etc/passwd', 'd/': '' });
    execFileSync('mkfifo', [join(layer.path, 'fifo')]);
    const view = openRootView([layer]);
    expect(view.readFile('link', 4)?.toString()).toBe('root');
    expect(view.readFile('/etc/passwd', 4)?.toString()).toBe('root');
    for (const path of ['fifo', 'd', '', 'none']) expect(view.readFile(path, 4), path).toBeUndefined();
    expect(() => view.readFile('link', 3)).toThrow(/etc\/passwd" of the image is too large: got 4 bytes, want at most 3/);
  });
});
