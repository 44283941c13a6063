import { BuildError } from '../base/errors.js';
import { readDownload } from './begin-anew.js';
import { chooseChild } from '../image/graph.js';
import { LazyRegistries } from './lazy-registries.js';
import { familiarName, type Reference } from '../oci/reference.js';
import type { Descriptor, ImageConfig, Platform } from '../oci/types.js';
import { MAX_CONFIG_BYTES, parseImageConfig, parseIndex, parseManifest } from '../oci/validate.js';
import type { RegistryOptions } from '../registry/options.js';
import type { FetchedManifest, Repository } from '../registry/repository.js';
import { isIndex } from '../store/import.js';

/** For somebody who waits for the check of a file. */
const TIMEOUT_MS = 10_000;
const MAX_DEPTH = 5;

/** Configs of images of registries, looked at without a store: nothing is kept, and no layer is asked for. */
export class RemoteConfigs implements AsyncDisposable {
  readonly #registries: LazyRegistries;
  readonly #signal: AbortSignal;
  /** Registries that do not answer: one attempt is enough for a file of twenty images. */
  readonly #silent = new Set<string>();

  constructor(options: RegistryOptions, signal: AbortSignal) {
    this.#signal = signal;
    this.#registries = new LazyRegistries({ options: { timeoutMs: TIMEOUT_MS, ...options, retries: 0 }, warn: () => undefined, signal });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#registries[Symbol.asyncDispose]();
  }

  /** `undefined` when the registry does not answer, or does not give it; or when it is malformed. */
  async find(reference: Reference, platform: Platform): Promise<ImageConfig | undefined> {
    if (this.#silent.has(reference.domain)) return undefined;
    try {
      return await this.#read(await this.#registries.repository(reference), reference, platform);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!(error instanceof BuildError)) throw error;
      // Of RegistryError: there was no answer.
      if ('status' in error && error.status === undefined) this.#silent.add(reference.domain);
      return undefined;
    }
  }

  async #read(repository: Repository, reference: Reference, platform: Platform): Promise<ImageConfig> {
    let fetched: FetchedManifest = await repository.manifest(reference.digest ?? reference.tag ?? 'latest', this.#signal);
    for (let depth = 0; isIndex(fetched.descriptor) && depth < MAX_DEPTH; depth++) {
      const child = chooseChild(parseIndex(fetched.bytes), platform, familiarName(reference));
      fetched = await repository.manifest(child.digest, this.#signal);
    }
    return parseImageConfig(await this.#download(repository, parseManifest(fetched.bytes).config));
  }

  async #download(repository: Repository, descriptor: Descriptor): Promise<Buffer> {
    if (descriptor.size > MAX_CONFIG_BYTES) throw new BuildError('input', `config ${descriptor.digest} has ${descriptor.size} bytes`);
    return readDownload(repository, { descriptor, signal: this.#signal });
  }
}
