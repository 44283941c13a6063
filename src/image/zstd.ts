import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { requireProgram, spawnFilter } from '../os/process.js';
import type { BlockPool, TarBlock } from './blocks.js';

export const ZSTD_BLOCK_BYTES = 4 * 1024 * 1024;
/** zstd's own default: as small as gzip -6 or smaller, in a tenth of the time. */
const ZSTD_LEVEL = 3;
/** RFC 8878 leaves it to the writer; with it a reader can check each frame. */
const ZSTD_C_CHECKSUM_FLAG = 201;
const ZSTD_C_COMPRESSION_LEVEL = 100;

export interface ZstdOptions {
  /** 1–22; the default is 3. */
  readonly level?: number;
  /** Frames under way at once; the default is one more than there are cores. */
  readonly concurrency?: number;
}

type CompressFrame = (
  bytes: Uint8Array,
  options: { readonly params: Readonly<Record<number, number>>; readonly chunkSize: number },
  done: (error: Error | null, compressed: Buffer) => void,
) => void;

/** In node:zlib since 22.15 and 23.8. */
const zstdCompress = (zlib as { readonly zstdCompress?: CompressFrame }).zstdCompress;

/**
 * Zstandard. With a node:zlib that has it, one frame for each block, several at a time on libuv's pool (RFC 8878 section 3: frames may be joined);
 * else by the program `zstd`. Both give bytes that depend on the input, the level and the version of the compressor, never on the number of cores.
 * @throws BuildError `environment` when there is neither
 */
export function zstdBlocks(blocks: Iterable<TarBlock>, pool: BlockPool, options: ZstdOptions = {}): AsyncIterable<Buffer> {
  return zstdCompress === undefined ? byProgram(blocks, options) : frames(blocks, pool, options);
}

async function* frames(blocks: Iterable<TarBlock>, pool: BlockPool, options: ZstdOptions): AsyncGenerator<Buffer, void, void> {
  const params = { [ZSTD_C_COMPRESSION_LEVEL]: options.level ?? ZSTD_LEVEL, [ZSTD_C_CHECKSUM_FLAG]: 1 };
  const limit = options.concurrency ?? availableParallelism() + 1;
  const underWay: Promise<Buffer>[] = [];
  for (const { bytes } of blocks) {
    const frame = compressFrame(bytes, params).finally(() => pool.release(bytes));
    // A failure surfaces where the frame is awaited in its turn; until then it is not unhandled.
    frame.catch(() => undefined);
    underWay.push(frame);
    if (underWay.length >= limit) yield await underWay.shift()!;
  }
  for (const frame of underWay) yield await frame;
}

function compressFrame(bytes: Buffer, params: Readonly<Record<number, number>>): Promise<Buffer> {
  // One call of the pool for a frame, not one for each 16 KiB of output.
  const options = { params, chunkSize: bytes.length + (bytes.length >> 8) + 1024 };
  return new Promise((resolve, reject) => {
    zstdCompress?.(bytes, options, (error, compressed) => (error === null ? resolve(compressed) : reject(error)));
  });
}

/**
 * With -T the program cuts its input into jobs whose size depends on the level alone, and joins them in order: -T1, -T2 and -T8 write the same bytes
 * (--single-thread does not).
 */
function byProgram(blocks: Iterable<TarBlock>, options: ZstdOptions): AsyncIterable<Buffer> {
  const program = requireProgram('zstd', 'zstd');
  const level = options.level ?? ZSTD_LEVEL;
  const args = ['-q', '-c', `-T${options.concurrency ?? 0}`, ...(level > 19 ? ['--ultra'] : []), `-${level}`];
  return spawnFilter(program, args, Readable.from(bytesOf(blocks), { objectMode: false, highWaterMark: ZSTD_BLOCK_BYTES }));
}

function* bytesOf(blocks: Iterable<TarBlock>): Generator<Buffer, void, void> {
  for (const { bytes } of blocks) yield bytes;
}
