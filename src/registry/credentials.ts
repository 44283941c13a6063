import { BuildError } from '../base/errors.js';
import { entriesFor, parseAuthJson, readAuthFile, toAuthFile, toCredential, type AuthFile, type Credential } from './auth-files.js';
import { CredentialHelper, HelperError } from './credential-helper.js';
import { canonicalHost } from './host-names.js';
import type { RegistryOptions } from './options.js';
import { containersAuthFiles, dockerConfigFile, type Environment } from './user-files.js';

/** With where it comes from, fit to be shown: `--creds`, `file /root/.docker/config.json`, `helper docker-credential-x`, `CI_REGISTRY_USER`. */
export type FoundCredentials = Credential & { readonly source: string };

export interface CredentialsOptions {
  readonly options: RegistryOptions;
  readonly env: Environment;
  readonly warn: (message: string) => void;
  readonly debug?: ((message: string) => void) | undefined;
  /** Of helpers; the default is 10,000. */
  readonly helperTimeoutMs?: number;
}

export interface FoundAt {
  readonly isMirror?: boolean;
  /** The default is the host itself. */
  readonly namedHost?: string;
}

interface NamedFile {
  readonly path: string;
  /** The flag or variable that names it; it ought to be there then. */
  readonly namedBy?: '--authfile' | 'REGISTRY_AUTH_FILE';
  /** Of what is a file in a variable. */
  readonly text?: string;
}

const FLAG = '--creds';
/** GitLab tells its jobs the passwords of its own two registries: host, user and password. */
const CI_VARIABLES = [
  ['CI_REGISTRY', 'CI_REGISTRY_USER', 'CI_REGISTRY_PASSWORD'],
  ['CI_DEPENDENCY_PROXY_SERVER', 'CI_DEPENDENCY_PROXY_USER', 'CI_DEPENDENCY_PROXY_PASSWORD'],
] as const;

/**
 * The credentials for registries, from the first of these that has some:
 *
 * 1. `--creds` and its like, for the registries that they are meant for
 * 2. `--authfile`, and then nothing else
 * 3. the file that REGISTRY_AUTH_FILE names
 * 4. the file that is DOCKER_AUTH_CONFIG, as docker and GitLab's runner have it
 * 5. `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`
 * 6. `$XDG_RUNTIME_DIR/containers/auth.json` (without that variable `/run/containers/UID`), then `$XDG_CONFIG_HOME/containers/auth.json`
 * 7. CI_REGISTRY_USER and CI_REGISTRY_PASSWORD for the host CI_REGISTRY, CI_DEPENDENCY_PROXY_* for its host: last, since whoever logged in to
 *    those chose other credentials than the job's own
 *
 * Within a file: the helper of `credHelpers` for the host, else that of `credsStore`; then `auths`, the longest path first. A helper that fails is
 * warned of once, and the next source is asked. Files are read once, helpers are asked once for each host.
 */
export class Credentials {
  readonly #settings: CredentialsOptions;
  readonly #found = new Map<string, Promise<FoundCredentials | undefined>>();
  readonly #files = new Map<string, AuthFile | undefined>();
  readonly #answers = new Map<string, Promise<FoundCredentials | undefined>>();
  /** Helpers that were warned of, and of them those that are not asked again. */
  readonly #warned = new Set<string>();
  readonly #useless = new Set<string>();

  constructor(settings: CredentialsOptions) {
    this.#settings = settings;
  }

  /**
   * @param host the registry's, or a mirror's own
   * @param path of the repository there; `undefined` finds what is for the whole registry
   * @param where whether it is a mirror, which is nobody's registry of the command: `--creds` is not for it; and under which host the image was
   * named, where registries.conf leads elsewhere
   * @throws BuildError `usage` for a file that is no JSON or holds nonsense for this host, or a missing `--authfile`
   */
  find(host: string, path: string | undefined, where: FoundAt = {}): Promise<FoundCredentials | undefined> {
    const { isMirror = false, namedHost = host } = where;
    const named = isMirror ? undefined : canonicalHost(namedHost);
    const key = `${named ?? 'mirror'} ${canonicalHost(host)}/${path ?? ''}`;
    let found = this.#found.get(key);
    if (found === undefined) {
      found = this.#search(canonicalHost(host), path, named);
      this.#found.set(key, found);
    }
    return found;
  }

