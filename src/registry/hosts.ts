import { BuildError } from '../base/errors.js';
import type { Reference } from '../oci/reference.js';
import { canonicalHost, isLoopback, parseHostPath, pathBelow, serverOf, type HostPath } from './host-names.js';
import type { RegistryMirror, RegistryOptions } from './options.js';
import { loadRegistriesConf, type ConfiguredMirror, type ConfiguredRegistry } from './registries-conf.js';

/** Where a repository is found: one registry's, or a mirror's. */
export interface Endpoint {
  /** Of the socket and the URL: `registry-1.docker.io` for docker.io. */
  readonly host: string;
  /** What credentials are looked up by: `docker.io`. Every mirror has its own. */
  readonly credentialHost: string;
  /** Of the repository there, with the prefixes of mirrors and rewrites. */
  readonly path: string;
  readonly isMirror: boolean;
  /** Plain http and certificates that nobody vouches for are allowed. */
  readonly isInsecure: boolean;
  /** Its certificate is taken as it is, because somebody said so: that it is this machine allows plain http alone. */
  readonly isUnverified?: boolean;
  /** `http://` was written: TLS is not even tried. */
  readonly plainHttpOnly?: boolean;
  /** Of a mirror: manifests are looked for there by digest only, or by tag only (`pull-from-mirror`, `mirror-by-digest-only`). */
  readonly only?: 'digests' | 'tags';
}

export interface RegistryHostsOptions {
  readonly options: RegistryOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string) => void;
}

type Repository = Pick<Reference, 'domain' | 'path'>;

/**
 * Which hosts serve a repository: `--registry-mirror`, `--insecure-registry` and containers-registries.conf(5), version 2. Names without a host are
 * docker's to expand (`app` is `docker.io/library/app`): search registries and short-name aliases of that file are not followed.
 */
export class RegistryHosts {
  readonly #settings: RegistryHostsOptions;
  readonly #insecure: ReadonlySet<string>;
  readonly #mirrors: readonly { readonly host: string; readonly place: Place }[];
  #configured: readonly ConfiguredRegistry[] | undefined;

  /** @throws BuildError `usage` for a mirror or an insecure registry that is no host */
  constructor(settings: RegistryHostsOptions) {
    this.#settings = settings;
    this.#insecure = new Set((settings.options.insecureRegistries ?? []).map(toHost));
    this.#mirrors = (settings.options.mirrors ?? []).map((mirror) => ({ host: toHost(mirror.host), place: parseMirror(mirror) }));
  }

  /**
   * Where to look, in this order. For `pull` mirrors come first, those of the flags before those of the file; `push` goes to the registry alone.
   * @throws BuildError `registry` when the registry is blocked, `usage` when registries.conf is malformed, or a host is none
   */
  endpointsFor(reference: Repository, use: 'pull' | 'push'): readonly Endpoint[] {
    const domain = canonicalHost(reference.domain);
    const registry = this.#registryOf({ domain, path: reference.path });
    if (registry?.isBlocked === true) throw blocked(reference, registry);
    const own = this.#locationOf(reference, registry);
    if (use === 'push') return [own];
    const flagged = this.#mirrors
      .filter(({ host }) => host === domain)
      .map(({ place }) => this.#toEndpoint(place, reference.path, { isMirror: true }));
    return [...distinct([...flagged, ...this.#configuredMirrors(reference, registry)], own), own];
  }

  #registryOf(reference: Repository): ConfiguredRegistry | undefined {
    this.#configured ??= loadRegistriesConf(this.#settings);
    let best: ConfiguredRegistry | undefined;
    for (const registry of this.#configured) {
      if (restBelow(reference, registry) !== undefined && (best === undefined || isNearer(registry, best))) best = registry;
    }
    return best;
  }

  #locationOf(reference: Repository, registry: ConfiguredRegistry | undefined): Endpoint {
    const { location } = registry ?? {};
    const rest = location === undefined ? reference.path : (restBelow(reference, registry) ?? reference.path);
    const place = location ?? { host: reference.domain, path: '' };
    return this.#toEndpoint({ ...place, isInsecure: registry?.isInsecure ?? false }, rest, { isMirror: false });
  }

  #configuredMirrors(reference: Repository, registry: ConfiguredRegistry | undefined): Endpoint[] {
    const rest = restBelow(reference, registry) ?? reference.path;
    return (registry?.mirrors ?? []).map((mirror) => ({
      ...this.#toEndpoint({ ...mirror.location, isInsecure: mirror.isInsecure }, rest, { isMirror: true }),
      ...onlyOf(mirror),
    }));
  }

  #toEndpoint(place: Place, rest: string, { isMirror }: { readonly isMirror: boolean }): Endpoint {
    const path = [place.path, rest].filter((part) => part !== '').join('/');
    if (path === '') throw new BuildError('usage', `registries.conf leaves no name of a repository on "${place.host}"`);
    if (!URL.canParse(`https://${place.host}/`)) throw new BuildError('usage', `${JSON.stringify(place.host)} is no address of a registry`);
    const isUnverified = this.#isUnverified(place);
    return {
      host: serverOf(place.host),
      credentialHost: canonicalHost(place.host),
      path,
      isMirror,
      isInsecure: isUnverified || isLoopback(place.host),
      ...(isUnverified ? { isUnverified } : {}),
      ...(place.plainHttpOnly === true ? { plainHttpOnly: true } : {}),
    };
  }

