import type { Readable } from 'node:stream';

/** What a token has to allow: `repository:PATH:ACTION[,ACTION]`, or the catalog. */
export interface Scope {
  readonly type: 'repository' | 'registry';
  /** `library/app`; `catalog` of a registry. */
  readonly name: string;
  readonly actions: readonly ('pull' | 'push' | 'delete' | '*')[];
}

/** One request as the rest of the client makes it; authorization, redirects, proxies, TLS, retries and time limits are the exchange's. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the registry's `/v2/`: `library/app/manifests/1`, query included; or the address that an answer named (the place of an upload). */
  readonly target: string | URL;
  readonly scopes: readonly Scope[];
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each attempt. Streams need a `content-length` header. */
  readonly body?: Buffer | (() => Readable | AsyncIterable<Buffer>);
  /** Statuses that the caller knows what to do with; any other is thrown. */
  readonly accept: readonly number[];
  /** What is being done, for errors: `read the manifest of registry.example/app:1`. */
  readonly aim: string;
  /** Whether the exchange itself tries again; the default is true. A request that cannot simply be repeated (PATCH) is its caller's to resume. */
  readonly retry?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface RegistryResponse {
  readonly status: number;
  /** Lower-case names; of several values the first. */
  header(name: string): string | undefined;
  /** After redirects. */
  readonly url: URL;
  /** To be read to its end or discarded. */
  readonly body: Readable;
  /** @throws BuildError `registry` when it is longer */
  bytes(maxBytes: number): Promise<Buffer>;
  /** Throws the body away, so that the connection can be used again. */
  discard(): Promise<void>;
}

/** One registry's end of the line: the registry itself, or a mirror of it. */
export interface Exchange {
  /** As users write it: `registry.example:5000`. */
  readonly host: string;
  /**
   * @throws BuildError `registry`: what was tried, on which registry, why it failed, what to do; `credentials` for 401 and 403;
   * or the reason of the signal
   */
  send(request: RegistryRequest): Promise<RegistryResponse>;
  /** Whether such an error may pass when the same is tried again (408, 429, 5xx, resets, early ends). */
  isPassing(error: unknown): boolean;
  /** Waits before attempt `attempt` (1 is the first repetition), as long as the server or else backoff with jitter says. @returns whether there is such an attempt */
  backOff(attempt: number, error: unknown, signal?: AbortSignal): Promise<boolean>;
}
