import { RegistryError } from './errors.js';
import type { Exchange, Scope } from './exchange.js';
import type { BlobUpload, UploadOutcome } from './repository.js';
import { UploadSession, type SessionRequest } from './upload-session.js';
import { UploadSource } from './upload-source.js';

/** Where an upload changes its ways. The defaults are for real registries. */
export interface UploadSizes {
  /** What is smaller goes with the PUT that ends the upload: one request less for configs and small layers. */
  readonly smallBytes: number;
  /** Of an upload that broke once: large enough that the requests between chunks do not count, small enough that one more break costs little. */
  readonly chunkBytes: number;
}

const SIZES: UploadSizes = { smallBytes: 1024 * 1024, chunkBytes: 64 * 1024 * 1024 };

/**
 * Brings a blob into a repository: it is there, or another repository of the registry lends it, or its bytes are sent.
 *
 * Of the ways that distribution-spec has, the single POST is refused by many registries, and a PUT with the body cannot be resumed. So a large blob
 * is one PATCH of all its bytes and a PUT without any, which is what docker does and therefore every registry takes; after a failure the registry is
 * asked what it has, and the rest follows in chunks, since some keep only whole PATCHes. A small one is not worth being resumed: POST and PUT.
 * @throws BuildError `registry` or `credentials` in the registry's words; what `open` throws; or the reason of the signal. What the registry has
 * of the blob is taken back.
 */
export async function uploadBlob(
  exchange: Exchange,
  repositoryPath: string,
  upload: BlobUpload & { readonly sizes?: UploadSizes },
): Promise<UploadOutcome> {
  const task = new UploadTask(exchange, repositoryPath, upload);
  if (await task.isThere()) return 'exists';
  try {
    if (await task.mount()) return 'mounted';
    await task.send();
    return 'uploaded';
  } catch (error) {
    await task.cancel();
    throw error;
  }
}

class UploadTask {
  readonly #exchange: Exchange;
  readonly #path: string;
  readonly #upload: BlobUpload;
  readonly #source: UploadSource;
  readonly #request: SessionRequest;
  readonly #sizes: UploadSizes;
  #session: UploadSession | undefined;
  #chunkBytes = Infinity;
  /** Repetitions since the registry last had more bytes than ever before. */
  #attempts = 0;
  #furthest = 0;

