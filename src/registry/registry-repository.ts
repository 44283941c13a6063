import type { Reference } from '../oci/reference.js';
import { digestOf, type Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';
import { downloadFrom, type BlobPlace } from './download.js';
import { RegistryError } from './errors.js';
import type { Scope } from './exchange.js';
import type { Endpoint } from './hosts.js';
import { readListing } from './listing.js';
import { fetchManifest, MAX_MANIFEST_BYTES, nameOf, resolveManifest, type ManifestPlace } from './manifests.js';
import { checkPushAccess } from './push-access.js';
import type { RegistryExchange } from './registry-exchange.js';
import type { BlobDownload, BlobUpload, FetchedManifest, Repository, UploadOutcome } from './repository.js';
import type { RegistryServer } from './server.js';
import { uploadBlob } from './upload.js';

/** A mirror of the registry, or the registry itself. */
export interface Place {
  readonly endpoint: Endpoint;
  readonly server: RegistryServer;
  readonly exchange: RegistryExchange;
}

export interface RegistryRepositoryOptions {
  readonly reference: Pick<Reference, 'domain' | 'path'>;
  /** @throws BuildError for a registry that is blocked */
  readonly placesFor: (use: 'pull' | 'push') => readonly Place[];
  readonly debug?: (message: string) => void;
}

export class RegistryRepository implements Repository {
  readonly domain: string;
  readonly path: string;
  readonly #options: RegistryRepositoryOptions;

  constructor(options: RegistryRepositoryOptions) {
    this.domain = options.reference.domain;
    this.path = options.reference.path;
    this.#options = options;
  }

  async resolve(tagOrDigest: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    return this.#read(tagOrDigest, signal, { ask: resolveManifest, isFound: (descriptor) => descriptor !== undefined });
  }

  async manifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedManifest> {
    return this.#read(tagOrDigest, signal, { ask: fetchManifest, isFound: () => true });
  }

  async *download(download: BlobDownload): AsyncGenerator<Buffer, void, void> {
    const places = this.#options.placesFor('pull').filter(isAsked);
    const [first] = places;
    if (first === undefined) throw new Error('no place to pull from');
    const leave = await first.server.downloads.enter(download.signal);
    try {
      const byBlobPlace = new Map<BlobPlace, Place>(places.map((place) => [toBlobPlace(place), place]));
      const onPlaceFailed = (failed: BlobPlace, error: unknown): void => this.#giveUp(byBlobPlace.get(failed), error);
      yield* downloadFrom([...byBlobPlace.keys()], { ...download, onPlaceFailed });
    } finally {
      leave();
    }
  }

  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const { endpoint, exchange } = this.#own('pull');
    const answer = await exchange.send({
      method: 'HEAD',
      target: `${endpoint.path}/blobs/${digest}`,
      scopes: [toScope(endpoint, 'pull')],
      accept: [200, 404],
      aim: `look for blob ${digest} in ${exchange.host}/${endpoint.path}`,
      signal,
    });
    await answer.discard();
    return answer.status === 200;
  }

  async upload(upload: BlobUpload): Promise<UploadOutcome> {
    const { endpoint, exchange } = this.#own('push');
    return uploadBlob(exchange, endpoint.path, upload);
  }

  async checkPush(signal?: AbortSignal): Promise<void> {
    const { endpoint, exchange } = this.#own('push');
    await checkPushAccess(exchange, endpoint.path, signal);
  }

  async putManifest(
    tagOrDigest: string,
    { bytes, mediaType }: { readonly bytes: Buffer; readonly mediaType: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const { endpoint, exchange } = this.#own('push');
    const aim = `write the manifest of ${nameOf({ exchange, path: endpoint.path, reference: tagOrDigest })}`;
    if (bytes.length > MAX_MANIFEST_BYTES) {
      throw new RegistryError(`could not ${aim}: it has ${bytes.length} bytes, registries take at most ${MAX_MANIFEST_BYTES}`);
    }
    const answer = await exchange.send({
      method: 'PUT',
      target: `${endpoint.path}/manifests/${tagOrDigest}`,
      scopes: [toScope(endpoint, 'pull', 'push')],
      headers: { 'content-type': mediaType },
      body: bytes,
      accept: [200, 201, 202],
      aim,
      signal,
    });
    await answer.discard();
    if (answer.mediaType === 'text/html') {
      throw new RegistryError(`could not ${aim}: ${answer.url.host} answered a web page`, { hint: `is ${exchange.host} a registry?` });
    }
    const want = digestOf(bytes);
    const got = answer.header('docker-content-digest')?.trim();
    if (got === undefined || !got.startsWith('sha256:') || got === want) return;
    throw new RegistryError(`could not ${aim}: the registry stored it as ${got}, want ${want}`, {
      hint: 'the registry, or a proxy in front of it, changes what is pushed',
    });
  }

  async deleteManifest(digest: Digest, signal?: AbortSignal): Promise<void> {
    const { endpoint, exchange } = this.#own('push');
    const aim = `delete ${nameOf({ exchange, path: endpoint.path, reference: digest })}`;
    const request = {
      method: 'DELETE',
      target: `${endpoint.path}/manifests/${digest}`,
      scopes: [toScope(endpoint, 'pull', 'delete')],
      aim,
    } as const;
    // Repeated here: what an attempt without an answer has deleted is not there for the next one.
    for (let attempt = 1; ; attempt++) {
      try {
        const accept = attempt === 1 ? [200, 202, 204] : [200, 202, 204, 404];
        const answer = await exchange.send({ ...request, accept, retry: false, signal });
        return await answer.discard();
      } catch (error) {
        signal?.throwIfAborted();
        if (exchange.isPassing(error) && (await exchange.backOff(attempt, error, signal))) continue;
        throw error instanceof RegistryError ? error.after(attempt) : error;
      }
    }
  }

  async *tags(signal?: AbortSignal): AsyncGenerator<string, void, void> {
    const { endpoint, exchange } = this.#own('pull');
    yield* readListing({
      exchange,
      target: `${endpoint.path}/tags/list`,
      scopes: [toScope(endpoint, 'pull')],
      field: 'tags',
      aim: `list the tags of ${exchange.host}/${endpoint.path}`,
      signal,
    });
  }

  /** Asks the mirrors in their order, then the registry, whose word is the last. */
  async #read<T>(
    reference: string,
    signal: AbortSignal | undefined,
    { ask, isFound }: { readonly ask: (place: ManifestPlace) => Promise<T>; readonly isFound: (answer: T) => boolean },
  ): Promise<T> {
    const isDigest = reference.includes(':');
    const places = this.#options.placesFor('pull').filter((place) => isAsked(place) && isFor(place.endpoint, isDigest));
    for (const place of places) {
      const { endpoint, exchange } = place;
      try {
        const answer = await ask({ exchange, path: endpoint.path, reference, signal });
        if (!endpoint.isMirror || isFound(answer)) return answer;
        this.#options.debug?.(`mirror ${endpoint.host} has no ${endpoint.path}:${reference}`);
      } catch (error) {
        signal?.throwIfAborted();
        if (!endpoint.isMirror) throw error;
        this.#giveUp(place, error);
      }
    }
    throw new Error('no place to pull from');
  }

  #giveUp(place: Place | undefined, error: unknown): void {
    place?.server.note(error);
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.debug?.(`mirror ${place?.endpoint.host} of ${this.domain} is passed by: ${reason}`);
  }

  /** The registry itself. */
  #own(use: 'pull' | 'push'): Place {
    const own = this.#options.placesFor(use).at(-1);
    if (own === undefined) throw new Error('a registry without a host');
    return own;
  }
}

function isAsked({ endpoint, server }: Place): boolean {
  return !endpoint.isMirror || server.failure === undefined;
}

function isFor({ only }: Endpoint, isDigest: boolean): boolean {
  return only === undefined || (only === 'digests') === isDigest;
}

function toBlobPlace({ exchange, endpoint }: Place): BlobPlace {
  return { exchange, repositoryPath: endpoint.path, scope: toScope(endpoint, 'pull') };
}

function toScope({ path }: Endpoint, ...actions: ('pull' | 'push' | 'delete')[]): Scope {
  return { type: 'repository', name: path, actions };
}
