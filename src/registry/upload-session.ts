import type { Digest } from '../oci/digest.js';
import { parseUploadRange } from './content-range.js';
import { RegistryError } from './errors.js';
import type { Exchange, RegistryResponse, Scope } from './exchange.js';
import { asReached } from './reached.js';
import type { UploadSource } from './upload-source.js';

/** To take back a session that is of no use any more: nobody shall wait for that. */
const CANCEL_TIMEOUT_MS = 1_000;

export interface SessionRequest {
  readonly exchange: Exchange;
  readonly scopes: readonly Scope[];
  /** `upload blob sha256:… to registry.example/app`, for errors. */
  readonly aim: string;
  readonly signal: AbortSignal | undefined;
}

/** One upload as the registry keeps it, at a place of the registry's choice that may change with every answer (distribution-spec, "Pushing blobs"). */
export class UploadSession {
  /** Bytes that the registry has. */
  offset = 0;
  /** Taken up again after a failure. */
  isResumed = false;
  /** Of a chunk that is not the last one; 0 when the registry does not mind. */
  readonly minChunkBytes: number;
  readonly #request: SessionRequest;
  #location: URL;
  #isGone = false;

  /** @param answer to the POST that began it: 202, with a Location */
  constructor(request: SessionRequest, answer: RegistryResponse) {
    const location = toLocation(answer);
    if (location === undefined) {
      throw new RegistryError(`could not ${request.aim}: ${request.exchange.host} began an upload without a usable Location`);
    }
    this.#request = request;
    this.#location = location;
    const minimum = Number(answer.header('oci-chunk-min-length'));
    this.minChunkBytes = Number.isSafeInteger(minimum) && minimum > 0 ? minimum : 0;
  }

  /**
   * Sends the next bytes. All of a blob at once goes without a Content-Range, as docker sends it and the conformance suite of the specification
   * does ("streamed"); some registries know a PATCH in no other form.
   * @throws RegistryError that may pass, too, when the registry has kept less than was sent
   */
  async patch(source: UploadSource, lengthBytes: number, isAll: boolean): Promise<void> {
    const { offset } = this;
    const end = offset + lengthBytes;
    const response = await this.#request.exchange.send({
      ...this.#common,
      method: 'PATCH',
      target: this.#location,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': `${lengthBytes}`,
        ...(isAll ? {} : { 'content-range': `${offset}-${end - 1}` }),
      },
      body: () => source.read(offset, lengthBytes),
      accept: [200, 201, 202, 204],
      retry: false,
    });
    await response.discard();
    this.#location = toLocation(response) ?? this.#location;
    this.offset = end;
    // A Range that is not cumulative would say the same, so the upload itself is asked.
    const told = parseUploadRange(response.header('range'));
    if (told === undefined || told >= end || !(await this.refresh(end)) || this.offset === end) return;
    throw new RegistryError(`could not ${this.#request.aim}: the registry kept ${this.offset} of ${end} bytes`, { isPassing: true });
  }

  /**
   * Ends the upload: the registry compares the digest. Without a source it has all bytes already.
   * @throws RegistryError when it says that it stored another digest
   */
  async put(digest: Digest, content?: { readonly source: UploadSource; readonly sizeBytes: number }): Promise<void> {
    const response = await this.#request.exchange.send({
      ...this.#common,
      method: 'PUT',
      target: withDigest(this.#location, digest),
      ...(content === undefined
        ? {}
        : {
            headers: { 'content-type': 'application/octet-stream', 'content-length': `${content.sizeBytes}` },
            body: () => content.source.read(0, content.sizeBytes),
          }),
      accept: [200, 201, 204],
      retry: false,
    });
    await response.discard();
    const stored = response.header('docker-content-digest');
    if (stored?.startsWith('sha256:') === true && stored !== digest) {
      throw new RegistryError(`could not ${this.#request.aim}: the registry stored it as ${stored}, want ${digest}`);
    }
  }

  /**
   * Asks how many bytes have arrived. @returns whether there is something to go on from: else the session is gone, or in a state that the registry
   * itself does not know
   */
  async refresh(sizeBytes: number): Promise<boolean> {
    const { exchange } = this.#request;
    // Besides 404: a registry may have other bytes than the state in its Location says, and some know no such question.
    const accept = [200, 202, 204, 400, 404, 405, 410, 416];
    const response = await exchange.send({ ...this.#common, method: 'GET', target: this.#location, accept });
    await response.discard();
    this.#isGone = response.status === 404;
    const offset = response.status < 300 ? parseUploadRange(response.header('range')) : undefined;
    if (offset === undefined || offset > sizeBytes) return false;
    this.#location = toLocation(response) ?? this.#location;
    this.offset = offset;
    this.isResumed = true;
    return true;
  }

  /** Lets the registry throw away what it has. Whether it does is not our concern. */
  async cancel(): Promise<void> {
    if (this.#isGone) return;
    const { exchange, scopes, aim } = this.#request;
    try {
      const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
      const accept = [200, 202, 204, 404];
      const response = await exchange.send({ method: 'DELETE', target: this.#location, scopes, accept, aim, retry: false, signal });
      await response.discard();
    } catch {
      // It expires there by itself.
    }
  }

  get #common(): { scopes: readonly Scope[]; aim: string; signal: AbortSignal | undefined } {
    const { scopes, aim, signal } = this.#request;
    return { scopes, aim, signal };
  }
}

/** Where an answer says that the upload goes on: absolute, or relative to what was asked. Never from https to a place that is reached without. */
function toLocation(response: RegistryResponse): URL | undefined {
  const { url } = response;
  const text = response.header('location');
  if (text === undefined || !URL.canParse(text, url.href)) return undefined;
  const location = asReached(new URL(text, url), url);
  location.hash = '';
  return location.protocol === 'https:' || (location.protocol === 'http:' && url.protocol === 'http:') ? location : undefined;
}

/** Adds to the query as it is: registries sign theirs, and writing it anew would change its escapes. */
function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location);
  const query = `digest=${encodeURIComponent(digest)}`;
  url.search = url.search === '' ? query : `${url.search}&${query}`;
  return url;
}
