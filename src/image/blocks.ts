import { closeSync, constants, openSync, readSync } from 'node:fs';
import { toFsPath, toText } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import type { FsPath } from '../base/bytes.js';
import type { TarEntry } from '../tar/entry.js';
import { encodeHeader, END_OF_ARCHIVE, paddingBytes } from '../tar/write.js';

/** A piece of a tar. All but the last are full. */
export interface TarBlock {
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** Buffers of one size, used again and again: a layer of any size passes through a handful of them. */
export class BlockPool {
  readonly blockBytes: number;
  readonly #free: Buffer[] = [];

  /** @param blockBytes a multiple of 512, so that no header or padding is cut */
  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes);
  }

  /** Gives a block back. One that is never given back is left to the garbage collector. */
  release(block: Buffer): void {
    if (block.length === this.blockBytes) this.#free.push(block);
  }
}

/** O_NONBLOCK, since a file that has become a FIFO meanwhile would hold the build up for ever. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** What open(2) and read(2) say about a file that is no longer what the walk saw. */
const CHANGED = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR', 'EAGAIN', 'ESTALE']);

/**
 * The tar of the given entries, piece by piece. Files are read straight into the pieces, one synchronous open, read and close each.
 * @param clampSeconds newer times become this one (SOURCE_DATE_EPOCH)
 * @throws BuildError `input` when a file is not what its entry says, because something wrote to it meanwhile
 */
export function* tarBlocks(entries: Iterable<TarEntry>, pool: BlockPool, clampSeconds = Infinity): Generator<TarBlock, void, void> {
  const filler = new BlockFiller(pool);
  for (const entry of entries) {
    const header = encodeHeader(entry.mtimeSeconds > clampSeconds ? { ...entry, mtimeSeconds: clampSeconds } : entry);
    if (!filler.tryAdd(header)) yield* filler.add(header);
    if (entry.sizeBytes === 0) continue;
    if (entry.content?.kind === 'bytes') yield* filler.add(checkedBytes(entry, entry.content.bytes));
    else yield* filler.addFile(entry, entry.content?.path ?? toFsPath(entry.path));
    filler.pad(paddingBytes(entry.sizeBytes));
  }
  yield* filler.add(END_OF_ARCHIVE);
  yield { bytes: filler.rest(), isLast: true };
}

class BlockFiller {
  readonly #pool: BlockPool;
  #block: Buffer;
  #used = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
    this.#block = pool.take();
  }

  /** Whether the bytes found room in the block under way. */
  tryAdd(bytes: Buffer): boolean {
    if (bytes.length > this.#block.length - this.#used) return false;
    this.#used += bytes.copy(this.#block, this.#used);
    return true;
  }

  *add(bytes: Buffer): Generator<TarBlock, void, void> {
    for (let done = 0; done < bytes.length;) {
      if (this.#used === this.#block.length) yield this.#next();
      const copied = bytes.copy(this.#block, this.#used, done);
      this.#used += copied;
      done += copied;
    }
  }

  *addFile(entry: TarEntry, path: FsPath): Generator<TarBlock, void, void> {
    let fd: number | undefined;
    try {
      fd = openSync(path, READ_FLAGS);
      for (let left = entry.sizeBytes; left > 0;) {
        if (this.#used === this.#block.length) yield this.#next();
        const room = this.#block.length - this.#used;
        // One byte more than there should be, if there is room for it: so a file that has grown is noticed without another system call.
        const count = readSync(fd, this.#block, this.#used, Math.min(room, left + 1), null);
        if (count === 0 || count > left) throw changed(entry);
        this.#used += count;
        left -= count;
        if (left === 0 && count === room && readSync(fd, Buffer.alloc(1)) > 0) throw changed(entry);
      }
    } catch (error) {
      throw toReadError(entry, error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** Members are padded to 512 bytes and a block is a multiple of that: there is always room. */
  pad(count: number): void {
    this.#block.fill(0, this.#used, this.#used + count);
    this.#used += count;
  }

  rest(): Buffer {
    return this.#block.subarray(0, this.#used);
  }

  #next(): TarBlock {
    const full = this.#block;
    this.#block = this.#pool.take();
    this.#used = 0;
    return { bytes: full, isLast: false };
  }
}

function toReadError(entry: TarEntry, error: unknown): unknown {
  const code = errnoOf(error);
  if (error instanceof BuildError || code === undefined) return error;
  return CHANGED.has(code)
    ? changed(entry, error)
    : new BuildError('input', `cannot read "${toText(entry.path)}": ${systemErrorText(error)}`, { cause: error });
}

function changed(entry: TarEntry, cause?: unknown): BuildError {
  return new BuildError('input', `"${toText(entry.path)}" changed while it was read`, {
    hint: 'build again when nothing writes to it',
    ...(cause === undefined ? {} : { cause }),
  });
}

function checkedBytes(entry: TarEntry, bytes: Buffer): Buffer {
  if (bytes.length !== entry.sizeBytes)
    throw new Error(`entry "${entry.path}" has ${bytes.length} bytes, its size says ${entry.sizeBytes}`);
  return bytes;
}
