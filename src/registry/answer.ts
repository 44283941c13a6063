import type { Readable } from 'node:stream';
import { formatBytes } from '../base/format.js';
import { toShownUrl } from '../base/url.js';
import { isWebPage, readWords, toLine } from './answer-words.js';
import { drop, type HttpAnswer } from './connection.js';
import { RegistryError } from './errors.js';
import { explainFailure, rewordFailure } from './failures.js';
import type { RegistryResponse } from './exchange.js';
import { formatDuration, isPassingStatus, MAX_RETRY_AFTER_MS, parseRetryAfter } from './retry.js';

const MAX_ERROR_BYTES = 64 * 1024;

interface AnswerContext {
  /** After redirects. */
  readonly url: URL;
  readonly aim: string;
  /** Idle time, for messages. */
  readonly timeoutMs: number;
  /** What the server was told in confidence, and might repeat in its words. */
  readonly secrets?: readonly string[];
}

/** An answer whose status the asker can do something with. */
export class Answer implements RegistryResponse {
  readonly status: number;
  readonly url: URL;
  readonly #answer: HttpAnswer;
  readonly #context: AnswerContext;

  constructor(answer: HttpAnswer, context: AnswerContext) {
    this.status = answer.statusCode;
    this.url = context.url;
    this.#answer = answer;
    this.#context = context;
    answer.body.on('error', (error: Error) => rewordFailure(error, { host: context.url.host, timeoutMs: context.timeoutMs }));
  }

  get body(): Readable {
    return this.#answer.body;
  }

  header(name: string): string | undefined {
    return this.headers(name)[0];
  }

  /** All of that name. */
  headers(name: string): readonly string[] {
    const value = this.#answer.headers[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  /** Lower case and without parameters; empty when there is none. */
  get mediaType(): string {
    return (this.header('content-type') ?? '').replace(/;.*/s, '').trim().toLowerCase();
  }

  /** What the registry wants users to read (distribution-spec, "Warnings"). */
  get warnings(): readonly string[] {
    const texts = this.headers('warning').flatMap((header) => [...header.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)]);
    return texts.map(([, text = '']) => toLine(text.replace(/\\(.)/g, '$1'), this.#context.secrets));
  }

  async bytes(maxBytes: number): Promise<Buffer> {
    if (Number(this.header('content-length') ?? 0) > maxBytes) throw await this.#tooLarge(maxBytes);
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    try {
      for await (const chunk of this.body as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw await this.#tooLarge(maxBytes);
        chunks.push(chunk);
      }
    } catch (error) {
      throw explainFailure(error, { ...this.#context, host: this.url.host });
    }
    return Buffer.concat(chunks);
  }

  discard(): Promise<void> {
    return drop(this.#answer.body);
  }

  /** What is wrong with an answer of this status, in the server's own words. Reads the body. */
  async toError(): Promise<RegistryError> {
    const bytes = await this.bytes(MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
    return toStatusError(this, bytes, this.#context);
  }

  async #tooLarge(maxBytes: number): Promise<RegistryError> {
    this.body.destroy();
    const { aim, url } = this.#context;
    return new RegistryError(`could not ${aim}: the answer of ${url.host} is too large, want at most ${formatBytes(maxBytes)}`);
  }
}

function toStatusError(answer: Answer, bytes: Buffer, { aim, secrets }: AnswerContext): RegistryError {
  const { status, url } = answer;
  const { words, codes } = readWords(answer, bytes, secrets);
  const retryAfterMs = parseRetryAfter(answer.header('retry-after'));
  const isTooLong = retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_AFTER_MS;
  const said = words === '' ? '' : `: ${words}`;
  const until = retryAfterMs === undefined ? '' : `, and asks to come back in ${formatDuration(retryAfterMs)}`;
  const hint = hintFor(answer, bytes);
  return new RegistryError(`could not ${aim}: ${url.host} ${verdict(status)}${said}${until}`, {
    kind: status === 401 || status === 403 ? 'credentials' : 'registry',
    status,
    codes,
    isPassing: isPassingStatus(status) && !isTooLong,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(hint === undefined ? {} : { hint }),
  });
}

function verdict(status: number): string {
  switch (status) {
    case 401:
      return 'wants credentials (401)';
    case 403:
      return 'denies it (403)';
    case 404:
      return 'has no such thing (404)';
    case 429:
      return 'says that there were too many requests (429)';
    default:
      return `answered ${status}`;
  }
}

function hintFor(answer: Answer, bytes: Buffer): string | undefined {
  const { status, url } = answer;
  if (status === 413) return 'the registry, or a proxy in front of it, limits the size of requests (client_max_body_size of nginx)';
  if (isWebPage(answer, bytes) && status < 500) return `is ${url.host} a registry?`;
  const location = answer.header('location');
  if (status >= 300 && status < 400 && location !== undefined)
    return `it leads to ${JSON.stringify(toShownUrl(location))}: name the registry there`;
  if (status === 404) return 'check the name; a registry may say so of what these credentials may not see, too';
  if (status === 403) return 'the credentials may not do that; a registry may say so of what it does not have, too';
  return undefined;
}
