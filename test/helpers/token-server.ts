import { createHash, randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SigningKey } from './certificates.js';
import { serve, type Authority } from './web.js';

export interface TokenUser {
  readonly username: string;
  readonly password: string;
  /** Repositories that it may do anything with: a path, or a prefix that ends in `*`. Everything by default. */
  readonly repositories?: readonly string[];
  /** What a login by OAuth2 gives and takes in place of the password: docker's identity token. */
  readonly identityToken?: string;
}

export interface TokenServerOptions {
  readonly users?: readonly TokenUser[];
  /** What anybody may do to any repository; nothing by default. */
  readonly anonymous?: readonly ('pull' | 'push')[];
  /** For so long the registry takes a token; the default is 300. */
  readonly lifetimeSeconds?: number;
  /** What is said of that, when it is not the truth; 0 says nothing. */
  readonly saidLifetimeSeconds?: number;
  readonly algorithm?: SigningKey['algorithm'];
  /** Field of the answer that has the token; both by default. */
  readonly field?: 'token' | 'access_token';
  /** GET only, as many have it: POST is answered with 405. */
  readonly getOnly?: boolean;
}

export interface TokenRequest {
  readonly method: string;
  /** Who asked, by a password or an identity token; `undefined` is anybody. */
  readonly username: string | undefined;
  /** As asked, one entry each. */
  readonly scopes: readonly string[];
  /** As granted; empty when refused. */
  readonly granted: readonly string[];
  readonly service: string | undefined;
  readonly clientId: string | undefined;
  readonly status: number;
}

/** Hands out tokens for one registry, as the docker token specification has it. It lives in this process: nothing answers while a synchronous call runs. */
export interface TokenServer extends AsyncDisposable {
  /** Address of the tokens. */
  readonly realm: string;
  readonly port: number;
  /** Everything asked so far. */
  readonly requests: readonly TokenRequest[];
  /** A token as the server would give it, for `registrytoken`. */
  mint(scopes: readonly string[], lifetimeSeconds?: number): string;
}

/** docker-registry takes a token for so long after its end: that much earlier it ends on paper. */
const LEEWAY_SECONDS = 60;

export const TOKEN_SERVICE = 'registry of the test';
export const TOKEN_ISSUER = 'token server of the test';

