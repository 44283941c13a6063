import { setMaxListeners } from 'node:events';
import { BuildError } from '../base/errors.js';
import type { Reference } from '../oci/reference.js';
import { LazyRegistries } from '../pull/lazy-registries.js';
import { Progress } from '../progress.js';
import type { PusherRequest } from '../push.js';
import type { Repository } from '../registry/repository.js';
import { defaultRoot } from '../store/root.js';
import { Store } from '../store/store.js';
import type { TransportOptions } from './options.js';
import { Transfers } from '../transfers.js';

/**
 * What every command shares that moves images about: connections, progress, the store. Disposed when the command ends, so that no
 * open connection keeps the process alive.
 */
export class TransportSession implements AsyncDisposable {
  readonly options: TransportOptions;
  readonly progress: Progress;
  readonly transfers: Transfers;
  readonly registries: LazyRegistries;
  readonly #stop = new AbortController();
  readonly #unlink: () => void;
  #store: Promise<Store> | undefined;

  constructor(options: TransportOptions) {
    this.options = options;
    // One for each request that is under way.
    setMaxListeners(0, this.signal);
    this.progress = new Progress(options.onEvent, (error) => this.#stop.abort(error));
    this.transfers = new Transfers((event) => this.progress.emit(event));
    this.registries = new LazyRegistries({
      options: options.registry ?? {},
      warn: (message) => this.progress.warn(message),
      ...(options.onDebug === undefined ? {} : { debug: options.onDebug }),
      signal: this.signal,
    });
    const cancel = (): void => this.#stop.abort(new BuildError('cancelled', 'stopped', { cause: options.signal?.reason }));
    options.signal?.addEventListener('abort', cancel);
    this.#unlink = () => options.signal?.removeEventListener('abort', cancel);
    if (options.signal?.aborted === true) cancel();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The local store, opened when first asked for: a copy between registries needs none. */
  store(): Promise<Store> {
    this.#store ??= Store.open(this.options.root ?? defaultRoot());
    return this.#store;
  }

  repository(reference: Pick<Reference, 'domain' | 'path'>): Promise<Repository> {
    return this.registries.repository(reference);
  }

  /** What a `Pusher` to these names takes. */
  async pusherRequest(targets: readonly Reference[]): Promise<PusherRequest> {
    return { registries: await this.registries.get(), targets, transfers: this.transfers, signal: this.signal, ...this.jobs() };
  }

  /** `--jobs`, for what has a default of its own. */
  jobs(): { readonly jobs?: number } {
    const jobs = this.options.registry?.jobs;
    return jobs === undefined ? {} : { jobs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlink();
    await this.registries[Symbol.asyncDispose]();
  }
}

/** The tag or digest that a registry is asked for; of both, the digest. */
export function tagOrDigest({ tag, digest }: Reference): string {
  return digest ?? tag ?? 'latest';
}
