import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { BuildError, errnoOf } from '../base/errors.js';
import { digestFromHex } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';
import { parseContentRange } from './content-range.js';
import { RegistryError, WrongBytes } from './errors.js';
import { isReworded } from './failures.js';
import type { Exchange, RegistryResponse, Scope } from './exchange.js';
import type { BlobDownload } from './repository.js';

/** Where a blob may be had: a mirror, or the registry itself. */
export interface BlobPlace {
  readonly exchange: Exchange;
  /** Of the repository on that host. */
  readonly repositoryPath: string;
  /** The default is to pull from the repository. */
  readonly scope?: Scope;
}

export interface PlacedDownload extends BlobDownload {
  /** Told when a place is given up and the next one is asked for the rest. */
  readonly onPlaceFailed?: (place: BlobPlace, error: unknown) => void;
}

/** `downloadFrom` with one place. */
export function downloadBlob(
  exchange: Exchange,
  repositoryPath: string,
  download: BlobDownload & { readonly scope?: Scope },
): AsyncGenerator<Buffer, void, void> {
  const { scope } = download;
  return downloadFrom([{ exchange, repositoryPath, ...(scope === undefined ? {} : { scope }) }], download);
}

/**
 * The bytes of a blob in order, every one once (distribution-spec, "Pulling blobs"). What breaks is resumed where it broke, with the patience of
 * the exchange, which is renewed by every byte that arrives; when a place has used it up or says no, the next one is asked for the rest. The URLs
 * of foreign layers are never asked. Leaving the loop early ends the connection.
 * @throws BuildError `registry`: not to be had, another size than its descriptor says, or (at the end) another digest: what was written must then
 * be dropped; `credentials`; or the reason of the signal
 */
export async function* downloadFrom(places: readonly BlobPlace[], download: PlacedDownload): AsyncGenerator<Buffer, void, void> {
  const arrival = new Arrival(places, download);
  try {
    while (!arrival.isComplete) {
      try {
        for await (const chunk of await arrival.open()) {
          const fresh = arrival.take(chunk);
          if (fresh !== undefined) yield fresh;
        }
        arrival.end();
      } catch (error) {
        await arrival.recover(error);
      }
    }
    arrival.verify();
  } finally {
    arrival.close();
  }
}

/** A blob on its way: how much of it is here, from where the rest is asked, and whether it may be asked again. */
class Arrival {
  /** The blob ended where it should have. */
  isComplete = false;
  readonly #download: PlacedDownload;
  readonly #descriptor: Descriptor;
  readonly #places: BlobPlace[];
  readonly #hash = createHash('sha256');
  /** Bytes that were handed on. */
  #position = 0;
  /** Bytes of the present body that were handed on before: its server does not know ranges. */
  #skip = 0;
  /** Repetitions without a new byte. */
  #attempts = 0;
  /** `#position` at the last failure. */
  #brokeAt = 0;
  /** The present place answered a range with something else. */
  #isRangeless = false;
  #body: Readable | undefined;
  /** The present body is said to be for people to read: not ours, unless its bytes are. */
  #isPage = false;
  /** The registry itself comes last. */
  readonly #lastPlace: BlobPlace | undefined;
  /** Whose bytes were handed on. */
  readonly #givers = new Set<BlobPlace>();

  constructor(places: readonly BlobPlace[], download: PlacedDownload) {
    this.#places = [...places];
    this.#lastPlace = places.at(-1);
    this.#download = download;
    this.#descriptor = download.descriptor;
    download.signal?.addEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => {
    this.#body?.destroy(this.#download.signal?.reason as Error);
  };

  close(): void {
    this.#download.signal?.removeEventListener('abort', this.#abort);
    this.#body?.destroy();
  }

  get #place(): BlobPlace {
    const [place] = this.#places;
    if (place === undefined) throw new Error('a blob without a place to get it from');
    return place;
  }

