import { closeSync, constants, createReadStream, openSync, readSync } from 'node:fs';
import type { FsPath } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { decompress, sniffCompression } from '../tar/decompress.js';
import { BLOCK_BYTES, decodeHeader } from '../tar/header.js';

/**
 * Whether ADD unpacks a file: a tar by its content, plain or compressed, whatever its name. An empty file, an empty archive and a compressed
 * file without a tar in it are files.
 * @throws BuildError `environment` when the program that decompresses it is missing
 */
export async function isArchive(path: FsPath): Promise<boolean> {
  const start = readStart(path);
  const compression = sniffCompression(start);
  if (compression === 'none') return isTarHeader(start);
  try {
    return isTarHeader(await firstBlock(decompress(createReadStream(path), compression, path.toString())));
  } catch (error) {
    if (error instanceof BuildError && error.kind === 'environment') throw error;
    return false;
  }
}

function readStart(path: FsPath): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    return block.subarray(0, readSync(descriptor, block, 0, BLOCK_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** The producer is stopped as soon as it has given enough. */
async function firstBlock(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const taken: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    taken.push(chunk);
    length += chunk.length;
    if (length >= BLOCK_BYTES) break;
  }
  return Buffer.concat(taken).subarray(0, BLOCK_BYTES);
}

/** Whether the first block of something begins a tar. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK_BYTES) return false;
  try {
    decodeHeader(block, 0);
    return true;
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}
