import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { parseReference } from '../../src/oci/reference.js';
import { RegistryHosts, type Endpoint } from '../../src/registry/hosts.js';
import type { RegistryOptions } from '../../src/registry/options.js';
import { scratchDir } from '../helpers/cli.js';

interface Asked {
  readonly options?: RegistryOptions;
  /** Text of registries.conf. */
  readonly conf?: string;
  readonly use?: 'pull' | 'push';
}

interface Answer {
  readonly endpoints: readonly Endpoint[];
  readonly warnings: readonly string[];
}

function ask(name: string, { options = {}, conf, use = 'pull' }: Asked = {}): Answer {
  using dir = scratchDir('tsbuild-hosts-');
  const file = join(dir.path, 'registries.conf');
  writeFileSync(file, conf ?? '# nothing\n');
  const warnings: string[] = [];
  const hosts = new RegistryHosts({ options: { registriesConf: file, ...options }, env: {}, warn: (message) => warnings.push(message) });
  return { endpoints: hosts.endpointsFor(parseReference(name), use), warnings };
}

/** `mirror! host/path (credentials of HOST) only`: `!` is insecure, `!!` plain http only. */
function show({ host, path, credentialHost, isMirror, isInsecure, plainHttpOnly, only }: Endpoint): string {
  const marks = `${isMirror ? 'mirror ' : ''}${host}/${path}${isInsecure ? '!' : ''}${plainHttpOnly === true ? '!' : ''}`;
  return `${marks}${credentialHost === host ? '' : ` as ${credentialHost}`}${only === undefined ? '' : ` ${only}`}`;
}

function shown(name: string, asked?: Asked): string[] {
  return ask(name, asked).endpoints.map(show);
}

const MIRRORS: RegistryOptions = {
  mirrors: [
    { host: 'docker.io', mirror: 'm1.example' },
    { host: 'reg.example', mirror: 'http://m2.example:5000/pre/fix' },
    { host: 'docker.io', mirror: 'https://m3.example:444/hub' },
  ],
};

/** From containers-registries.conf(5). */
const MANUAL = `
unqualified-search-registries = ["example.com"]
[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"
[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true
[[registry]]
location = "registry.com"
[[registry.mirror]]
location = "mirror.registry.com"
`;

const PREFIXES = `
[[registry]]
prefix = "*.example.com"
insecure = true
[[registry]]
prefix = "*.b.example.com"
location = "wild.example/w"
[[registry]]
prefix = "a.example.com"
location = "host.example"
[[registry]]
prefix = "a.example.com/team"
location = "team.example/t"
[[registry]]
prefix = "a.example.com/team/app"
location = "app.example/x/y"
[[registry]]
prefix = "docker.io/library"
location = "quay.example/official"
[[registry]]
prefix = "port.example:5000"
location = "docker.io/moved"
`;

const INSECURE = `
[[registry]]
location = "in.example"
insecure = true
[[registry.mirror]]
location = "m.example"
`;

const ONLY = `
[[registry]]
location = "r.example"
[[registry.mirror]]
location = "a.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "b.example"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "c.example"
pull-from-mirror = "all"
[[registry]]
location = "d.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "e.example"
`;

