import { toBasic } from '../remote/request.js';
import { Answer } from './answer.js';
import type { Connections, HttpRequest } from './connection.js';
import type { FoundCredentials } from './credentials.js';
import { RegistryError } from './errors.js';
import { explainFailure } from './failures.js';
import { checkRealm, type RealmOwner } from './realm.js';
import { follow } from './redirects.js';

const MAX_TOKEN_BYTES = 1024 * 1024;
/** What a token lives at least, and when its service does not say (docker's token specification, "Requesting a Token"). */
const MIN_LIFETIME_SECONDS = 60;
/** So long before its end a token is no longer used: the clock of the registry counts. */
const MARGIN_MS = 10_000;
const CLIENT_ID = 'tsbuild';

export interface Token {
  readonly value: string;
  /** By `performance.now()`: the clock of the machine may be set. */
  readonly usableUntilMs: number;
}

export interface TokenRequest {
  readonly connections: Connections;
  readonly registry: RealmOwner;
  /** As users write it. */
  readonly registryHost: string;
  readonly realm: string;
  readonly service: string | undefined;
  /** `repository:library/app:pull,push` */
  readonly scopes: readonly string[];
  readonly credentials: FoundCredentials | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly debug: ((message: string) => void) | undefined;
}

/**
 * Asks a token service: by GET with the password or nobody's name; by POST with an identity token, which is what it is for, and with the password
 * where a service knows POST alone.
 * @throws RegistryError
 */
export async function requestToken(request: TokenRequest): Promise<Token> {
  const url = checkRealm(request.realm, request.registry);
  const { credentials } = request;
  const ways = credentials?.kind === 'identity-token' ? [post, get] : credentials?.kind === 'password' ? [get, post] : [get];
  for (const [index, way] of ways.entries()) {
    const answer = await way(url, request);
    request.debug?.(
      `${way === get ? 'GET' : 'POST'} ${url.origin}${url.pathname} for ${request.scopes.join(' ') || 'no scope'}: ${answer.status}`,
    );
    if (answer.status === 200) return readToken(answer, request);
    const isLast = index === ways.length - 1;
    // The other way is for services that do not have this one.
    if (isLast || ![400, 404, 405, 501].includes(answer.status)) throw await refused(answer, request);
    await answer.discard();
  }
  throw new Error('a token without a way to it');
}

function get(realm: URL, request: TokenRequest): Promise<Answer> {
  const url = new URL(realm);
  if (request.service !== undefined) url.searchParams.append('service', request.service);
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  return ask(url, request, { method: 'GET', headers: {} }, authorizationOf(request.credentials));
}

function post(url: URL, request: TokenRequest): Promise<Answer> {
  const { service, scopes, credentials } = request;
  const form = new URLSearchParams({ client_id: CLIENT_ID });
  if (service !== undefined) form.append('service', service);
  if (scopes.length > 0) form.append('scope', scopes.join(' '));
  if (credentials?.kind === 'identity-token') {
    form.append('grant_type', 'refresh_token');
    form.append('refresh_token', credentials.token);
  } else if (credentials?.kind === 'password') {
    form.append('grant_type', 'password');
    form.append('username', credentials.username);
    form.append('password', credentials.password);
  }
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return ask(url, request, { method: 'POST', headers, body: Buffer.from(form.toString()) });
}

async function ask(url: URL, request: TokenRequest, http: HttpRequest, authorization?: string): Promise<Answer> {
  const { connections, registry, timeoutMs, signal } = request;
  const aim = aimOf(request);
  const check = (next: URL): void => void checkRealm(next.href, registry);
  try {
    const { answer, url: at } = await follow(connections, url, {
      ...http,
      unverifiedHost: registry.unverifiedHost,
      authorization,
      aim,
      check,
      signal,
    });
    return new Answer(answer, { url: at, aim, timeoutMs, secrets: secretsOf(request.credentials) });
  } catch (error) {
    signal?.throwIfAborted();
    throw explainFailure(error, { aim, host: url.host, timeoutMs });
  }
}

/** A service that knows no POST takes the identity token as the password of nobody, as docker sends it. */
function authorizationOf(credentials: FoundCredentials | undefined): string | undefined {
  if (credentials?.kind === 'password') return basicOf(credentials.username, credentials.password);
  return credentials?.kind === 'identity-token' ? basicOf('<token>', credentials.token) : undefined;
}

/** What must not be shown of credentials, in all the forms in which they are sent. */
export function secretsOf(credentials: FoundCredentials | undefined): string[] {
  if (credentials === undefined) return [];
  if (credentials.kind !== 'password') return [credentials.token];
  const { username, password } = credentials;
  return [basicOf(username, password).slice('Basic '.length), encodeURIComponent(password), password];
}

/** The value of an authorization header. */
export function basicOf(username: string, password: string): string {
  return toBasic(encodeURIComponent(username), encodeURIComponent(password));
}

async function readToken(answer: Answer, request: TokenRequest): Promise<Token> {
  const bytes = await answer.bytes(MAX_TOKEN_BYTES);
  const document = parseObject(bytes.toString('utf8'));
  const value = [document['token'], document['access_token']].find((token) => typeof token === 'string' && token !== '');
  if (typeof value !== 'string' || /[^\x21-\x7e]/.test(value)) {
    throw new RegistryError(`could not ${aimOf(request)}: the answer of ${answer.url.host} has no token`, {
      hint: `is ${answer.url.host} a token service?`,
    });
  }
  const said = document['expires_in'];
  const lifetimeSeconds = typeof said === 'number' && said > MIN_LIFETIME_SECONDS ? said : MIN_LIFETIME_SECONDS;
  return { value, usableUntilMs: performance.now() + lifetimeSeconds * 1000 - MARGIN_MS };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === 'object' && document !== null ? (document as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

async function refused(answer: Answer, { credentials, registryHost }: TokenRequest): Promise<RegistryError> {
  const error = await answer.toError();
  if (error.kind !== 'credentials') return error;
  const whose = credentials === undefined ? 'it gives none to nobody' : `it does not take the credentials of ${credentials.source}`;
  return new RegistryError(`${error.message}: ${whose}`, {
    kind: 'credentials',
    ...(error.status === undefined ? {} : { status: error.status }),
    hint: `log in with tsbuild login ${registryHost}, or give --creds USER:PASSWORD`,
  });
}

function aimOf({ registryHost }: TokenRequest): string {
  return `get a token for ${registryHost}`;
}
