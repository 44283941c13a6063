import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import type { Descriptor } from '../../src/oci/types.js';
import { serve, type Authority, type WebServer } from '../helpers/web.js';

export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly registry: FakeRegistry;
}

/** What a registry does in place of what it should, to one request. */
export type Fault = (call: Call) => unknown;

interface Upload {
  bytes: Buffer;
  /** How often it was answered: part of its Location, which an old one does not fit. */
  turn: number;
}

/** A registry of blobs that keeps to the specification, except where a test tells it not to. */
export class FakeRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  readonly uploads = new Map<string, Upload>();
  /** `PATCH 0-9`: methods, with the range that was asked for or sent, and mounts. */
  readonly log: string[] = [];
  /** Added to the answer that begins an upload. */
  beginHeaders: Record<string, string> = {};
  /** Makes the Location of an upload from its place. */
  toLocation = (path: string): string => path;
  /** Whether POST with `mount` lends what another repository has. */
  lends = false;
  readonly #faults = new Map<string, Fault[]>();
  #server: WebServer | undefined;
  #uploadCount = 0;

  static async start(authority?: Authority): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    registry.#server = await serve((request, response) => {
      void registry.#answer(request, response);
    }, authority);
    return registry;
  }

  get origin(): string {
    return this.#server?.origin ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  add(bytes: Buffer): Descriptor {
    const descriptor = toDescriptor(bytes);
    this.blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  /** The next requests of a method, one each. */
  fail(method: string, ...faults: readonly Fault[]): void {
    this.#faults.set(method, [...(this.#faults.get(method) ?? []), ...faults]);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.origin);
    const method = request.method ?? '';
    const from = url.searchParams.get('from');
    const notes = [request.headers.range, request.headers['content-range'], from === null ? undefined : `from ${from}`];
    this.log.push([method, ...notes.filter((note) => note !== undefined)].join(' '));
    // A broken request or connection is what the test asked for.
    response.on('error', () => undefined);
    const call = { request, response, url, registry: this };
    try {
      await (this.#faults.get(method)?.shift() ?? serveRightly)(call);
    } catch {
      response.destroy();
    }
  }

  begin(response: ServerResponse): void {
    const id = `u${++this.#uploadCount}`;
    this.uploads.set(id, { bytes: Buffer.alloc(0), turn: 0 });
    response.writeHead(202, { ...this.beginHeaders, location: this.location(id) }).end();
  }

  location(id: string): string {
    return this.toLocation(`/v2/app/blobs/uploads/${id}?_state=${this.uploads.get(id)?.turn}%2F%3D`);
  }
}

export function toDescriptor(bytes: Buffer): Descriptor {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

/** Bytes without a pattern, the same for the same seed. */
export function noise(sizeBytes: number, seed = 'seed'): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export async function serveRightly(call: Call): Promise<void> {
  const { request, response, url, registry } = call;
  const isUpload = url.pathname.includes('/blobs/uploads/');
  if (!isUpload) return request.method === 'HEAD' ? sendHead(call) : sendBlob(call);
  if (request.method === 'POST') return begin(call);
  const id = url.pathname.split('/').at(-1) ?? '';
  const upload = registry.uploads.get(id);
  if (upload === undefined) return refuse(response, 404, 'BLOB_UPLOAD_UNKNOWN');
  if (url.searchParams.get('_state') !== `${upload.turn}/=`) return refuse(response, 400, 'BLOB_UPLOAD_INVALID');
  switch (request.method) {
    case 'PATCH':
      return patch(call, upload, id);
    case 'PUT':
      return put(call, upload, id);
    case 'GET':
      response.writeHead(204, { location: registry.location(id), range: `0-${Math.max(0, upload.bytes.length - 1)}` }).end();
      return;
    default:
      registry.uploads.delete(id);
      response.writeHead(204).end();
  }
}

function sendHead({ response, url, registry }: Call): void {
  const blob = registry.blobs.get(url.pathname.split('/').at(-1) ?? '');
  if (blob === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'content-length': blob.length }).end();
}

/** The blob that is asked for, whole, and the byte where the answer begins. */
export function wanted({ request, url, registry }: Call): { readonly blob: Buffer; readonly start: number } {
  const blob = registry.blobs.get(url.pathname.split('/').at(-1) ?? '') ?? Buffer.alloc(0);
  return { blob, start: Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) };
}

