import { once } from 'node:events';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FsPath } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { requireProgram, spawnFilter } from '../os/process.js';

export type Compression = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

/** How much of a file `sniffCompression` looks at. */
const SNIFF_BYTES = 263;

/** Small enough to stay in the cache between the decoder and the tar reader, large enough that the hops between threads do not count. */
const CHUNK_BYTES = 256 * 1024;
const READ_BYTES = 1024 * 1024;

const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
];

/**
 * zstd runs as a program even where Node has it: Node's stream ends after the first frame and drops those that follow without an error
 * (nodejs/node#64741), and files of several frames are common.
 */
const PROGRAMS = {
  bzip2: { command: 'bzip2', args: ['-dc'], debianPackage: 'bzip2' },
  xz: { command: 'xz', args: ['-dc'], debianPackage: 'xz-utils' },
  zstd: { command: 'zstd', args: ['-dcq'], debianPackage: 'zstd' },
} as const;

/** By content, whatever the name says. A tar archive whose first member happens to be called `BZh…` is no bzip2 file. */
export function sniffCompression(firstBytes: Buffer): Compression {
  if (firstBytes.length >= 262 && firstBytes.toString('latin1', 257, 262) === 'ustar') return 'none';
  return MAGIC.find(([, magic]) => firstBytes.subarray(0, magic.length).equals(magic))?.[0] ?? 'none';
}

/**
 * The bytes of a file, decompressed as its content asks.
 * @throws BuildError `input` when it cannot be read or is damaged, `environment` when a program is missing
 */
export async function* openDecompressed(path: FsPath): AsyncGenerator<Buffer, void, void> {
  const fd = openForReading(path);
  let compression: Compression;
  try {
    const first = Buffer.alloc(SNIFF_BYTES);
    compression = sniffCompression(first.subarray(0, readSync(fd, first, 0, SNIFF_BYTES, 0)));
  } catch (cause) {
    closeSync(fd);
    throw cannotRead(path.toString(), cause);
  }
  yield* decompress(createReadStream('', { fd, start: 0, highWaterMark: READ_BYTES }), compression, path.toString());
}

/** The same for a stream that cannot be read twice, such as standard input. */
export async function* decompressStream(source: Readable, name: string): AsyncGenerator<Buffer, void, void> {
  let first: unknown;
  try {
    await once(source, 'readable');
    first = source.read();
  } catch (cause) {
    throw cannotRead(name, cause);
  }
  if (!Buffer.isBuffer(first)) return;
  source.unshift(first);
  yield* decompress(source, sniffCompression(first), name);
}

/** Leaving the loop early closes the source and ends the program. `name` is for errors. */
export async function* decompress(source: Readable, compression: Compression, name: string): AsyncGenerator<Buffer, void, void> {
  try {
    if (compression === 'none') yield* source as AsyncIterable<Buffer>;
    else if (compression === 'gzip') yield* gunzip(source);
    else {
      const { command, args, debianPackage } = PROGRAMS[compression];
      yield* spawnFilter(requireProgram(command, debianPackage), args, source);
    }
  } catch (error) {
    throw describe(error, compression, name);
  } finally {
    source.destroy();
  }
}

/** Handles files of several members; bytes behind them that are no member are ignored, as gzip does. */
async function* gunzip(source: Readable): AsyncGenerator<Buffer, void, void> {
  const stream = createGunzip({ chunkSize: CHUNK_BYTES });
  // Errors come out of the loop below.
  pipeline(source, stream, () => undefined);
  yield* stream as AsyncIterable<Buffer>;
}

function openForReading(path: FsPath): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw cannotRead(path.toString(), cause);
  }
}

function cannotRead(name: string, cause: unknown): BuildError {
  return new BuildError('input', `cannot read "${name}": ${systemErrorText(cause)}`, { cause });
}

function describe(error: unknown, compression: Compression, name: string): unknown {
  const code = errnoOf(error);
  if (code === 'Z_BUF_ERROR') return new BuildError('input', `"${name}" is truncated: its ${compression} data break off`, { cause: error });
  if (code?.startsWith('Z_') === true) {
    return new BuildError('input', `"${name}" is not valid ${compression} data: ${(error as Error).message}`, { cause: error });
  }
  if (error instanceof BuildError && error.kind === 'input')
    return new BuildError('input', `cannot decompress "${name}": ${error.message}`, { cause: error });
  return code === undefined || error instanceof BuildError ? error : cannotRead(name, error);
}
