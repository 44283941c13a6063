import { describe, expect, it } from 'vitest';
import { pushedDomains, restrictCredentials, withCopyCredentials, type CopyCredentials } from '../src/credential-hosts.js';
import { parseLocation } from '../src/oci/transports.js';
import type { RegistryOptions } from '../src/registry/options.js';

const ME = { username: 'me', password: 'x' };
const OTHER = { username: 'other', password: 'y' };

describe('credentials of a build', () => {
  it('are for the registries that it pushes to, each once', () => {
    const given = restrictCredentials({ credentials: ME, retries: 1 }, ['r.example', 'docker.io', 'r.example']);
    expect(given).toEqual({
      retries: 1,
      hostCredentials: [
        { host: 'r.example', ...ME },
        { host: 'docker.io', ...ME },
      ],
    });
  });

  it.each<[string, RegistryOptions, string[]]>([
    ['pushes nowhere', { credentials: ME }, []],
    ['has none', { retries: 1 }, ['r.example']],
  ])('stay as they are when it %s', (_, options, domains) => {
    expect(restrictCredentials(options, domains)).toBe(options);
  });

  it('are for the names of registry outputs alone', () => {
    const registry = { type: 'registry' as const, names: ['q.example/b'], annotations: {} };
    expect(pushedDomains({ tags: ['app', 'r.example/a:1'], outputs: [registry] })).toEqual(['docker.io', 'r.example', 'q.example']);
    expect(pushedDomains({ tags: ['r.example/a:1'], outputs: [{ type: 'image', names: ['q.example/b'] }] })).toEqual([]);
    expect(pushedDomains({})).toEqual([]);
  });
});

describe('credentials of a copy', () => {
  const [src, dest, main] = ['--src-creds', '--dest-creds', '--creds'];
  const SOURCE = { sourceCredentials: OTHER };
  const DEST = { destinationCredentials: ME };
  const aim = (from: string, to: string, { credentials, ...sides }: Partial<CopyCredentials> & RegistryOptions): RegistryOptions =>
    withCopyCredentials(credentials === undefined ? {} : { credentials }, { from: parseLocation(from), to: parseLocation(to), ...sides });

  it.each<[string, string, Partial<CopyCredentials> & RegistryOptions, readonly (readonly [string, string, string])[]]>([
    ['docker://a.example/x', 'docker://b.example/x', { credentials: ME }, [['b.example', 'me', main]]],
    ['docker://a.example/x', 'oci:dir', { credentials: ME }, [['a.example', 'me', main]]],
    ['oci:dir', 'docker://b.example/x', { credentials: ME }, [['b.example', 'me', main]]],
    ['oci:dir', 'name', { credentials: ME }, []],
    ['docker://a.example/x', 'docker://a.example/y', { credentials: ME }, [['a.example', 'me', main]]],
    ['docker://x', 'docker://b.example/x', SOURCE, [['docker.io', 'other', src]]],
    [
      'docker://a.example/x',
      'docker://b.example/x',
      { ...SOURCE, ...DEST },
      [
        ['b.example', 'me', dest],
        ['a.example', 'other', src],
      ],
    ],
    [
      'docker://a.example/x',
      'docker://b.example/x',
      { ...SOURCE, credentials: ME },
      [
        ['a.example', 'other', src],
        ['b.example', 'me', main],
      ],
    ],
    ['docker://a.example/x', 'docker://b.example/x', {}, []],
  ])('from %s to %s go to their own side', (from, to, given, expected) => {
    const { hostCredentials = [], credentials } = aim(from, to, given);
    expect(credentials).toBeUndefined();
    expect(hostCredentials.map(({ host, username, source }) => [host, username, source])).toEqual(expected);
  });

  it.each<[string, string, Partial<CopyCredentials> & RegistryOptions, string]>([
    ['oci:dir', 'docker://b.example/x', SOURCE, '--src-creds is given, but the source is in no registry'],
    ['docker://a.example/x', 'name', DEST, '--dest-creds is given, but the destination is in no registry'],
    ['docker://a.example/x', 'docker://a.example/y', { ...SOURCE, ...DEST }, '--src-creds and --dest-creds give two'],
    ['oci:dir', 'docker://a.example/y', { ...DEST, credentials: OTHER }, '--creds and --dest-creds give two'],
  ])('from %s to %s are refused where they have no side of their own', (from, to, given, message) => {
    expect(() => aim(from, to, given)).toThrow(message);
  });

  it('of one registry may be given twice', () => {
    const { hostCredentials = [] } = aim('docker://a.example/x', 'docker://a.example/y', { sourceCredentials: ME, ...DEST });
    expect(new Set(hostCredentials.map(({ username }) => username))).toEqual(new Set(['me']));
  });
});
