import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildError } from '../base/errors.js';
import { beginAnew } from './begin-anew.js';
import type { Layer } from '../image/image.js';
import type { LayerBlob } from './layer-blobs.js';
import { shortDigest } from '../oci/digest.js';
import type { JobPool, RunOptions } from '../pool.js';
import type { GrowingBlob, RemoteBlobs } from './remote-blobs.js';
import { openLayerIndex } from '../snapshot/layer-index.js';
import type { LayerDir, LayerIndex, ViewLayer } from '../snapshot/root-view.js';
import type { Store } from '../store/store.js';

export interface BaseLayersRequest {
  readonly store: Store;
  readonly blobs: RemoteBlobs;
  readonly pool: JobPool;
  readonly warn: (message: string) => void;
}

/** How long a layer that cannot be read waits to hear whether it is what its digest says. */
const VERDICT_TIMEOUT_MS = 30_000;

/**
 * The layers of base images as steps need them: each is extracted or indexed once, whoever asks, and read while it is still on its way from its registry.
 * Disposed when nothing of that is under way any longer; it is for the pool and the downloads to stop it.
 */
export class BaseLayers implements AsyncDisposable {
  readonly #store: Store;
  readonly #blobs: RemoteBlobs;
  readonly #pool: JobPool;
  readonly #warn: (message: string) => void;
  readonly #views = new Map<string, Promise<ViewLayer>>();

  constructor({ store, blobs, pool, warn }: BaseLayersRequest) {
    this.#store = store;
    this.#blobs = blobs;
    this.#pool = pool;
    this.#warn = warn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#views.values());
  }

  /** As a directory of the store. @throws BuildError what downloading or extracting it throws */
  extract(layer: Layer): Promise<ViewLayer> {
    return this.#once(`extract ${layer.diffId}`, () => this.#extract(layer));
  }

  /** As what can be looked up in it: nothing is written for that but a small file. @throws BuildError as `extract` */
  index(layer: Layer): Promise<ViewLayer> {
    return this.#once(`index ${layer.diffId}`, () => this.#index(layer));
  }

  #once(id: string, make: () => Promise<ViewLayer>): Promise<ViewLayer> {
    const view = this.#views.get(id) ?? beginAnew(make);
    this.#views.set(id, view);
    return view;
  }

  async #extract(layer: Layer): Promise<LayerDir> {
    const existing = this.#store.findLayerDir(layer.diffId);
    if (existing !== undefined) return existing;
    await using temp = await this.#store.tempDir();
    const dir = join(temp.path, 'layer');
    const growing = this.#follow(layer);
    const job = this.#pool.run('extractToDirectory', { ...this.#toJob(layer, growing), dir }, jobOptions(layer, growing));
    const { implied, warnings } = await judged(job, growing);
    for (const warning of warnings) this.#warn(`layer ${shortDigest(layer.descriptor.digest)}: ${warning}`);
    // Awaited here: the temporary directory goes when the function returns.
    return await this.#store.publishLayerDir(dir, layer.diffId, { implied });
  }

  async #index(layer: Layer): Promise<ViewLayer> {
    const existing = this.#store.findLayerDir(layer.diffId);
    if (existing !== undefined) return existing;
    const keptAt = this.#store.layerIndexPath(layer.diffId);
    const { readKeptIndex } = await import('./kept-indexes.js');
    const index = readKeptIndex(keptAt) ?? (await this.#makeIndex(layer, keptAt));
    // Entries that make no layer are the fault of the base, not of the step that looks into it first.
    openLayerIndex(index);
    return index;
  }

  async #makeIndex(layer: Layer, keptAt: string): Promise<LayerIndex> {
    const origin = this.#blobs.originOf(layer.descriptor.digest);
    const isWanted = origin === undefined || this.#store.hasBlob(layer.descriptor) || this.#blobs.isComing(layer.descriptor);
    if (!isWanted) return (await import('./streamed-index.js')).streamIndex(layer, { blobs: this.#blobs, origin, keptAt });
    const growing = this.#follow(layer);
    const job = this.#pool.run('indexLayer', { ...this.#toJob(layer, growing), keptAt }, jobOptions(layer, growing));
    return judged(job, growing);
  }

  #follow({ descriptor }: Layer): GrowingBlob | undefined {
    if (this.#store.hasBlob(descriptor) || this.#blobs.originOf(descriptor.digest) === undefined) return undefined;
    return this.#blobs.follow(descriptor);
  }

  #toJob({ descriptor, diffId }: Layer, growing: GrowingBlob | undefined): LayerBlob {
    const layer = { path: this.#store.blobPath(descriptor.digest), digest: descriptor.digest, diffId };
    if (growing === undefined) return layer;
    const { path, finalPath, state } = growing;
    return { ...layer, growing: { path, finalPath, state } };
  }
}

function jobOptions({ descriptor }: Layer, growing: GrowingBlob | undefined): RunOptions {
  return { waits: growing !== undefined, sizeBytes: descriptor.size };
}

/**
 * A job that reads a layer on its way. When it fails, the download may have the reason: it broke off, or brought other bytes than its digest
 * says, which make no archive.
 */
async function judged<T>(job: Promise<T>, growing: GrowingBlob | undefined): Promise<T> {
  try {
    return await job;
  } catch (error) {
    if (growing !== undefined && error instanceof BuildError && (error.kind === 'input' || error.kind === 'internal')) {
      await Promise.race([growing.finished, sleep(VERDICT_TIMEOUT_MS, undefined, { ref: false })]);
    }
    throw error;
  }
}
