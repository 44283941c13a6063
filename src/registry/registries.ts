import type { Reference } from '../oci/reference.js';
import { Connections } from './connection.js';
import { Credentials, type FoundCredentials } from './credentials.js';
import { RegistryError } from './errors.js';
import type { Endpoint } from './hosts.js';
import { RegistryHosts } from './hosts.js';
import { readListing } from './listing.js';
import type { RegistryOptions, UserPassword } from './options.js';
import { RegistryExchange } from './registry-exchange.js';
import { RegistryRepository, type Place } from './registry-repository.js';
import type { Repository } from './repository.js';
import { RegistryServer } from './server.js';
import { TlsReader } from './tls.js';

const DEFAULTS = { retries: 3, retryDelayMs: 1000, timeoutMs: 60_000, jobs: 4 };
/** Beside those that move blobs: manifests and questions are short. */
const SHORT_CONNECTIONS = 12;

export interface RegistriesOptions {
  readonly options: RegistryOptions;
  readonly warn: (message: string) => void;
  readonly debug?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** All registries that a command talks to, and its connections to them, which end with it. */
export class Registries implements AsyncDisposable {
  readonly #given: RegistriesOptions;
  readonly #options: RegistryOptions & typeof DEFAULTS;
  readonly #hosts: RegistryHosts;
  readonly #credentials: Credentials;
  readonly #connections: Connections;
  readonly #servers = new Map<string, RegistryServer>();
  readonly #places = new Map<string, Place>();
  readonly #repositories = new Map<string, Repository>();
  readonly #warned = new Set<string>();

  /** @throws BuildError `usage` for flags that make no sense */
  constructor(given: RegistriesOptions) {
    const { options, warn, debug } = given;
    const env = options.env ?? process.env;
    this.#given = given;
    this.#options = { ...options, ...withDefaults(options) };
    this.#hosts = new RegistryHosts({ options, env, warn });
    this.#credentials = new Credentials({ options, env, warn, debug });
    this.#connections = new Connections({
      env,
      tls: new TlsReader(options),
      timeoutMs: this.#options.timeoutMs,
      maxPerServer: 2 * this.#options.jobs + SHORT_CONNECTIONS,
      isVerified: options.tlsVerify !== false,
    });
  }

  /** The same object for the same name. Asks nobody anything yet. */
  repository({ domain, path }: Pick<Reference, 'domain' | 'path'>): Repository {
    const key = `${domain}/${path}`;
    const known = this.#repositories.get(key);
    if (known !== undefined) return known;
    const reference = { domain, path };
    const { debug } = this.#given;
    const repository = new RegistryRepository({
      reference,
      placesFor: (use) => this.#hosts.endpointsFor(reference, use).map((endpoint) => this.#placeOf(endpoint, domain)),
      ...(debug === undefined ? {} : { debug }),
    });
    this.#repositories.set(key, repository);
    return repository;
  }

  /** The repositories of a registry that lists them (distribution's `_catalog`; not part of the specification), in its order. */
  async *catalog(domain: string, signal?: AbortSignal): AsyncGenerator<string, void, void> {
    const { exchange } = this.#placeOf(this.#hostEndpoint(domain), domain);
    yield* readListing({
      exchange,
      target: '_catalog',
      scopes: [{ type: 'registry', name: 'catalog', actions: ['*'] }],
      field: 'repositories',
      aim: `list the repositories of ${domain}`,
      signal,
    });
  }

  /** @throws RegistryError `credentials` when the registry does not take them */
  async checkLogin(domain: string, credentials: UserPassword): Promise<void> {
    const found: FoundCredentials = { kind: 'password', ...credentials, source: 'the login' };
    const endpoint = this.#hostEndpoint(domain);
    // Asked like this, a registry that lets everybody in would let these in, too; there is nothing else to find out then.
    const exchange = this.#exchangeFor(endpoint, this.#newServer(endpoint), () => Promise.resolve(found));
    const answer = await exchange.send({ method: 'GET', target: '', scopes: [], accept: [200], aim: `log in to ${domain}` });
    const isPage = answer.mediaType === 'text/html';
    await answer.discard();
    if (isPage) throw new RegistryError(`could not log in to ${domain}: it answered a web page`, { hint: `is ${domain} a registry?` });
  }

  /** Ends all connections, also those in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  /** Of the registry, for what is about no repository. */
  #hostEndpoint(domain: string): Endpoint {
    const endpoint = this.#hosts.endpointsFor({ domain, path: 'any' }, 'push')[0];
    if (endpoint === undefined) throw new Error('a registry without a host');
    return endpoint;
  }

  /** @param namedHost in the name that led there */
  #placeOf(endpoint: Endpoint, namedHost: string): Place {
    const { host, path, isMirror, isInsecure, isUnverified = false, plainHttpOnly = false } = endpoint;
    const serverKey = `${host} ${isMirror} ${isInsecure} ${isUnverified} ${plainHttpOnly}`;
    const key = `${serverKey} ${namedHost} ${path}`;
    const known = this.#places.get(key);
    if (known !== undefined) return { ...known, endpoint };
    const server = this.#servers.get(serverKey) ?? this.#newServer(endpoint);
    this.#servers.set(serverKey, server);
    const exchange = this.#exchangeFor(endpoint, server, () =>
      this.#credentials.find(endpoint.credentialHost, path, { isMirror, namedHost }),
    );
    const place = { endpoint, server, exchange };
    this.#places.set(key, place);
    return place;
  }

  #newServer(endpoint: Endpoint): RegistryServer {
    return new RegistryServer(endpoint, { connections: this.#connections, jobs: this.#options.jobs });
  }

  #exchangeFor(endpoint: Endpoint, server: RegistryServer, findCredentials: () => Promise<FoundCredentials | undefined>): RegistryExchange {
    const { debug, signal } = this.#given;
    const { retries, retryDelayMs, timeoutMs } = this.#options;
    return new RegistryExchange({
      endpoint,
      server,
      connections: this.#connections,
      findCredentials,
      othersFlag: this.#credentials.othersFlag(endpoint.credentialHost),
      retries,
      retryDelayMs,
      timeoutMs,
      warn: (message) => this.#warnOnce(message),
      signal,
      ...(debug === undefined ? {} : { debug }),
    });
  }

  #warnOnce(message: string): void {
    if (!this.#warned.has(message)) this.#given.warn(message);
    this.#warned.add(message);
  }
}

function withDefaults(options: RegistryOptions): typeof DEFAULTS {
  const { retries, retryDelayMs, timeoutMs, jobs } = options;
  return {
    retries: retries ?? DEFAULTS.retries,
    retryDelayMs: retryDelayMs ?? DEFAULTS.retryDelayMs,
    timeoutMs: timeoutMs ?? DEFAULTS.timeoutMs,
    jobs: jobs ?? DEFAULTS.jobs,
  };
}
