import { describe, expect, test } from 'vitest';
import { hostsFile, resolvConf } from '../../src/execute/network-files.js';

describe('hosts', () => {
  test('has the local names, then the added ones', () => {
    expect(hostsFile('buildkitsandbox', ['a:1.2.3.4', 'b=::2', 'c:[::3]', 'd:host-gateway'])).toBe(
      '127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n1.2.3.4\ta\n::2\tb\n::3\tc\n127.0.0.1\td\n',
    );
  });

  test.each(['a', 'a:', ':1.2.3.4', 'a:1.2.3', 'a:name', 'a b:1.2.3.4', 'a:1.2.3.4\nevil'])('%j is refused', (host) => {
    expect(() => hostsFile('x', [host])).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
  });
});

describe('resolv.conf', () => {
  const stub = 'nameserver 127.0.0.53\noptions edns0\nsearch lan\n';
  const real = '# by resolved\nnameserver 10.0.0.1\nsearch lan\n';
  const publicServers = 'nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n';

  test.each([
    ["on the host network it is the host's", { host: stub, behindStub: real, network: 'host' }, stub],
    ['behind the stub', { host: stub, behindStub: real, network: 'none' }, real],
    [
      'a stub with nothing behind it',
      { host: stub, behindStub: undefined, network: 'none' },
      `options edns0\nsearch lan\n${publicServers}`,
    ],
    [
      'a stub and a real server',
      { host: `${stub}nameserver 9.9.9.9\n`, behindStub: real, network: 'none' },
      'options edns0\nsearch lan\nnameserver 9.9.9.9\n',
    ],
    ['loopback servers only', { host: 'nameserver ::1\nnameserver 127.0.0.1\n', behindStub: undefined, network: 'none' }, publicServers],
    ['none at all', { host: '', behindStub: undefined, network: 'none' }, publicServers],
  ] as const)('%s', (_title, input, want) => {
    expect(resolvConf(input)).toBe(want);
  });
});
