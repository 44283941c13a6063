import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { applyEntries } from '../../src/snapshot/apply.js';
import { extractArchive, extractLayer, type ExtractArchiveOptions } from '../../src/snapshot/extract.js';
import type { RootView } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import { describeTree, HOSTILE_NAME, hostileLayers, SENTINEL } from '../helpers/hostile-layers.js';
import { directory, entryOf, extension, hardlink, member, paxRecord, symlink, tarOf } from '../helpers/tar-builder.js';
import { readTree } from '../helpers/tree.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: extraction into an upper directory needs root (owners, devices, trusted xattrs)');

const sandbox = mkdtempSync(join(tmpdir(), 'tsbuild-add-'));
const outside = join(sandbox, 'outside');
mkdirSync(outside);
writeFileSync(join(outside, SENTINEL.name), SENTINEL.text);
let count = 0;
let upper: string;
let lower: string;
let below: RootView;

beforeEach(() => {
  const base = join(sandbox, String(count++));
  upper = join(base, 'deep', 'upper');
  lower = join(base, 'deep', 'lower');
  mkdirSync(upper, { recursive: true });
});

afterAll(() => rmSync(sandbox, { recursive: true, force: true }));

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** Makes the image that the archive goes into. */
async function image(...members: Buffer[]): Promise<void> {
  await extractLayer(once(tarOf(directory(''), ...members)), lower);
  below = openRootView([{ path: lower }]);
}

function add(tar: Buffer, options: Partial<ExtractArchiveOptions> = {}): Promise<{ readonly warnings: string[] }> {
  return extractArchive(once(tar), { dir: upper, prefix: '', below, ...options });
}

/** What the image then has, as the kernel would show it. */
function merged(path: string): string | undefined {
  const view = openRootView([{ path: upper }, { path: lower }]);
  const stat = view.lstat(path);
  return stat === undefined ? undefined : stat.type === 'file' ? `file ${view.readFile(path, 4096)?.toString('latin1') ?? ''}` : stat.type;
}

async function failure(tar: Buffer, options: Partial<ExtractArchiveOptions> = {}): Promise<BuildError> {
  const error: unknown = await add(tar, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BuildError);
  return error as BuildError;
}