  /** `--tls-verify` overrides the file, as with podman; what a flag says of a host is said about that host alone. */
  #isUnverified({ host, isInsecure, plainHttpOnly }: Place): boolean {
    const { tlsVerify } = this.#settings.options;
    if (tlsVerify === false || plainHttpOnly === true || this.#insecure.has(canonicalHost(host))) return true;
    return isInsecure === true && tlsVerify !== true;
  }
}

interface Place extends HostPath {
  readonly isInsecure?: boolean;
  readonly plainHttpOnly?: boolean;
}

/** What is below the prefix of a registry; below `*.example` that is all of the path. */
function restBelow({ domain, path }: Repository, registry: ConfiguredRegistry | undefined): string | undefined {
  if (registry === undefined) return undefined;
  const { host, path: prefix } = registry.prefix;
  if (!host.startsWith('*.')) return host === canonicalHost(domain) ? pathBelow(path, prefix) : undefined;
  const name = canonicalHost(domain).replace(/:\d+$/, '');
  return name.endsWith(host.slice(1)) ? path : undefined;
}

/** Of prefixes that fit, a host's own comes before one with `*`; then the longest counts. */
function isNearer(registry: ConfiguredRegistry, than: ConfiguredRegistry): boolean {
  const [a, b] = [registry.prefix, than.prefix];
  if (a.host.startsWith('*.') !== b.host.startsWith('*.')) return b.host.startsWith('*.');
  return a.host.length + a.path.length > b.host.length + b.path.length;
}

function onlyOf({ pullFrom }: ConfiguredMirror): { only?: 'digests' | 'tags' } {
  if (pullFrom === 'all') return {};
  return { only: pullFrom === 'digest-only' ? 'digests' : 'tags' };
}

/** A mirror that is named twice is asked once; one that is the registry itself is no mirror. */
function distinct(mirrors: readonly Endpoint[], own: Endpoint): Endpoint[] {
  const keys = mirrors.map(({ host, path, only }) => `${host}/${path} ${only ?? ''}`);
  return mirrors.filter(({ host, path }, at) => keys.indexOf(keys[at] ?? '') === at && !(host === own.host && path === own.path));
}

function blocked({ domain, path }: Repository, { file }: ConfiguredRegistry): BuildError {
  return new BuildError('registry', `registry "${domain}" is blocked for "${path}"`, { hint: `it has blocked = true in "${file}"` });
}

function toHost(text: string): string {
  const parsed = parseHostPath(text);
  if (parsed === undefined || parsed.path !== '')
    throw new BuildError('usage', `invalid registry host ${JSON.stringify(text)}: want HOST or HOST:PORT`);
  return parsed.host;
}

function parseMirror({ host, mirror }: RegistryMirror): Place {
  const [, scheme, rest = ''] = /^(https?:\/\/)?(.*)$/s.exec(mirror) ?? [];
  const place = parseHostPath(rest);
  if (place !== undefined) return scheme === 'http://' ? { ...place, plainHttpOnly: true } : place;
  throw new BuildError('usage', `invalid mirror of "${host}": want [http://]HOST[:PORT][/PATH]`);
}