  get #aim(): string {
    const { exchange, repositoryPath } = this.#place;
    return `read blob ${this.#descriptor.digest} of ${exchange.host}/${repositoryPath}`;
  }

  /** Asks for what is not here yet. */
  async open(): Promise<AsyncIterable<Buffer>> {
    const { signal } = this.#download;
    const { exchange, repositoryPath, scope } = this.#place;
    const isRange = this.#position > 0 && !this.#isRangeless;
    const response = await exchange.send({
      method: 'GET',
      target: `${repositoryPath}/blobs/${this.#descriptor.digest}`,
      scopes: [scope ?? { type: 'repository', name: repositoryPath, actions: ['pull'] }],
      // The digest is that of the bytes as they are stored: nobody on the way shall compress them.
      headers: { 'accept-encoding': 'identity', ...(isRange ? { range: `bytes=${this.#position}-` } : {}) },
      accept: isRange ? [200, 206, 416] : [200],
      aim: this.#aim,
      // Counted here, together with bodies that break.
      retry: false,
      signal,
    });
    this.#body = response.body;
    // An abort may come in between two bodies; that of this one is then nobody's to hear.
    response.body.on('error', ignore);
    signal?.throwIfAborted();
    this.#check(response);
    return response.body;
  }

  /** Decides what the body's first byte is. @throws when this cannot be our blob, or not the range */
  #check(response: RegistryResponse): void {
    this.#skip = 0;
    this.#isPage = response.header('content-type')?.startsWith('text/html') ?? false;
    const { size } = this.#descriptor;
    if (response.status === 200) {
      this.#skip = this.#position;
      const sizeBytes = response.header('content-length');
      if (sizeBytes !== undefined && Number(sizeBytes) !== size) throw this.#otherSize(sizeBytes);
      return;
    }
    const range = parseContentRange(response.header('content-range'));
    if (range?.totalBytes !== undefined && range.totalBytes !== size) throw this.#otherSize(range.totalBytes);
    if (response.status === 206 && range?.start === this.#position) return;
    this.#isRangeless = true;
    throw this.#passing(`the answer for bytes from ${this.#position} on is ${describe(response)}`);
  }

  /** @returns what of a chunk of the body is new */
  take(chunk: Buffer): Buffer | undefined {
    this.#download.onBytes?.(chunk.length);
    let fresh = chunk;
    if (this.#skip > 0) {
      const known = Math.min(this.#skip, chunk.length);
      this.#skip -= known;
      if (known === chunk.length) return undefined;
      fresh = chunk.subarray(known);
    }
    this.#givers.add(this.#place);
    const { size } = this.#descriptor;
    if (this.#position + fresh.length > size) throw new WrongBytes(`could not ${this.#aim}: got more than ${size} bytes`);
    this.#position += fresh.length;
    this.#hash.update(fresh);
    return fresh;
  }

  /** The body ended. */
  end(): void {
    const { size } = this.#descriptor;
    // In good order, but before its time: a proxy does that when its own connection breaks.
    if (this.#position < size && this.#isPage) throw this.#otherSize(this.#position);
    if (this.#position < size) throw this.#passing(`the answer ended after ${this.#position} of ${size} bytes`);
    this.isComplete = true;
  }

  /**
   * After a failure: waits until the same place, or chooses the next one, to be asked for the rest.
   * @throws the failure, in words, when there is no more hope
   */
  async recover(error: unknown): Promise<void> {
    const { signal, onPlaceFailed } = this.#download;
    signal?.throwIfAborted();
    if (error instanceof WrongBytes) throw this.#condemn(error);
    const mayPass = this.#place.exchange.isPassing(error);
    // Only the end of the body is missing, of which there is nothing to learn.
    this.isComplete = mayPass && this.#body !== undefined && this.#position === this.#descriptor.size;
    this.#body?.destroy();
    this.#body = undefined;
    if (this.isComplete) return;
    if (this.#position > this.#brokeAt) this.#attempts = 0;
    this.#brokeAt = this.#position;
    if (mayPass && (await this.#place.exchange.backOff(++this.#attempts, error, signal))) return;
    const failure = this.#explain(error);
    if (this.#places.length === 1 || !isRefusal(failure)) throw failure;
    onPlaceFailed?.(this.#place, failure);
    this.#places.shift();
    this.#attempts = 0;
    this.#isRangeless = false;
  }

  verify(): void {
    const { digest } = this.#descriptor;
    const got = digestFromHex(this.#hash.digest('hex'));
    if (got === digest) return;
    const error = new WrongBytes(`could not ${this.#aim}: its bytes have digest ${got}, want ${digest}`, {
      hint: 'the registry, or a proxy in front of it, delivers other bytes than were pushed: push the image again',
    });
    throw this.#condemn(error);
  }

  /** Whoever begins anew shall not ask the same mirrors. */
  #condemn(error: WrongBytes): WrongBytes {
    for (const giver of this.#givers) {
      if (giver === this.#lastPlace) continue;
      error.isOfMirror = true;
      this.#download.onPlaceFailed?.(giver, error);
    }
    return error;
  }

  #passing(reason: string): RegistryError {
    return new RegistryError(`could not ${this.#aim}: ${reason}`, { isPassing: true });
  }

  /** Less than there should be may be what a proxy kept of a connection that broke. */
  #otherSize(got: number | string): RegistryError {
    const { size } = this.#descriptor;
    const isPage = this.#isPage;
    const kind = isPage ? ' of a web page (text/html)' : '';
    const isPassing = !isPage && Number(got) < size;
    const hint = isPage
      ? 'a portal or a proxy answers in place of the registry'
      : 'the registry, or a proxy in front of it, delivers other bytes than were pushed: push the image again';
    return new RegistryError(`could not ${this.#aim}: got ${got} bytes${kind}, want ${size}`, { isPassing, hint });
  }

  /** What a manifest names is not where the manifest is. */
  #missing(error: RegistryError): RegistryError {
    const { mediaType } = this.#descriptor;
    const { status, codes, message } = error;
    if (error.hint?.includes('a registry?') === true) return error;
    const hint = /\.(?:foreign|nondistributable)\./.test(mediaType)
      ? `its manifest calls it ${JSON.stringify(mediaType)}, to be had from elsewhere: only registries are asked`
      : 'the registry has the manifest of the image, but has lost this part of it: push the image again';
    return new RegistryError(message, { codes, hint, ...(status === undefined ? {} : { status }) });
  }

  /** Why there is no more hope, in words. */
  #explain(error: unknown): unknown {
    if (error instanceof RegistryError) return (error.status === 404 ? this.#missing(error) : error).after(this.#attempts);
    if (error instanceof BuildError || !(error instanceof Error) || error.name === 'AbortError') return error;
    const { size } = this.#descriptor;
    const isSilent = errnoOf(error) === 'UND_ERR_BODY_TIMEOUT';
    const broke = `the connection broke (${error.message})`;
    const what = isReworded(error) ? error.message : isSilent ? 'the connection was silent for too long' : broke;
    const hint = isSilent
      ? 'allow more with --timeout, if it is that slow'
      : 'check the connection to the registry, or allow more attempts with --retry';
    const message = `could not ${this.#aim}: ${what}${isSilent ? ',' : ''} after ${this.#position} of ${size} bytes`;
    return new RegistryError(message, { cause: error, hint }).after(this.#attempts);
  }
}

/** `206 and no Content-Range` */
function describe(response: RegistryResponse): string {
  const range = response.header('content-range');
  return `${response.status} and ${range === undefined ? 'no Content-Range' : `Content-Range ${JSON.stringify(range)}`}`;
}

/** Whether it is the place that failed, not the command that was stopped. */
function isRefusal(failure: unknown): boolean {
  return failure instanceof BuildError && (failure.kind === 'registry' || failure.kind === 'credentials');
}

function ignore(): void {}
