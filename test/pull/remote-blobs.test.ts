import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readGrowing } from '../../src/base/growing-file.js';
import { BuildError } from '../../src/base/errors.js';
import type { BuildEvent } from '../../src/events.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType, type Descriptor } from '../../src/oci/types.js';
import { WrongBytes } from '../../src/registry/errors.js';
import type { BlobDownload, Repository } from '../../src/registry/repository.js';
import { RemoteBlobs } from '../../src/pull/remote-blobs.js';
import { Store } from '../../src/store/store.js';
import { Transfers } from '../../src/transfers.js';
import { scratchDir } from '../helpers/cli.js';

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-remote-blobs-');
afterAll(removeScratch);

const PIECE_BYTES = 1000;

/** A repository in this process that sends a piece when it is told to: what a real one does at its own pace. */
class PacedRepository {
  readonly domain = 'registry.example';
  readonly path = 'app';
  readonly blobs = new Map<string, Buffer>();
  /** Digests in the order in which they were asked for. */
  readonly asked: string[] = [];
  failure: Error | undefined;
  failsOnce = false;
  #credit = 0;
  #wake: (() => void)[] = [];

  /** So many pieces more, of all blobs together. */
  send(pieces: number): void {
    this.#credit += pieces;
    for (const wake of this.#wake.splice(0)) wake();
  }

  add(bytes: Buffer): Descriptor {
    const descriptor = { mediaType: MediaType.ociLayer, digest: digestOf(bytes), size: bytes.length };
    this.blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  async *download({ descriptor, onBytes, signal }: BlobDownload): AsyncGenerator<Buffer, void, void> {
    this.asked.push(descriptor.digest);
    const bytes = this.blobs.get(descriptor.digest) ?? Buffer.alloc(0);
    for (let place = 0; place < bytes.length; place += PIECE_BYTES) {
      while (this.#credit === 0) {
        signal?.throwIfAborted();
        const { failure } = this;
        if (this.failsOnce) this.failure = undefined;
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve);
          signal?.addEventListener('abort', () => resolve());
        });
      }
      this.#credit--;
      const piece = bytes.subarray(place, place + PIECE_BYTES);
      onBytes?.(piece.length);
      yield piece;
    }
  }
}

class Lab implements AsyncDisposable {
  readonly repository = new PacedRepository();
  readonly events: BuildEvent[] = [];
  readonly stop = new AbortController();
  readonly store: Store;
  readonly blobs: RemoteBlobs;

  private constructor(store: Store) {
    this.store = store;
    const transfers = new Transfers((event) => this.events.push({ ...event, timeMs: 0 }));
    this.blobs = new RemoteBlobs({ store, transfers, signal: this.stop.signal, jobs: 2 });
  }

