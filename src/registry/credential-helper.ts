import { BuildError } from '../base/errors.js';
import { findProgram, runProgram } from '../os/process.js';
import { DOCKER_HUB_KEY, type Credential } from './auth-files.js';
import { isDockerHub } from './host-names.js';
import type { UserPassword } from './options.js';
import type { Environment } from './user-files.js';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_WORDS = 200;
const NOT_FOUND = 'credentials not found in native keychain';
/** The user name of what is no password but an identity token. */
const TOKEN_USER = '<token>';

export interface CredentialHelperOptions {
  readonly env: Environment;
  /** The default is 10,000. */
  readonly timeoutMs?: number;
}

/** A helper that did not do its part. The message names it and never has what it keeps. */
export class HelperError extends BuildError {
  /** Whether it would fail for every host: it is missing, or hangs. */
  readonly isLasting: boolean;

  constructor(message: string, { isLasting, hint }: { readonly isLasting: boolean; readonly hint?: string }) {
    super('environment', message, hint === undefined ? {} : { hint });
    this.isLasting = isLasting;
  }
}

/**
 * A program `docker-credential-NAME` on PATH, in the protocol of docker-credential-helpers: a verb as its argument, what it is about on standard
 * input, JSON on standard output.
 */
export class CredentialHelper {
  /** `docker-credential-NAME` */
  readonly program: string;
  readonly #env: Environment;
  readonly #timeoutMs: number;

  constructor(name: string, { env, timeoutMs }: CredentialHelperOptions) {
    this.program = `docker-credential-${name}`;
    this.#env = env;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * @returns `undefined` when it has none
   * @throws HelperError
   */
  async get(host: string): Promise<Credential | undefined> {
    const { exitCode, stdout, stderr } = await this.#run('get', toServer(host));
    if (exitCode !== 0 && stdout.trim() === NOT_FOUND) return undefined;
    if (exitCode !== 0) throw this.#failure(exitCode, stderr === '' ? stdout : stderr, stdout);
    const { Username: username, Secret: secret } = parseAnswer(stdout);
    if (typeof username !== 'string' || typeof secret !== 'string')
      throw new HelperError(`${this.program} answered something other than its protocol's JSON`, { isLasting: false });
    if (secret === '') return undefined;
    return username === TOKEN_USER ? { kind: 'identity-token', token: secret } : { kind: 'password', username, password: secret };
  }

  /** @throws HelperError */
  async store(host: string, { username, password }: UserPassword): Promise<void> {
    const input = JSON.stringify({ ServerURL: toServer(host), Username: username, Secret: password });
    const { exitCode, stdout, stderr } = await this.#run('store', input);
    if (exitCode !== 0) throw this.#failure(exitCode, (stderr === '' ? stdout : stderr).replaceAll(password, '***'));
  }

  /**
   * @returns whether it had some
   * @throws HelperError
   */
  async erase(host: string): Promise<boolean> {
    const { exitCode, stdout, stderr } = await this.#run('erase', toServer(host));
    if (exitCode !== 0 && stdout.trim() === NOT_FOUND) return false;
    if (exitCode !== 0) throw this.#failure(exitCode, stderr === '' ? stdout : stderr);
    return true;
  }

  async #run(verb: 'get' | 'store' | 'erase', input: string) {
    if (/[/\0]/.test(this.program)) throw new HelperError(`${JSON.stringify(this.program)} is no name of a helper`, { isLasting: true });
    const path = findProgram(this.program, this.#env['PATH']);
    if (path === undefined) {
      throw new HelperError(`${this.program} is not on PATH`, {
        isLasting: true,
        hint: 'install it, or take it out of credHelpers and credsStore of the auth file',
      });
    }
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const env = Object.fromEntries(Object.entries(this.#env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
    try {
      // What it may have started holds its output open: the whole group ends.
      return await runProgram(path, [verb], { input, env, isWholeEnv: true, signal: timeout, killsGroup: true });
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      if (timeout.aborted) throw new HelperError(`${this.program} did not answer within ${this.#timeoutMs / 1000} s`, { isLasting: true });
      throw new HelperError(error.message.replace(path, this.program), { isLasting: true });
    }
  }

  #failure(exitCode: number, said: string, answer = ''): HelperError {
    const words = redactWords(said, answer);
    return new HelperError(`${this.program} failed with status ${exitCode}${words === '' ? '' : `: ${words}`}`, { isLasting: false });
  }
}

/** Docker Hub is asked for by the address that docker has always used. */
function toServer(host: string): string {
  return isDockerHub(host) ? DOCKER_HUB_KEY : host;
}

function parseAnswer(text: string): { readonly Username?: unknown; readonly Secret?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    // The error would quote the text.
    return {};
  }
}

/**
 * The first line of what a helper said, without what may be secret: the answer that it gave beside it, passwords in URLs, values of what is called a
 * secret, and long words with digits, as tokens are.
 */
function redactWords(said: string, answer: string): string {
  if (said.includes('{')) return '';
  const { Secret: secret } = parseAnswer(answer);
  const line = said.trim().split('\n')[0] ?? '';
  const bare = typeof secret === 'string' && secret !== '' ? line.replaceAll(secret, '***') : line;
  return bare
    .replace(/:\/\/[^/\s@]*@/g, '://***@')
    .replace(/\?\S*/g, '?…')
    .replace(/\b(\w*(?:secret|passw\w*|token|auth|key|bearer|basic))(\s*[:=]\s*|\s+is\s+|\s+(?=\S*\d))\S+/gi, '$1$2***')
    .replace(/(?<![\w/.-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+/=-]{20,}/g, '***')
    .replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?')
    .slice(0, MAX_WORDS);
}
