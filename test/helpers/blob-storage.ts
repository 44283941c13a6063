import { createReadStream, existsSync, statSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { serve, type Authority } from './web.js';

export interface BlobStorageRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Where a registry sends those who want a blob, as registries on object storage do: another host, which sends them on once more, to an address
 * with a signature, and then serves the bytes. It lives in this process: nothing answers while a synchronous call runs.
 */
export interface BlobStorage extends AsyncDisposable {
  /** `127.0.0.1:PORT`, another host than `localhost`. */
  readonly host: string;
  readonly origin: string;
  /** Everything asked so far. */
  readonly requests: readonly BlobStorageRequest[];
  /** Every answer is 403 from now on, as of an address that has expired. */
  refuse: boolean;
}

/** In the query of the addresses that lead to bytes: not for anybody's log. */
export const BLOB_SIGNATURE = 'f0e1d2c3b4a5968778695a4b3c2d1e0f';

/** @param storageDir of docker-registry, whose middleware "redirect" keeps the path of the file */
export async function startBlobStorage(storageDir: string, authority?: Authority): Promise<BlobStorage> {
  const requests: BlobStorageRequest[] = [];
  const server = await serve((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push({ method, url, headers });
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    if (storage.refuse || headers.authorization !== undefined) {
      // Object storage refuses a request that is authorized twice.
      response.writeHead(storage.refuse ? 403 : 400, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Resource>${url.replaceAll('&', '&amp;')}</Resource></Error>`);
      return;
    }
    if (searchParams.get('X-Amz-Signature') !== BLOB_SIGNATURE) {
      response.writeHead(307, { location: `${pathname}?X-Amz-Expires=60&X-Amz-Signature=${BLOB_SIGNATURE}` }).end();
      return;
    }
    const path = join(storageDir, decodeURIComponent(pathname));
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    const size = statSync(path).size;
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    if (from >= size && size > 0) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    const part = headers.range === undefined ? {} : { 'content-range': `bytes ${from}-${size - 1}/${size}` };
    response.writeHead(headers.range === undefined ? 200 : 206, { 'accept-ranges': 'bytes', 'content-length': size - from, ...part });
    if (method === 'HEAD') response.end();
    else createReadStream(path, { start: from }).pipe(response);
  }, authority);
  const storage: BlobStorage = {
    host: `127.0.0.1:${server.port}`,
    origin: server.origin,
    requests,
    refuse: false,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  return storage;
}
