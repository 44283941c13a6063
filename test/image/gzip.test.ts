import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, createInflateRaw, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockPool, type TarBlock } from '../../src/image/blocks.js';
import { gzipBlocks, type GzipOptions } from '../../src/image/gzip.js';
import { bundleProgram } from '../helpers/bundle.js';
import { sampleBytes } from './entries.js';

async function gzip(pieces: readonly Buffer[], options: GzipOptions = {}): Promise<Buffer> {
  const blocks: TarBlock[] = pieces.map((bytes, index) => ({ bytes: Buffer.from(bytes), isLast: index === pieces.length - 1 }));
  const chunks: Buffer[] = [];
  for await (const chunk of gzipBlocks(blocks, new BlockPool(1 << 20), options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('gzipBlocks', () => {
  it.each([
    ['one block', [10]],
    ['an empty last block', [1000, 0]],
    ['blocks smaller than the window', [5, 6, 7, 8, 9_000]],
    ['blocks as large as the window', [32_768, 32_768, 1]],
    ['large ones', [1_000_000, 1_000_000, 3]],
  ])('%s', async (_title, sizes) => {
    const pieces = sizes.map((size, index) => sampleBytes(size, index));
    for (const level of [0, 1, 6, 9]) expect(gunzipSync(await gzip(pieces, { level })).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('refers back across the border of blocks', async () => {
    const noise = sampleBytes(24 * 1024, 1);
    const [once, twice] = [await gzip([noise]), await gzip([noise, noise])];
    expect(twice.length - once.length).toBeLessThan(1000);
  });

  it('noise grows by little', async () => {
    const noise = Buffer.concat(Array.from({ length: 64 }, (_, index) => sampleBytes(2048, index).subarray(1024)));
    expect((await gzip([noise, noise.subarray(100)])).length).toBeLessThan(noise.length * 2 + 200);
  });

  it('ends its deflate stream, so that what follows is seen as a member of its own', async () => {
    const inflate = createInflateRaw({ finishFlush: constants.Z_FINISH });
    const body = (await gzip([Buffer.from('a'), Buffer.from('b')])).subarray(10, -8);
    const chunks: Buffer[] = [];
    inflate.end(body);
    for await (const chunk of inflate) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('ab');
  });

  it('gives every full block back to the pool, and works in a handful of them', async () => {
    const pool = new BlockPool(64 * 1024);
    const seen = new Set<ArrayBufferLike>();
    function* blocks(): Generator<TarBlock> {
      for (let count = 0; count < 100; count++) {
        const bytes = pool.take().fill(count);
        seen.add(bytes.buffer);
        yield { bytes, isLast: count === 99 };
      }
    }
    for await (const chunk of gzipBlocks(blocks(), pool, { concurrency: 3 })) expect(chunk.length).toBeGreaterThan(0);
    expect(seen.size).toBeLessThanOrEqual(5);
  });
});

describe('the bytes of a layer', () => {
  let dir: string;
  let program: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tsbuild-gzip-'));
    program = bundleProgram(new URL('./gzip-child.ts', import.meta.url), dir);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('are the same with one, two and eight threads of the pool, in the main thread and in a worker', () => {
    const runs = [
      ['1', ''],
      ['2', ''],
      ['8', ''],
      ['1', 'thread'],
      ['8', 'thread'],
    ];
    const digests = runs.map(([threads = '', where = ''], index) => {
      const env = { ...process.env, UV_THREADPOOL_SIZE: threads };
      return execFileSync(process.execPath, [program, join(dir, `blob-${index}`), where], { env, encoding: 'utf8' }).trim();
    });
    expect(digests[0]).toMatch(/^sha256:/);
    expect(new Set(digests).size).toBe(1);
    expect(readFileSync(join(dir, 'blob-4')).equals(readFileSync(join(dir, 'blob-0')))).toBe(true);
  });
});
