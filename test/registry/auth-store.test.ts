import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { AuthStore } from '../../src/registry/auth-store.js';

const CREDENTIALS = { username: 'me', password: 'hunter2:Correct' };
const AUTH = { auth: Buffer.from('me:hunter2:Correct').toString('base64') };
const HUB_KEY = 'https://index.docker.io/v1/';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tsbuild-auth-store-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function open(env: Readonly<Record<string, string>> = {}, authFile?: string): AuthStore {
  return new AuthStore({
    options: authFile === undefined ? {} : { authFile },
    env: { HOME: home, PATH: `${home}/bin:${process.env['PATH'] ?? ''}`, ...env },
  });
}

function put(name: string, content: unknown): string {
  const path = join(home, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function read(path: string): Record<string, Record<string, unknown>> {
  return JSON.parse(readFileSync(join(home, path), 'utf8')) as Record<string, Record<string, unknown>>;
}

function modeOf(path: string): string {
  return (statSync(join(home, path)).mode & 0o777).toString(8);
}

const PLACE = { host: 'r.example', path: '' };

describe('a login', () => {
  it('goes to a file of docker, which is for its owner alone', async () => {
    expect(await open().store(PLACE, CREDENTIALS)).toEqual({ kind: 'file', place: join(home, '.docker/config.json') });
    expect(read('.docker/config.json')).toEqual({ auths: { 'r.example': AUTH } });
    expect([modeOf('.docker/config.json'), modeOf('.docker')]).toEqual(['600', '700']);
    expect(readdirSync(join(home, '.docker'))).toEqual(['config.json']);
  });

  it.each<[string, Record<string, string>, string | undefined, string]>([
    ['DOCKER_CONFIG', { DOCKER_CONFIG: 'HOME/d' }, undefined, 'd/config.json'],
    ['REGISTRY_AUTH_FILE', { DOCKER_CONFIG: 'HOME/d', REGISTRY_AUTH_FILE: 'HOME/named.json' }, undefined, 'named.json'],
    ['--authfile', { DOCKER_CONFIG: 'HOME/d', REGISTRY_AUTH_FILE: 'HOME/named.json' }, 'HOME/x/y/flag.json', 'x/y/flag.json'],
  ])('goes where %s says', async (_, env, authFile, expected) => {
    const inHome = (text: string): string => text.replace('HOME', home);
    const store = open(Object.fromEntries(Object.entries(env).map(([key, value]) => [key, inHome(value)])), authFile && inHome(authFile));
    await store.store(PLACE, CREDENTIALS);
    expect(read(expected)['auths']).toEqual({ 'r.example': AUTH });
    expect(existsSync(join(home, '.docker'))).toBe(false);
  });

  it('leaves everything else in the file as it is', async () => {
    const before = {
      HttpHeaders: { 'X-Meta': 'a' },
      auths: { 'other.example': { auth: 'eA==', email: 'e' } },
      proxies: { default: {} },
      __x: [1, null],
    };
    put('.docker/config.json', `${JSON.stringify(before, undefined, 4)}\n`);
    chmodSync(join(home, '.docker/config.json'), 0o644);
    await open().store(PLACE, CREDENTIALS);
    const after = { ...before, auths: { ...before.auths, 'r.example': AUTH } };
    expect(readFileSync(join(home, '.docker/config.json'), 'utf8')).toBe(`${JSON.stringify(after, undefined, 4)}\n`);
    expect(modeOf('.docker/config.json')).toBe('600');
  });

  it('writes tabs as docker does, where it has the choice', async () => {
    put('.docker/config.json', {});
    await open().store(PLACE, CREDENTIALS);
    expect(readFileSync(join(home, '.docker/config.json'), 'utf8')).toBe(
      `{\n\t"auths": {\n\t\t"r.example": {\n\t\t\t"auth": "${AUTH.auth}"\n\t\t}\n\t}\n}`,
    );
  });

  it('follows symlinks, also one to a file that is to come', async () => {
    mkdirSync(join(home, '.docker'));
    symlinkSync('../dot/files/config.json', join(home, '.docker/config.json'));
    await open().store(PLACE, CREDENTIALS);
    await open().store({ host: 's.example', path: '' }, CREDENTIALS);
    expect(lstatSync(join(home, '.docker/config.json')).isSymbolicLink()).toBe(true);
    expect(Object.keys(read('dot/files/config.json')['auths'] ?? {})).toEqual(['r.example', 's.example']);
    expect(readdirSync(join(home, 'dot/files'))).toEqual(['config.json']);
  });

  it.each<[string, string, string]>([
    ['.docker/config.json', 'docker.io', HUB_KEY],
    ['auth.json', 'docker.io', 'docker.io'],
    ['.docker/config.json', 'r.example:5000', 'r.example:5000'],
  ])('in %s to %s has the key %s', async (file, host, key) => {
    await open({}, join(home, file)).store({ host, path: '' }, CREDENTIALS);
    expect(read(file)['auths']).toEqual({ [key]: AUTH });
  });

  it('replaces an earlier one, whatever it was called, and none for a path', async () => {
    const keys = ['docker.io', 'index.docker.io', HUB_KEY, 'docker.io/team', 'https://r.example/v2/', 'r.example'];
    put('.docker/config.json', { auths: Object.fromEntries(keys.map((key) => [key, { auth: 'b2xkOm9sZA==' }])) });
    const store = open();
    await store.store({ host: 'docker.io', path: '' }, CREDENTIALS);
    await store.store(PLACE, CREDENTIALS);
    await store.store({ host: 'docker.io', path: 'team/app' }, CREDENTIALS);
    const old = { auth: 'b2xkOm9sZA==' };
    expect(read('.docker/config.json')['auths']).toEqual({
      [HUB_KEY]: AUTH,
      'docker.io/team': old,
      'r.example': AUTH,
      'docker.io/team/app': AUTH,
    });
  });

  it('is not lost beside others', async () => {
    const hosts = Array.from({ length: 12 }, (_, index) => `r${index}.example`);
    await Promise.all(hosts.map((host) => open().store({ host, path: '' }, CREDENTIALS)));
    expect(Object.keys(read('.docker/config.json')['auths'] ?? {}).toSorted()).toEqual(hosts.toSorted());
    expect(readdirSync(join(home, '.docker'))).toEqual(['config.json']);
  });

  it('does not touch a file that is broken, nor tell what is in it', async () => {
    const path = put('.docker/config.json', '{"auths": {"r.example": {"auth": "hunter2"');
    const error = (await open()
      .store(PLACE, CREDENTIALS)
      .catch((caught: unknown) => caught)) as BuildError;
    expect(error).toMatchObject({ kind: 'usage', message: `${path}:1:43: not JSON` });
    expect(readFileSync(path, 'utf8')).toContain('hunter2"');
    await expect(open().erase(PLACE)).rejects.toMatchObject({ kind: 'usage' });
  });

  it('that cannot be written is an error without the password', async () => {
    const path = put('file', '');
    const error = (await open({}, join(path, 'auth.json'))
      .store(PLACE, CREDENTIALS)
      .catch((caught: unknown) => caught)) as BuildError;
    expect(error).toBeInstanceOf(BuildError);
    expect(error.kind).toBe('environment');
    expect(error.message).toContain('cannot write');
    expect(error.message).not.toContain('hunter2');
  });
});

describe('a login with a helper', () => {
  /** Keeps what it gets in a file for each verb. */
  function helper(name: string, script = ''): void {
    const path = put(`bin/docker-credential-${name}`, `#!/bin/sh\ncat >'${home}/${name}.'"$1"\n${script}\n`);
    chmodSync(path, 0o755);
  }

  it('is in the helper, and the file says so', async () => {
    helper('keep');
    put('.docker/config.json', { credsStore: 'keep', auths: { 'https://r.example': AUTH } });
    expect(await open().store(PLACE, CREDENTIALS)).toEqual({ kind: 'helper', place: 'docker-credential-keep' });
    expect(JSON.parse(readFileSync(join(home, 'keep.store'), 'utf8'))).toEqual({
      ServerURL: 'r.example',
      Username: 'me',
      Secret: 'hunter2:Correct',
    });
    expect(read('.docker/config.json')).toEqual({ credsStore: 'keep', auths: { 'r.example': {} } });
    expect(await open().erase(PLACE)).toBe(true);
    expect(readFileSync(join(home, 'keep.erase'), 'utf8')).toBe('r.example');
    expect(read('.docker/config.json')).toEqual({ credsStore: 'keep', auths: {} });
  });

  it("is in the host's own helper", async () => {
    helper('own');
    put('.docker/config.json', { credsStore: 'nowhere', credHelpers: { 'docker.io': 'own', 't.example': '' } });
    await open().store({ host: 'docker.io', path: '' }, CREDENTIALS);
    expect(readFileSync(join(home, 'own.store'), 'utf8')).toContain(`"ServerURL":"${HUB_KEY}"`);
    expect((await open().store({ host: 't.example', path: '' }, CREDENTIALS)).kind).toBe('file');
  });

  it.each([
    ['is missing', 'none', '', 'docker-credential-none is not on PATH'],
    ['fails', 'fail', 'echo "cannot keep hunter2:Correct" >&2; exit 2', 'docker-credential-fail failed with status 2: cannot keep ***'],
  ])('that %s fails, and the password is in no file', async (_, name, script, message) => {
    if (script !== '') helper(name, script);
    put('.docker/config.json', { credsStore: name });
    await expect(open().store(PLACE, CREDENTIALS)).rejects.toMatchObject({ kind: 'environment', message });
    expect(read('.docker/config.json')).toEqual({ credsStore: name });
  });

  it('is for whole registries only', async () => {
    helper('keep');
    put('.docker/config.json', { credsStore: 'keep' });
    await expect(open().store({ host: 'r.example', path: 'team' }, CREDENTIALS)).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('logging out', () => {
  it('takes the entries of that place away, and says whether there were some', async () => {
    put('.docker/config.json', { auths: { 'https://r.example/v1/': AUTH, 'r.example': {}, 'r.example/team': AUTH, 's.example': AUTH } });
    expect(await open().erase(PLACE)).toBe(true);
    expect(await open().erase(PLACE)).toBe(false);
    expect(Object.keys(read('.docker/config.json')['auths'] ?? {})).toEqual(['r.example/team', 's.example']);
    expect(open().places()).toEqual([
      { host: 'r.example', path: 'team' },
      { host: 's.example', path: '' },
    ]);
  });

  it('makes no file', async () => {
    expect(await open().erase(PLACE)).toBe(false);
    expect(open().places()).toEqual([]);
    expect(readdirSync(home)).toEqual([]);
  });
});