  constructor(exchange: Exchange, path: string, upload: BlobUpload & { readonly sizes?: UploadSizes }) {
    this.#sizes = upload.sizes ?? SIZES;
    this.#exchange = exchange;
    this.#path = path;
    this.#upload = upload;
    this.#source = new UploadSource(upload);
    this.#request = {
      exchange,
      scopes: [{ type: 'repository', name: path, actions: ['pull', 'push'] }],
      aim: `upload blob ${upload.descriptor.digest} to ${exchange.host}/${path}`,
      signal: upload.signal,
    };
  }

  async isThere(): Promise<boolean> {
    const target = `${this.#path}/blobs/${this.#upload.descriptor.digest}`;
    const response = await this.#exchange.send({ ...this.#common(), method: 'HEAD', target, accept: [200, 403, 404] });
    await response.discard();
    // No answer to HEAD has words: what stands against the upload, or who answers in place of a registry, is told by the next request.
    const isPage = response.header('content-type')?.startsWith('text/html') ?? false;
    return response.status === 200 && !isPage;
  }

  /** Asks every candidate. A registry that declines begins an upload in its place (distribution-spec, "Mounting a blob from another repository"). */
  async mount(): Promise<boolean> {
    for (const from of this.#upload.mountFrom ?? []) {
      if (from === this.#path) continue;
      try {
        const lender: Scope = { type: 'repository', name: from, actions: ['pull'] };
        if (await this.#post(`?mount=${this.#upload.descriptor.digest}&from=${encodeURIComponent(from)}`, [lender])) return true;
      } catch (error) {
        // An answer, whichever, that is not about us but about the other repository: it may be hidden from these credentials.
        this.#upload.signal?.throwIfAborted();
        if (!isAnswer(error)) throw error;
      }
    }
    return false;
  }

  /** Sends the bytes, again and again where it may help. */
  async send(): Promise<void> {
    for (;;) {
      if (this.#session === undefined && (await this.#post('', [])) && (await this.isThere())) return;
      if (this.#session === undefined) throw this.#withoutSession();
      if (await this.#try(this.#session)) return;
    }
  }

  /** Takes back what was sent. */
  async cancel(): Promise<void> {
    await this.#session?.cancel();
  }

  /** Begins an upload, in place of another one. @returns whether the registry says that it has the blob */
  async #post(query: string, moreScopes: readonly Scope[]): Promise<boolean> {
    const { scopes } = this.#request;
    const target = `${this.#path}/blobs/uploads/${query}`;
    const common = { ...this.#common(), scopes: [...scopes, ...moreScopes] };
    const response = await this.#exchange.send({ ...common, method: 'POST', target, accept: [201, 202] });
    await response.discard();
    const previous = this.#session;
    this.#session = response.status === 202 ? new UploadSession(this.#request, response) : undefined;
    await previous?.cancel();
    return response.status === 201;
  }

  /** @returns whether the registry has the blob now; else the session, or its lack, says how to go on */
  async #try(session: UploadSession): Promise<boolean> {
    let isEnding = false;
    try {
      const { digest, size } = this.#upload.descriptor;
      if (size < this.#sizes.smallBytes) {
        isEnding = true;
        await session.put(digest, { source: this.#source, sizeBytes: size });
      } else {
        await this.#patch(session);
        isEnding = true;
        await session.put(digest);
      }
      return true;
    } catch (error) {
      await this.#waitAfter(error, session);
      // The answer to the PUT may be all that was lost.
      if (isEnding && (await this.isThere())) return true;
      await this.#resume(session, error);
      return false;
    }
  }

  async #patch(session: UploadSession): Promise<void> {
    const { size } = this.#upload.descriptor;
    while (session.offset < size) {
      const length = Math.min(size - session.offset, Math.max(this.#chunkBytes, session.minChunkBytes));
      await session.patch(this.#source, length, length === size);
    }
  }

  /** @throws the error, when trying again cannot help or has not helped */
  async #waitAfter(error: unknown, session: UploadSession): Promise<void> {
    this.#upload.signal?.throwIfAborted();
    if (this.#source.failure !== undefined) throw this.#source.failure;
    if (!this.#mayPass(error, session)) throw giveUp(error, this.#attempts);
    this.#note(session);
    if (!(await this.#exchange.backOff(++this.#attempts, error, this.#upload.signal))) throw giveUp(error, this.#attempts);
  }

  #mayPass(error: unknown, session: UploadSession): boolean {
    switch (statusOf(error)) {
      // A session that is gone, or has other bytes than we think.
      case 404:
      case 416:
        return true;
      // What was resumed may have been put together wrongly.
      case 400:
        return session.isResumed;
      // A proxy that limits bodies may let chunks through.
      case 413:
        return this.#chunkBytes === Infinity && this.#upload.descriptor.size > this.#sizes.chunkBytes;
      default:
        return this.#exchange.isPassing(error);
    }
  }

  async #resume(session: UploadSession, error: unknown): Promise<void> {
    const { size } = this.#upload.descriptor;
    this.#chunkBytes = this.#sizes.chunkBytes;
    const isDoubtful = size < this.#sizes.smallBytes || statusOf(error) === 400;
    if (isDoubtful || !(await session.refresh(size))) {
      this.#session = undefined;
      await session.cancel();
      return;
    }
    this.#note(session);
  }

  /** New bytes there renew the patience. */
  #note({ offset }: UploadSession): void {
    if (offset <= this.#furthest) return;
    this.#furthest = offset;
    this.#attempts = 0;
  }

  #common(): { scopes: readonly Scope[]; aim: string; signal: AbortSignal | undefined } {
    const { scopes, aim, signal } = this.#request;
    return { scopes, aim, signal };
  }

  #withoutSession(): RegistryError {
    return new RegistryError(`could not ${this.#request.aim}: the registry says that it has the blob, and that it has not`);
  }
}

/** With the count of attempts. */
function giveUp(error: unknown, attempts: number): unknown {
  return error instanceof RegistryError ? error.after(attempts) : error;
}

/** Of the answer that an error is about. */
function statusOf(error: unknown): number | undefined {
  return error instanceof RegistryError ? error.status : undefined;
}

/** Whether it was said by the registry, or its token service, rather than by the network. */
function isAnswer(error: unknown): boolean {
  return error instanceof RegistryError && (error.kind === 'credentials' || error.status !== undefined);
}
