import { readFileSync } from 'node:fs';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { jsonFault } from '../base/json-fault.js';
import { canonicalHost, isDockerHub, parseHostPath, pathBelow, type HostPath } from './host-names.js';

/** What a registry takes for proof. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** An OAuth refresh token, to be exchanged at the registry's token server. */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** A Bearer token, used as it is. */
  | { readonly kind: 'registry-token'; readonly token: string };

/** docker's config.json and containers-auth.json(5), the part about registries. */
export interface AuthFile {
  readonly path: string;
  /** Fit to be shown: `file PATH`, or the variable that it is in. */
  readonly source: string;
  readonly entries: readonly AuthEntry[];
  /** Names of helpers for hosts. */
  readonly helpers: readonly { readonly place: HostPath; readonly key: string; readonly helper: string }[];
  /** The helper for all hosts. */
  readonly store: string | undefined;
}

export interface AuthEntry {
  readonly place: HostPath;
  /** As it is written. */
  readonly key: string;
  readonly value: JsonTable;
}

export type JsonTable = Readonly<Record<string, unknown>>;

/** Key of Docker Hub in docker's file, and what its helpers are asked for. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/**
 * @returns `undefined` when there is no such file
 * @throws BuildError `usage` naming file and position, never content; `environment` when it cannot be read
 */
export function readAuthFile(path: string): AuthFile | undefined {
  const text = readText(path);
  return text === undefined ? undefined : toAuthFile(path, parseAuthJson(path, text));
}

/** As `readAuthFile`. An empty file is an empty table. */
export function parseAuthJson(path: string, text: string): JsonTable {
  const bare = text.replace(/^\uFEFF/, '');
  if (bare.trim() === '') return {};
  const fault = jsonFault(bare);
  if (fault !== undefined)
    throw new BuildError('usage', `${path}:${fault}: not JSON`, { hint: 'correct the file, or name another with --authfile' });
  return tableAt(JSON.parse(bare), path, 'the file');
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw new BuildError('environment', `cannot read "${path}": ${systemErrorText(error)}`, { cause: error });
  }
}

export function toAuthFile(path: string, document: JsonTable, source = `file ${path}`): AuthFile {
  const auths = Object.entries(tableAt(document['auths'] ?? {}, path, 'auths'));
  const helpers = Object.entries(tableAt(document['credHelpers'] ?? {}, path, 'credHelpers'));
  const store = document['credsStore'];
  return {
    path,
    source,
    entries: auths.flatMap(([key, value]) => {
      const place = parseKey(key);
      return place === undefined ? [] : [{ place, key, value: tableAt(value ?? {}, path, `auths ${JSON.stringify(key)}`) }];
    }),
    helpers: helpers.flatMap(([key, helper]) => {
      const place = parseKey(key);
      return place === undefined || typeof helper !== 'string' ? [] : [{ place, key, helper }];
    }),
    store: typeof store === 'string' && store !== '' ? store : undefined,
  };
}

/** `host`, `host/path`, `https://host/v1/`, `http://host/v2/`; `undefined` for what is no registry. */
export function parseKey(key: string): HostPath | undefined {
  const place = parseHostPath(key.replace(/^https?:\/\//i, ''));
  if (place === undefined) return undefined;
  // The root of a registry's interface, not a repository.
  return /^v[12]$/.test(place.path) ? { host: place.host, path: '' } : place;
}

/** The entries for a repository, that with the longest path first; an entry for the whole host is last. */
export function entriesFor<Entry extends { readonly place: HostPath; readonly key: string }>(
  entries: readonly Entry[],
  host: string,
  path: string | undefined,
): Entry[] {
  const canonical = canonicalHost(host);
  const usual = isDockerHub(host) ? DOCKER_HUB_KEY : canonical;
  return entries
    .filter(({ place }) => place.host === canonical && pathBelow(path ?? '', place.path) !== undefined)
    .toSorted((a, b) => b.place.path.length - a.place.path.length || Number(b.key === usual) - Number(a.key === usual));
}

/**
 * @returns `undefined` for an entry that says nothing: docker leaves such ones behind where a helper has the password
 * @throws BuildError `usage`
 */
export function toCredential({ key, value }: AuthEntry, path: string): Credential | undefined {
  const text = (name: string): string => (typeof value[name] === 'string' ? value[name] : '');
  if (text('registrytoken') !== '') return { kind: 'registry-token', token: text('registrytoken') };
  if (text('identitytoken') !== '') return { kind: 'identity-token', token: text('identitytoken') };
  if (text('auth') !== '') return decodeAuth(text('auth'), { key, path });
  return text('username') === '' ? undefined : { kind: 'password', username: text('username'), password: text('password') };
}

/** Base64 of `user:password`; the password may have colons. */
function decodeAuth(auth: string, { key, path }: { readonly key: string; readonly path: string }): Credential {
  const isBase64 = /^[A-Za-z0-9+/]*={0,2}\s*$/.test(auth);
  const decoded = isBase64 ? Buffer.from(auth, 'base64').toString('utf8') : '';
  const colon = decoded.indexOf(':');
  if (colon < 1) {
    throw new BuildError('usage', `${path}: auth of ${JSON.stringify(key)} is not the base64 of USER:PASSWORD`, {
      hint: `log in again: tsbuild login ${isDockerHub(parseKey(key)?.host ?? '') ? 'docker.io' : key}`,
    });
  }
  // docker pads passwords with zeros in some versions.
  return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}

function tableAt(value: unknown, path: string, what: string): JsonTable {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonTable;
  throw new BuildError('usage', `${path}: ${what} is not a JSON object`);
}
