import { isWebPage } from './answer-words.js';
import { RegistryError } from './errors.js';
import type { Scope } from './exchange.js';
import { asReached } from './reached.js';
import type { RegistryExchange } from './registry-exchange.js';

const PAGE_LENGTH = 1000;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

export interface Listing {
  readonly exchange: RegistryExchange;
  /** `library/app/tags/list`, `_catalog` */
  readonly target: string;
  readonly scopes: readonly Scope[];
  /** Of the array in the answers. */
  readonly field: 'tags' | 'repositories';
  readonly aim: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * A list that comes in pages, each of which names the next one (distribution-spec, "Listing Tags"; RFC 8288).
 * @throws RegistryError also for a next page on another host, or one that was read before
 */
export async function* readListing({ exchange, target, scopes, field, aim, signal }: Listing): AsyncGenerator<string, void, void> {
  const seen = new Set<string>();
  let next: string | URL | undefined = `${target}?n=${PAGE_LENGTH}`;
  while (next !== undefined) {
    const request = { method: 'GET', target: next, scopes, accept: [200], aim, signal } as const;
    const { answer, bytes } = await exchange.read(request, async (page) => ({ answer: page, bytes: await page.bytes(MAX_PAGE_BYTES) }));
    if (isWebPage(answer, bytes)) {
      throw new RegistryError(`could not ${aim}: ${answer.url.host} answered a web page`, { hint: `is ${exchange.host} a registry?` });
    }
    yield* parsePage(bytes, field, aim);
    seen.add(answer.url.href);
    next = parseNextLink(answer.headers('link'), answer.url);
    if (next !== undefined && (next.host !== answer.url.host || seen.has(next.href))) {
      const where = next.host === answer.url.host ? 'a page that it gave before' : JSON.stringify(next.host);
      throw new RegistryError(`could not ${aim}: ${answer.url.host} names ${where} as the next page`);
    }
  }
}

function parsePage(bytes: Buffer, field: string, aim: string): readonly string[] {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new RegistryError(`could not ${aim}: the answer is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const names = typeof document === 'object' && document !== null ? (document as Readonly<Record<string, unknown>>)[field] : undefined;
  // A repository that lost its last tag has null.
  if (names === null) return [];
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw new RegistryError(`could not ${aim}: the answer has no list of ${field}`);
}

/** `</v2/_catalog?last=b&n=2>; rel="next"`. In time proportional to its length: none of these patterns looks at a character more than twice. */
export function parseNextLink(headers: readonly string[], base: URL): URL | undefined {
  for (const link of headers.join(', ').match(/(?:<[^<>]*>|"[^"]*"|[^<",])+/g) ?? []) {
    const [, target = '', parameters = ''] = /^\s*<([^<>]*)>(.*)$/s.exec(link) ?? [];
    const isNext = (parameters.match(/(?:"[^"]*"|[^";])+/g) ?? []).some(isRelNext);
    if (isNext && URL.canParse(target, base.href)) return asReached(new URL(target, base), base);
  }
  return undefined;
}

/** `rel=next`, `rel="prev next"` */
function isRelNext(parameter: string): boolean {
  const at = parameter.indexOf('=');
  if (at === -1 || parameter.slice(0, at).trim().toLowerCase() !== 'rel') return false;
  const relations = parameter
    .slice(at + 1)
    .replaceAll('"', '')
    .toLowerCase()
    .split(/\s/);
  return relations.includes('next');
}
