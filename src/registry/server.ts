import { errnoOf } from '../base/errors.js';
import { unreachedProxy } from '../remote/request.js';
import { Slots } from '../base/slots.js';
import type { ChallengeMemory } from './authorization.js';
import type { Connections } from './connection.js';
import { isPlainServer } from './failures.js';
import type { Endpoint } from './hosts.js';
import { RegistryError, WrongBytes } from './errors.js';

/** What all repositories of one host have in common. */
export class RegistryServer {
  readonly memory: ChallengeMemory = {};
  /** Of blobs; uploads are bounded by whoever pushes. */
  readonly downloads: Slots;
  readonly #endpoint: Endpoint;
  readonly #connections: Connections;
  #url: Promise<URL> | undefined;
  #failure: RegistryError | undefined;

  constructor(endpoint: Endpoint, { connections, jobs }: { readonly connections: Connections; readonly jobs: number }) {
    this.#endpoint = endpoint;
    this.#connections = connections;
    this.downloads = new Slots(jobs);
  }

  /** `https://HOST/v2/`, or with http where that is allowed and https is not spoken: found out once. */
  url(signal: AbortSignal | undefined): Promise<URL> {
    this.#url ??= this.#findUrl(signal).catch((error: unknown) => {
      this.#url = undefined;
      throw error;
    });
    return this.#url;
  }

  /** `HOST[:PORT]` as URLs have it, whose certificate is taken as it is. */
  get unverifiedHost(): string | undefined {
    const { host, isUnverified } = this.#endpoint;
    return isUnverified === true ? new URL(`https://${host}`).host : undefined;
  }

  /** Why a mirror is not asked any more. */
  get failure(): RegistryError | undefined {
    return this.#failure;
  }

  /** Of a mirror: did it fail as a whole, others need not wait for the same; what it says is not believed after a lie. */
  note(error: unknown): void {
    const isUnreachable = error instanceof RegistryError && error.status === undefined && error.cause !== undefined;
    if (isUnreachable || error instanceof WrongBytes || (error instanceof RegistryError && error.isPassing)) this.#failure = error;
  }

  async #findUrl(signal: AbortSignal | undefined): Promise<URL> {
    const { host, isInsecure, plainHttpOnly } = this.#endpoint;
    const [secure, plain] = [new URL(`https://${host}/v2/`), new URL(`http://${host}/v2/`)];
    if (plainHttpOnly === true) return plain;
    if (!isInsecure) return secure;
    try {
      await this.#connections.probe(secure, signal);
      return secure;
    } catch (error) {
      signal?.throwIfAborted();
      // Nobody at port 443, when no port was written, does not mean that nobody is at port 80.
      const isNobody = errnoOf(error) === 'ECONNREFUSED' && unreachedProxy(error) === undefined;
      if (isPlainServer(error) || (isNobody && !/:\d+$/.test(host))) return plain;
      throw error;
    }
  }
}
