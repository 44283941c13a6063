import { Connections } from '../../src/registry/connection.js';
import type { Exchange } from '../../src/registry/exchange.js';
import { RegistryExchange } from '../../src/registry/registry-exchange.js';
import { RegistryServer } from '../../src/registry/server.js';
import { TlsReader } from '../../src/registry/tls.js';

export interface TestExchange extends AsyncDisposable {
  readonly exchange: Exchange;
  /** Which repetitions were waited for, in their order. */
  readonly waits: readonly number[];
}

export interface TestExchangeOptions {
  readonly retries?: number;
  readonly timeoutMs?: number;
  /** Of the whole client. */
  readonly signal?: AbortSignal;
}

/** The client's own way to a registry of a test, with hardly any time between attempts. Certificates are taken as they are. */
export function openExchange(origin: string, { retries = 3, timeoutMs = 30_000, signal }: TestExchangeOptions = {}): TestExchange {
  const { host, protocol } = new URL(origin);
  const connections = new Connections({ env: {}, tls: new TlsReader({}), timeoutMs, maxPerServer: 8, isVerified: false });
  const endpoint = { host, credentialHost: host, path: 'app', isMirror: false, isInsecure: true, plainHttpOnly: protocol === 'http:' };
  const waits: number[] = [];
  const exchange = new RegistryExchange({
    endpoint,
    server: new RegistryServer(endpoint, { connections, jobs: 4 }),
    connections,
    findCredentials: () => Promise.resolve({ kind: 'password', username: 'someone', password: 'secret', source: 'the test' }),
    retries,
    retryDelayMs: 1,
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    debug: (message) => {
      const attempt = /^trying again in .* ms \((\d+) of/.exec(message)?.[1];
      if (attempt !== undefined) waits.push(Number(attempt));
    },
  });
  return { exchange, waits, [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose]() };
}