  /** Whose the flags' credentials are when they are not for this host: `--creds is for registry.example`. */
  othersFlag(host: string): string | undefined {
    const others = (this.#settings.options.hostCredentials ?? []).filter((other) => canonicalHost(other.host) !== canonicalHost(host));
    return others.length === 0 ? undefined : others.map((other) => `${other.source ?? FLAG} is for ${other.host}`).join(', ');
  }

  async #search(host: string, path: string | undefined, named: string | undefined): Promise<FoundCredentials | undefined> {
    const found = (named === undefined ? undefined : this.#fromFlag(named)) ?? (await this.#fromFiles(host, path)) ?? this.#fromCi(host);
    const place = path === undefined ? host : `${host}/${path}`;
    this.#settings.debug?.(found === undefined ? `no credentials for ${place}` : `credentials for ${place}: ${found.source}`);
    return found;
  }

  #fromFlag(named: string): FoundCredentials | undefined {
    const { credentials, hostCredentials = [] } = this.#settings.options;
    const own = hostCredentials.find(({ host }) => canonicalHost(host) === named);
    const given = own ?? credentials;
    if (given === undefined) return undefined;
    const { username, password } = given;
    return { kind: 'password', username, password, source: own?.source ?? FLAG };
  }

  async #fromFiles(host: string, path: string | undefined): Promise<FoundCredentials | undefined> {
    for (const file of this.#namedFiles()) {
      const read = this.#read(file);
      const found = read === undefined ? undefined : await this.#fromFile(read, host, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #namedFiles(): NamedFile[] {
    const { options, env } = this.#settings;
    if (options.authFile !== undefined) return [{ path: options.authFile, namedBy: '--authfile' }];
    const { REGISTRY_AUTH_FILE: named = '', DOCKER_AUTH_CONFIG: text = '' } = env;
    return [
      ...(named === '' ? [] : [{ path: named, namedBy: 'REGISTRY_AUTH_FILE' as const }]),
      ...(text === '' ? [] : [{ path: 'DOCKER_AUTH_CONFIG', text }]),
      ...[dockerConfigFile(env), ...containersAuthFiles(env)].map((path) => ({ path })),
    ];
  }

  #read({ path, namedBy, text }: NamedFile): AuthFile | undefined {
    if (this.#files.has(path)) return this.#files.get(path);
    const file = text === undefined ? this.#readFirst(path, namedBy) : toAuthFile(path, parseAuthJson(path, text), path);
    this.#files.set(path, file);
    return file;
  }

  #readFirst(path: string, namedBy: NamedFile['namedBy']): AuthFile | undefined {
    try {
      const file = readAuthFile(path);
      if (file === undefined && namedBy === '--authfile') throw new BuildError('usage', `--authfile "${path}" does not exist`);
      if (file === undefined && namedBy !== undefined) this.#settings.warn(`${namedBy} "${path}" does not exist`);
      return file;
    } catch (error) {
      // Nobody asked for a file that only happens to be where others keep theirs.
      if (namedBy !== undefined || !(error instanceof BuildError) || error.kind !== 'environment') throw error;
      this.#settings.warn(`${error.message}: its credentials are not used`);
      return undefined;
    }
  }

  async #fromFile(file: AuthFile, host: string, path: string | undefined): Promise<FoundCredentials | undefined> {
    const own = entriesFor(file.helpers, host, path)[0];
    const helper = own === undefined ? file.store : own.helper;
    const kept = helper === undefined || helper === '' ? undefined : await this.#fromHelper(helper, host, file);
    if (kept !== undefined) return kept;
    for (const entry of entriesFor(file.entries, host, path)) {
      const credential = toCredential(entry, file.path);
      if (credential !== undefined) return { ...credential, source: file.source };
    }
    return undefined;
  }

  #fromHelper(name: string, host: string, file: AuthFile): Promise<FoundCredentials | undefined> {
    const key = `${name} ${host}`;
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = this.#ask(name, host, file);
      this.#answers.set(key, answer);
    }
    return answer;
  }

  async #ask(name: string, host: string, file: AuthFile): Promise<FoundCredentials | undefined> {
    if (this.#useless.has(name)) return undefined;
    const { env, helperTimeoutMs: timeoutMs } = this.#settings;
    const helper = new CredentialHelper(name, { env, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    try {
      const credential = await helper.get(host);
      return credential === undefined ? undefined : { ...credential, source: `helper ${helper.program}` };
    } catch (error) {
      if (!(error instanceof HelperError)) throw error;
      if (error.isLasting) this.#useless.add(name);
      this.#warnOf(name, `credential helper of "${file.path}" for "${host}": ${error.message}; its credentials are not used`);
      return undefined;
    }
  }

  #warnOf(helper: string, message: string): void {
    if (this.#warned.has(helper)) this.#settings.debug?.(message);
    else this.#settings.warn(message);
    this.#warned.add(helper);
  }

  /** For its own host alone. */
  #fromCi(host: string): FoundCredentials | undefined {
    const { options, env } = this.#settings;
    if (options.authFile !== undefined) return undefined;
    for (const [server, user, secret] of CI_VARIABLES) {
      const { [server]: own, [user]: username, [secret]: password } = env;
      if (!own || !username || !password || withoutPort(own) !== withoutPort(host)) continue;
      return { kind: 'password', username, password, source: user };
    }
    return undefined;
  }
}

/** GitLab writes the port of https out, and image names may do without. */
function withoutPort(host: string): string {
  return canonicalHost(host).replace(/:443$/, '');
}