  static async open(): Promise<Lab> {
    return new Lab(await Store.open(join(scratch, randomBytes(4).toString('hex'))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.blobs[Symbol.asyncDispose]();
  }

  /** Makes a blob of so many pieces known. */
  add(pieces: number): Descriptor {
    const descriptor = this.repository.add(randomBytes(pieces * PIECE_BYTES));
    this.blobs.add([descriptor], { repository: this.repository as unknown as Repository, reference: 'registry.example/app:1' });
    return descriptor;
  }

  bytesOf({ digest }: Descriptor): Buffer {
    return this.repository.blobs.get(digest) ?? Buffer.alloc(0);
  }

  /** Names of unfinished files. */
  temporary(): string[] {
    const tmp = join(this.store.root, 'tmp');
    return readdirSync(tmp, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('/'));
  }
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe('a blob of a registry', () => {
  it('is moved once, however often and however it is asked for', async () => {
    await using lab = await Lab.open();
    const blob = lab.add(5);
    const growing = lab.blobs.follow(blob);
    const all = Promise.all([
      lab.blobs.bring(blob),
      lab.blobs.bringLater(blob),
      collect(lab.blobs.open(blob)),
      collect(lab.blobs.open(blob, 1500)),
      collect(readGrowing(growing)),
    ]);
    expect(lab.blobs.isComing(blob)).toBe(true);
    for (let piece = 0; piece < 5; piece++) {
      lab.repository.send(1);
      await new Promise(setImmediate);
    }
    const [, , opened, rest, followed] = await all;
    const bytes = lab.bytesOf(blob);
    expect([opened.equals(bytes), rest.equals(bytes.subarray(1500)), followed.equals(bytes)]).toEqual([true, true, true]);
    expect(readFileSync(lab.store.blobPath(blob.digest)).equals(bytes)).toBe(true);
    expect(lab.repository.asked).toEqual([blob.digest]);
    await lab.blobs.bring(blob);
    expect((await collect(lab.blobs.open(blob, 4999))).equals(bytes.subarray(4999))).toBe(true);
    expect(lab.repository.asked).toHaveLength(1);
    expect(lab.events.at(-1)).toMatchObject({ type: 'transfer-finished', outcome: 'done', bytes: 5000 });
  });

  it('is read without being kept', async () => {
    await using lab = await Lab.open();
    const blob = lab.add(3);
    lab.repository.send(7);
    expect((await collect(lab.blobs.open(blob))).equals(lab.bytesOf(blob))).toBe(true);
    expect((await collect(lab.blobs.open(blob, 2500))).equals(lab.bytesOf(blob).subarray(2500))).toBe(true);
    expect([lab.store.hasBlob(blob), lab.blobs.isComing(blob), lab.temporary()]).toEqual([false, false, []]);
    for await (const _chunk of lab.blobs.open(lab.add(1))) break;
    expect(lab.events.filter(({ type }) => type === 'transfer-finished')).toHaveLength(3);
  });

  it('that somebody waits for comes before those for later', async () => {
    await using lab = await Lab.open();
    const [a, b, c, d] = [lab.add(1), lab.add(1), lab.add(1), lab.add(1)];
    const later = [a, b, c].map((blob) => lab.blobs.bringLater(blob));
    lab.blobs.follow(c);
    const needed = lab.blobs.bring(d);
    lab.repository.send(4);
    await Promise.all([...later, needed]);
    expect(lab.repository.asked).toEqual([c, d, a, b].map(({ digest }) => digest));
  });

  it('that fails is told to all, and nothing is left of it', async () => {
    await using lab = await Lab.open();
    const blob = lab.add(3);
    const growing = lab.blobs.follow(blob);
    const reader = collect(lab.blobs.open(blob)).catch((error: unknown) => error);
    const follower = collect(readGrowing(growing)).catch((error: unknown) => error);
    lab.repository.failure = new BuildError('registry', 'it broke');
    lab.repository.send(1);
    await expect(lab.blobs.bring(blob)).rejects.toBe(lab.repository.failure);
    await expect(growing.finished).rejects.toBe(lab.repository.failure);
    expect(await reader).toBe(lab.repository.failure);
    expect(await follower).toMatchObject({ kind: 'internal' });
    expect([lab.store.hasBlob(blob), existsSync(growing.path)]).toEqual([false, false]);
    expect(lab.events.at(-1)).toMatchObject({ outcome: 'failed' });
  });

  it('that a mirror lied about comes anew, for those who wait and for those who ask again', async () => {
    await using lab = await Lab.open();
    const blob = lab.add(3);
    const growing = lab.blobs.follow(blob);
    const follower = collect(readGrowing(growing)).catch((error: unknown) => error);
    const [brought, later] = [lab.blobs.bring(blob), lab.blobs.bringLater(blob)];
    const lie = Object.assign(new WrongBytes('other bytes'), { isOfMirror: true });
    Object.assign(lab.repository, { failure: lie, failsOnce: true });
    lab.repository.send(1);
    await expect(growing.finished).rejects.toBe(lie);
    const again = lab.blobs.follow(blob);
    lab.repository.send(3);
    expect((await collect(readGrowing(again))).equals(lab.bytesOf(blob))).toBe(true);
    await Promise.all([brought, later]);
    expect(await follower).toMatchObject({ kind: 'internal' });
    expect([lab.store.hasBlob(blob), lab.temporary(), lab.repository.asked.length]).toEqual([true, [], 2]);
  });

  it('that the registry itself is wrong about fails', async () => {
    await using lab = await Lab.open();
    const blob = lab.add(3);
    lab.repository.failure = new WrongBytes('other bytes');
    lab.repository.send(1);
    await expect(lab.blobs.bring(blob)).rejects.toBe(lab.repository.failure);
    expect(lab.repository.asked).toHaveLength(1);
  });

  it('that nobody has is missing', async () => {
    await using lab = await Lab.open();
    const unknown = { mediaType: MediaType.ociLayer, digest: digestOf('x'), size: 1 };
    await expect(lab.blobs.bring(unknown)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('is missing') as string,
    });
    await expect(collect(lab.blobs.open(unknown))).rejects.toMatchObject({ kind: 'input' });
  });

  it('stops with the command, in line or under way', async () => {
    const lab = await Lab.open();
    const waiting = [lab.add(2), lab.add(2), lab.add(2)].map((blob) => lab.blobs.bring(blob).catch((error: unknown) => error));
    await new Promise(setImmediate);
    const reason = new Error('stop');
    lab.stop.abort(reason);
    expect(await Promise.all(waiting)).toEqual([reason, reason, reason]);
    await lab[Symbol.asyncDispose]();
    expect(lab.temporary()).toEqual([]);
  });

  it('stops with its owner', async () => {
    const lab = await Lab.open();
    const waiting = lab.blobs.bring(lab.add(2)).catch((error: unknown) => error);
    await lab[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ kind: 'cancelled' });
  });
});
