import { closeSync, openSync, readSync } from 'node:fs';
import { BuildError, errnoOf } from './errors.js';

/**
 * A file that one thread appends to while others, in the same process, read what is there so far. Plain data but for the shared memory: it can be sent
 * to a thread.
 */
export interface GrowingFile {
  /** While it grows. */
  readonly path: string;
  /** Where it is moved when it is whole; it is never at neither place unless it failed. */
  readonly finalPath: string;
  readonly state: SharedArrayBuffer;
}

const STATE_BYTES = 16;
/** Places in the state: its first eight bytes are the length as a BigInt64, then there are two Int32. */
const LENGTH = 0;
const STATUS = 2;
const CHANGES = 3;

const GROWING = 0;
const WHOLE = 1;
const FAILED = 2;

/** A reader looks again after that time, should a notification ever be missed. */
const MAX_WAIT_MS = 1000;
const READ_BYTES = 256 * 1024;
/** Enough to see what a file is (`sniffCompression`): the first chunk has as many bytes, unless the file has fewer. */
const FIRST_CHUNK_BYTES = 512;

/** The writer's end of the state. */
export class Growth {
  readonly state = new SharedArrayBuffer(STATE_BYTES);
  readonly #length = new BigInt64Array(this.state);
  readonly #words = new Int32Array(this.state);

  /** After so many more bytes were written. */
  add(sizeBytes: number): void {
    Atomics.add(this.#length, LENGTH, BigInt(sizeBytes));
    this.#tell();
  }

  /** Once. `whole` says that its bytes are the right ones, too. */
  end(as: 'whole' | 'failed'): void {
    Atomics.store(this.#words, STATUS, as === 'whole' ? WHOLE : FAILED);
    this.#tell();
  }

  #tell(): void {
    Atomics.add(this.#words, CHANGES, 1);
    Atomics.notify(this.#words, CHANGES);
  }
}

/**
 * The bytes of the file from `offset` on, waiting for more wherever it ends until it is whole. The thread does other things while it waits.
 * @throws BuildError `internal` when the file failed, for which its writer has the reason; or the error of a system call
 */
export async function* readGrowing(file: GrowingFile, offset = 0): AsyncGenerator<Buffer, void, void> {
  const fd = openEither(file);
  try {
    let position = offset;
    let wantedBytes = FIRST_CHUNK_BYTES;
    for (;;) {
      const { lengthBytes, status } = await waitFor(file.state, position + wantedBytes);
      if (status === FAILED) throw failed(file);
      while (position < lengthBytes) {
        const chunk = Buffer.allocUnsafe(Math.min(READ_BYTES, lengthBytes - position));
        const sizeBytes = readSync(fd, chunk, 0, chunk.length, position);
        if (sizeBytes === 0) throw failed(file);
        position += sizeBytes;
        wantedBytes = 1;
        yield chunk.subarray(0, sizeBytes);
      }
      if (status === WHOLE) return;
    }
  } finally {
    closeSync(fd);
  }
}

function openEither({ path, finalPath, state }: GrowingFile): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    if (Atomics.load(new Int32Array(state), STATUS) === FAILED) throw failed({ path });
    return openSync(finalPath, 'r');
  }
}

interface State {
  readonly lengthBytes: number;
  readonly status: number;
}

/** Settles when the file has so many bytes, or gets no more. */
async function waitFor(state: SharedArrayBuffer, sizeBytes: number): Promise<State> {
  const words = new Int32Array(state);
  const length = new BigInt64Array(state);
  for (;;) {
    // In this order: what changes after the count was read ends the wait at once.
    const changes = Atomics.load(words, CHANGES);
    // The length does not change after the status has.
    const status = Atomics.load(words, STATUS);
    const lengthBytes = Number(Atomics.load(length, LENGTH));
    if (status !== GROWING || lengthBytes >= sizeBytes) return { lengthBytes, status };
    await Atomics.waitAsync(words, CHANGES, changes, MAX_WAIT_MS).value;
  }
}

function failed({ path }: Pick<GrowingFile, 'path'>): BuildError {
  return new BuildError('internal', `"${path}" does not become whole`);
}
