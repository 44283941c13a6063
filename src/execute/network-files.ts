import { ipVersion } from '../base/ip.js';
import { BuildError } from '../base/errors.js';

const PUBLIC_NAMESERVERS = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844'];

/**
 * /etc/hosts of RUN steps.
 * @param hostname of the step itself
 * @param addHosts `name:address` or `name=address`; an IPv6 address may stand in brackets, `host-gateway` is this machine
 * @throws BuildError `usage` for a line that is neither
 */
export function hostsFile(hostname: string, addHosts: readonly string[]): string {
  const lines = [`127.0.0.1\tlocalhost ${hostname}`, '::1\tlocalhost ip6-localhost ip6-loopback', ...addHosts.map(hostLine)];
  return `${lines.join('\n')}\n`;
}

function hostLine(host: string): string {
  const [, name, address = ''] = /^([^:=\s]+)[:=](\S+)$/.exec(host) ?? [];
  const plain = address.replace(/^\[(.*)\]$/, '$1');
  // RUN steps share the network of the host, so that the host is where they are.
  const ip = plain === 'host-gateway' ? '127.0.0.1' : plain;
  if (name === undefined || ipVersion(ip) === 0) throw new BuildError('usage', `invalid host "${host}": want name:address`);
  return `${ip}\t${name}`;
}

export interface ResolvConfInput {
  /** /etc/resolv.conf of this machine; '' when it has none. */
  readonly host: string;
  /** /run/systemd/resolve/resolv.conf: what stands behind systemd-resolved's local stub. */
  readonly behindStub: string | undefined;
  readonly network: 'host' | 'none';
}

/**
 * /etc/resolv.conf of RUN steps. On the host's network it is the host's own. Elsewhere a nameserver on the loopback device is out of reach: those
 * are left out, and public ones stand in when none remain.
 */
export function resolvConf({ host, behindStub, network }: ResolvConfInput): string {
  if (network === 'host') return host;
  const servers = nameservers(host);
  const text = servers.length === 1 && servers[0] === '127.0.0.53' && behindStub !== undefined ? behindStub : host;
  const kept = text.split('\n').filter((line) => !isLoopback(nameserverOf(line) ?? ''));
  while (kept.at(-1) === '') kept.pop();
  const found = kept.some((line) => nameserverOf(line) !== undefined);
  const lines = found ? kept : [...kept, ...PUBLIC_NAMESERVERS.map((server) => `nameserver ${server}`)];
  return `${lines.join('\n')}\n`;
}

function nameservers(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => nameserverOf(line) ?? []);
}

function nameserverOf(line: string): string | undefined {
  return /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
