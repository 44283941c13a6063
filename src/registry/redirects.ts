import { toShownUrl } from '../base/url.js';
import { drop, type Connections, type HttpAnswer, type HttpRequest } from './connection.js';
import { RegistryError } from './errors.js';

/** As many as Go follows. */
const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface FollowedRequest extends HttpRequest {
  /** For the server of the first URL alone. */
  readonly authorization: string | undefined;
  readonly aim: string;
  /** @throws for an address that must not be asked */
  readonly check?: (next: URL, from: URL) => void;
}

export interface Followed {
  readonly answer: HttpAnswer;
  readonly url: URL;
}

/**
 * The answer at the end of redirects, which registries use to send their clients to the storage of blobs. Only GET and HEAD follow them: the rest
 * would be done at a place that nobody named. Authorization goes to its own host and port only, and never from https to http.
 */
export async function follow(connections: Connections, start: URL, request: FollowedRequest): Promise<Followed> {
  const { authorization, aim, check } = request;
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const isOwn = url.origin === start.origin;
    const headers = { ...request.headers, ...(authorization !== undefined && isOwn ? { authorization } : {}) };
    const answer = await connections.request(url, { ...request, headers });
    const location = answer.headers['location'];
    const isFollowed = REDIRECTS.has(answer.statusCode) && typeof location === 'string' && /^(GET|HEAD)$/.test(request.method);
    if (!isFollowed) return { answer, url };
    await drop(answer.body);
    const next = toNext(location, url, aim);
    check?.(next, url);
    url = next;
  }
  throw new RegistryError(`could not ${aim}: ${start.host} redirects more than ${MAX_REDIRECTS} times, at last to ${toShownUrl(url.href)}`);
}

function toNext(location: string, from: URL, aim: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next;
  throw new RegistryError(`could not ${aim}: ${from.host} redirects to ${JSON.stringify(toShownUrl(location))}, which is no http URL`);
}
