import { basename } from 'node:path';
import { BuildError } from '../base/errors.js';
import { DOCKER_HUB_KEY, entriesFor, parseKey, readAuthFile, type AuthFile, type JsonTable } from './auth-files.js';
import { updateAuthDocument } from './auth-document.js';
import { CredentialHelper } from './credential-helper.js';
import { isDockerHub, type HostPath } from './host-names.js';
import type { RegistryOptions, UserPassword } from './options.js';
import { dockerConfigFile, type Environment } from './user-files.js';

export interface AuthStoreOptions {
  readonly options: Pick<RegistryOptions, 'authFile'>;
  readonly env: Environment;
}

/** Where a login was put. */
export interface StoredLogin {
  readonly kind: 'file' | 'helper';
  /** Path of the file, or name of the helper's program. */
  readonly place: string;
}

/**
 * Where logins are kept: the file of `--authfile`, else REGISTRY_AUTH_FILE, else docker's own (`$DOCKER_CONFIG/config.json`, `~/.docker/config.json`),
 * or the helper that it names for the registry.
 */
export class AuthStore {
  readonly path: string;
  readonly #env: Environment;

  constructor({ options, env }: AuthStoreOptions) {
    this.path = options.authFile ?? (env['REGISTRY_AUTH_FILE'] || dockerConfigFile(env));
    this.#env = env;
  }

  /** @throws BuildError `usage`, `environment`: a helper that fails is not passed over, the password would be in the file then */
  async store(place: HostPath, credentials: UserPassword): Promise<StoredLogin> {
    const helper = this.#helperOf(place.host, readAuthFile(this.path));
    if (helper === undefined) {
      const auth = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64');
      await this.#setEntry(place, { auth });
      return { kind: 'file', place: this.path };
    }
    if (place.path !== '')
      throw new BuildError('usage', `${helper.program} keeps credentials of whole registries only, not of "${place.host}/${place.path}"`);
    await helper.store(place.host, credentials);
    // As docker does: says that there is a login.
    await this.#setEntry(place, {});
    return { kind: 'helper', place: helper.program };
  }

  /**
   * @returns whether there was something to forget
   * @throws BuildError `usage`, `environment`
   */
  async erase(place: HostPath): Promise<boolean> {
    const file = readAuthFile(this.path);
    if (file === undefined) return false;
    const keys = file.entries.filter((entry) => isSame(entry.place, place)).map(({ key }) => key);
    if (keys.length > 0) await this.#change((auths) => without(auths, keys));
    const helper = place.path === '' ? this.#helperOf(place.host, file) : undefined;
    return ((await helper?.erase(place.host)) ?? false) || keys.length > 0;
  }

  /** Every registry that the file names. */
  places(): HostPath[] {
    const file = readAuthFile(this.path);
    const places = [...(file?.entries ?? []), ...(file?.helpers ?? [])].map(({ place }) => place);
    return places.filter((place, at) => places.findIndex((other) => isSame(other, place)) === at);
  }

  #helperOf(host: string, file: AuthFile | undefined): CredentialHelper | undefined {
    if (file === undefined) return undefined;
    const own = entriesFor(file.helpers, host, undefined)[0];
    const name = own === undefined ? file.store : own.helper;
    return name === undefined || name === '' ? undefined : new CredentialHelper(name, { env: this.#env });
  }

  /** Under one key: what the registry was called before would be found, too, with an old password. */
  #setEntry(place: HostPath, entry: JsonTable): Promise<void> {
    const key = this.#keyOf(place);
    return this.#change((auths) => {
      const others = Object.keys(auths).filter((other) => {
        const parsed = parseKey(other);
        return other !== key && parsed !== undefined && isSame(parsed, place);
      });
      return { ...without(auths, others), [key]: entry };
    });
  }

  /** docker and podman call Docker Hub differently, each in the files of its own. */
  #keyOf({ host, path }: HostPath): string {
    if (path !== '') return `${host}/${path}`;
    return isDockerHub(host) && basename(this.path) === 'config.json' ? DOCKER_HUB_KEY : host;
  }

  #change(change: (auths: JsonTable) => JsonTable): Promise<void> {
    return updateAuthDocument(this.path, (document) => ({ ...document, auths: change((document['auths'] ?? {}) as JsonTable) }));
  }
}

function isSame(a: HostPath, b: HostPath): boolean {
  return a.host === b.host && a.path === b.path;
}

function without(table: JsonTable, keys: readonly string[]): JsonTable {
  return Object.fromEntries(Object.entries(table).filter(([key]) => !keys.includes(key)));
}
