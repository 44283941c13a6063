import { BaseImages, type BaseImagesRequest, type LocatedImage } from './pull/base-images.js';
import { BaseLayers } from './pull/base-layers.js';
import { atRange, BuildError } from './base/errors.js';
import type { Image, Layer } from './image/image.js';
import { readImage } from './image/read.js';
import type { SourceRange } from './base/source.js';
import type { Digest } from './oci/digest.js';
import type { Descriptor, ImageConfig } from './oci/types.js';
import type { BaseRequest } from './plan/plan.js';
import type { JobPool } from './pool.js';
import type { RemoteBlobs } from './pull/remote-blobs.js';
import type { ViewLayer } from './snapshot/root-view.js';
import { nameWhole } from './pull/whole-images.js';

export interface BasesRequest extends BaseImagesRequest {
  readonly pool: JobPool;
}

interface Base extends LocatedImage {
  readonly image: Image;
  /** Where it was asked for. */
  readonly range: SourceRange;
}

/**
 * The images of one build: found by the name that the Dockerfile gives, extracted or indexed when a step first looks into them, and brought into
 * the store when somebody wants them there. Disposal stops what is still on its way, and waits for it.
 */
export class Bases implements AsyncDisposable {
  readonly #request: BasesRequest;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #images: BaseImages;
  readonly #blobs: RemoteBlobs;
  readonly #layers: BaseLayers;
  readonly #found = new Map<string, Base>();
  readonly #wholes = new Map<string, Promise<void>>();
  /** By diffId. */
  readonly #toExtract = new Set<Digest>();
  readonly #searches = new Set<Promise<unknown>>();

  constructor(request: BasesRequest) {
    this.#request = request;
    this.#blobs = request.blobs;
    this.#signal = AbortSignal.any([request.signal, this.#stop.signal]);
    this.#images = new BaseImages({ ...request, signal: this.#signal });
    this.#layers = new BaseLayers(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new BuildError('cancelled', 'the build has ended'));
    this.#blobs.stop();
    await Promise.allSettled(this.#searches);
    await this.#layers[Symbol.asyncDispose]();
    await Promise.allSettled(this.#wholes.values());
  }

  get(key: string): Image {
    return this.#base(key).image;
  }

  /** The registry that an image was found in, in which its layers can be borrowed; `undefined` when they are in the store. */
  domainOf(key: string): string | undefined {
    const [origin] = this.get(key).layers.flatMap(({ descriptor }) => this.#blobs.originOf(descriptor.digest) ?? []);
    return origin?.repository.domain;
  }

  /** Finds the image, brings its manifest and config into the store and returns the config. */
  async find(request: BaseRequest): Promise<ImageConfig> {
    this.#signal.throwIfAborted();
    const search = this.#find(request);
    this.#searches.add(search);
    try {
      return await search;
    } catch (error) {
      throw error === this.#request.signal.reason ? error : atRange(error, request.range);
    } finally {
      this.#searches.delete(search);
    }
  }

  async #find(request: BaseRequest): Promise<ImageConfig> {
    const located = await this.#images.locate(request);
    const image = await readImage(this.#request.store, located.descriptor, request.platform);
    this.#found.set(request.key, { ...located, image, range: request.range });
    return image.config;
  }

  /** Every layer as a directory of the store, topmost first; those not there yet are extracted side by side, while they arrive. */
  async extract(key: string): Promise<readonly ViewLayer[]> {
    const { image } = this.#base(key);
    const views = await eachLayer(image, (layer) => this.#layers.extract(layer));
    // In the background: until all of it is on disk.
    if (image.layers.every(({ descriptor }) => this.#isComing(descriptor))) this.ensureBlobs(key).catch(() => undefined);
    return views;
  }

  /**
   * Every layer as what can be looked up in it, topmost first; nothing is extracted for that, nor kept in the store, except for what will be
   * extracted anyway.
   */
  index(key: string): Promise<readonly ViewLayer[]> {
    return eachLayer(this.#base(key).image, (layer) =>
      this.#toExtract.has(layer.diffId) ? this.#layers.extract(layer) : this.#layers.index(layer),
    );
  }

  /** Tells of images that some step will need as files. */
  announce(keys: readonly string[]): void {
    for (const key of keys) for (const { diffId } of this.get(key).layers) this.#toExtract.add(diffId);
  }

  /**
   * Begins to bring the layers of an image into the store, which somebody will want there.
   * @returns settles when they are; rejects as `ensureBlobs` does
   */
  bringLater(key: string): Promise<void> {
    return this.#each(key, (descriptor) => this.#blobs.bringLater(descriptor));
  }

  /**
   * Settles when the layers of an image that came from a registry are in the store, where it gets its name if nothing of it is missing. To be awaited
   * before anything is written that needs more of it than manifest and config.
   * @throws BuildError `registry`, `credentials` or `environment`, or the reason of the signal
   */
  ensureBlobs(key: string): Promise<void> {
    const whole = this.#wholes.get(key) ?? this.#makeWhole(key);
    this.#wholes.set(key, whole);
    return whole;
  }

  /** Settles when images that steps needed as files are on disk and named in the store. @throws BuildError as `ensureBlobs` */
  async settle(): Promise<void> {
    await Promise.all(this.#wholes.values());
  }

  async #makeWhole(key: string): Promise<void> {
    const { descriptor, remoteName } = this.#base(key);
    await this.#each(key, (layer) => this.#blobs.bring(layer));
    if (remoteName !== undefined) await nameWhole(this.#request.store, { descriptor, name: remoteName });
  }

  /** What came from no registry is in the store, or missed when it is read. */
  async #each(key: string, bring: (layer: Descriptor) => Promise<void>): Promise<void> {
    const { image, range } = this.#base(key);
    const remote = image.layers.filter(({ descriptor }) => this.#blobs.originOf(descriptor.digest) !== undefined);
    try {
      await Promise.all(remote.map(({ descriptor }) => bring(descriptor)));
    } catch (error) {
      throw error === this.#signal.reason ? error : atRange(error, range);
    }
  }

  #isComing(descriptor: Descriptor): boolean {
    return this.#request.store.hasBlob(descriptor) || this.#blobs.isComing(descriptor);
  }

  #base(key: string): Base {
    const base = this.#found.get(key);
    if (base === undefined) throw new Error(`image ${key} is used before it is found`);
    return base;
  }
}

/** The largest are begun first, so that none is left over in the end. Topmost first is how they are given. */
async function eachLayer({ layers }: Image, make: (layer: Layer) => Promise<ViewLayer>): Promise<readonly ViewLayer[]> {
  const bySize = layers.map((layer, place) => ({ layer, place })).toSorted((a, b) => b.layer.descriptor.size - a.layer.descriptor.size);
  const made = await Promise.all(bySize.map(async ({ layer, place }) => ({ view: await make(layer), place })));
  return made.toSorted((a, b) => b.place - a.place).map(({ view }) => view);
}
