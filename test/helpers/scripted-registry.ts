import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { RegistryOptions } from '../../src/registry/options.js';
import { Registries } from '../../src/registry/registries.js';
import { serve, type Authority } from './web.js';

/** What was asked, for tests to look at. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Script = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

export interface ScriptedServer extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
  /** `http://localhost:PORT` */
  readonly origin: string;
  readonly asked: readonly Asked[];
}

/** A server that misbehaves as no real one does on demand. */
export async function startScripted(script: Script, authority?: Authority): Promise<ScriptedServer> {
  const asked: Asked[] = [];
  const server = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, target: url, headers, body: Buffer.concat(chunks).toString('utf8') };
      asked.push(one);
      script(one, response, request);
    });
  }, authority);
  const host = `localhost:${server.port}`;
  const origin = `${authority === undefined ? 'http' : 'https'}://${host}`;
  return { host, origin, asked, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

export interface TestClient extends AsyncDisposable {
  readonly registries: Registries;
  /** Debug lines and, with `warning: ` in front, warnings. */
  readonly lines: readonly string[];
}

/** A client without this machine's credentials, proxies and patience. */
export function connectRegistries(options: RegistryOptions = {}, signal?: AbortSignal): TestClient {
  const lines: string[] = [];
  const registries = new Registries({
    options: { env: { HOME: '/nonexistent' }, retryDelayMs: 2, ...options },
    warn: (message) => lines.push(`warning: ${message}`),
    debug: (message) => lines.push(message),
    ...(signal === undefined ? {} : { signal }),
  });
  return { registries, lines, [Symbol.asyncDispose]: () => registries[Symbol.asyncDispose]() };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

/** Answers as registries say no. */
export function sendError(response: ServerResponse, status: number, code: string, headers: Readonly<Record<string, string>> = {}): void {
  sendJson(response, status, { errors: [{ code, message: `${code.toLowerCase()} it is`, detail: null }] }, headers);
}

/** The tests' own words for what an error says, hint included. */
export async function sayingOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return hint === undefined ? message : `${message}; ${hint}`;
  }
  throw new Error('it did not fail');
}
