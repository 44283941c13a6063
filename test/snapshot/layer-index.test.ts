import * as fc from 'fast-check';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ByteString } from '../../src/base/bytes.js';
import { BuildError } from '../../src/base/errors.js';
import { extractLayer } from '../../src/snapshot/extract.js';
import { openLayerIndex, readLayerIndex, toLayerIndex } from '../../src/snapshot/layer-index.js';
import type { LayerDir, LayerIndex, RootView, ViewLayer } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import { member, tarOf, type EntrySpec } from '../helpers/tar-builder.js';
import { toTreeNode, type TreeNode } from '../helpers/tree.js';

// A file system in memory, where there is one: the properties make thousands of files.
const lab = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tsbuild-index-'));
afterAll(() => rmSync(lab, { recursive: true, force: true }));
let count = 0;

const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

async function* chunksOf(specs: readonly EntrySpec[]): AsyncGenerator<Buffer, void, void> {
  yield tarOf(...specs.map((spec) => member({ ...self, ...spec })));
}

async function extracted(specs: readonly EntrySpec[]): Promise<LayerDir> {
  const path = join(lab, String(count++));
  return { path, implied: (await extractLayer(chunksOf(specs), path)).implied };
}

async function indexed(specs: readonly EntrySpec[]): Promise<LayerIndex> {
  const index = await readLayerIndex(() => chunksOf(specs));
  openLayerIndex(index);
  return index;
}

