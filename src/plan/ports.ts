import { ipVersion } from '../base/ip.js';
import { BuildError } from '../base/errors.js';

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);
const MAX_PORT = 65535;

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * One word of EXPOSE, `[[ip:]host:]container[-end][/protocol]`, as the keys of `ExposedPorts`: `80/tcp`, one for each port of a range. What
 * stands before the container's port is checked and dropped: an image cannot map ports.
 * @throws BuildError `dockerfile`
 */
export function parsePorts(word: string): string[] {
  const parts = word.split(':');
  const { port, protocol } = parseProtocol(parts.at(-1) ?? '', word);
  checkIp(parts.slice(0, -2).join(':'));
  const container = parseRange(port, 'containerPort');
  const hostPort = parts.at(-2);
  if (hostPort !== undefined && hostPort !== '') {
    const host = parseRange(hostPort, 'hostPort');
    if (container.last !== container.first && container.last - container.first !== host.last - host.first) {
      throw new BuildError('dockerfile', `invalid ranges specified for container and host Ports: ${port} and ${hostPort}`);
    }
  }
  return Array.from({ length: container.last - container.first + 1 }, (_, offset) => `${container.first + offset}/${protocol}`);
}

function parseProtocol(text: string, word: string): { port: string; protocol: string } {
  const slash = text.indexOf('/');
  const port = slash === -1 ? text : text.slice(0, slash);
  if (port === '') throw new BuildError('dockerfile', `no port specified: ${word}<empty>`);
  const protocol = slash === -1 ? '' : text.slice(slash + 1).toLowerCase();
  if (protocol === '') return { port, protocol: 'tcp' };
  if (!PROTOCOLS.has(protocol)) throw new BuildError('dockerfile', `invalid proto: ${protocol}`, { hint: 'Use tcp, udp or sctp.' });
  return { port, protocol };
}

function parseRange(text: string, what: 'containerPort' | 'hostPort'): PortRange {
  const [first = '', last = first, ...more] = text.split('-');
  const range = { first: Number(first), last: Number(last) };
  const areNumbers = /^[0-9]+$/.test(first) && /^[0-9]+$/.test(last) && more.length === 0;
  if (!areNumbers || range.last > MAX_PORT || range.first > range.last) {
    throw new BuildError('dockerfile', `invalid ${what}: ${text}`, { hint: `A port is a number up to ${MAX_PORT}; a range goes upwards.` });
  }
  return range;
}

function checkIp(ip: string): void {
  const bare = ip.startsWith('[') && ip.endsWith(']') ? ip.slice(1, -1) : ip;
  if (bare !== '' && ipVersion(bare) === 0) throw new BuildError('dockerfile', `invalid IP address: ${ip}`);
}
