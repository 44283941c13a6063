import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { BuildError } from '../base/errors.js';
import { hostOf, proxyFor, type Environment } from './proxy.js';
import { trustedAuthorities } from './trust.js';

/** Go's bound for a connection. */
const CONNECT_TIMEOUT_MS = 30_000;
/** Of silence, at any point. */
const IDLE_TIMEOUT_MS = 120_000;

export interface GetRequest {
  readonly headers: OutgoingHttpHeaders;
  /** Where proxies and authorities are looked up. */
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/**
 * One GET over a connection of its own, through the proxy that the environment names. Made from node:http because Node's `fetch` knows neither
 * proxies nor the authorities of the system before Node 24, and for nothing else of a client library is there a use here.
 * @throws what the socket throws; BuildError for a proxy that refuses
 */
export async function get(url: URL, { headers, env, signal }: GetRequest): Promise<IncomingMessage> {
  const proxy = proxyFor(url, env);
  const limited = withinTime(CONNECT_TIMEOUT_MS, [signal]);
  const isForwarded = proxy !== undefined && url.protocol === 'http:';
  const isSecure = [url, proxy].some((each) => each?.protocol === 'https:');
  const opening = { ca: isSecure ? trustedAuthorities(env) : undefined, signal: limited };
  const socket = isForwarded ? await openProxy(proxy, opening) : await openTo(url, proxy, opening);
  socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy(timeout()));
  const sent = httpRequest({
    createConnection: () => socket,
    signal,
    path: isForwarded ? withoutUser(url) : url.pathname + url.search,
    headers: { host: url.host, connection: 'close', ...headers, ...(isForwarded ? proxyHeaders(proxy) : {}) },
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

export interface Opening {
  readonly ca: string | undefined;
  /** For the server of the URL (a proxy that speaks TLS has `ca` alone): authorities already read, certificates of the client, no verification. */
  readonly tls?: Pick<ConnectionOptions, 'secureContext' | 'rejectUnauthorized'>;
  readonly signal: AbortSignal;
}

/**
 * A connection to the server of a URL: straight, or by a tunnel through the proxy.
 * @throws what the socket throws; BuildError for a proxy that refuses
 */
export async function openTo(url: URL, proxy: URL | undefined, opening: Opening): Promise<Socket> {
  if (proxy === undefined) return open(url, opening);
  const tunnel = await openTunnel(url, proxy, { ca: opening.ca, signal: opening.signal });
  return url.protocol === 'https:' ? secure(tunnel, url, opening) : tunnel;
}

/** `HOST:PORT` of proxies, by the errors of their connections. */
const unreached = new WeakMap<object, string>();

/** The proxy, as `HOST:PORT`, that could not be reached when this was thrown; `undefined` for whatever else went wrong. */
export function unreachedProxy(error: unknown): string | undefined {
  return error instanceof Error ? unreached.get(error) : undefined;
}

/** A connection to a proxy itself. @throws what the socket throws, which `unreachedProxy` knows */
export async function openProxy(proxy: URL, opening: Opening): Promise<Socket> {
  try {
    return await open(proxy, opening);
  } catch (error) {
    if (error instanceof Error) unreached.set(error, `${proxy.hostname}:${proxy.port || (proxy.protocol === 'https:' ? 443 : 80)}`);
    throw error;
  }
}

async function open(url: URL, opening: Opening): Promise<Socket> {
  const isSecure = url.protocol === 'https:';
  const socket = connectPlain({ host: hostOf(url), port: Number(url.port || (isSecure ? 443 : 80)) });
  await settled(socket, 'connect', opening.signal);
  return isSecure ? secure(socket, url, opening) : socket;
}

async function secure(socket: Socket, url: URL, { ca, tls, signal }: Opening): Promise<Socket> {
  const host = hostOf(url);
  const secured = connectTls({
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls ?? (ca === undefined ? {} : { ca })),
  });
  // A connection that ends before it is secure would leave the one below open.
  secured.once('close', () => socket.destroy());
  await settled(secured, 'secureConnect', signal);
  return secured;
}

async function openTunnel(url: URL, proxy: URL, opening: Opening): Promise<Socket> {
  const target = `${url.hostname}:${url.port || '443'}`;
  const socket = await openProxy(proxy, opening);
  const sent = httpRequest({
    method: 'CONNECT',
    path: target,
    createConnection: () => socket,
    headers: { host: target, ...proxyHeaders(proxy) },
    signal: opening.signal,
  });
  sent.end();
  const [response] = (await once(sent, 'connect')) as [IncomingMessage];
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw new BuildError('input', `the proxy ${proxy.host} refuses: ${response.statusCode} ${response.statusMessage}`);
}

/** Waits for an event; a socket that will not come to it is closed. */
async function settled(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError' ? timeout() : error;
  }
}

/** A listener of its own keeps the time limit: Node 20 may collect one that is known to `any` alone, and it would never come. */
export function withinTime(limitMs: number, signals: readonly AbortSignal[]): AbortSignal {
  const limit = AbortSignal.timeout(limitMs);
  limit.addEventListener('abort', () => undefined);
  return AbortSignal.any([limit, ...signals]);
}

function timeout(): Error {
  return Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT' });
}

function proxyHeaders({ username, password }: URL): OutgoingHttpHeaders {
  return username === '' ? {} : { 'proxy-authorization': toBasic(username, password) };
}

function withoutUser(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search}`;
}

/** The value of an authorization header, from the parts of a URL. */
export function toBasic(username: string, password: string): string {
  const credentials = `${unescaped(username)}:${unescaped(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** A `%` that escapes nothing stands for itself: URLs keep it as it was written. */
function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
