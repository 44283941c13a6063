import type { Reference } from '../oci/reference.js';
import type { RegistryOptions } from '../registry/options.js';
import type { Registries } from '../registry/registries.js';
import type { Repository } from '../registry/repository.js';

export interface LazyRegistriesRequest {
  readonly options: RegistryOptions;
  readonly warn: (message: string) => void;
  readonly debug?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * The registries of one build or command, for all that read from them or write to them: opened when the first of them is, since most builds touch
 * none and the client is a large module. Disposal closes every connection.
 */
export class LazyRegistries implements AsyncDisposable {
  readonly #request: LazyRegistriesRequest;
  #opened: Promise<Registries> | undefined;

  constructor(request: LazyRegistriesRequest) {
    this.#request = request;
  }

  /** @throws BuildError when what the flags name (a configuration, certificates) cannot be read */
  get(): Promise<Registries> {
    this.#opened ??= open(this.#request);
    return this.#opened;
  }

  async repository(reference: Pick<Reference, 'domain' | 'path'>): Promise<Repository> {
    return (await this.get()).repository(reference);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const registries = await this.#opened?.catch(() => undefined);
    await registries?.[Symbol.asyncDispose]();
  }
}

async function open(request: LazyRegistriesRequest): Promise<Registries> {
  const { Registries } = await import('../registry/registries.js');
  return new Registries(request);
}
