import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { MediaType } from '../oci/types.js';
import { toWriteError } from '../store/files.js';
import type { TarEntry } from '../tar/entry.js';
import { BlockPool, tarBlocks, type TarBlock } from './blocks.js';
import { GZIP_BLOCK_BYTES, gzipBlocks } from './gzip.js';
import type { Compression } from './image.js';
import { ZSTD_BLOCK_BYTES, zstdBlocks } from './zstd.js';

export interface LayerOptions {
  /** Where the blob is written; there must be no such file. It is gone when writing fails. */
  readonly tempFile: string;
  readonly compression: Compression;
  /** gzip 0–9, the default is 5; zstd 1–22, the default is 3. */
  readonly level?: number;
  /** Newer file times become this one (SOURCE_DATE_EPOCH). */
  readonly clampSeconds?: number;
  /** Blocks that are compressed at once; the default is one more than there are cores. The bytes do not depend on it. */
  readonly concurrency?: number;
}

export interface WrittenLayer {
  /** sha256 of the tar. */
  readonly diffId: Digest;
  /** sha256 of the blob. */
  readonly digest: Digest;
  /** Of the blob. */
  readonly sizeBytes: number;
  /** Of the tar. */
  readonly uncompressedBytes: number;
  readonly mediaType: string;
}

const MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  gzip: MediaType.ociLayerGzip,
  zstd: MediaType.ociLayerZstd,
  none: MediaType.ociLayer,
};

/**
 * Writes a layer in one pass: entries → tar → sha256 → compression → sha256 → file. Walking, reading and hashing are synchronous in this thread, compression is
 * done beside it; so it is best run in a worker, though it runs anywhere. It takes a few blocks of memory,
 * whatever the size of the layer.
 * @throws BuildError `input` when a file changes while it is read, `environment` when the file cannot be written
 */
export async function writeLayer(entries: Iterable<TarEntry>, options: LayerOptions): Promise<WrittenLayer> {
  const pool = new BlockPool(options.compression === 'zstd' ? ZSTD_BLOCK_BYTES : GZIP_BLOCK_BYTES);
  const tar = new Tally();
  const blob = new Tally();
  const blocks = tallied(tarBlocks(entries, pool, options.clampSeconds), tar);
  const file = createFile(options.tempFile);
  try {
    for await (const chunk of compress(blocks, pool, options)) {
      // Uncompressed, blob and tar are the same bytes.
      if (options.compression !== 'none') blob.add(chunk);
      writeFully(file, chunk, options.tempFile);
    }
  } catch (error) {
    rmSync(options.tempFile, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  const diffId = tar.digest();
  return {
    diffId,
    uncompressedBytes: tar.sizeBytes,
    ...(options.compression === 'none'
      ? { digest: diffId, sizeBytes: tar.sizeBytes }
      : { digest: blob.digest(), sizeBytes: blob.sizeBytes }),
    mediaType: MEDIA_TYPES[options.compression],
  };
}

/** Digest and length of what passed by. */
class Tally {
  readonly #hash: Hash = createHash('sha256');
  sizeBytes = 0;

  add(bytes: Buffer): void {
    this.#hash.update(bytes);
    this.sizeBytes += bytes.length;
  }

  /** To be called once, at the end. */
  digest(): Digest {
    return digestFromHex(this.#hash.digest('hex'));
  }
}

function* tallied(blocks: Iterable<TarBlock>, tally: Tally): Generator<TarBlock, void, void> {
  for (const block of blocks) {
    tally.add(block.bytes);
    yield block;
  }
}

function compress(
  blocks: Iterable<TarBlock>,
  pool: BlockPool,
  { compression, level, concurrency }: LayerOptions,
): AsyncIterable<Buffer> | Iterable<Buffer> {
  const options = { ...(level === undefined ? {} : { level }), ...(concurrency === undefined ? {} : { concurrency }) };
  if (compression === 'gzip') return gzipBlocks(blocks, pool, options);
  return compression === 'zstd' ? zstdBlocks(blocks, pool, options) : plainBlocks(blocks, pool);
}

function* plainBlocks(blocks: Iterable<TarBlock>, pool: BlockPool): Generator<Buffer, void, void> {
  for (const { bytes } of blocks) {
    yield bytes;
    pool.release(bytes);
  }
}

function createFile(path: string): number {
  try {
    return openSync(path, 'wx', 0o644);
  } catch (error) {
    throw toWriteError(error, path);
  }
}

/** write(2) may take a part only, when the disk is nearly full. */
function writeFully(file: number, bytes: Buffer, path: string): void {
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
  } catch (error) {
    throw toWriteError(error, path);
  }
}
