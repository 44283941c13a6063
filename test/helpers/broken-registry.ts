import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { serve, type Authority, type WebServer } from './web.js';

/** One request, and what it is about. */
export interface Call {
  readonly registry: BrokenRegistry;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly method: string;
  readonly kind: 'base' | 'manifest' | 'blob' | 'upload' | 'other';
  /** Tag or digest. */
  readonly reference: string;
}

/** Answers in place of the registry, which does itself what a fault returns `false` for. */
export type Fault = (call: Call) => unknown;

/** A registry that serves a layout, takes whatever is pushed without keeping it, and misbehaves as it is told. */
export class BrokenRegistry implements AsyncDisposable {
  /** What the tag of every repository leads to; set before anybody asks. */
  layout = '';
  fault: Fault = () => false;
  /** `GET /v2/app/manifests/1` */
  readonly asked: string[] = [];
  /** Tags that were pushed. */
  readonly tagged: string[] = [];
  /** Values of Authorization that came in. */
  readonly authorizations: string[] = [];
  /** What a fault does to the client in the middle of it. */
  interrupt: () => void = () => undefined;
  #server: WebServer | undefined;

  static async start(fault: Fault = () => false, { layout = '', authority }: { layout?: string; authority?: Authority } = {}) {
    const registry = new BrokenRegistry();
    registry.fault = fault;
    registry.layout = layout;
    registry.#server = await serve((request, response) => registry.#answer(request, response), authority);
    return registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** `localhost:PORT` */
  get host(): string {
    return `localhost:${this.port}`;
  }

  /** Of the server, by number. */
  get origin(): string {
    return this.#server?.origin ?? '';
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '' } = request;
    // What a client breaks off, or a fault does, is no news.
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    const url = new URL(request.url ?? '', this.origin);
    this.asked.push(`${method} ${url.pathname}`);
    if (request.headers.authorization !== undefined) this.authorizations.push(request.headers.authorization);
    const call = { registry: this, request, response, url, method, ...parsePath(url.pathname) };
    if (this.fault(call) === false) this.serve(call);
  }

  /** As a registry in order does. */
  serve(call: Call): void {
    const { method, kind, request, response } = call;
    if (method !== 'GET' && method !== 'HEAD') {
      request.resume().on('end', () => this.#take(call));
      return;
    }
    const bytes = kind === 'base' ? Buffer.from('{}') : this.#find(call);
    if (bytes === undefined) return refuse(call, 404, kind === 'manifest' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN');
    response.writeHead(200, {
      'content-type': kind === 'manifest' ? typeOf(bytes) : 'application/octet-stream',
      'content-length': bytes.length,
    });
    response.end(method === 'HEAD' ? undefined : bytes);
  }

  #find({ kind, reference }: Call): Buffer | undefined {
    try {
      if (kind === 'manifest' && !reference.includes(':')) return this.#find({ kind, reference: this.root } as Call);
      return kind === 'manifest' || kind === 'blob' ? readFileSync(join(this.layout, 'blobs', reference.replace(':', '/'))) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Digest of what every tag leads to. */
  get root(): string {
    const { manifests } = JSON.parse(readFileSync(join(this.layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
    return manifests[0]?.digest ?? '';
  }

  #take({ method, kind, reference, response, url }: Call): void {
    if (kind === 'manifest') {
      if (!reference.includes(':')) this.tagged.push(reference);
      response.writeHead(201, { location: url.pathname }).end();
    } else if (method === 'POST') response.writeHead(202, { location: `${url.pathname}session` }).end();
    else if (method === 'PATCH') response.writeHead(202, { location: url.pathname, range: '0-0' }).end();
    else response.writeHead(method === 'DELETE' ? 204 : 201, { location: url.pathname }).end();
  }
}

function parsePath(path: string): Pick<Call, 'kind' | 'reference'> {
  if (path === '/v2/') return { kind: 'base', reference: '' };
  const [, word = '', reference = ''] = /^\/v2\/.+\/(manifests|blobs\/uploads|blobs)\/([^/]*)$/.exec(path) ?? [];
  return { kind: word === 'manifests' ? 'manifest' : word === 'blobs' ? 'blob' : word === '' ? 'other' : 'upload', reference };
}

function typeOf(bytes: Buffer): string {
  try {
    return (JSON.parse(bytes.toString('utf8')) as { mediaType: string }).mediaType;
  } catch {
    return 'application/vnd.oci.image.manifest.v1+json';
  }
}

/** Says no as registries do. */
function refuse(
  { request, response }: Pick<Call, 'request' | 'response'>,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  request.resume();
  const errors = [{ code, message: `the registry's own words about ${code}` }];
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ errors }));
}

export function send({ request, response }: Pick<Call, 'request' | 'response'>, status: number, type: string, body: string | Buffer): void {
  request.resume();
  response.writeHead(status, { 'content-type': type }).end(body);
}

/** A fault of requests of one kind (and method); others are answered in order. */
export function on(kind: Call['kind'] | `${'GET' | 'HEAD' | 'PUT' | 'POST'} ${Call['kind']}`, fault: Fault): Fault {
  return (call) => (kind === call.kind || kind === `${call.method} ${call.kind}` ? fault(call) : false);
}

/** The first of several faults that has something to do. */
export function either(...faults: readonly Fault[]): Fault {
  return (call) => (faults.every((fault) => fault(call) === false) ? false : undefined);
}

/** A web page, as portals have it. */
export const page =
  (status: number): Fault =>
  (call) =>
    send(call, status, 'text/html; charset=utf-8', '<!DOCTYPE html><html><body>Welcome to the portal</body></html>');

/** Refuses, in words of its own. */
export const no =
  (status: number, code: string, headers?: Record<string, string>): Fault =>
  (call) =>
    refuse(call, status, code, headers);

/** To the same address, when none is given. */
export const redirect =
  (location?: string): Fault =>
  ({ response, url }) =>
    response.writeHead(307, { location: location ?? url.pathname }).end();

/** Takes the request, and says nothing. */
export const hang: Fault = () => undefined;

/** Of a registry that wants a password. */
export const BASIC = { 'www-authenticate': 'Basic realm="x"' };
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** What is asked for; of a digest of zeros, what the tag leads to. */
export function rootOf({ registry, reference }: Call): Buffer {
  const digest = reference.includes(':') && !/^sha256:0+$/.test(reference) ? reference : registry.root;
  return readFileSync(join(registry.layout, 'blobs', digest.replace(':', '/')));
}

/** The first bytes of what is asked for, and then something else. */
export function part(call: Call, then: () => void): void {
  const bytes = rootOf(call);
  call.response.writeHead(200, { 'content-length': bytes.length, 'content-type': OCI_MANIFEST });
  call.response.write(bytes.subarray(0, 20), then);
}

/** Goes on for as long as somebody takes it. */
export function flood(stream: Writable | null, text: string): void {
  const endless = function* (): Generator<string> {
    for (;;) yield text;
  };
  if (stream !== null) Readable.from(endless()).pipe(stream);
}
