import { createServer, request as sendRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultPlan, type Fault, type FaultRates } from './fault-plan.js';
import { RegistryTraffic, subjectOf, type RequestSubject } from './registry-traffic.js';

export interface FaultProxyOptions {
  /** `localhost:PORT` of a registry that speaks plain http. */
  readonly target: string;
  readonly seed: number;
  readonly faults?: FaultRates;
}

/**
 * Stands in front of a registry, lets through, counts, and breaks what the seed says. The `Host` of requests goes through, so that the registry's
 * `Location` leads back here. It lives in this process: nothing answers while a synchronous call runs.
 */
export interface FaultProxy extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
  /** Since the start or the last `forget`. */
  readonly traffic: RegistryTraffic;
  /** How often what was broken: `reset-before`, `503`. */
  readonly faults: ReadonlyMap<string, number>;
  /** The same, with the request of each: `GET manifest team/app 1`. */
  readonly faultLog: readonly { readonly kind: string; readonly label: string }[];
  /** Other rates from now on; the seed goes on. */
  setFaults(faults: FaultRates): void;
  /** When nothing is under way any longer, as it is for a moment after a client was killed. */
  idle(): Promise<void>;
  /** Begins counting anew. */
  forget(): void;
}

export async function startFaultProxy({ target, seed, faults = {} }: FaultProxyOptions): Promise<FaultProxy> {
  const state: State = {
    target: new URL(`http://${target}`),
    plan: new FaultPlan(seed, faults),
    traffic: new RegistryTraffic(),
    faults: new Map(),
    faultLog: [],
  };
  const pending = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const { socket } = request;
    const handled = handle(request, response, state).catch((error: unknown) => {
      // A side that hung up, after which there is nobody to tell.
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      if (socket.destroyed) return;
      count(state, 'upstream-error', subjectOf(request.method ?? '', request.url ?? ''));
      socket.resetAndDestroy();
    });
    pending.add(handled);
    void handled.finally(() => pending.delete(handled));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    get traffic() {
      return state.traffic;
    },
    get faults() {
      return state.faults;
    },
    get faultLog() {
      return state.faultLog;
    },
    setFaults: (rates) => (state.plan.rates = rates),
    async idle() {
      while (pending.size > 0) await Promise.allSettled(pending);
    },
    forget() {
      state.traffic = new RegistryTraffic();
      state.faults = new Map();
      state.faultLog = [];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface State {
  readonly target: URL;
  readonly plan: FaultPlan;
  traffic: RegistryTraffic;
  faults: Map<string, number>;
  faultLog: { readonly kind: string; readonly label: string }[];
}

function count({ faults, faultLog }: State, kind: string, { label }: RequestSubject): void {
  faults.set(kind, (faults.get(kind) ?? 0) + 1);
  faultLog.push({ kind, label });
}

async function handle(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  // It belongs to nobody once it is closed.
  const { method = '', url = '', headers, socket } = request;
  const subject = subjectOf(method, url);
  state.traffic.onRequest(method, subject);
  const bodyBytes = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined;
  const { fault, delayMs } = state.plan.next(method, subject, { bodyBytes, authorization: headers.authorization });
  if (delayMs > 0) {
    count(state, 'delay', subject);
    await sleep(delayMs);
  }
  if (fault?.kind === 'reset-before') {
    count(state, fault.kind, subject);
    socket.resetAndDestroy();
  } else if (fault?.kind === '503' || fault?.kind === '429') {
    count(state, fault.kind, subject);
    refuse(request, response, fault);
  } else await forward({ request, response, socket, subject, fault, state });
}

/** Some answer in JSON, proxies in front of them in HTML. */
function refuse(request: IncomingMessage, response: ServerResponse, fault: Extract<Fault, { readonly kind: '429' | '503' }>): void {
  request.resume();
  if (fault.kind === '429') {
    response.writeHead(429, { 'retry-after': String(fault.retryAfterSeconds), 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}');
  } else {
    response.writeHead(503, { 'content-type': 'text/html' });
    response.end('<html><body><h1>503 Service Unavailable</h1></body></html>');
  }
}

interface Forwarding {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly subject: RequestSubject;
  readonly fault: Fault | undefined;
  readonly state: State;
}

async function forward(forwarding: Forwarding): Promise<void> {
  const { request, response, subject, fault, state } = forwarding;
  const { connection: _hop, expect: _expect, ...headers } = request.headers;
  const isRefused = fault?.kind === 'unauthorized';
  if (isRefused) {
    count(state, fault.kind, subject);
    // The registry itself then says what it wants; of a body that it does not read, it would hang up as it says so.
    for (const name of ['authorization', 'content-length', 'transfer-encoding']) delete headers[name];
    request.resume();
  }
  const { hostname, port } = state.target;
  const upstream = sendRequest({ hostname, port, method: request.method, path: request.url, headers, agent: false });
  // What goes wrong once it has answered.
  upstream.on('error', () => undefined);
  const answered = once(upstream, 'response') as Promise<[IncomingMessage]>;
  response.once('close', () => {
    // What has been asked for in full is done, whether somebody hears of it or not.
    if (!request.complete) upstream.destroy();
  });
  state.traffic.onChange(request.method ?? '', subject, 'begun');
  // A registry may answer before it has read the body.
  if (isRefused) upstream.end();
  const sent = isRefused ? undefined : sendBody(forwarding, upstream).catch(() => upstream.destroy());
  const [answer] = await answered;
  if (answer.statusCode === 201) state.traffic.onChange(request.method ?? '', subject, 'done');
  await sendAnswer(forwarding, answer);
  await sent;
}

async function sendBody({ request, socket, subject, fault, state }: Forwarding, upstream: ClientRequest): Promise<void> {
  let passed = 0;
  const limit = fault?.kind === 'reset-request' ? fault.afterBytes : Infinity;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, Math.max(0, limit - passed));
    passed += part.length;
    state.traffic.onUploaded(subject, part.length);
    if (!upstream.destroyed && !upstream.write(part)) await drained(upstream);
    if (passed < limit) continue;
    count(state, 'reset-request', subject);
    upstream.destroy();
    socket.resetAndDestroy();
    return;
  }
  upstream.end();
}

async function sendAnswer({ request, response, socket, subject, fault, state }: Forwarding, answer: IncomingMessage): Promise<void> {
  const { statusCode = 0, headers } = answer;
  const hasBody = request.method === 'GET' && statusCode < 300;
  const sizeBytes = Number(headers['content-length'] ?? 0);
  if (fault?.kind === 'lost-answer' || (fault?.kind === 'reset-response' && !hasBody)) {
    count(state, 'lost-answer', subject);
    socket.resetAndDestroy();
    return;
  }
  const cut =
    hasBody && fault !== undefined && 'part' in fault ? { kind: fault.kind, afterBytes: Math.floor(sizeBytes * fault.part) } : undefined;
  const { connection: _hop, 'content-length': length, ...others } = headers;
  const isChunked = cut?.kind === 'truncate-chunked' || cut?.kind === 'truncate-short' || length === undefined;
  response.writeHead(statusCode, { ...others, ...(isChunked ? {} : { 'content-length': length }) });
  let passed = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, cut === undefined ? chunk.length : cut.afterBytes - passed);
    passed += part.length;
    state.traffic.onDownloaded(subject, part.length);
    if (!response.destroyed && !response.write(part)) await drained(response);
    if (response.destroyed || (cut !== undefined && passed >= cut.afterBytes)) break;
  }
  if (cut === undefined || cut.kind === 'truncate-short') response.end();
  else if (cut.kind === 'reset-response') await afterFlush(response, () => socket.resetAndDestroy());
  else await afterFlush(response, () => socket.end());
  if (cut !== undefined) count(state, cut.kind, subject);
}

/** Settles as well when the other side has hung up. */
async function drained(stream: Writable): Promise<void> {
  if (stream.destroyed) return;
  const stop = new AbortController();
  const { signal } = stop;
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).finally(() => stop.abort());
}

/** So that what comes before the break really arrives. */
async function afterFlush(response: ServerResponse, hangUp: () => void): Promise<void> {
  response.flushHeaders();
  const isWaiting = (): boolean => response.socket?.destroyed === false && response.socket.writableLength > 0;
  for (let tries = 0; tries < 200 && isWaiting(); tries++) await sleep(1);
  hangUp();
}