export function sendHeaders({ request, response }: Call, { blob, start }: { blob: Buffer; start: number }): void {
  if (request.headers.range === undefined) response.writeHead(200, { 'content-length': blob.length });
  else {
    const range = `bytes ${start}-${blob.length - 1}/${blob.length}`;
    response.writeHead(206, { 'content-length': blob.length - start, 'content-range': range });
  }
}

function sendBlob(call: Call): void {
  const { blob, start } = wanted(call);
  sendHeaders(call, { blob, start });
  call.response.end(blob.subarray(start));
}

function begin({ request, response, url, registry }: Call): void {
  request.resume();
  const digest = url.searchParams.get('mount');
  if (digest !== null && registry.lends) response.writeHead(201, { location: `/v2/app/blobs/${digest}` }).end();
  else registry.begin(response);
}

async function patch({ request, response, registry }: Call, upload: Upload, id: string): Promise<void> {
  const range = /^(\d+)-(\d+)$/.exec(request.headers['content-range'] ?? '');
  if (range !== null && Number(range[1]) !== upload.bytes.length) return refuse(response, 416, 'RANGE_INVALID');
  const before = upload.bytes.length;
  upload.bytes = Buffer.concat([upload.bytes, ...((await request.toArray()) as Buffer[])]);
  if (range !== null && upload.bytes.length - before !== Number(range[2]) - Number(range[1]) + 1)
    return refuse(response, 400, 'SIZE_INVALID');
  upload.turn++;
  response.writeHead(202, { location: registry.location(id), range: `0-${upload.bytes.length - 1}` }).end();
}

async function put({ request, response, url, registry }: Call, upload: Upload, id: string): Promise<void> {
  const bytes = Buffer.concat([upload.bytes, ...((await request.toArray()) as Buffer[])]);
  const digest: Digest = digestOf(bytes);
  if (url.searchParams.get('digest') !== digest) return refuse(response, 400, 'DIGEST_INVALID');
  registry.uploads.delete(id);
  registry.blobs.set(digest, bytes);
  response.writeHead(201, { location: `/v2/app/blobs/${digest}`, 'docker-content-digest': digest }).end();
}

export function refuse(response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
  const body = JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] });
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

/** Answers with an error. */
export function refusal(code: number, name = 'UNKNOWN', headers: Record<string, string> = {}): Fault {
  return ({ request, response }) => {
    request.resume();
    refuse(response, code, name, headers);
  };
}

/** Takes so many bytes of a request, keeps them when told so, and resets the connection. */
export function resetAfter(sizeBytes: number, { keeps }: { readonly keeps: boolean }): Fault {
  return async ({ request, response, url, registry }) => {
    const upload = registry.uploads.get(url.pathname.split('/').at(-1) ?? '');
    let bytes = Buffer.alloc(0);
    for await (const chunk of request) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      if (bytes.length >= sizeBytes) break;
    }
    if (keeps && upload !== undefined) upload.bytes = Buffer.concat([upload.bytes, bytes.subarray(0, sizeBytes)]);
    response.socket?.resetAndDestroy();
  };
}

/** Sends so many bytes of what was asked for, and breaks the connection. */
export function breakAfter(sizeBytes: number): Fault {
  return async (call) => {
    const { blob, start } = wanted(call);
    sendHeaders(call, { blob, start });
    if (sizeBytes > 0) {
      const written = once(call.response, 'flushed').catch(() => undefined);
      call.response.write(blob.subarray(start, start + sizeBytes), () => call.response.emit('flushed'));
      await written;
    } else call.response.flushHeaders();
    call.response.socket?.end();
    call.response.destroy();
  };
}
