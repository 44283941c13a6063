import { isIP, BlockList } from 'node:net';
import { BuildError } from '../base/errors.js';
import { toShownUrl } from '../base/url.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The proxy for a URL as Go's net/http, and so BuildKit, chooses it: HTTP_PROXY or HTTPS_PROXY in either case, never for this machine itself, nor
 * for what NO_PROXY names.
 * @throws BuildError `usage` for a proxy that is none
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = variable(env, name);
  if (text === '' || isDirect(url, variable(env, 'NO_PROXY'))) return undefined;
  const proxy = parseProxy(text);
  if (proxy !== undefined) return proxy;
  throw new BuildError('usage', `invalid ${name} ${JSON.stringify(toShownUrl(text))}`, { hint: 'want http://[USER:PASSWORD@]HOST[:PORT]' });
}

function variable(env: Environment, name: string): string {
  return env[name] || env[name.toLowerCase()] || '';
}

function parseProxy(text: string): URL | undefined {
  const full = /^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  return proxy?.protocol === 'http:' || proxy?.protocol === 'https:' ? proxy : undefined;
}

function isDirect(url: URL, noProxy: string): boolean {
  const host = hostOf(url).toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (host === 'localhost' || (isIP(host) !== 0 && LOOPBACK.check(host, family(host)))) return true;
  return noProxy.split(',').some((entry) => covers(entry.trim().toLowerCase(), host, port));
}

/** `*`, an address, a network, `host` with all below it, `.host` without the host itself; each but a network may have a port. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(entry, host);
  const [, name = entry, wantedPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const wanted = name.replace(/^\[(.*)\]$/, '$1').replace(/^\*\./, '.');
  if (isIP(wanted) !== 0) return wanted === host;
  return wanted.startsWith('.') ? host.endsWith(wanted) : host === wanted || host.endsWith(`.${wanted}`);
}

function isInNetwork(entry: string, host: string): boolean {
  const [address = '', bits = ''] = entry.split('/');
  if (isIP(address) === 0 || isIP(host) !== isIP(address) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (isIP(address) === 4 ? 32 : 128)) return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits), family(address));
  return network.check(host, family(host));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** Of a URL, without the brackets around an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