describe('endpoints', () => {
  it.each<[string, string, Asked, string[]]>([
    ['Docker Hub', 'app', {}, ['registry-1.docker.io/library/app as docker.io']],
    ['Docker Hub by name', 'docker.io/team/app', {}, ['registry-1.docker.io/team/app as docker.io']],
    ['Docker Hub by its old name', 'index.docker.io/team/app', {}, ['registry-1.docker.io/team/app as docker.io']],
    ["Docker Hub by its server's name", 'registry-1.docker.io/team/app', {}, ['registry-1.docker.io/team/app as docker.io']],
    ['a registry', 'reg.example/app', {}, ['reg.example/app']],
    ['a port', 'reg.example:5000/a/b/c', {}, ['reg.example:5000/a/b/c']],
    ['upper case', 'Reg.Example/app', {}, ['reg.example/app']],
    ['localhost', 'localhost/app', {}, ['localhost/app!']],
    ['localhost with a port', 'localhost:5000/app', {}, ['localhost:5000/app!']],
    ['127.0.0.1', '127.0.0.1:5000/app', {}, ['127.0.0.1:5000/app!']],
    ['127/8', '127.255.3.4/app', {}, ['127.255.3.4/app!']],
    ['::1', '[::1]:5000/app', {}, ['[::1]:5000/app!']],
    ['a name that begins like an address', '127.0.0.1.evil.example/app', {}, ['127.0.0.1.evil.example/app']],
    ['a name that begins like localhost', 'localhost.evil.example/app', {}, ['localhost.evil.example/app']],
    ['a private address', '10.0.0.1:5000/app', {}, ['10.0.0.1:5000/app']],
    ['another IPv6 address', '[fe80::1]:5000/app', {}, ['[fe80::1]:5000/app']],
    ['--insecure-registry', 'reg.example/app', { options: { insecureRegistries: ['reg.example'] } }, ['reg.example/app!']],
    ['... of another port', 'reg.example:5000/app', { options: { insecureRegistries: ['reg.example'] } }, ['reg.example:5000/app']],
    [
      '... with that port',
      'reg.example:5000/app',
      { options: { insecureRegistries: ['x.y', 'REG.example:5000'] } },
      ['reg.example:5000/app!'],
    ],
    [
      '... of Docker Hub',
      'app',
      { options: { insecureRegistries: ['index.docker.io'] } },
      ['registry-1.docker.io/library/app! as docker.io'],
    ],
    ['--tls-verify=false', 'reg.example/app', { options: { tlsVerify: false } }, ['reg.example/app!']],
    ['--tls-verify at localhost', 'localhost/app', { options: { tlsVerify: true } }, ['localhost/app!']],
    [
      'mirrors of Docker Hub',
      'app',
      { options: MIRRORS },
      ['mirror m1.example/library/app', 'mirror m3.example:444/hub/library/app', 'registry-1.docker.io/library/app as docker.io'],
    ],
    ['an http mirror', 'reg.example/a', { options: MIRRORS }, ['mirror m2.example:5000/pre/fix/a!!', 'reg.example/a']],
    ['mirrors of others', 'other.example/a', { options: MIRRORS }, ['other.example/a']],
    ['pushing past mirrors', 'app', { options: MIRRORS, use: 'push' }, ['registry-1.docker.io/library/app as docker.io']],
    [
      'mirrors named by any name of Docker Hub',
      'app',
      { options: { mirrors: [{ host: 'registry-1.docker.io', mirror: 'm.example' }] } },
      ['mirror m.example/library/app', 'registry-1.docker.io/library/app as docker.io'],
    ],
    [
      'a mirror twice, and the registry as its own mirror',
      'r.example/app',
      { options: { mirrors: ['m.example', 'r.example', 'm.example'].map((mirror) => ({ host: 'r.example', mirror })) } },
      ['mirror m.example/app', 'r.example/app'],
    ],
    [
      'an insecure mirror',
      'app',
      { options: { ...MIRRORS, insecureRegistries: ['m1.example'] } },
      ['mirror m1.example/library/app!', 'mirror m3.example:444/hub/library/app', 'registry-1.docker.io/library/app as docker.io'],
    ],
    [
      'the example of the manual',
      'example.com/foo/image',
      { conf: MANUAL },
      [
        'mirror example-mirror-0.local/mirror-for-foo/image',
        'mirror example-mirror-1.local/mirrors/foo/image!',
        'internal-registry-for-example.com/bar/image',
      ],
    ],
    ['its second registry', 'registry.com/image', { conf: MANUAL }, ['mirror mirror.registry.com/image', 'registry.com/image']],
    ['what it does not name', 'example.com/food/image', { conf: MANUAL }, ['example.com/food/image']],
    ['search registries, which do nothing', 'image', { conf: MANUAL }, ['registry-1.docker.io/library/image as docker.io']],
    ['pushing, rewritten', 'example.com/foo/image', { conf: MANUAL, use: 'push' }, ['internal-registry-for-example.com/bar/image']],
    [
      'mirrors of the flag before those of the file',
      'registry.com/image',
      { conf: MANUAL, options: { mirrors: [{ host: 'registry.com', mirror: 'first.example' }] } },
      ['mirror first.example/image', 'mirror mirror.registry.com/image', 'registry.com/image'],
    ],
    ['a wildcard', 'x.y.example.com/app', { conf: PREFIXES }, ['x.y.example.com/app!']],
    ['a wildcard and a port', 'x.example.com:5000/app', { conf: PREFIXES }, ['x.example.com:5000/app!']],
    ['a wildcard is not the domain itself', 'example.com/app', { conf: PREFIXES }, ['example.com/app']],
    ['a wildcard ends at a dot', 'badexample.com/app', { conf: PREFIXES }, ['badexample.com/app']],
    ['the longer wildcard', 'x.b.example.com/a/b', { conf: PREFIXES }, ['wild.example/w/a/b']],
    ['a host before a wildcard', 'a.example.com/app', { conf: PREFIXES }, ['host.example/app']],
    ['the longest prefix', 'a.example.com/team/app/z', { conf: PREFIXES }, ['app.example/x/y/z']],
    ['a prefix that is the whole name', 'a.example.com/team/app', { conf: PREFIXES }, ['app.example/x/y']],
    ['whole components', 'a.example.com/team/apple', { conf: PREFIXES }, ['team.example/t/apple']],
    ['Docker Hub rewritten', 'app', { conf: PREFIXES }, ['quay.example/official/app']],
    ['Docker Hub elsewhere', 'team/app', { conf: PREFIXES }, ['registry-1.docker.io/team/app as docker.io']],
    ['rewritten to Docker Hub', 'port.example:5000/app', { conf: PREFIXES }, ['registry-1.docker.io/moved/app as docker.io']],
    ['another port', 'port.example/app', { conf: PREFIXES }, ['port.example/app']],
    ['an insecure registry with a mirror that is not', 'in.example/a', { conf: INSECURE }, ['mirror m.example/a', 'in.example/a!']],
    [
      'the file overridden by --tls-verify',
      'in.example/a',
      { conf: INSECURE, options: { tlsVerify: true } },
      ['mirror m.example/a', 'in.example/a'],
    ],
    [
      'pull-from-mirror',
      'r.example/x',
      { conf: ONLY },
      ['mirror a.example/x digests', 'mirror b.example/x tags', 'mirror c.example/x', 'r.example/x'],
    ],
    ['mirror-by-digest-only', 'd.example/x', { conf: ONLY }, ['mirror e.example/x digests', 'd.example/x']],
  ])('of %s: %s', (_, name, asked, expected) => {
    expect(shown(name, asked)).toEqual(expected);
  });

  it.each(['pull', 'push'] as const)('are none for a blocked registry (%s)', (use) => {
    const conf = '[[registry]]\nprefix = "b.example/bad"\nblocked = true\n';
    expect(() => ask('b.example/bad/app', { conf, use })).toThrow(
      expect.objectContaining({ kind: 'registry', message: 'registry "b.example" is blocked for "bad/app"' }),
    );
    expect(() => ask('b.example/bad/app', { conf, options: { mirrors: [{ host: 'b.example', mirror: 'm.example' }] } })).toThrow(
      'is blocked',
    );
    expect(shown('b.example/good/app', { conf, use })).toEqual(['b.example/good/app']);
  });

  it.each(['reg.example:99999/app', '127.999.0.1/app', '1.2.3.4.5/app', '[::::]:5000/app'])(
    'are refused when they are no address: %s',
    (name) => {
      expect(() => ask(name)).toThrow('is no address of a registry');
    },
  );

  it.each([
    [{ insecureRegistries: ['http://a.example'] }, 'invalid registry host "http://a.example"'],
    [{ insecureRegistries: ['10.0.0.0/8'] }, 'invalid registry host "10.0.0.0/8"'],
    [{ mirrors: [{ host: 'a.example', mirror: 'user:secret@m.example' }] }, 'invalid mirror of "a.example": want'],
    [{ mirrors: [{ host: 'a.example', mirror: 'm.example/a/../b' }] }, 'invalid mirror of "a.example": want'],
  ] satisfies [RegistryOptions, string][])('are refused for %j', (options, message) => {
    expect(() => ask('a', { options })).toThrow(message);
  });
});

