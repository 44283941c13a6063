import { setTimeout as sleep } from 'node:timers/promises';
import { toShownUrl } from '../base/url.js';
import { Answer } from './answer.js';
import { Authorizer, type Authorization } from './authorization.js';
import { parseChallenges } from './challenge.js';
import { orAborted, type Connections } from './connection.js';
import type { FoundCredentials } from './credentials.js';
import { RegistryError } from './errors.js';
import type { Exchange, RegistryRequest } from './exchange.js';
import { explainFailure, isPassingFailure } from './failures.js';
import type { Endpoint } from './hosts.js';
import { MAX_RETRY_AFTER_MS, retryDelay } from './retry.js';
import { follow, type Followed } from './redirects.js';
import type { RegistryServer } from './server.js';

export interface ExchangeOptions {
  readonly endpoint: Endpoint;
  readonly server: RegistryServer;
  readonly connections: Connections;
  readonly findCredentials: () => Promise<FoundCredentials | undefined>;
  /** Credentials of a flag that are not for this registry, to be told when none are: `--creds is for registry.example`. */
  readonly othersFlag?: string | undefined;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly timeoutMs: number;
  readonly warn?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly debug?: (message: string) => void;
}

/** Requests to one host about one repository. */
export class RegistryExchange implements Exchange {
  /** As users write it: `docker.io`, though another host answers. */
  readonly host: string;
  readonly #options: ExchangeOptions;
  readonly #authorizer: Authorizer;
  /** Authorization was taken at least once. */
  #isWelcome = false;

