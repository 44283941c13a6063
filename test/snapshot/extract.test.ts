import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { getXattr, listXattrs } from '../../src/os/native.js';
import { extractLayer, type ExtractLayerOptions, type ExtractedLayer } from '../../src/snapshot/extract.js';
import { describeTree, HOSTILE_NAME, hostileLayers, SENTINEL } from '../helpers/hostile-layers.js';
import { directory, entryOf, hardlink, member, symlink, tarOf } from '../helpers/tar-builder.js';
import { END_OF_ARCHIVE, encodeHeader } from '../../src/tar/write.js';
import { readTree } from '../helpers/tree.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: extraction into overlay format needs root (owners, devices, trusted xattrs)');

const sandbox = mkdtempSync(join(tmpdir(), 'tsbuild-extract-'));
const outside = join(sandbox, 'outside');
mkdirSync(outside);
let count = 0;
let dir: string;

/** The root lies two directories deep, so that `../..` would lead to the sentinels. */
beforeEach(() => {
  const base = join(sandbox, String(count++));
  dir = join(base, 'layer', 'root');
  mkdirSync(join(base, 'layer'), { recursive: true });
  for (const place of [outside, base, join(base, 'layer')]) writeFileSync(join(place, SENTINEL.name), SENTINEL.text);
});

afterAll(() => rmSync(sandbox, { recursive: true, force: true }));

