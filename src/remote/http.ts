import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { formatBytes } from '../base/format.js';
import { toShownUrl } from '../base/url.js';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { hostOf, type Environment } from './proxy.js';
import { get, toBasic, unreachedProxy } from './request.js';
import type { SecretReader } from './secret-reader.js';

/** As many as Go follows. */
const MAX_REDIRECTS = 10;
const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 300;

export interface DownloadRequest {
  /** Made, or overwritten; mode 0600. Removed when the download fails. */
  readonly file: string;
  readonly maxBytes: number;
  /** `sha256:…` that the bytes must have. */
  readonly checksum?: string;
  /** HTTP_AUTH_HEADER_HOST and HTTP_AUTH_TOKEN_HOST are looked up. */
  readonly secrets: SecretReader;
  readonly signal: AbortSignal;
  readonly env?: Environment;
}

export interface Downloaded {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** As the server says. */
  readonly lastModifiedSeconds?: number;
}

/**
 * Writes what an http or https URL leads to into a file: redirects are followed, and what may be a passing fault is tried again. A body that the
 * server compressed for the way is decompressed, as Go's client does.
 * @throws BuildError `input` when it is not to be had, too large, or not what the checksum says; `cancelled`
 */
export async function download(url: string, request: DownloadRequest): Promise<Downloaded> {
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await tryDownload(new URL(url), request);
      } catch (error) {
        if (request.signal.aborted) throw new BuildError('cancelled', 'the build was cancelled', { cause: error });
        if (attempt === MAX_ATTEMPTS || !isPassing(error)) throw explain(error, url);
      }
      // Apart from each other: many builds may wait for one server.
      await sleep(FIRST_DELAY_MS * 2 ** (attempt - 1) * (0.5 + Math.random()), undefined, { signal: request.signal }).catch(
        () => undefined,
      );
    }
  } catch (error) {
    await rm(request.file, { force: true });
    throw error;
  }
}

async function tryDownload(url: URL, request: DownloadRequest): Promise<Downloaded> {
  const response = await follow(url, request);
  try {
    const modified = Date.parse(response.headers['last-modified'] ?? '');
    const { digest, sizeBytes } = await save(response, url, request);
    if (request.checksum !== undefined && digest !== request.checksum) {
      throw new BuildError('input', `digest mismatch for ${toShownUrl(url.href)}: ${digest} (expected: ${request.checksum})`);
    }
    return { digest, sizeBytes, ...(Number.isNaN(modified) ? {} : { lastModifiedSeconds: Math.floor(modified / 1000) }) };
  } finally {
    response.destroy();
  }
}

async function follow(start: URL, { secrets, signal, env = process.env }: DownloadRequest): Promise<IncomingMessage> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const authorization = mayAuthorize(start, url) ? authorizationFor(url, secrets) : undefined;
    const headers = { 'user-agent': 'tsbuild', 'accept-encoding': 'gzip', ...(authorization === undefined ? {} : { authorization }) };
    const response = await get(url, { headers, env, signal });
    const { statusCode: status = 0, headers: got } = response;
    if (status >= 200 && status < 300) return response;
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(status) || got.location === undefined) throw new StatusError(status, response.statusMessage);
    url = nextUrl(got.location, url);
  }
  throw new BuildError('input', `stopped after ${MAX_REDIRECTS} redirects`);
}

function nextUrl(location: string, from: URL): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next;
  throw new BuildError('input', `it is redirected to ${JSON.stringify(toShownUrl(location))}, which is no http URL`);
}

/** Credentials are for the host that they were given for, and never for a connection less secure. */
function mayAuthorize(start: URL, url: URL): boolean {
  return url.hostname === start.hostname && (url.protocol === 'https:' || start.protocol === 'http:');
}

function authorizationFor(url: URL, secrets: SecretReader): string | undefined {
  const host = hostOf(url);
  const token = secrets.read(`HTTP_AUTH_TOKEN_${host}`);
  if (token !== undefined) return `Bearer ${token.toString('utf8').trim()}`;
  const header = secrets.read(`HTTP_AUTH_HEADER_${host}`);
  if (header !== undefined) return header.toString('utf8').trim();
  return url.username === '' && url.password === '' ? undefined : toBasic(url.username, url.password);
}

async function save(response: IncomingMessage, url: URL, request: DownloadRequest): Promise<{ digest: Digest; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const file: FileHandle = await open(request.file, 'w', 0o600);
  try {
    for await (const chunk of bodyOf(response) as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > request.maxBytes) throw tooLarge(url, request.maxBytes);
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    }
  } finally {
    await file.close();
  }
  return { digest: digestFromHex(hash.digest('hex')), sizeBytes };
}

function bodyOf(response: IncomingMessage): Readable {
  if (response.headers['content-encoding']?.toLowerCase() !== 'gzip') return response;
  const plain = createGunzip();
  // Errors come out of the loop that reads.
  pipeline(response, plain, () => undefined);
  return plain;
}

function tooLarge(url: URL, maxBytes: number): BuildError {
  return new BuildError('input', `${toShownUrl(url.href)} is too large: want at most ${formatBytes(maxBytes)}`, {
    hint: 'raise --max-archive-size',
  });
}

class StatusError extends Error {
  readonly status: number;

  constructor(status: number, text = '') {
    super(`got status ${status} ${text}`.trimEnd());
    this.status = status;
  }
}

/** Something in between gave up, or the server is busy: the next attempt may do. */
function isPassing(error: unknown): boolean {
  if (error instanceof StatusError) return error.status >= 500 || error.status === 429;
  return ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'EAI_AGAIN'].includes(errnoOf(error) ?? '');
}

function explain(error: unknown, url: string): unknown {
  const shown = toShownUrl(url);
  if (error instanceof BuildError) {
    if (error.kind === 'usage' || error.message.includes(shown)) return error;
    return new BuildError(error.kind, `cannot download ${shown}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
  if (!(error instanceof Error) || (errnoOf(error) === undefined && !(error instanceof StatusError))) return error;
  const hint = hintFor(error, new URL(url));
  return new BuildError('input', `cannot download ${shown}: ${reason(error)}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

function reason(error: Error): string {
  const proxy = unreachedProxy(error);
  return proxy === undefined ? reasonOf(error) : `the proxy ${proxy} cannot be reached: ${reasonOf(error)}`;
}

function reasonOf(error: Error): string {
  const code = errnoOf(error) ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the host is not known (${code})`;
  if (/^E[A-Z]+$/.test(code) && code !== 'EPROTO') return systemErrorText(error);
  return error.message;
}

function hintFor(error: Error, url: URL): string | undefined {
  if (error instanceof StatusError && (error.status === 401 || error.status === 403)) {
    return `give a token for it: --secret id=HTTP_AUTH_TOKEN_${hostOf(url)},env=NAME`;
  }
  if (/CERT|ISSUER|SIGNATURE/.test(errnoOf(error) ?? '')) {
    return "name the certificate of the server's authority in SSL_CERT_FILE or NODE_EXTRA_CA_CERTS";
  }
  return undefined;
}