describe('registries.conf', () => {
  it.each([
    ['no TOML', '[[registry]]\nlocation = a.example\n', ':2:12: '],
    ['an open text', 'unqualified-search-registries = ["a\n', ':1:'],
    ['the old format', "[registries.search]\nregistries = ['a.example']\n", 'has the old format'],
    ['neither prefix nor location', '\n[[registry]]\ninsecure = true\n', ':2: registry: both prefix and location are missing'],
    ['a number for a text', '[[registry]]\nlocation = 5\n', ':1: registry: location is not a text in quotes'],
    ['a text for a boolean', '[[registry]]\nlocation = "a.example"\ninsecure = "true"\n', ':1: registry: insecure is not true or false'],
    ['a scheme', '[[registry]]\nlocation = "https://a.example"\n', 'invalid location "https://a.example": want HOST'],
    ['one bracket', '[registry]\nlocation = "a.example"\n', 'registry is not a list of tables'],
    [
      'a mirror without location',
      '[[registry]]\nlocation="a.example"\n[[registry.mirror]]\ninsecure=true\n',
      'registry.mirror: location is missing',
    ],
    [
      'an unknown pull-from-mirror',
      '[[registry]]\nlocation="a.example"\n[[registry.mirror]]\nlocation="m.example"\npull-from-mirror="digests-only"\n',
      'unknown pull-from-mirror "digests-only" (did you mean digest-only?)',
    ],
    [
      'both ways to say digest only',
      '[[registry]]\nlocation="a.example"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.example"\npull-from-mirror="all"\n',
      'exclude each other',
    ],
    ['a star in the middle', '[[registry]]\nprefix = "a.*.example"\n', 'invalid prefix "a.*.example"'],
    ['a star before a path', '[[registry]]\nprefix = "*.example.com/foo"\n', '"*." stands in front of a host alone'],
  ])('with %s is refused', (_, conf, message) => {
    let caught: unknown;
    try {
      ask('app', { conf });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(BuildError);
    expect(caught).toMatchObject({ kind: 'usage' });
    expect((caught as BuildError).message).toContain(message);
    expect((caught as BuildError).message).toContain('registries.conf');
    expect((caught as BuildError).message).not.toContain('\n');
  });

  it('is warned of where it says what tsbuild does not know', () => {
    const conf =
      'credential-helpers = ["secretservice"]\n[[registry]]\nlocation = "a.example"\ninscure = true\n[[registry]]\nprefix = "a.example/app:1"\nblocked = true\n';
    const { endpoints, warnings } = ask('a.example/app', { conf });
    expect(endpoints.map(show)).toEqual(['a.example/app']);
    expect(warnings).toEqual([
      expect.stringContaining('registries.conf: credential-helpers are not asked'),
      expect.stringContaining('registries.conf:2: registry: unknown key "inscure" (did you mean insecure?)'),
      expect.stringContaining('registries.conf:5: registry: prefix "a.example/app:1" has a tag'),
    ]);
  });

  it('is found where it is named, else in the home, with its drop-ins, later ones replacing earlier ones', () => {
    using dir = scratchDir('tsbuild-hosts-');
    const home = dir.path;
    const put = (name: string, location: string): void => {
      mkdirSync(join(home, name, '..'), { recursive: true });
      writeFileSync(join(home, name), `[[registry]]\nprefix = "r.example"\nlocation = "${location}"\n`);
    };
    const locate = (options: RegistryOptions = {}, env: Record<string, string> = {}): string[] =>
      new RegistryHosts({ options, env: { HOME: home, ...env }, warn: () => undefined })
        .endpointsFor(parseReference('r.example/app'), 'push')
        .map(show);
    put('.config/containers/registries.conf', 'home.example');
    expect(locate()).toEqual(['home.example/app']);
    put('.config/containers/registries.conf.d/20.conf', 'second.example');
    put('.config/containers/registries.conf.d/10.conf', 'first.example');
    put('.config/containers/registries.conf.d/30.conf.bak', 'backup.example');
    expect(locate()).toEqual(['second.example/app']);
    put('xdg/containers/registries.conf', 'xdg.example');
    expect(locate({}, { XDG_CONFIG_HOME: join(home, 'xdg') })).toEqual(['xdg.example/app']);
    put('named.conf', 'named.example');
    const named = { CONTAINERS_REGISTRIES_CONF: join(home, 'named.conf') };
    expect(locate({}, named)).toEqual(['named.example/app']);
    put('flag.conf', 'flag.example');
    expect(locate({ registriesConf: join(home, 'flag.conf') }, named)).toEqual(['flag.example/app']);
    expect(() => locate({ registriesConf: join(home, 'none.conf') })).toThrow('--registries-conf "');
    expect(() => locate({}, { CONTAINERS_REGISTRIES_CONF: home })).toThrow('cannot read');
  });
});
