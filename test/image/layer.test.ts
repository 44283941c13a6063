import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GZIP_BLOCK_BYTES } from '../../src/image/gzip.js';
import { writeLayer, type LayerOptions, type WrittenLayer } from '../../src/image/layer.js';
import { digestOf } from '../../src/oci/digest.js';
import { findProgram } from '../../src/os/process.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { diskEntry, directoryEntry, fileEntry, sampleBytes } from './entries.js';

const BIG = { maxBuffer: 1 << 28 };

function mixedEntries(): TarEntry[] {
  return [
    directoryEntry('app'),
    fileEntry('app/empty', Buffer.alloc(0)),
    fileEntry('app/large', sampleBytes(5 * GZIP_BLOCK_BYTES + 12_345, 1)),
    ...Array.from({ length: 200 }, (_, index) => fileEntry(`app/small-${String(index).padStart(3, '0')}`, sampleBytes(index * 37, index))),
    { ...directoryEntry('app/link'), type: 'symlink', mode: 0o777, linkTarget: 'small-001' },
  ];
}

function* brokenWalk(): Generator<TarEntry> {
  yield fileEntry('a', sampleBytes(4 * GZIP_BLOCK_BYTES, 5));
  throw new Error('the walk broke off');
}

describe('writeLayer', () => {
  let dir: string;
  let count = 0;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsbuild-layer-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function write(
    entries: Iterable<TarEntry>,
    options: Partial<LayerOptions> = {},
  ): Promise<WrittenLayer & { readonly path: string; readonly blob: Buffer }> {
    const path = join(dir, `blob-${count++}`);
    const written = await writeLayer(entries, { tempFile: path, compression: 'gzip', ...options });
    return { ...written, path, blob: readFileSync(path) };
  }

  it.each([
    { compression: 'gzip', tool: 'gunzip', args: ['-c'], mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    { compression: 'gzip', tool: 'pigz', args: ['-dc'], mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    { compression: 'zstd', tool: 'zstd', args: ['-dcq'], mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
    { compression: 'none', tool: 'cat', args: [], mediaType: 'application/vnd.oci.image.layer.v1.tar' },
  ] as const)('$compression is read by $tool, and both digests are right', async ({ compression, tool, args, mediaType }) => {
    if (findProgram(tool) === undefined || (compression === 'zstd' && findProgram('zstd') === undefined)) {
      console.warn(`SKIPPED: no program ${tool}`);
      return;
    }
    const layer = await write(mixedEntries(), { compression });
    const plain = execFileSync(tool, args, { input: layer.blob, ...BIG });
    expect(digestOf(plain)).toBe(layer.diffId);
    expect(plain.length).toBe(layer.uncompressedBytes);
    expect(digestOf(layer.blob)).toBe(layer.digest);
    expect(layer.blob.length).toBe(layer.sizeBytes);
    expect(layer.mediaType).toBe(mediaType);
    const sum = spawnSync('openssl', ['sha256', '-r', layer.path], { encoding: 'utf8' });
    if (sum.status === 0) expect(sum.stdout.slice(0, 64)).toBe(layer.digest.slice('sha256:'.length));
    const names = execFileSync('tar', ['-tf', '-'], { input: plain, encoding: 'utf8', ...BIG })
      .trim()
      .split('\n');
    expect(names).toEqual(mixedEntries().map((entry) => (entry.type === 'directory' ? `${entry.path}/` : entry.path)));
  });

  it('writes one gzip member without name and time', async () => {
    const { blob } = await write(mixedEntries());
    expect(blob.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
    const plain = gunzipSync(blob);
    expect(blob.readUInt32LE(blob.length - 4)).toBe(plain.length);
    expect(blob.length).toBeLessThan(plain.length * 0.6);
  });

  it.each(['gzip', 'zstd', 'none'] as const)('%s: the bytes do not depend on how much is done at once', async (compression) => {
    if (compression === 'zstd' && findProgram('zstd') === undefined) return;
    const digests = [];
    for (const concurrency of [1, 2, 4, 16]) digests.push((await write(mixedEntries(), { compression, concurrency })).digest);
    expect(new Set(digests).size).toBe(1);
  });

  it('a higher level compresses better', async () => {
    const text = [fileEntry('text', readFileSync(process.execPath).subarray(0, 6_000_000))];
    const sizes = [];
    for (const level of [0, 1, 6, 9]) sizes.push((await write(text, { level })).sizeBytes);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(new Set(sizes).size).toBe(4);
  });

  describe('block borders', () => {
    // A header of 512 bytes comes first, 1024 zeros last.
    const exact = GZIP_BLOCK_BYTES - 512;
    it.each([0, 1, 511, 512, 513, exact - 1024, exact - 512, exact - 1, exact, exact + 1, exact + 512, 2 * GZIP_BLOCK_BYTES])(
      'a file of %i bytes, from memory and from the disk',
      async (sizeBytes) => {
        const bytes = sampleBytes(sizeBytes, 7);
        const file = join(dir, `exact-${sizeBytes}`);
        writeFileSync(file, bytes);
        const fromMemory = await write([fileEntry('f', bytes)]);
        const fromDisk = await write([diskEntry('f', file, sizeBytes)]);
        const plain = gunzipSync(fromMemory.blob);
        expect(fromDisk.digest).toBe(fromMemory.digest);
        expect(plain.length).toBe(512 + Math.ceil(sizeBytes / 512) * 512 + 1024);
        expect(plain.subarray(512, 512 + sizeBytes).equals(bytes)).toBe(true);
        expect(plain.subarray(512 + sizeBytes).every((byte) => byte === 0)).toBe(true);
      },
    );

    it('no entries at all', async () => {
      const { blob, diffId } = await write([]);
      expect(gunzipSync(blob)).toEqual(Buffer.alloc(1024));
      // The empty layer as every builder has it.
      expect(diffId).toBe('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');
    });
  });

  it('clamps newer times, and keeps older ones', async () => {
    const entries = [1_000, 2_000, 3_000].map((mtimeSeconds) => fileEntry(`f${mtimeSeconds}`, Buffer.from('x'), { mtimeSeconds }));
    const { blob } = await write(entries, { clampSeconds: 2_000, compression: 'none' });
    const listed = execFileSync('tar', ['--utc', '--full-time', '-tvf', '-'], { input: blob, encoding: 'utf8' });
    expect([...listed.matchAll(/00:\d\d:\d\d/g)].map(([time]) => time)).toEqual(['00:16:40', '00:33:20', '00:33:20']);
  });

  describe('a file that is not what the walk saw', () => {
    const CHANGED = /^"data\/x" changed while it was read$/;
    const sizeBytes = GZIP_BLOCK_BYTES + 100;

    it.each<[string, (file: string) => void]>([
      ['has shrunk', (file) => truncateSync(file, sizeBytes - 1)],
      ['is empty now', (file) => truncateSync(file, 0)],
      ['has grown', (file) => truncateSync(file, sizeBytes + 1)],
      ['is gone', (file) => unlinkSync(file)],
      [
        'is a symlink now',
        (file) => {
          unlinkSync(file);
          symlinkSync('/etc/passwd', file);
        },
      ],
      [
        'is a FIFO now',
        (file) => {
          unlinkSync(file);
          execFileSync('mkfifo', [file]);
        },
      ],
      [
        'is a directory now',
        (file) => {
          unlinkSync(file);
          mkdirSync(file);
        },
      ],
    ])('%s', async (_title, change) => {
      const own = mkdtempSync(join(dir, 'changing-'));
      const file = join(own, 'x');
      writeFileSync(file, sampleBytes(sizeBytes, 3));
      function* entries(): Generator<TarEntry> {
        yield directoryEntry('data');
        change(file);
        yield diskEntry('data/x', file, sizeBytes);
      }
      const tempFile = join(own, 'blob');
      const failed = writeLayer(entries(), { tempFile, compression: 'gzip' });
      await expect(failed).rejects.toMatchObject({ kind: 'input', message: expect.stringMatching(CHANGED) });
      expect(existsSync(tempFile)).toBe(false);
    });

    it('has grown beyond a size that ends exactly with a block', async () => {
      const file = join(dir, 'exact-grown');
      writeFileSync(file, Buffer.alloc(GZIP_BLOCK_BYTES - 512 + 1));
      await expect(write([diskEntry('data/x', file, GZIP_BLOCK_BYTES - 512)])).rejects.toThrow(CHANGED);
    });
  });

  it('an entry that fails ends the writing and leaves no file', async () => {
    for (const compression of ['gzip', 'zstd', 'none'] as const) {
      if (compression === 'zstd' && findProgram('zstd') === undefined) continue;
      const tempFile = join(dir, `broken-${compression}`);
      await expect(writeLayer(brokenWalk(), { tempFile, compression })).rejects.toThrow('the walk broke off');
      expect(existsSync(tempFile)).toBe(false);
    }
  });

  it('a place that cannot be written names path and reason', async () => {
    const tempFile = join(dir, 'no-such-directory/blob');
    await expect(writeLayer([], { tempFile, compression: 'gzip' })).rejects.toMatchObject({
      kind: 'environment',
      message: `cannot write "${tempFile}": no such file or directory (ENOENT)`,
    });
  });

  it('a symlink in the place of the file is not followed', async () => {
    const tempFile = join(dir, 'link');
    symlinkSync('/dev/null', tempFile);
    await expect(writeLayer([], { tempFile, compression: 'gzip' })).rejects.toMatchObject({
      message: `cannot write "${tempFile}": file already exists (EEXIST)`,
    });
  });

  it('whatever the files are, GNU tar unpacks the same bytes', async () => {
    const file = fc.record({
      size: fc.oneof(fc.nat(3_000), fc.nat(2 * GZIP_BLOCK_BYTES)),
      seed: fc.nat(1000),
      level: fc.constantFrom(1, 6),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 6 }), async (files) => {
        const contents = files.map(({ size, seed }) => sampleBytes(size, seed));
        const entries = contents.map((bytes, index) => fileEntry(`f${index}`, bytes));
        const { blob, diffId } = await write(entries, { level: files[0]?.level ?? 6 });
        expect(digestOf(gunzipSync(blob))).toBe(diffId);
        const unpacked = execFileSync('tar', ['-xzOf', '-'], { input: blob, ...BIG });
        expect(unpacked.equals(Buffer.concat(contents))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });
});