  constructor(options: ExchangeOptions) {
    const { endpoint, server, connections, findCredentials, timeoutMs, signal, debug } = options;
    this.host = endpoint.credentialHost;
    this.#options = options;
    this.#authorizer = new Authorizer({
      connections,
      registryHost: this.host,
      findCredentials,
      memory: server.memory,
      timeoutMs,
      signal,
      debug,
    });
  }

  send(request: RegistryRequest): Promise<Answer> {
    return this.read(request, (answer) => Promise.resolve(answer));
  }

  /** A request and the use of its answer, which are tried again together: a body can break, too. */
  async read<T>(request: RegistryRequest, use: (answer: Answer) => Promise<T>): Promise<T> {
    const signal = this.#signalOf(request);
    for (let attempt = 1; ; attempt++) {
      try {
        return await use(await this.#try({ ...request, signal }));
      } catch (error) {
        signal?.throwIfAborted();
        const isLast = request.retry === false || !this.isPassing(error) || !(await this.backOff(attempt, error, signal));
        if (isLast) throw error instanceof RegistryError ? error.after(attempt) : error;
      }
    }
  }

  isPassing(error: unknown): boolean {
    return isPassingFailure(error);
  }

  async backOff(attempt: number, error: unknown, signal?: AbortSignal): Promise<boolean> {
    const { retries, retryDelayMs, debug } = this.#options;
    const retryAfterMs = error instanceof RegistryError ? error.retryAfterMs : undefined;
    if (attempt > retries || (retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) return false;
    const delayMs = retryDelay(attempt, { baseMs: retryDelayMs, retryAfterMs });
    debug?.(
      `trying again in ${Math.round(delayMs)} ms (${attempt} of ${retries}): ${error instanceof Error ? error.message : String(error)}`,
    );
    const either = [signal, this.#options.signal].filter((each) => each !== undefined);
    const any = AbortSignal.any(either);
    await sleep(delayMs, undefined, { signal: any }).catch(() => undefined);
    any.throwIfAborted();
    return true;
  }

  /** One attempt: with a 401 in between when the registry wants to be asked with authorization, or with a newer one. */
  async #try(request: RegistryRequest): Promise<Answer> {
    const { aim } = request;
    const failed = { aim, host: this.#options.endpoint.host, timeoutMs: this.#options.timeoutMs };
    try {
      const { server, endpoint, signal } = this.#options;
      const base = await orAborted(server.url(signal), request.signal);
      const wanted = {
        registry: { url: base, isInsecure: endpoint.isInsecure, unverifiedHost: server.unverifiedHost },
        scopes: request.scopes,
      };
      const url = typeof request.target === 'string' ? new URL(request.target, base) : request.target;
      const isOwn = url.origin === base.origin;
      let authorization = isOwn ? await orAborted(this.#authorizer.before(wanted), request.signal) : undefined;
      for (let refusals = 0; ;) {
        const answer = await this.#ask(url, request, authorization);
        if (answer.status !== 401 || !isOwn || request.accept.includes(401)) {
          this.#isWelcome ||= authorization !== undefined;
          return await accepted(answer, request);
        }
        const challenges = answer.url.origin === url.origin ? parseChallenges(answer.headers('www-authenticate')) : [];
        const error = await answer.toError();
        if (authorization !== undefined) refusals++;
        const next = refusals > 1 ? undefined : await orAborted(this.#authorizer.after(challenges, authorization, wanted), request.signal);
        if (next === undefined || !this.#isWorthTrying(next, authorization))
          throw this.#refused(error, authorization, challenges.length > 0);
        authorization = next;
      }
    } catch (error) {
      request.signal?.throwIfAborted();
      throw explainFailure(error, failed);
    }
  }

  /** A token may have ended early. A password that never did is not tried twice: accounts are locked for that. */
  #isWorthTrying(next: Authorization, refused: Authorization | undefined): boolean {
    return this.#isWelcome || next.header !== refused?.header;
  }

  async #ask(url: URL, request: RegistryRequest, authorization: Authorization | undefined): Promise<Answer> {
    const { connections, timeoutMs, endpoint, server, warn, debug } = this.#options;
    const { method, headers = {}, body, aim, signal } = request;
    const startedMs = performance.now();
    let followed: Followed;
    try {
      followed = await follow(connections, url, {
        method,
        headers,
        unverifiedHost: server.unverifiedHost,
        authorization: authorization?.header,
        aim,
        check: (next, from) => checkDowngrade(next, from, { aim, isInsecure: endpoint.isInsecure }),
        ...(body === undefined ? {} : { body: typeof body === 'function' ? body() : body }),
        signal,
      });
    } catch (error) {
      debug?.(`${method} ${toShownUrl(url.href)}: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
    const { answer, url: at } = followed;
    const moved = at.href === url.href ? '' : ` from ${toShownUrl(at.href)}`;
    const whose = authorization === undefined ? '' : ` with ${authorization.source ?? "nobody's token"}`;
    debug?.(`${method} ${toShownUrl(url.href)}${whose}: ${answer.statusCode}${moved} in ${Math.round(performance.now() - startedMs)} ms`);
    const result = new Answer(answer, { url: at, aim, timeoutMs, secrets: authorization?.secrets ?? [] });
    for (const text of result.warnings) warn?.(`${this.host} says: ${text}`);
    return result;
  }

  #refused(error: RegistryError, authorization: Authorization | undefined, hasChallenge: boolean): RegistryError {
    if (!hasChallenge) {
      return error.reworded(`${error.message}; it does not say in which form (no WWW-Authenticate)`, {
        hint: `is ${this.host} a registry, or does a proxy in front of it keep that header back?`,
      });
    }
    const { othersFlag } = this.#options;
    const flag = othersFlag === undefined ? ', or give --creds USER:PASSWORD' : '';
    const hint = `check the name, which the registry may hide; log in with tsbuild login ${this.host}${flag}`;
    const none = othersFlag === undefined ? 'none were found' : `none were found (${othersFlag})`;
    const whose = authorization?.source === undefined ? none : `those of ${authorization.source} do not do`;
    return error.reworded(`${error.message}; ${whose}`, { hint });
  }

  /** A request with a signal of its own has a life of its own: what tidies up (an upload taken back) has to outlive the command by a moment. */
  #signalOf({ signal }: RegistryRequest): AbortSignal | undefined {
    return signal ?? this.#options.signal;
  }
}

async function accepted(answer: Answer, request: RegistryRequest): Promise<Answer> {
  if (request.accept.includes(answer.status)) return answer;
  throw await answer.toError();
}

/** What a tag means must not be said over a connection that anybody can write to; the bytes of a blob are known by their digest. */
function checkDowngrade(next: URL, from: URL, { aim, isInsecure }: { readonly aim: string; readonly isInsecure: boolean }): void {
  if (next.protocol === 'https:' || from.protocol === 'http:' || isInsecure || /\/blobs\/sha256:/.test(from.pathname)) return;
  throw new RegistryError(`could not ${aim}: ${from.host} redirects from https to ${toShownUrl(next.href)}`, {
    hint: `--insecure-registry ${from.host} allows it`,
  });
}