/** What both kinds of view can tell: everything but bytes and the identity of inodes. */
function treeOf(view: RootView): Map<ByteString, TreeNode> {
  const tree = new Map<ByteString, TreeNode>();
  const visit = (path: ByteString): void => {
    const stat = view.lstat(path);
    if (stat === undefined) throw new Error(`the view lists "${path}" but does not have it`);
    tree.set(path, toTreeNode(stat, { xattrs: view.xattrs(path) }));
    for (const name of view.list(path)) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return tree;
}

/** Lower layers first. @returns the tree, or the message of the error */
async function tryTree(
  layers: readonly (readonly EntrySpec[])[],
  open: (specs: readonly EntrySpec[]) => Promise<ViewLayer>,
): Promise<Map<ByteString, TreeNode> | string> {
  try {
    const opened: ViewLayer[] = [];
    for (const specs of layers) opened.unshift(await open(specs));
    return treeOf(openRootView(opened));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return error.message;
  }
}

async function expectSame(layers: readonly (readonly EntrySpec[])[]): Promise<Map<ByteString, TreeNode> | string> {
  const tree = await tryTree(layers, indexed);
  expect(tree).toEqual(await tryTree(layers, extracted));
  return tree;
}

interface Row {
  readonly title: string;
  readonly layers: readonly (readonly EntrySpec[])[];
  /** Paths of the union, or the error. */
  readonly paths: readonly ByteString[] | RegExp;
}

const file = (path: ByteString): EntrySpec => ({ path, text: 'x' });
const dir = (path: ByteString, mode = 0o755): EntrySpec => ({ path, type: 'directory', mode });
const link = (path: ByteString, linkTarget: ByteString): EntrySpec => ({ path, type: 'symlink', mode: 0o777, linkTarget });
const hard = (path: ByteString, linkTarget: ByteString): EntrySpec => ({ path, type: 'hardlink', linkTarget });
const whiteout = (path: ByteString): EntrySpec => ({ path });

const rows: readonly Row[] = [
  { title: 'no layers', layers: [], paths: [''] },
  { title: 'an empty layer', layers: [[]], paths: [''] },
  { title: 'implied parents', layers: [[dir('a', 0o700)], [file('a/b/c')]], paths: ['', 'a', 'a/b', 'a/b/c'] },
  { title: 'a directory after its children', layers: [[file('a/b'), dir('a', 0o700)]], paths: ['', 'a', 'a/b'] },
  { title: 'a whiteout', layers: [[file('a'), file('b')], [whiteout('.wh.a')]], paths: ['', 'b'] },
  {
    title: 'a whiteout spares its own layer',
    layers: [
      [dir('a'), file('a/x')],
      [file('a/y'), whiteout('.wh.a')],
    ],
    paths: ['', 'a', 'a/y'],
  },
  {
    title: 'an opaque directory',
    layers: [
      [dir('a'), file('a/x')],
      [dir('a'), file('a/y'), whiteout('a/.wh..wh..opq')],
    ],
    paths: ['', 'a', 'a/y'],
  },
  { title: 'an opaque root', layers: [[file('x')], [whiteout('.wh..wh..opq'), file('y')]], paths: ['', 'y'] },
  {
    title: 'names of AUFS',
    layers: [[file('a')], [file('.wh..wh.plnk'), file('.wh..wh.aufs'), file('.wh..wh.orph/1.2')]],
    paths: ['', 'a'],
  },
  { title: 'below a whiteout', layers: [[dir('d'), file('d/a')], [file('d/.wh.a/b')]], paths: ['', 'd', 'd/a'] },
  { title: 'a whiteout in what ends as a file', layers: [[file('a')], [whiteout('a/.wh.b'), file('a')]], paths: ['', 'a'] },
  { title: 'a whiteout makes its directory', layers: [[], [whiteout('a/b/.wh.c')]], paths: ['', 'a', 'a/b'] },
  {
    title: 'a path through a symlink',
    layers: [[dir('usr/lib'), link('lib', 'usr/lib'), file('lib/so')]],
    paths: ['', 'lib', 'usr', 'usr/lib', 'usr/lib/so'],
  },
  {
    title: 'a path through a dangling symlink',
    layers: [[link('lib', '/no/../../where'), file('lib/so')]],
    paths: ['', 'lib', 'no', 'where', 'where/so'],
  },
  {
    title: 'a whiteout through a symlink',
    layers: [
      [dir('d'), file('d/a')],
      [link('l', 'd'), whiteout('l/.wh.a')],
    ],
    paths: ['', 'd', 'l'],
  },
  { title: 'a loop of symlinks', layers: [[link('l', 'l'), file('l/a')]], paths: /too many symbolic links/ },
  { title: 'a file where a directory was', layers: [[dir('a'), file('a/b'), file('a')]], paths: ['', 'a'] },
  { title: 'a directory again', layers: [[dir('a'), file('a/b'), file('a'), dir('a')]], paths: ['', 'a'] },
  { title: 'a path through a file', layers: [[file('a'), file('a/b')]], paths: ['', 'a', 'a/b'] },
  { title: 'chains of hard links', layers: [[file('a'), hard('b', 'a'), hard('c', 'b'), file('a')]], paths: ['', 'a', 'b', 'c'] },
  { title: 'a hard link to a symlink', layers: [[link('a', 'x'), hard('b', 'a')]], paths: ['', 'a', 'b'] },
  {
    title: 'a hard link before its target',
    layers: [[hard('b', 'a'), file('a')]],
    paths: /hard link "\/b": its target "\/a" does not exist/,
  },
  { title: 'a hard link to a directory', layers: [[dir('a'), hard('b', 'a')]], paths: /hard link "\/b": its target "\/a" is a directory/ },
  { title: 'a root entry', layers: [[{ ...dir('', 0o700), uid: self.uid }]], paths: [''] },
  { title: 'a root that is a file', layers: [[file('')]], paths: /the root is a file, not a directory/ },
  { title: 'a whiteout of nothing', layers: [[whiteout('a/.wh.')]], paths: /whiteout "a\/\.wh\." names nothing/ },
  { title: 'a whiteout of the parent', layers: [[whiteout('a/.wh...')]], paths: /whiteout "a\/\.wh\.\.\." names nothing/ },
  { title: 'a FIFO', layers: [[{ path: 'p', type: 'fifo' }]], paths: ['', 'p'] },
  {
    title: 'xattrs: sorted, and only those of an image',
    layers: [
      [
        {
          ...file('a'),
          xattrs: [
            ['user.b', Buffer.from('2')],
            ['trusted.overlay.opaque', Buffer.from('y')],
            ['user.a', Buffer.from('1')],
          ],
        },
      ],
    ],
    paths: ['', 'a'],
  },
];

describe('an index shows what the extracted layer shows', () => {
  test.each(rows)('$title', async ({ layers, paths }) => {
    const tree = await expectSame(layers);
    if (paths instanceof RegExp) expect(tree).toMatch(paths);
    else expect(tree instanceof Map ? [...tree.keys()] : tree).toEqual(paths);
  });

  test.skipIf(self.uid !== 0)('devices are there, the one that means a whiteout on disk is not', async () => {
    const device = (path: ByteString, devMinor: number): EntrySpec => ({ path, type: 'char', devMajor: 0, devMinor });
    const tree = await expectSame([[file('a')], [device('a', 0), device('b/c', 0), device('d', 1)]]);
    expect(tree instanceof Map ? [...tree.keys()] : tree).toEqual(['', 'a', 'b', 'd']);
  });

  const name = fc.constantFrom('a', 'a', 'b', 'b', 'c-', '.wh.a', '.wh.b', '.wh..wh..opq', '.wh..wh.x', '.wh.');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  const plainPath = fc.array(fc.constantFrom('a', 'b', 'c-'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  const someLink = fc.tuple(fc.constantFrom('', '/', '../'), plainPath).map((parts) => parts.join(''));
  const spec: fc.Arbitrary<EntrySpec> = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(path, fc.nat(0o777)).map(([at, mode]) => ({ ...file(at), mode })) },
    {
      weight: 4,
      arbitrary: fc.tuple(path, fc.nat(0o1777), fc.nat(9)).map(([at, mode, mtimeSeconds]) => ({ ...dir(at, mode), mtimeSeconds })),
    },
    { weight: 2, arbitrary: fc.tuple(path, someLink).map(([at, target]) => link(at, target)) },
    { weight: 2, arbitrary: fc.tuple(path, plainPath).map(([at, target]) => hard(at, target)) },
    { weight: 1, arbitrary: fc.nat(0o1777).map((mode) => dir('', mode)) },
    { weight: 1, arbitrary: path.map((at) => ({ ...dir(at), xattrs: [['user.k', Buffer.from(at)]] as const })) },
  );

  test('whatever the layers', async () => {
    const layer = fc.array(spec, { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 3 }), async (layers) => void (await expectSame(layers))),
      { numRuns: 1500 },
    );
  });
});