export async function startTokenServer(key: SigningKey, options: TokenServerOptions = {}, authority?: Authority): Promise<TokenServer> {
  const requests: TokenRequest[] = [];
  const lifetimeSeconds = options.lifetimeSeconds ?? 300;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = await readAsked(request, options);
    const granted = asked.status === 200 ? asked.scopes.flatMap((scope) => grant(scope, asked.user, options)) : [];
    const { scopes, service, clientId, status, user } = asked;
    requests.push({ method: request.method ?? '', username: user?.username, scopes, granted, service, clientId, status });
    response.setHeader('content-type', 'application/json');
    if (status !== 200) {
      response.writeHead(status).end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }));
      return;
    }
    const token = toJwt(key, { scopes: granted, lifetimeSeconds, subject: user?.username ?? '' });
    const said = options.saidLifetimeSeconds ?? lifetimeSeconds;
    response.end(
      JSON.stringify({
        ...(options.field === 'access_token' ? {} : { token }),
        ...(options.field === 'token' ? {} : { access_token: token }),
        ...(said === 0 ? {} : { expires_in: said, issued_at: new Date().toISOString() }),
        ...(asked.wantsIdentity && user?.identityToken !== undefined ? { refresh_token: user.identityToken } : {}),
      }),
    );
  };
  const server = await serve((request, response) => void answer(request, response), authority);
  return {
    realm: `${server.origin.replace('127.0.0.1', 'localhost')}/token`,
    port: server.port,
    requests,
    mint: (scopes, seconds = lifetimeSeconds) => toJwt(key, { scopes, lifetimeSeconds: seconds, subject: '' }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

interface Asked {
  readonly status: number;
  readonly user: TokenUser | undefined;
  readonly scopes: readonly string[];
  readonly service: string | undefined;
  readonly clientId: string | undefined;
  readonly wantsIdentity: boolean;
}

/** GET with Basic authentication or without any, or POST of a form (docker's OAuth2). */
async function readAsked(request: IncomingMessage, { users = [], getOnly = false }: TokenServerOptions): Promise<Asked> {
  const isPost = request.method === 'POST';
  const parameters = isPost ? new URLSearchParams(await text(request)) : new URL(request.url ?? '/', 'http://localhost').searchParams;
  const basic = /^basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const claim = isPost ? formClaim(parameters) : basicClaim(basic);
  const user = users.find((one) => claim?.(one) ?? false);
  return {
    status: isPost && getOnly ? 405 : claim !== undefined && user === undefined ? 401 : 200,
    user,
    scopes: parameters.getAll('scope').flatMap((scope) => scope.split(' ').filter((one) => one !== '')),
    service: parameters.get('service') ?? undefined,
    clientId: parameters.get('client_id') ?? undefined,
    wantsIdentity: parameters.get('offline_token') === 'true' || parameters.get('access_type') === 'offline',
  };
}

type Claim = (user: TokenUser) => boolean;

function basicClaim(basic: string | undefined): Claim | undefined {
  if (basic === undefined) return undefined;
  const claimed = Buffer.from(basic, 'base64').toString('utf8');
  return ({ username, password }) => claimed === `${username}:${password}`;
}

function formClaim(form: URLSearchParams): Claim {
  const [username, password, refresh] = ['username', 'password', 'refresh_token'].map((name) => form.get(name) ?? undefined);
  if (form.get('grant_type') === 'refresh_token') return (user) => refresh !== undefined && user.identityToken === refresh;
  return (user) => user.username === username && user.password === password;
}

/** What of a scope the user gets: `repository:app:pull,push` → the same, or less. */
function grant(scope: string, user: TokenUser | undefined, { anonymous = [] }: TokenServerOptions): string[] {
  const [, type, name, actions] = /^([a-z]+(?:\([a-z]+\))?):(.*):([^:]*)$/.exec(scope) ?? [];
  if (type === undefined || name === undefined || actions === undefined) return [];
  const repositories = user?.repositories ?? (user === undefined ? [] : ['*']);
  const isTheirs = repositories.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
  const allowed = actions.split(',').filter((action) => isTheirs || (type === 'repository' && anonymous.some((one) => one === action)));
  return allowed.length === 0 ? [] : [`${type}:${name}:${allowed.join(',')}`];
}

interface Claims {
  readonly scopes: readonly string[];
  readonly lifetimeSeconds: number;
  readonly subject: string;
}

/** A JSON web token as docker-registry verifies it: signed by the certificate that comes with it. */
function toJwt(key: SigningKey, { scopes, lifetimeSeconds, subject }: Claims): string {
  const certificate = new X509Certificate(readFileSync(key.certFile));
  const nowSeconds = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => {
    const [, type, name, actions] = /^([^:]+):(.*):([^:]*)$/.exec(scope) ?? [];
    return { type, name, actions: actions?.split(',') };
  });
  const header = { typ: 'JWT', alg: key.algorithm, kid: keyId(certificate), x5c: [certificate.raw.toString('base64')] };
  const payload = {
    iss: TOKEN_ISSUER,
    sub: subject,
    aud: TOKEN_SERVICE,
    exp: nowSeconds + lifetimeSeconds - LEEWAY_SECONDS,
    nbf: nowSeconds - 600,
    iat: nowSeconds,
    jti: randomUUID(),
    access,
  };
  const signed = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(signed), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** Twelve groups of base32 of the first 240 bits of the public key's SHA-256 (registry specification, "jwt"). */
function keyId({ publicKey }: X509Certificate): string {
  const digest = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  const bits = [...digest.subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]).join('');
  return letters.match(/.{4}/g)?.join(':') ?? '';
}

async function text(request: IncomingMessage): Promise<string> {
  let said = '';
  request.setEncoding('utf8');
  for await (const chunk of request) said += chunk as string;
  return said;
}