/** In chunks of an odd size, so that nothing is where a block starts. */
async function* chunked(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function extract(tar: Buffer, options?: ExtractLayerOptions): Promise<ExtractedLayer> {
  return extractLayer(chunked(tar), dir, options);
}

async function failure(tar: Buffer, options?: ExtractLayerOptions): Promise<BuildError> {
  const error: unknown = await extract(tar, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BuildError);
  return error as BuildError;
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

function expectNothingEscaped(): void {
  for (const place of [outside, join(dir, '..'), join(dir, '../..')]) {
    expect(readFileSync(join(place, SENTINEL.name), 'utf8')).toBe(SENTINEL.text);
    expect(existsSync(join(place, HOSTILE_NAME))).toBe(false);
    expect(listXattrs(place)).toEqual([]);
  }
  for (const place of ['/', '/etc', tmpdir()]) expect(existsSync(join(place, HOSTILE_NAME))).toBe(false);
}

describe.skipIf(!isRoot)('hostile layers', () => {
  it.each(hostileLayers(outside))('$name', async (layer) => {
    if (layer.expect === 'error') {
      const error = await failure(layer.tar);
      expect(error.message).toMatch(layer.message);
      expect(error.kind).toBe('input');
    } else {
      await extract(layer.tar);
      expect(describeTree(dir)).toEqual(layer.tree);
    }
    expectNothingEscaped();
  });

  it('cannot be truncated at any block without an error or a tree of whole files', async () => {
    const tar = tarOf(directory('d'), member({ path: 'd/f', text: 'x'.repeat(1500) }), member({ path: `d/${'l'.repeat(200)}`, text: 'y' }));
    for (let end = 0; end < tar.length; end += 512) {
      rmSync(dir, { recursive: true, force: true });
      const error: unknown = await extract(tar.subarray(0, end)).catch((thrown: unknown) => thrown);
      if (error instanceof BuildError) expect(error.message).toMatch(/layer is truncated/);
      else if (existsSync(join(dir, 'd/f'))) expect(statSync(join(dir, 'd/f')).size).toBe(1500);
    }
  });

  it('has a bound on entries and bytes', async () => {
    const tar = tarOf(member({ path: 'a', text: 'aaaa' }), member({ path: 'b', text: 'bbbb' }));
    expect((await failure(tar, { maxEntries: 1 })).message).toMatch(/more than 1 entries/);
    rmSync(dir, { recursive: true });
    expect((await failure(tar, { maxUnpackedBytes: 7 })).message).toMatch(/"\/b": more than 7 B/);
    rmSync(dir, { recursive: true });
    expect((await extract(tar, { maxEntries: 2, maxUnpackedBytes: 8 })).warnings).toEqual([]);
  });
});

describe.skipIf(!isRoot)('extractLayer', () => {
  it('gives nodes all their metadata', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    await extract(
      tarOf(
        directory('', { mode: 0o711, mtimeSeconds: 5 }),
        directory('d', { mode: 0o2775, uid: 1, gid: 50, mtimeSeconds: -86_400, xattrs: [['user.d', Buffer.from([0, 255])]] }),
        member({ path: 'd/root-owned', text: 'x', mode: 0o600, mtimeSeconds: 4_102_444_800 }),
        member({ path: 'd/su', text: 'su', mode: 0o6755, uid: 7, gid: 8, xattrs: [['security.capability', capability]] }),
        member({ path: 'd/old', mode: 0, mtimeSeconds: -315_619_200 }),
        member({ path: 'd/huge-uid', uid: 4_294_967_294, gid: 3_000_000 }),
        member({ path: 'd/null', type: 'char', mode: 0o666, devMajor: 1, devMinor: 3, gid: 6 }),
        member({ path: 'd/loop', type: 'block', mode: 0o660, devMajor: 7, devMinor: 1000 }),
        member({ path: 'd/pipe', type: 'fifo', mode: 0o1622 }),
        member({ path: 'd/link', type: 'symlink', linkTarget: 'caf\xe9', mode: 0o777, uid: 9, mtimeSeconds: -1 }),
        hardlink('d/su2', 'd/su'),
        hardlink('d/link2', 'd/link'),
      ),
    );
    const tree = readTree(dir);
    expect(tree.get('')).toMatchObject({ mode: '0711', mtimeSeconds: 5 });
    expect(tree.get('d')).toMatchObject({ mode: '2775', uid: 1, gid: 50, mtimeSeconds: -86_400, xattrs: { 'user.d': '00ff' } });
    // Not the group of the setgid directory.
    expect(tree.get('d/root-owned')).toMatchObject({ mode: '0600', uid: 0, gid: 0, mtimeSeconds: 4_102_444_800, sizeBytes: 1 });
    expect(tree.get('d/su')).toMatchObject({ mode: '6755', uid: 7, gid: 8, xattrs: { 'security.capability': capability.toString('hex') } });
    expect(tree.get('d/old')).toMatchObject({ mode: '0000', mtimeSeconds: -315_619_200, sizeBytes: 0 });
    expect(tree.get('d/huge-uid')).toMatchObject({ uid: 4_294_967_294, gid: 3_000_000 });
    expect(tree.get('d/null')).toMatchObject({ type: 'char', device: '1, 3', mode: '0666', gid: 6 });
    expect(tree.get('d/loop')).toMatchObject({ type: 'block', device: '7, 1000', mode: '0660' });
    expect(tree.get('d/pipe')).toMatchObject({ type: 'fifo', mode: '1622' });
    expect(tree.get('d/link')).toMatchObject({ type: 'symlink', linkTarget: 'caf\xe9', uid: 9, mtimeSeconds: -1 });
    expect(tree.get('d/su2')).toMatchObject({ linkOf: 'd/su' });
    expect(tree.get('d/link2')).toMatchObject({ linkOf: 'd/link', linkTarget: 'caf\xe9' });
  });

  it('sets modes whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      await extract(
        tarOf(directory('d', { mode: 0o777 }), member({ path: 'd/f', mode: 0o666 }), member({ path: 'implied/f', mode: 0o755 })),
      );
    } finally {
      process.umask(umask);
    }
    const tree = readTree(dir);
    expect([...tree].map(([path, { mode }]) => [path, mode])).toEqual([
      ['', '0755'],
      ['d', '0777'],
      ['d/f', '0666'],
      ['implied', '0755'],
      ['implied/f', '0755'],
    ]);
  });

  it('names the directories that have no entry', async () => {
    const { implied } = await extract(
      tarOf(member({ path: 'a/b/f' }), directory('a'), member({ path: 'c/.wh.x' }), member({ path: 'd/e' }), member({ path: 'd' })),
    );
    expect(implied.toSorted()).toEqual(['', 'a/b', 'c']);
    expect(readTree(dir).get('a/b')).toMatchObject({ mode: '0755', uid: 0, mtimeSeconds: 0 });
    rmSync(dir, { recursive: true });
    expect((await extract(tarOf(directory('')))).implied).toEqual([]);
  });

  it.each([
    ['before', (entries: Buffer[], whiteouts: Buffer[]) => [...whiteouts, ...entries]],
    ['after', (entries: Buffer[], whiteouts: Buffer[]) => [...entries, ...whiteouts]],
  ])('takes whiteouts %s the entries of their layer', async (_when, order) => {
    const entries = [
      directory('d'),
      member({ path: 'd/kept', text: 'k' }),
      member({ path: 'f', text: 'f' }),
      directory('o'),
      member({ path: 'o/kept', text: 'k' }),
    ];
    const whiteouts = ['.wh.d', '.wh.f', '.wh.gone', 'd/.wh.gone', 'o/.wh..wh..opq', 'o/.wh.needless', 'deep/er/.wh.gone'].map((path) =>
      member({ path }),
    );
    await extract(tarOf(...order(entries, whiteouts)));
    expect(describeTree(dir)).toEqual({
      d: 'directory opaque',
      'd/gone': 'whiteout',
      'd/kept': 'file k',
      deep: 'directory',
      'deep/er': 'directory',
      'deep/er/gone': 'whiteout',
      f: 'file f',
      gone: 'whiteout',
      o: 'directory opaque',
      'o/kept': 'file k',
    });
  });

  it('restores the time of a directory after its whiteouts', async () => {
    await extract(
      tarOf(directory('d', { mtimeSeconds: 77 }), member({ path: 'd/.wh.x' }), member({ path: 'd/.wh..wh..opq' }), member({ path: 'd/f' })),
    );
    expect(readTree(dir).get('d')?.mtimeSeconds).toBe(77);
  });

  it('leaves out attributes that are none of a layer, and says so for devices', async () => {
    const value = Buffer.from('v');
    const names = ['security.selinux', 'trusted.overlay.opaque', 'user.overlay.redirect', 'user.kept'];
    const { warnings } = await extract(
      tarOf(
        member({ path: 'f', xattrs: names.map((name) => [name, value] as const) }),
        member({ path: 'w', type: 'char', devMajor: 0, devMinor: 0 }),
      ),
    );
    expect(listXattrs(join(dir, 'f')).filter(([name]) => name !== 'security.selinux')).toEqual([['user.kept', value]]);
    expect(getXattr(join(dir, 'f'), 'security.selinux')?.equals(value) ?? false).toBe(false);
    expect(warnings).toEqual(['device "/w" with the numbers 0, 0 is left out']);
  });

  it('says which entry a disk error is about', async ({ skip }) => {
    mkdirSync(dir);
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir], { encoding: 'utf8' });
    if (status !== 0) skip(`no small file system to fill: ${stderr}`);
    try {
      const error = await failure(tarOf(member({ path: 'big', text: 'x'.repeat(1 << 20) })));
      expect(error.kind).toBe('environment');
      expect(error.message).toMatch(/cannot unpack "\/big": .*ENOSPC/);
    } finally {
      execFileSync('umount', [dir]);
    }
  });

  it('writes sparse files with holes', async () => {
    const source = join(sandbox, 'sparse-source');
    mkdirSync(source);
    execFileSync(
      'sh',
      ['-c', 'truncate -s 8M f && printf hello | dd of=f bs=1 seek=3000000 conv=notrunc status=none && truncate -s 1M empty'],
      { cwd: source },
    );
    for (const format of ['--format=gnu', '--sparse-version=0.0', '--sparse-version=0.1', '--sparse-version=1.0']) {
      rmSync(dir, { recursive: true, force: true });
      const pax = format === '--format=gnu' ? [] : ['--format=pax'];
      const tar = execFileSync('tar', [...pax, format, '-S', '-c', 'f', 'empty'], { cwd: source, maxBuffer: 1 << 26 });
      await extract(tar);
      expect(readFileSync(join(dir, 'f')).equals(readFileSync(join(source, 'f')))).toBe(true);
      expect(statSync(join(dir, 'empty')).size).toBe(1 << 20);
      expect(statSync(join(dir, 'f')).blocks * 512).toBeLessThan(1 << 20);
    }
  });

  it('makes the tree that GNU tar makes', async () => {
    const source = join(sandbox, 'gnu-source');
    mkdirSync(source);
    const script = [
      'mkdir -p usr/lib/deep usr/share && ln -s usr/lib lib && printf one > usr/lib/one && ln usr/lib/one usr/share/uno && mkfifo usr/pipe',
      'mknod usr/null c 1 3 && printf x > "usr/share/$(printf %0200d 7)" && chmod 4755 usr/lib/one && chown -h 12:34 lib && chmod 2755 usr/share',
      'chgrp 50 usr/share && touch -hd "1969-01-02 UTC" usr/lib/deep lib && touch -d "2100-01-01 UTC" usr/lib/one && setfattr -n user.x -v 0x00ff usr/lib/one',
    ];
    execFileSync('sh', ['-ec', script.join('\n')], { cwd: source });
    const tar = execFileSync('tar', ['--format=pax', '--xattrs', '--numeric-owner', '-c', '.'], { cwd: source, maxBuffer: 1 << 26 });
    const { implied } = await extract(tar);
    expect(implied).toEqual([]);
    expect(readTree(dir)).toEqual(readTree(source));
  });

  it('accepts an archive without an end, and one with a tail', async () => {
    const one = member({ path: 'f', text: 'f' });
    await extract(one);
    rmSync(dir, { recursive: true });
    await extract(Buffer.concat([one, END_OF_ARCHIVE, Buffer.alloc(9000), Buffer.from('tail'), encodeHeader(entryOf({ path: 'no' }))]));
    expect(describeTree(dir)).toEqual({ f: 'file f' });
    rmSync(dir, { recursive: true });
    await extract(Buffer.alloc(0));
    expect(lstatSync(dir).isDirectory()).toBe(true);
  });

  it('closes the file that an error left open', async () => {
    const before = openFiles();
    const tar = tarOf(member({ path: 'f', text: 'x'.repeat(2000) }));
    for (let round = 0; round < 20; round++) {
      rmSync(dir, { recursive: true, force: true });
      await failure(tar.subarray(0, 1000));
    }
    expect(openFiles()).toBeLessThan(before + 10);
  });

  it('keeps the target of a replaced symlink', async () => {
    await extract(
      tarOf(directory('t'), member({ path: 't/f', text: 'f' }), symlink('s', 't'), directory('s'), member({ path: 's/g', text: 'g' })),
    );
    expect(describeTree(dir)).toEqual({ s: 'directory', 's/g': 'file g', t: 'directory', 't/f': 'file f' });
  });
});
