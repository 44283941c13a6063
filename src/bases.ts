import { join } from 'node:path';
import { atRange, BuildError } from './base/errors.js';
import type { Image, Layer } from './image/image.js';
import { chooseManifest, readImage } from './image/read.js';
import { shortDigest } from './oci/digest.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { Descriptor, ImageConfig } from './oci/types.js';
import type { NamedContext } from './options.js';
import type { BaseRequest } from './plan/plan.js';
import type { JobPool } from './pool.js';
import type { Progress } from './progress.js';
import { openLayerIndex } from './snapshot/layer-index.js';
import type { LayerDir, ViewLayer } from './snapshot/root-view.js';
import { findInLayout, importFromLayout } from './store/import.js';
import type { Store } from './store/store.js';

export interface BasesRequest {
  readonly store: Store;
  /** `--build-context` */
  readonly contexts: Readonly<Record<string, NamedContext>>;
  readonly pool: JobPool;
  readonly progress: Progress;
  /** Stops what is being brought into the store. */
  readonly signal: AbortSignal;
}

/**
 * The images of one build: found by the name that the Dockerfile gives, extracted or indexed when a step first looks into them. Disposed when
 * nothing of that is under way any longer; it is for the pool to stop it.
 */
export class Bases implements AsyncDisposable {
  readonly #store: Store;
  readonly #contexts: ReadonlyMap<string, NamedContext>;
  readonly #pool: JobPool;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;
  readonly #images = new Map<string, Image>();
  readonly #layers = new Map<string, Promise<ViewLayer>>();

  constructor({ store, contexts, pool, progress, signal }: BasesRequest) {
    this.#store = store;
    this.#contexts = new Map(Object.entries(contexts).map(([name, context]) => [fullName(name), context]));
    this.#pool = pool;
    this.#progress = progress;
    this.#signal = signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#layers.values());
  }

  get(key: string): Image {
    const image = this.#images.get(key);
    if (image === undefined) throw new Error(`image ${key} is used before it is found`);
    return image;
  }

  /** Finds the image, brings its blobs into the store and returns its config. */
  async find(request: BaseRequest): Promise<ImageConfig> {
    this.#signal.throwIfAborted();
    try {
      const image = await readImage(this.#store, await this.#locate(request), request.platform);
      this.#images.set(request.key, image);
      return image.config;
    } catch (error) {
      throw error === this.#signal.reason ? error : atRange(error, request.range);
    }
  }

  /** Every layer as a directory of the store, topmost first; those not there yet are extracted side by side. */
  extract(key: string): Promise<readonly ViewLayer[]> {
    return this.#each(key, 'extract', (layer) => this.#extractLayer(layer));
  }

  /** Every layer as what can be looked up in it, topmost first; nothing is written for that. */
  index(key: string): Promise<readonly ViewLayer[]> {
    return this.#each(key, 'index', (layer) => this.#indexLayer(layer));
  }

  async #each(key: string, form: string, make: (layer: Layer) => Promise<ViewLayer>): Promise<readonly ViewLayer[]> {
    const views = this.get(key).layers.map((layer) => {
      const id = `${form} ${layer.diffId}`;
      const view = this.#layers.get(id) ?? make(layer);
      this.#layers.set(id, view);
      return view;
    });
    return (await Promise.all(views)).toReversed();
  }

  async #extractLayer(layer: Layer): Promise<LayerDir> {
    const existing = this.#store.findLayerDir(layer.diffId);
    if (existing !== undefined) return existing;
    await using temp = await this.#store.tempDir();
    const dir = join(temp.path, 'layer');
    const { implied, warnings } = await this.#pool.run('extractToDirectory', { ...this.#blobOf(layer), dir });
    for (const warning of warnings) this.#progress.warn(`layer ${shortDigest(layer.descriptor.digest)}: ${warning}`);
    // Awaited here: the temporary directory goes when the function returns.
    return await this.#store.publishLayerDir(dir, layer.diffId, { implied });
  }

  async #indexLayer(layer: Layer): Promise<ViewLayer> {
    const existing = this.#store.findLayerDir(layer.diffId);
    if (existing !== undefined) return existing;
    const index = await this.#pool.run('indexLayer', this.#blobOf(layer));
    // Entries that make no layer are the fault of the base, not of the step that looks into it first.
    openLayerIndex(index);
    return index;
  }

  #blobOf({ descriptor, diffId }: Layer): { blob: string; digest: Descriptor['digest']; diffId: Layer['diffId'] } {
    return { blob: this.#store.blobPath(descriptor.digest), digest: descriptor.digest, diffId };
  }

  /** The manifest or index that a name stands for, its blobs in the store. */
  async #locate({ name, platform, similarStage }: BaseRequest): Promise<Descriptor> {
    const context = this.#contexts.get(fullName(name));
    if (context?.kind === 'oci-layout') {
      // Of an index, nothing but what this build uses.
      const descriptor = await chooseManifest({ root: context.path }, await findInLayout({ ...context, platform }), platform);
      await importFromLayout(this.#store, { dir: context.path, descriptor, signal: this.#signal });
      return descriptor;
    }
    const descriptor = await this.#store.find(fullName(context?.kind === 'image' ? context.reference : name));
    if (descriptor !== undefined) return descriptor;
    if (context === undefined) checkImageName(name);
    throw new BuildError('registry', `image "${name}" is not in the store`, {
      hint: `${similarStage === undefined ? '' : `did you mean the stage "${similarStage}"? For an image: `}build it first (tsbuild -t ${name} …), load it (tsbuild load FILE), or name a layout: --build-context ${name}=oci-layout://DIR. Pulling from registries is not supported yet.`,
    });
  }
}

function checkImageName(name: string): void {
  try {
    parseReference(name);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError('dockerfile', error.message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}

/** `busybox` and `docker.io/library/busybox:latest` are one name. Names that are no references (of a directory, say) stay as they are. */
function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
