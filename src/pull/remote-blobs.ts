import { setMaxListeners } from 'node:events';
import { closeSync, createReadStream, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Growth, readGrowing, type GrowingFile } from '../base/growing-file.js';
import { BuildError } from '../base/errors.js';
import { beginAnew, isLieOfMirror } from './begin-anew.js';
import { DownloadLine, type LineTicket } from './download-line.js';
import { hexOf, shortDigest, type Digest } from '../oci/digest.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import type { Repository } from '../registry/repository.js';
import { toWriteError } from '../store/files.js';
import type { Store } from '../store/store.js';
import { makeTempDir, type TempDir } from '../store/temp.js';
import type { Transfers } from '../transfers.js';

/** Where a blob can be had. */
export interface BlobOrigin {
  readonly repository: Repository;
  /** Short name of the image, for progress: `registry.example/app:1`. */
  readonly reference: string;
}

/** A blob on its way into the store. */
export interface GrowingBlob extends GrowingFile {
  /** Settles when the file is whole and verified, before it is in the store; rejects with what went wrong. */
  readonly finished: Promise<void>;
}

export interface RemoteBlobsRequest {
  readonly store: Store;
  readonly transfers: Transfers;
  readonly signal: AbortSignal;
  /** Blobs that are downloaded from one registry at once; the default is 4. */
  readonly jobs?: number;
}

const DEFAULT_JOBS = 4;
const READ_BYTES = 1024 * 1024;
const CONFIG_TYPES: ReadonlySet<string> = new Set([MediaType.ociConfig, MediaType.dockerConfig]);

interface Download extends GrowingBlob {
  /** Rejects as `finished` does, or because the store takes no more. */
  readonly adopted: Promise<void>;
  /** It is needed now. */
  readonly hurry: () => void;
}

/**
 * The blobs of images of registries that one build or command works with: known by where they are, and brought into the store when somebody needs
 * them there. Disposal stops what is under way; what is whole by then stays.
 */
export class RemoteBlobs implements AsyncDisposable {
  readonly #store: Store;
  readonly #transfers: Transfers;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #jobs: number;
  readonly #lines = new Map<string, DownloadLine>();
  readonly #origins = new Map<Digest, BlobOrigin>();
  readonly #downloads = new Map<Digest, Download>();
  #temp: TempDir | undefined;