describe.skipIf(!isRoot)('extractArchive', () => {
  it('111: goes through an absolute symlink of the image, inside it', async () => {
    await image(directory('srv/real', { mode: 0o750, uid: 3 }), symlink('app', '/srv/real'), symlink('srv/real/up', '../../../..'));
    await add(tarOf(member({ path: 'f', text: 'f' }), member({ path: 'up/g', text: 'g' })), { prefix: 'app' });
    expect(describeTree(upper)).toEqual({ g: 'file g', srv: 'directory', 'srv/real': 'directory', 'srv/real/f': 'file f' });
    expect(readTree(upper).get('srv/real')).toMatchObject({ mode: '0750', uid: 3 });
  });

  it('110: makes missing parents for root with the time of the member', async () => {
    await image();
    await add(tarOf(member({ path: 'foo/bar', text: 'x', uid: 5, mtimeSeconds: 123 })), { prefix: 'a/b' });
    const tree = readTree(upper);
    for (const path of ['a', 'a/b', 'a/b/foo']) expect(tree.get(path)).toMatchObject({ mode: '0755', uid: 0, gid: 0, mtimeSeconds: 123 });
    expect(tree.get('a/b/foo/bar')).toMatchObject({ uid: 5, mtimeSeconds: 123 });
  });

  it('copies directories of the image up with their metadata', async () => {
    await image(
      directory('d', { mode: 0o2770, uid: 1, gid: 2, mtimeSeconds: 99, xattrs: [['user.k', Buffer.from('v')]] }),
      member({ path: 'd/kept', text: 'k' }),
    );
    await add(tarOf(member({ path: 'd/new', text: 'n' })));
    expect(readTree(upper).get('d')).toMatchObject({ mode: '2770', uid: 1, gid: 2, mtimeSeconds: 99, xattrs: { 'user.k': '76' } });
    expect(readTree(upper).get('d/new')).toMatchObject({ uid: 0, gid: 0 });
    expect([merged('d/kept'), merged('d/new')]).toEqual(['file k', 'file n']);
  });

  it('gives a directory that is there the permissions of the member', async () => {
    await image(directory('d', { mode: 0o700, uid: 1 }), member({ path: 'd/kept', text: 'k' }));
    await add(tarOf(directory('d', { mode: 0o1777, uid: 2, mtimeSeconds: 7 })));
    expect(readTree(upper).get('d')).toMatchObject({ mode: '1777', uid: 2, mtimeSeconds: 7 });
    expect(merged('d/kept')).toBe('file k');
  });

  it('leaves the directory that it goes into as it is, whatever the archive says of its root', async () => {
    await image(directory('d', { mode: 0o700, mtimeSeconds: 5 }));
    const tar = tarOf(directory('', { mode: 0o777 }), member({ path: 'f', text: 'f' }));
    await add(tar, { prefix: 'd' });
    expect(readTree(upper).get('d')).toMatchObject({ mode: '0700', mtimeSeconds: 5 });
  });

  it('keeps what an earlier part of the step has put there', async () => {
    await image(directory('d', { mode: 0o755 }));
    applyEntries([entryOf({ path: 'd', type: 'directory', mode: 0o2711, gid: 50, mtimeSeconds: 9 }), entryOf({ path: 'd/first' })], upper);
    await add(tarOf(member({ path: 'second', text: 's' })), { prefix: 'd' });
    const tree = readTree(upper);
    expect(tree.get('d')).toMatchObject({ mode: '2711', gid: 50, mtimeSeconds: 9 });
    expect(tree.get('d/first')).toBeDefined();
    expect(tree.get('d/second')).toMatchObject({ gid: 0 });
  });

  it('puts files in the place of files, links and whole directories', async () => {
    await image(directory('d'), member({ path: 'd/gone', text: 'g' }), member({ path: 'f', text: 'old' }), symlink('s', 'f'));
    await add(tarOf(member({ path: 'd', text: 'd' }), member({ path: 'f', text: 'new' }), member({ path: 's', text: 's' })));
    expect(['d', 'd/gone', 'f', 's'].map(merged)).toEqual(['file d', undefined, 'file new', 'file s']);
  });

  it('does not bring back what a file of the archive has replaced', async () => {
    await image(directory('d'), member({ path: 'd/gone', text: 'g' }));
    await add(tarOf(member({ path: 'd', text: 'd' }), directory('d'), member({ path: 'd/new', text: 'n' })));
    expect(['d', 'd/gone', 'd/new'].map(merged)).toEqual(['directory', undefined, 'file n']);
  });

  it('puts a directory in the place of a file, but goes below none', async () => {
    await image(member({ path: 'f', text: 'f' }), member({ path: 'g', text: 'g' }));
    await add(tarOf(directory('f'), member({ path: 'f/x', text: 'x' })));
    expect(merged('f/x')).toBe('file x');
    const error = await failure(tarOf(member({ path: 'g/x' })));
    expect([error.kind, error.message]).toEqual(['input', 'archive: "/g" is not a directory']);
  });

  it('links to members and to files of the image', async () => {
    await image(
      directory('d'),
      member({ path: 'd/lower', text: 'l', mode: 0o4711, uid: 4, mtimeSeconds: 44, xattrs: [['user.k', Buffer.from('v')]] }),
    );
    await add(tarOf(member({ path: 'f', text: 'f' }), hardlink('f2', 'f'), hardlink('l2', 'lower')), { prefix: 'd' });
    const tree = readTree(upper);
    expect(tree.get('d/f2')).toMatchObject({ linkOf: 'd/f' });
    expect(tree.get('d/lower')).toMatchObject({ linkOf: 'd/l2', mode: '4711', uid: 4, mtimeSeconds: 44, xattrs: { 'user.k': '76' } });
    expect((await failure(tarOf(hardlink('x', 'missing')))).message).toMatch(/"\/x": its target "\/missing" does not exist/);
  });

  it('113: gives every member the owner that was asked for', async () => {
    await image();
    const tar = tarOf(
      directory('d', { uid: 1 }),
      member({ path: 'd/su', mode: 0o4755, uid: 2 }),
      symlink('d/s', 'su'),
      hardlink('d/h', 'd/su'),
    );
    await add(tar, { prefix: 'out', owner: { uid: 100, gid: 200 } });
    const tree = readTree(upper);
    for (const path of ['out/d', 'out/d/su', 'out/d/s', 'out/d/h']) expect(tree.get(path), path).toMatchObject({ uid: 100, gid: 200 });
    expect(tree.get('out/d/su')).toMatchObject({ mode: '4755' });
  });

  it('stops before it writes more than it may, and says what can be done', async () => {
    await image();
    const tar = tarOf(member({ path: 'a', text: '1234' }), member({ path: 'b', text: '56789' }), member({ path: 'c', text: 'c' }));
    const error = await failure(tar, { maxUnpackedBytes: 8, name: 'bomb.tar' });
    expect(error).toMatchObject({ kind: 'input', message: 'bomb.tar: "/b": more than 8 B when unpacked' });
    expect(error.hint).toContain('--max-archive-size');
    expect(describeTree(upper)).not.toHaveProperty('b');
    expect((await failure(tar, { maxEntries: 2 })).message).toMatch(/more than 2 entries/);
    await add(tar, { maxUnpackedBytes: 10, maxEntries: 3 });
  });

  it('stops at headers without end', async () => {
    await image();
    const header = tarOf(extension('g', paxRecord('comment', 'x'.repeat(500_000)))).subarray(0, -1024);
    const endless = async function* (): AsyncGenerator<Buffer> {
      for (let repeated = 0; repeated < 1000; repeated++) yield header;
    };
    await expect(extractArchive(endless(), { dir: upper, prefix: '', below, maxUnpackedBytes: 8 })).rejects.toThrow(
      'archive: more than 8 B when unpacked',
    );
  });

  it('treats names like those of whiteouts as names, and drops devices 0,0 and xattrs of overlayfs', async () => {
    await image(member({ path: 'x', text: 'x' }));
    const { warnings } = await add(
      tarOf(
        member({ path: '.wh.x', text: 'w', xattrs: [['trusted.overlay.opaque', Buffer.from('y')]] }),
        member({ path: 'x', type: 'char', devMajor: 0, devMinor: 0 }),
        extension('g', paxRecord('comment', 'c')),
      ),
    );
    expect(describeTree(upper)).toEqual({ '.wh.x': 'file w' });
    expect(merged('x')).toBe('file x');
    expect(warnings).toHaveLength(1);
  });

  it('cannot be led out of the image', async () => {
    for (const layer of hostileLayers(outside)) {
      rmSync(upper, { recursive: true, force: true });
      rmSync(lower, { recursive: true, force: true });
      mkdirSync(upper);
      await image(symlink('in', '../../../..'));
      await add(layer.tar, { prefix: 'in' }).catch((error: unknown) => {
        if (!(error instanceof BuildError)) throw error;
      });
      expect(describeTree(outside), layer.name).toEqual({ [SENTINEL.name]: `file ${SENTINEL.text}` });
      const stray = Object.keys(describeTree(join(upper, '../..'))).filter(
        (path) => path.endsWith(HOSTILE_NAME) && !path.startsWith('deep/upper/'),
      );
      expect(stray, layer.name).toEqual([]);
    }
  });
});
