import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { BuildError } from '../base/errors.js';
import { proxyFor, type Environment } from '../remote/proxy.js';
import { openProxy, openTo, toBasic, withinTime, type Opening } from '../remote/request.js';
import { RegistryError } from './errors.js';
import type { TlsReader } from './tls.js';
import { loadUndici } from './undici.js';

/** Longer than Linux waits for the answer to its third SYN. */
const MAX_CONNECT_MS = 30_000;
/** Most servers close idle connections after a minute; those that do sooner say so. */
const KEEP_ALIVE_MS = 15_000;
/** Of a body that nobody wants: what is longer costs more than another connection. */
const MAX_DROPPED_BYTES = 64 * 1024;

export interface HttpRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable | AsyncIterable<Buffer>;
  readonly signal?: AbortSignal | undefined;
  /** `HOST[:PORT]` whose certificate is taken as it is; there may be redirects to others. */
  readonly unverifiedHost?: string | undefined;
}

export type HttpAnswer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

export interface ConnectionsOptions {
  readonly env: Environment;
  readonly tls: TlsReader;
  /** Of silence. */
  readonly timeoutMs: number;
  /** At once, to one server. */
  readonly maxPerServer: number;
  /** `--tls-verify`: when false, all certificates are taken as they are. */
  readonly isVerified: boolean;
}

interface Route {
  readonly pool: Pool;
  /** The server is an HTTP proxy, which gets the whole URL and this header. */
  readonly proxy?: Readonly<Record<string, string>>;
}

/** Kept connections to servers, straight or through the proxies of the environment. Knows nothing of registries. */
export class Connections implements AsyncDisposable {
  readonly #options: ConnectionsOptions;
  readonly #routes = new Map<string, Promise<Route>>();
  /** Also of sockets that are still on their way to a connection: they would keep the process alive. */
  readonly #end = new AbortController();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** One request and its answer, whatever that is. @throws what the socket throws, BuildError for a proxy that refuses, or the reason of the signal */
  async request(url: URL, { method, headers, body, signal, unverifiedHost }: HttpRequest): Promise<HttpAnswer> {
    signal?.throwIfAborted();
    this.#end.signal.throwIfAborted();
    const { pool, proxy } = await this.#routeTo(url, this.#options.isVerified && url.host !== unverifiedHost);
    const asked = pool.request({
      method,
      path: proxy === undefined ? url.pathname + url.search : `${url.origin}${url.pathname}${url.search}`,
      headers: { host: url.host, 'user-agent': 'tsbuild', ...headers, ...proxy },
      // Its types lack the async iterables that it documents.
      body: (body ?? null) as Buffer | Readable | null,
      signal: signal ?? null,
      // Its default is to close the connection after HEAD, for servers that send a body: a handshake for each blob of a push.
      ...(method === 'HEAD' ? { reset: false } : {}),
    });
    const answer = await orAborted(asked, signal);
    if (answer.statusCode !== 407) return answer;
    await drop(answer.body);
    throw new RegistryError(`the proxy ${proxyFor(url, this.#options.env)?.host ?? url.host} wants other credentials (407)`, {
      hint: 'write them into the URL of HTTP_PROXY: http://USER:PASSWORD@HOST:PORT',
    });
  }

  /**
   * Connects and, for https, does the handshake; then closes the connection again. Any certificate will do: to read all authorities takes 60 ms, for
   * a server that may not speak TLS.
   */
  async probe(url: URL, signal?: AbortSignal): Promise<void> {
    (await openTo(url, proxyFor(url, this.#options.env), this.#opening(url, { signal, isVerified: false }))).destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the connections have been closed'));
    const routes = await Promise.allSettled(this.#routes.values());
    this.#routes.clear();
    await Promise.all(routes.map(async (route) => (route.status === 'fulfilled' ? route.value.pool.destroy() : undefined)));
  }

  #routeTo(url: URL, isVerified: boolean): Promise<Route> {
    const key = `${url.origin} ${isVerified}`;
    let route = this.#routes.get(key);
    if (route === undefined) {
      route = this.#open(url, isVerified);
      this.#routes.set(key, route);
    }
    return route;
  }

  async #open({ origin }: URL, isVerified: boolean): Promise<Route> {
    const { env, timeoutMs, maxPerServer } = this.#options;
    const { Pool } = await loadUndici();
    const url = new URL(origin);
    const proxy = proxyFor(url, env);
    const isForwarded = proxy !== undefined && url.protocol === 'http:';
    const pool = new Pool(isForwarded ? proxy.origin : origin, {
      connections: maxPerServer,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: (_, callback) => {
        const opened = isForwarded
          ? openProxy(proxy, this.#opening(proxy, { isVerified: this.#options.isVerified }))
          : openTo(url, proxy, this.#opening(url, { isVerified }));
        opened.then(
          (socket) => callback(null, socket.setNoDelay(true)),
          (error: unknown) => callback(toRegistryError(error), null),
        );
      },
    });
    return isForwarded ? { pool, proxy: authorizationFor(proxy) } : { pool };
  }

  #opening(url: URL, { isVerified, signal }: { readonly isVerified: boolean; readonly signal?: AbortSignal | undefined }): Opening {
    const { tls, timeoutMs, env } = this.#options;
    const isSecure = url.protocol === 'https:';
    return {
      // For a proxy that speaks TLS: the server has settings of its own.
      ca: proxyFor(url, env)?.protocol === 'https:' ? tls.authorities : undefined,
      ...(isSecure ? { tls: tls.settingsFor(url.host, { isVerified }) } : {}),
      signal: withinTime(Math.min(timeoutMs, MAX_CONNECT_MS), signal === undefined ? [this.#end.signal] : [signal, this.#end.signal]),
    };
  }
}

/**
 * Throws the rest of a body away: read when it is short, so that its connection can be used again. undici's own way goes by Content-Length, which an
 * answer to HEAD has without a body.
 */
export async function drop(body: HttpAnswer['body']): Promise<void> {
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_DROPPED_BYTES) break;
    }
  } catch {
    // It broke: so be it.
  }
}

/** Ends at an abort, whatever is waited for: a token that others wait for, too, or a connection, until which undici hears of no abort. */
export function orAborted<T>(asked: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return asked;
  // Node warns of more than ten that listen.
  setMaxListeners(0, signal);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Of a proxy that refuses. */
function toRegistryError(error: unknown): Error {
  if (!(error instanceof BuildError) || error.kind !== 'input') return error as Error;
  const hint = 'check HTTPS_PROXY, and NO_PROXY, where registries are named that are reached without';
  return new RegistryError(error.message, { cause: error, hint });
}

function authorizationFor({ username, password }: URL): Record<string, string> {
  return username === '' ? {} : { 'proxy-authorization': toBasic(username, password) };
}