describe('files of an index', () => {
  test('passwd and group can be read, wherever they lie', async () => {
    const specs = [
      link('etc/passwd', '../nix/store/x/passwd'),
      file('nix/store/x/passwd'),
      file('etc/group'),
      hard('etc/group-', 'etc/group'),
    ];
    const view = openRootView([await indexed(specs)]);
    expect(view.readFile('etc/passwd', 10)?.toString()).toBe('x');
    expect(view.readFile('etc/group-', 10)?.toString()).toBe('x');
    expect(view.readFile('etc', 10)).toBeUndefined();
  });

  test('so can what they are links to, under any name', async () => {
    const specs = [
      { path: 'etc/backup', text: 'hard' },
      hard('etc/passwd', 'etc/backup'),
      link('etc/group', '/usr/share/lists/first'),
      link('usr/share/lists/first', '../second'),
      { path: 'usr/share/second', text: 'soft' },
      link('x/passwd', 'group'),
      link('x/group', 'passwd'),
      link('y/passwd', 'nowhere'),
    ];
    const view = openRootView([await indexed(specs)]);
    expect(view.readFile('etc/passwd', 10)?.toString()).toBe('hard');
    expect(view.readFile('etc/group', 10)?.toString()).toBe('soft');
    expect(view.readFile('y/passwd', 10)).toBeUndefined();
    expect(() => view.readFile('x/passwd', 10)).toThrow('too many symbolic links');
  });

  test('a program is neither kept nor a reason to read the layer twice', async () => {
    const specs = [file('bin/busybox'), link('usr/bin/passwd', '/bin/busybox'), hard('sbin/passwd', 'bin/busybox'), file('usr/sbin/group')];
    let reads = 0;
    const { entries } = await readLayerIndex(() => (reads++, chunksOf(specs)));
    expect(reads).toBe(1);
    expect(entries.map(({ content }) => content)).toEqual(specs.map(() => undefined));
  });

  test('others say that they cannot', async () => {
    const view = openRootView([await indexed([file('etc/shadow'), { path: 'empty' }])]);
    expect(() => view.readFile('etc/shadow', 10)).toThrow('file "etc/shadow" of the image cannot be read for names');
    expect(() => view.readFile('etc/shadow', 0)).toThrow('file "etc/shadow" of the image is too large: got 1 bytes, want at most 0');
    expect(view.readFile('empty', 10)).toEqual(Buffer.alloc(0));
  });

  test('many large ones do not fill the memory', async () => {
    const text = 'x'.repeat(4 * 1024 * 1024);
    const { entries } = await indexed(Array.from({ length: 6 }, (_, index) => ({ path: `${index}/passwd`, text })));
    expect(entries.map(({ content }) => content?.kind)).toEqual(['bytes', 'bytes', 'bytes', 'bytes', undefined, undefined]);
  });

  test('a step keeps the bytes of what it wrote', () => {
    const place = join(lab, String(count++));
    mkdirSync(place);
    writeFileSync(join(place, 'passwd'), 'root');
    const common = { mode: 0o644, ...self, mtimeSeconds: 0 };
    const source = { kind: 'path', path: join(place, 'passwd') } as const;
    const index = toLayerIndex([
      { ...common, path: 'etc', type: 'directory', sizeBytes: 0 },
      { ...common, path: 'etc/passwd', type: 'file', sizeBytes: 4, content: source },
      { ...common, path: 'etc/secret', type: 'file', sizeBytes: 4, content: source },
    ]);
    const linked = toLayerIndex([
      { ...common, path: 'a', type: 'file', sizeBytes: 4, content: source },
      { ...common, path: 'b', type: 'file', sizeBytes: 4, content: source },
      { ...common, path: 'passwd', type: 'hardlink', sizeBytes: 0, linkTarget: 'b' },
    ]);
    rmSync(place, { recursive: true });
    expect(openLayerIndex(index).readFile('etc/passwd', 10)?.toString()).toBe('root');
    expect(index.entries.map(({ content }) => content?.kind)).toEqual([undefined, 'bytes', undefined]);
    expect(linked.entries.map(({ content }) => content?.kind)).toEqual([undefined, 'bytes', undefined]);
  });
});
