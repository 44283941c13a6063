import { BlockList, isIP } from 'node:net';
import { toShownUrl } from '../base/url.js';
import { hostOf } from '../remote/proxy.js';
import { RegistryError } from './errors.js';

/** Addresses that mean something else on every network, or this machine. */
const PRIVATE = new BlockList();
for (const [address, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(address, bits, 'ipv4');
}
for (const [address, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  PRIVATE.addSubnet(address, bits, 'ipv6');
}

/** The registry that names a token service. */
export interface RealmOwner {
  readonly url: URL;
  /** Plain http and unverified certificates are allowed for it. */
  readonly isInsecure: boolean;
  /** Its `HOST[:PORT]`, when its certificate is taken as it is. */
  readonly unverifiedHost?: string | undefined;
}

/**
 * The address of a token service, from a challenge. A registry that is somebody else's could name anything: an address inside this network, to
 * which we would be its errand boy, or one where the password can be read on the way.
 * @throws RegistryError
 */
export function checkRealm(realm: string, registry: RealmOwner): URL {
  const url = URL.canParse(realm, registry.url.href) ? new URL(realm, registry.url.href) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw refuse(realm, registry, 'is no http URL');
  if (url.username !== '' || url.password !== '') throw refuse(realm, registry, 'has credentials in it');
  if (url.protocol === 'http:' && registry.url.protocol === 'https:' && !registry.isInsecure) {
    throw refuse(realm, registry, 'is plain http', `--insecure-registry ${registry.url.host} allows it`);
  }
  if (isPrivate(url) && url.hostname !== registry.url.hostname && !isPrivate(registry.url)) {
    const reason = 'is an address of a private network, where the registry is not';
    throw refuse(realm, registry, reason, `if both are one server, call the registry ${url.host}, too`);
  }
  return url;
}

/** Whether a URL names this machine, or by number one of a private network. */
function isPrivate(url: URL): boolean {
  const host = hostOf(url);
  const version = isIP(host);
  return version === 0 ? isLocalName(host) : PRIVATE.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

function isLocalName(host: string): boolean {
  return /(?:^|\.)localhost\.?$/.test(host);
}

function refuse(realm: string, registry: RealmOwner, reason: string, hint?: string): RegistryError {
  const message = `${registry.url.host} names the token service ${JSON.stringify(toShownUrl(realm))}, which ${reason}: it is not asked`;
  return new RegistryError(message, hint === undefined ? {} : { hint });
}