  constructor({ store, transfers, signal, jobs = DEFAULT_JOBS }: RemoteBlobsRequest) {
    this.#store = store;
    this.#transfers = transfers;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    // One for each blob.
    setMaxListeners(0, this.#signal);
    this.#jobs = jobs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.allSettled([...this.#downloads.values()].map(({ adopted }) => adopted));
    await this.#temp?.[Symbol.asyncDispose]();
  }

  /** Ends every download that is under way; whoever waits for one is told so. */
  stop(): void {
    this.#stop.abort(new BuildError('cancelled', 'the download is needed no longer'));
  }

  /** Makes known where blobs can be had. The first origin of a blob is kept. */
  add(descriptors: readonly Descriptor[], origin: BlobOrigin): void {
    for (const { digest } of descriptors) if (!this.#origins.has(digest)) this.#origins.set(digest, origin);
  }

  originOf(digest: Digest): BlobOrigin | undefined {
    return this.#origins.get(digest);
  }

  /** Whether somebody wants it in the store, and it is not there yet. */
  isComing({ digest }: Descriptor): boolean {
    return this.#downloads.has(digest);
  }

  /**
   * Settles when the blob is in the store, verified; asked twice, it is moved once.
   * @throws BuildError `registry` or `credentials`, `environment` when the store cannot be written, `input` when nobody has it; or the reason of the signal
   */
  async bring(descriptor: Descriptor): Promise<void> {
    await beginAnew(async () => {
      if (this.#store.hasBlob(descriptor)) return;
      const { hurry, adopted } = this.#download(descriptor);
      hurry();
      await adopted;
    });
  }

  /** Begins to bring a blob that is needed later: after those that are waited for. */
  async bringLater(descriptor: Descriptor): Promise<void> {
    await beginAnew(async () => {
      if (!this.#store.hasBlob(descriptor)) await this.#download(descriptor).adopted;
    });
  }

  /**
   * The blob while it comes, for a thread that does not wait for its end. It is not to be asked for when the store has it. What was read of a
   * mirror's lie cannot be taken back: see `beginAnew`, which is for the caller, also of `open`.
   */
  follow(descriptor: Descriptor): GrowingBlob {
    const { hurry, adopted: _, ...blob } = this.#download(descriptor);
    hurry();
    return blob;
  }

  /** The bytes from `offset` on: of the store, of the file that is coming there, or straight from its origin, in which case nothing is kept. */
  async *open(descriptor: Descriptor, offset = 0): AsyncGenerator<Buffer, void, void> {
    if (this.#store.hasBlob(descriptor)) {
      const path = this.#store.blobPath(descriptor.digest);
      yield* createReadStream(path, { start: offset, highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>;
      return;
    }
    const coming = this.#downloads.get(descriptor.digest);
    if (coming === undefined) return yield* this.#pass(descriptor, offset);
    try {
      yield* readGrowing(coming, offset);
    } catch (error) {
      await coming.finished;
      throw error;
    }
  }

  async *#pass(descriptor: Descriptor, offset: number): AsyncGenerator<Buffer, void, void> {
    const origin = this.#originFor(descriptor);
    using ticket = this.#lineOf(origin).ticket(this.#signal);
    ticket.hurry();
    await ticket.ready;
    let skip = offset;
    for await (const chunk of this.#receive(descriptor, origin)) {
      if (chunk.length > skip) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  }

  #download(descriptor: Descriptor): Download {
    const known = this.#downloads.get(descriptor.digest);
    if (known !== undefined) return known;
    const origin = this.#originFor(descriptor);
    const growth = new Growth();
    const ticket = this.#lineOf(origin).ticket(this.#signal);
    this.#temp ??= makeTempDir(join(this.#store.root, 'tmp'));
    const path = join(this.#temp.path, hexOf(descriptor.digest));
    // For readers that come first. Not kept open: an image may have a thousand layers, and this process but as many files.
    closeSync(openTemp(path, 'wx'));
    const finished = this.#write({ descriptor, origin, growth, ticket, path }).catch((error: unknown) => {
      // In this order: a reader that finds no file knows why.
      growth.end('failed');
      rmSync(path, { force: true });
      if (isLieOfMirror(error)) this.#downloads.delete(descriptor.digest);
      throw error;
    });
    const adopted = finished.then(() => this.#store.adoptBlob(path, descriptor));
    // Whoever waits for it is told; nobody may.
    adopted.catch(() => undefined);
    const finalPath = this.#store.blobPath(descriptor.digest);
    const download = { path, finalPath, state: growth.state, finished, adopted, hurry: () => ticket.hurry() };
    this.#downloads.set(descriptor.digest, download);
    return download;
  }

  async #write({ descriptor, origin, growth, ticket, path }: WriteRequest): Promise<void> {
    using _slot = ticket;
    await ticket.ready;
    const fd = openTemp(path, 'a');
    try {
      for await (const chunk of this.#receive(descriptor, origin)) {
        writeAll(fd, chunk, this.#store.root);
        growth.add(chunk.length);
      }
    } finally {
      closeSync(fd);
    }
    growth.end('whole');
  }

  async *#receive(descriptor: Descriptor, { repository, reference }: BlobOrigin): AsyncGenerator<Buffer, void, void> {
    const { digest, size, mediaType } = descriptor;
    const what = `${CONFIG_TYPES.has(mediaType) ? 'config' : 'layer'} ${shortDigest(digest)}`;
    const transfer = this.#transfers.start({ direction: 'pull', what, reference, totalBytes: size });
    let outcome: 'done' | 'failed' = 'failed';
    try {
      yield* repository.download({ descriptor, onBytes: (count) => transfer.onBytes(count), signal: this.#signal });
      outcome = 'done';
    } finally {
      transfer.finish(outcome);
    }
  }

  #originFor({ digest }: Descriptor): BlobOrigin {
    const origin = this.#origins.get(digest);
    if (origin !== undefined) return origin;
    throw new BuildError('input', `blob ${digest} is missing: no file "${this.#store.blobPath(digest)}"`, {
      hint: 'build, load or pull its image again',
    });
  }

  #lineOf({ repository: { domain } }: BlobOrigin): DownloadLine {
    const line = this.#lines.get(domain) ?? new DownloadLine(this.#jobs);
    this.#lines.set(domain, line);
    return line;
  }
}

interface WriteRequest {
  readonly descriptor: Descriptor;
  readonly origin: BlobOrigin;
  readonly growth: Growth;
  readonly ticket: LineTicket;
  /** Of the temporary file. */
  readonly path: string;
}

function openTemp(path: string, flags: 'wx' | 'a'): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw toWriteError(error, path);
  }
}

/** Synchronous: into the page cache, at the pace of a network. */
function writeAll(fd: number, chunk: Buffer, root: string): void {
  try {
    for (let written = 0; written < chunk.length;) written += writeSync(fd, chunk, written);
  } catch (error) {
    throw toWriteError(error, root);
  }
}
