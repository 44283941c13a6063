import type { Challenge } from './challenge.js';
import type { Connections } from './connection.js';
import type { FoundCredentials } from './credentials.js';
import type { Scope } from './exchange.js';
import type { RealmOwner } from './realm.js';
import { basicOf, requestToken, secretsOf, type Token } from './token.js';

/** What a request is sent with. */
export interface Authorization {
  readonly header: string;
  /** Where the credentials are from; absent when they are nobody's. */
  readonly source?: string;
  /** Not to be shown, whoever repeats it. */
  readonly secrets: readonly string[];
}

export interface AuthorizerOptions {
  readonly connections: Connections;
  /** As users write it. */
  readonly registryHost: string;
  readonly findCredentials: () => Promise<FoundCredentials | undefined>;
  /** Shared by the repositories of a registry: how it wants to be asked. */
  readonly memory: ChallengeMemory;
  readonly timeoutMs: number;
  /** Of all requests: one that waits for a token of another's must not fail when that is given up. */
  readonly signal: AbortSignal | undefined;
  readonly debug: ((message: string) => void) | undefined;
}

/** How a registry asked for authorization the last time, so that it need not ask again. */
export interface ChallengeMemory {
  challenge?: Challenge;
}

interface Wanted {
  readonly registry: RealmOwner;
  readonly scopes: readonly Scope[];
}

/** Authorizes requests to one repository of one registry, with the credentials that are for it; keeps their tokens while they are good. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, Promise<Token>>();
  #credentials: Promise<FoundCredentials | undefined> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** What to send at first: nothing to a registry that has not asked for anything. */
  async before(wanted: Wanted): Promise<Authorization | undefined> {
    const { challenge } = this.#options.memory;
    return challenge === undefined ? undefined : this.#meet(challenge, wanted);
  }

  /**
   * What to send after a 401, with which what was sent before is done for.
   * @returns `undefined` when there is nothing that the registry would take
   */
  async after(challenges: readonly Challenge[], sent: Authorization | undefined, wanted: Wanted): Promise<Authorization | undefined> {
    if (sent !== undefined) await this.#forget(sent);
    for (const scheme of ['bearer', 'basic']) {
      const challenge = challenges.find((each) => each.scheme === scheme && (scheme === 'basic' || each.parameters.has('realm')));
      const authorization = challenge === undefined ? undefined : await this.#meet(challenge, wanted);
      if (challenge === undefined || authorization === undefined) continue;
      this.#options.memory.challenge = challenge;
      return authorization;
    }
    return undefined;
  }

  async #meet({ scheme, parameters }: Challenge, wanted: Wanted): Promise<Authorization | undefined> {
    const credentials = await this.#find();
    const common = { secrets: secretsOf(credentials), ...(credentials === undefined ? {} : { source: credentials.source }) };
    if (scheme === 'basic') {
      if (credentials?.kind !== 'password') return undefined;
      return { header: basicOf(credentials.username, credentials.password), ...common };
    }
    if (credentials?.kind === 'registry-token') return { header: `Bearer ${credentials.token}`, ...common };
    const token = await this.#token(parameters, credentials, wanted);
    return { ...common, header: `Bearer ${token.value}`, secrets: [...common.secrets, token.value] };
  }

  #find(): Promise<FoundCredentials | undefined> {
    this.#credentials ??= this.#options.findCredentials();
    return this.#credentials;
  }

  /** Those who want the same at the same time wait for one answer. */
  async #token(parameters: Challenge['parameters'], credentials: FoundCredentials | undefined, wanted: Wanted): Promise<Token> {
    const scopes = toScopeTexts(wanted.scopes, parameters.get('scope'));
    const key = scopes.join(' ');
    const kept = this.#tokens.get(key);
    if (kept !== undefined) {
      const token = await kept;
      if (performance.now() < token.usableUntilMs) return token;
      if (this.#tokens.get(key) === kept) this.#tokens.delete(key);
    }
    const { connections, registryHost, timeoutMs, signal, debug } = this.#options;
    const { registry } = wanted;
    const realm = parameters.get('realm') ?? '';
    const service = parameters.get('service');
    const fresh =
      this.#tokens.get(key) ??
      requestToken({ connections, registry, registryHost, realm, service, scopes, credentials, timeoutMs, signal, debug });
    this.#tokens.set(key, fresh);
    try {
      return await fresh;
    } catch (error) {
      if (this.#tokens.get(key) === fresh) this.#tokens.delete(key);
      throw error;
    }
  }

  async #forget(sent: Authorization): Promise<void> {
    for (const [key, kept] of this.#tokens) {
      const token = await kept.catch(() => undefined);
      if (token !== undefined && `Bearer ${token.value}` === sent.header && this.#tokens.get(key) === kept) this.#tokens.delete(key);
    }
  }
}

/** What the request needs; what the registry asks for when the request needs nothing that we know of. */
function toScopeTexts(scopes: readonly Scope[], asked: string | undefined): string[] {
  if (scopes.length === 0) return asked?.split(' ').filter((scope) => scope !== '') ?? [];
  return [...new Set(scopes.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`))];
}
