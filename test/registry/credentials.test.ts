import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { Credentials, type FoundCredentials } from '../../src/registry/credentials.js';
import type { RegistryOptions } from '../../src/registry/options.js';

const SECRET = 'hunter2-Correct:Horse';
const HUB_KEY = 'https://index.docker.io/v1/';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tsbuild-credentials-'));
});
afterEach(() => rmSync(home, { recursive: true }));

interface World {
  readonly credentials: Credentials;
  readonly warnings: string[];
  readonly debugs: string[];
}

/** Nothing of this machine is looked at: home, PATH and XDG directories are the test's. */
function open(
  options: RegistryOptions = {},
  env: Readonly<Record<string, string>> = {},
  timing: { readonly helperTimeoutMs?: number } = {},
): World {
  const warnings: string[] = [];
  const debugs: string[] = [];
  const credentials = new Credentials({
    options,
    env: { HOME: home, PATH: `${home}/bin:${process.env['PATH'] ?? ''}`, XDG_RUNTIME_DIR: join(home, 'run'), ...env },
    warn: (message) => warnings.push(message),
    debug: (message) => debugs.push(message),
    ...timing,
  });
  return { credentials, warnings, debugs };
}

function put(name: string, content: unknown): string {
  const path = join(home, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  return path;
}

/** A helper that notes what it is asked. */
function helper(name: string, script: string): void {
  const path = put(`bin/docker-credential-${name}`, `#!/bin/sh\nhost=$(cat)\necho "$1 $host" >>'${home}/${name}.log'\n${script}\n`);
  chmodSync(path, 0o755);
}

function asked(name: string): string[] {
  return existsSync(join(home, `${name}.log`))
    ? readFileSync(join(home, `${name}.log`), 'utf8')
        .trim()
        .split('\n')
    : [];
}

function auth(user: string, password: string): { auth: string } {
  return { auth: Buffer.from(`${user}:${password}`).toString('base64') };
}

/** `user:password`, `identity TOKEN`, `registry TOKEN`, `none`; and where from, below the home. */
function show(found: FoundCredentials | undefined): string {
  if (found === undefined) return 'none';
  const what = found.kind === 'password' ? `${found.username}:${found.password}` : `${found.kind.replace('-token', '')} ${found.token}`;
  return `${what} of ${found.source.replace(home, '~')}`;
}

async function find(host: string, path?: string, options?: RegistryOptions, env?: Readonly<Record<string, string>>): Promise<string> {
  const { credentials, warnings } = open(options, env);
  const found = show(await credentials.find(host, path));
  expect(warnings).toEqual([]);
  return found;
}

describe('the sources of credentials', () => {
  const everywhere = { 'r.example': auth('u', 'p') };

  it('are asked in their order', async () => {
    const gitlab = { CI_REGISTRY: 'r.example', CI_REGISTRY_USER: 'ci', CI_REGISTRY_PASSWORD: 'cip' };
    const env = { ...gitlab };
    expect(await find('r.example', 'a', {}, env)).toBe('ci:cip of CI_REGISTRY_USER');
    put('.config/containers/auth.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, env)).toBe('u:p of file ~/.config/containers/auth.json');
    put('xdg/containers/auth.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, { ...env, XDG_CONFIG_HOME: `${home}/xdg` })).toBe('u:p of file ~/xdg/containers/auth.json');
    put('run/containers/auth.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, env)).toBe('u:p of file ~/run/containers/auth.json');
    put('.docker/config.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, env)).toBe('u:p of file ~/.docker/config.json');
    put('docker/config.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, { ...env, DOCKER_CONFIG: `${home}/docker` })).toBe('u:p of file ~/docker/config.json');
    const variable = { ...env, DOCKER_AUTH_CONFIG: JSON.stringify({ auths: everywhere }) };
    expect(await find('r.example', 'a', {}, variable)).toBe('u:p of DOCKER_AUTH_CONFIG');
    const named = put('named.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, { ...variable, REGISTRY_AUTH_FILE: named })).toBe('u:p of file ~/named.json');
    const authFile = put('flag.json', { auths: everywhere });
    expect(await find('r.example', 'a', { authFile }, { ...env, REGISTRY_AUTH_FILE: named })).toBe('u:p of file ~/flag.json');
    const credentials = { username: 'me', password: 'x' };
    expect(await find('r.example', 'a', { authFile, credentials }, env)).toBe('me:x of --creds');
  });

  it('are passed over where they have nothing for the host', async () => {
    const named = put('named.json', { auths: { 'other.example': auth('x', 'y') } });
    put('.docker/config.json', {});
    put('run/containers/auth.json', { auths: { 'r.example': {} } });
    put('.config/containers/auth.json', { auths: everywhere });
    expect(await find('r.example', 'a', {}, { REGISTRY_AUTH_FILE: named })).toBe('u:p of file ~/.config/containers/auth.json');
    expect(await find('third.example', 'a', {}, { REGISTRY_AUTH_FILE: named })).toBe('none');
  });

  it('end with --authfile', async () => {
    put('.docker/config.json', { auths: everywhere });
    const authFile = put('flag.json', '');
    const gitlab = { CI_REGISTRY: 'r.example', CI_REGISTRY_USER: 'ci', CI_REGISTRY_PASSWORD: 'cip' };
    expect(await find('r.example', 'a', { authFile }, gitlab)).toBe('none');
  });

  it('ought to be there when they are named', async () => {
    const missing = open({ authFile: join(home, 'none.json') });
    await expect(missing.credentials.find('r.example', 'a')).rejects.toMatchObject({
      kind: 'usage',
      message: `--authfile "${home}/none.json" does not exist`,
    });
    put('.docker/config.json', { auths: everywhere });
    const { credentials, warnings } = open({}, { REGISTRY_AUTH_FILE: join(home, 'none.json') });
    expect(show(await credentials.find('r.example', 'a'))).toBe('u:p of file ~/.docker/config.json');
    await credentials.find('s.example', 'a');
    expect(warnings).toEqual([`REGISTRY_AUTH_FILE "${home}/none.json" does not exist`]);
  });

  it('are warned of when they cannot be read and nobody named them', async () => {
    mkdirSync(join(home, '.docker/config.json'), { recursive: true });
    put('run/containers/auth.json', { auths: everywhere });
    const { credentials, warnings } = open();
    expect(show(await credentials.find('r.example', 'a'))).toBe('u:p of file ~/run/containers/auth.json');
    expect(warnings).toEqual([
      expect.stringMatching(/^cannot read ".*\.docker\/config\.json": .*\(EISDIR\): its credentials are not used$/),
    ]);
    await expect(open({ authFile: home }).credentials.find('r.example', 'a')).rejects.toMatchObject({ kind: 'environment' });
  });

  it.each([
    ['r.example', 'none'],
    ['registry.gitlab.example:5050', 'ci:pw of CI_REGISTRY_USER'],
    ['registry.gitlab.example', 'none'],
    ['gitlab.example', 'dep:dpw of CI_DEPENDENCY_PROXY_USER'],
    ['gitlab.example:443', 'dep:dpw of CI_DEPENDENCY_PROXY_USER'],
    ['gitlab.example:8443', 'none'],
    ['evil-gitlab.example', 'none'],
    ['docker.io', 'none'],
  ])("have GitLab's for its own hosts alone: %s", async (host, expected) => {
    const env = {
      CI_REGISTRY: 'registry.gitlab.example:5050',
      CI_REGISTRY_USER: 'ci',
      CI_REGISTRY_PASSWORD: 'pw',
      CI_DEPENDENCY_PROXY_SERVER: 'gitlab.example:443',
      CI_DEPENDENCY_PROXY_USER: 'dep',
      CI_DEPENDENCY_PROXY_PASSWORD: 'dpw',
    };
    expect(await find(host, 'a', {}, env)).toBe(expected);
  });

  it('give mirrors their own, never --creds', async () => {
    put('.docker/config.json', { auths: { 'm.example': auth('mirror', 'pw') } });
    const { credentials } = open({ credentials: { username: 'me', password: 'x' } });
    expect(show(await credentials.find('m.example', 'a', { isMirror: true }))).toBe('mirror:pw of file ~/.docker/config.json');
    expect(show(await credentials.find('n.example', 'a', { isMirror: true }))).toBe('none');
    expect(show(await credentials.find('m.example', 'a'))).toBe('me:x of --creds');
  });

  it('of a flag go to the host that they are for, whatever its name there', async () => {
    const host = { username: 'me', password: 'x' };
    const { credentials } = open({
      hostCredentials: [
        { host: 'index.docker.io', ...host },
        { host: 'R.example:5000', ...host, source: '--dest-creds' },
      ],
    });
    const found = async (...where: Parameters<Credentials['find']>): Promise<string> => show(await credentials.find(...where));
    expect(await found('docker.io', 'library/a')).toBe('me:x of --creds');
    expect(await found('r.example:5000', 'a')).toBe('me:x of --dest-creds');
    expect(await found('r.example', 'a')).toBe('none');
    expect(await found('other.example', 'a')).toBe('none');
    expect(await found('r.example:5000', 'a', { isMirror: true })).toBe('none');
    // Where registries.conf leads from one host to another, the name that was written counts.
    expect(await found('elsewhere.example', 'a', { namedHost: 'docker.io' })).toBe('me:x of --creds');
    expect(await found('docker.io', 'a', { namedHost: 'other.example' })).toBe('none');
    expect(credentials.othersFlag('s.example')).toBe('--creds is for index.docker.io, --dest-creds is for R.example:5000');
    expect(credentials.othersFlag('docker.io')).toBe('--dest-creds is for R.example:5000');
    expect(open({ credentials: host }).credentials.othersFlag('s.example')).toBeUndefined();
  });

  it('of a flag for another host leave room for those of a file', async () => {
    put('.docker/config.json', { auths: { 's.example': auth('u', 'p') } });
    const options = {
      credentials: { username: 'all', password: 'y' },
      hostCredentials: [{ host: 'r.example', username: 'me', password: 'x' }],
    };
    const { credentials, hostCredentials } = options;
    expect(await find('s.example', 'a', { hostCredentials })).toBe('u:p of file ~/.docker/config.json');
    expect(await find('s.example', 'a', { credentials, hostCredentials })).toBe('all:y of --creds');
    expect(await find('r.example', 'a', { credentials, hostCredentials })).toBe('me:x of --creds');
  });

  it('are told with -D, without what they are', async () => {
    put('.docker/config.json', { auths: { 'r.example': auth('u', SECRET) } });
    const { credentials, debugs } = open();
    await credentials.find('r.example', 'team/app');
    await credentials.find('r.example', 'team/app');
    await credentials.find('s.example', undefined);
    expect(debugs).toEqual([`credentials for r.example/team/app: file ${home}/.docker/config.json`, 'no credentials for s.example']);
  });
});

describe('an auth file', () => {
  const token = (name: string): Record<string, string> => ({ [name]: 'ttt' });

  it.each<[string, Record<string, unknown>, string, string | undefined, string]>([
    ['auth', { 'r.example': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['a password with colons', { 'r.example': auth('u', 'p:q:r') }, 'r.example', 'a', 'u:p:q:r'],
    ['an empty password', { 'r.example': auth('u', '') }, 'r.example', 'a', 'u:'],
    ['a password in UTF-8', { 'r.example': auth('u', 'grün') }, 'r.example', 'a', 'u:grün'],
    ['a padded password', { 'r.example': auth('u', 'p\0\0') }, 'r.example', 'a', 'u:p'],
    ['username and password', { 'r.example': { username: 'u', password: 'p' } }, 'r.example', 'a', 'u:p'],
    ['identitytoken', { 'r.example': { ...auth('0000', ''), ...token('identitytoken') } }, 'r.example', 'a', 'identity ttt'],
    ['registrytoken', { 'r.example': token('registrytoken') }, 'r.example', 'a', 'registry ttt'],
    ['an empty entry', { 'r.example': {} }, 'r.example', 'a', 'none'],
    ['null', { 'r.example': null }, 'r.example', 'a', 'none'],
    ['a port', { 'r.example:5000': auth('u', 'p') }, 'r.example:5000', 'a', 'u:p'],
    ['another port', { 'r.example:5000': auth('u', 'p') }, 'r.example', 'a', 'none'],
    ['upper case', { 'R.Example': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['https', { 'https://r.example': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['https and v1', { 'https://r.example/v1/': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['https and v2', { 'https://r.example/v2/': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['http and a port', { 'http://r.example:5000/v2': auth('u', 'p') }, 'r.example:5000', 'a', 'u:p'],
    ['a slash at the end', { 'r.example/': auth('u', 'p') }, 'r.example', 'a', 'u:p'],
    ['a suffix of a host', { 'r.example': auth('u', 'p') }, 'evil-r.example', 'a', 'none'],
    ['a prefix of a host', { 'r.example': auth('u', 'p') }, 'r.example.evil', 'a', 'none'],
    ['a path', { 'r.example/team': auth('t', 'p'), 'r.example': auth('u', 'p') }, 'r.example', 'team/app', 't:p'],
    [
      'the longest path',
      { 'r.example/t': auth('t', '1'), 'r.example/t/a/b': auth('b', '3'), 'r.example/t/a': auth('a', '2') },
      'r.example',
      't/a/b/c',
      'b:3',
    ],
    ['another path', { 'r.example/team': auth('t', 'p'), 'r.example': auth('u', 'p') }, 'r.example', 'other/app', 'u:p'],
    ['whole components of a path', { 'r.example/team': auth('t', 'p') }, 'r.example', 'teams/app', 'none'],
    ['no path', { 'r.example/team': auth('t', 'p'), 'r.example': auth('u', 'p') }, 'r.example', undefined, 'u:p'],
    ['an empty entry for the path', { 'r.example/team': {}, 'r.example': auth('u', 'p') }, 'r.example', 'team/app', 'u:p'],
    ['Docker Hub', { [HUB_KEY]: auth('u', 'p') }, 'docker.io', 'library/app', 'u:p'],
    ['Docker Hub, short', { 'docker.io': auth('u', 'p') }, 'docker.io', 'library/app', 'u:p'],
    ['Docker Hub, index', { 'index.docker.io': auth('u', 'p') }, 'registry-1.docker.io', 'library/app', 'u:p'],
    ["Docker Hub, its server's name", { 'registry-1.docker.io': auth('u', 'p') }, 'docker.io', 'library/app', 'u:p'],
    ["Docker Hub, docker's key first", { 'docker.io': auth('x', 'y'), [HUB_KEY]: auth('u', 'p') }, 'docker.io', 'library/app', 'u:p'],
    ['Docker Hub, a path', { 'docker.io': auth('x', 'y'), 'docker.io/team': auth('u', 'p') }, 'docker.io', 'team/app', 'u:p'],
    ["docker desktop's tokens", { [`${HUB_KEY}access-token`]: auth('u', 'p') }, 'docker.io', 'library/app', 'none'],
    ['keys that are no hosts', { 'a b': auth('u', 'p'), '': auth('u', 'p'), __proto__: auth('u', 'p') }, 'a', 'b', 'none'],
  ])('with %s', async (_, auths, host, path, expected) => {
    put('.docker/config.json', { auths, HttpHeaders: {} });
    expect((await find(host, path)).replace(/ of .*/, '')).toBe(expected);
  });

  it.each([
    ['broken JSON', `{"auths": {\n "r.example": {"auth": "${SECRET}"\n}`, ':3:2: not JSON'],
    ['no JSON at all', SECRET, ':1:1: not JSON'],
    ['a list', '[1]', ': the file is not a JSON object'],
    ['a text for a table', `{"auths": "${SECRET}"}`, ': auths is not a JSON object'],
    ['a text for an entry', `{"auths": {"r.example": "${SECRET}"}}`, ': auths "r.example" is not a JSON object'],
    ['no base64', `{"auths": {"r.example": {"auth": "${SECRET}"}}}`, ': auth of "r.example" is not the base64 of USER:PASSWORD'],
    ['base64 of no pair', `{"auths": {"r.example": {"auth": "aHVudGVyMg=="}}}`, ': auth of "r.example" is not the base64 of USER:PASSWORD'],
  ])('that has %s is refused, without what it says', async (_, text, message) => {
    const path = put('.docker/config.json', text);
    const error = (await open()
      .credentials.find('r.example', 'a')
      .catch((caught: unknown) => caught)) as BuildError;
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ kind: 'usage', message: `${path}${message}` });
    const inVariable = open({}, { DOCKER_AUTH_CONFIG: text }).credentials.find('r.example', 'a');
    await expect(inVariable).rejects.toMatchObject({ kind: 'usage', message: `DOCKER_AUTH_CONFIG${message}` });
    expect(`${error.stack ?? ''}${error.hint ?? ''}${JSON.stringify(error)}`).not.toContain(SECRET);
    expect(error.cause).toBeUndefined();
  });

  it('that is wrong about another host does no harm', async () => {
    put('.docker/config.json', { auths: { 'bad.example': { auth: '!' }, 'r.example': auth('u', 'p') } });
    expect(await find('r.example', 'a')).toBe('u:p of file ~/.docker/config.json');
  });

  it('may begin with a byte order mark, and be readable by all', async () => {
    chmodSync(put('.docker/config.json', `\uFEFF${JSON.stringify({ auths: { 'r.example': auth('u', 'p') } })}`), 0o644);
    expect(await find('r.example', 'a')).toBe('u:p of file ~/.docker/config.json');
  });
});

describe('a credential helper', () => {
  const answer = (username: string, secret = SECRET): string => `echo '{"ServerURL":"x","Username":"${username}","Secret":"${secret}"}'`;

  it('is asked with the host on its standard input, once', async () => {
    helper('own', answer('me'));
    put('.docker/config.json', { credHelpers: { 'r.example:5000': 'own' } });
    const { credentials, warnings } = open();
    const finds = ['a', 'b', 'a'].map((path) => credentials.find('r.example:5000', path));
    for (const found of await Promise.all(finds)) expect(show(found)).toBe(`me:${SECRET} of helper docker-credential-own`);
    expect(asked('own')).toEqual(['get r.example:5000']);
    expect(show(await credentials.find('s.example', 'a'))).toBe('none');
    expect(asked('own')).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it('of Docker Hub is asked for its old address, for every name of it', async () => {
    helper('own', answer('me'));
    put('.docker/config.json', { credHelpers: { 'docker.io': 'own' } });
    const { credentials } = open();
    for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io'])
      expect(show(await credentials.find(host, 'library/app'))).toContain('me:');
    expect(asked('own')).toEqual([`get ${HUB_KEY}`]);
  });

  it('of credHelpers comes before that of credsStore, and both before auths', async () => {
    helper('own', answer('own'));
    helper('all', answer('all'));
    const auths = { 'r.example': auth('u', 'p'), 's.example': auth('u', 'p'), 't.example': auth('u', 'p') };
    put('.docker/config.json', { auths, credsStore: 'all', credHelpers: { 'r.example': 'own', 't.example': '' } });
    expect(await find('r.example', 'a')).toContain('own:');
    expect(await find('s.example', 'a')).toContain('all:');
    expect(await find('t.example', 'a')).toContain('u:p');
    expect(asked('all')).toEqual(['get s.example']);
  });

  it('has an identity token when the user is <token>', async () => {
    helper('own', answer('<token>', 'ttt'));
    put('.docker/config.json', { credsStore: 'own' });
    expect(await find('r.example', 'a')).toBe('identity ttt of helper docker-credential-own');
  });

  it.each([
    ['says so', 'echo "credentials not found in native keychain"; exit 1'],
    ['answers with nothing', answer('', '')],
  ])('that has none (%s) is passed over in silence', async (_, script) => {
    helper('own', script);
    put('.docker/config.json', { credsStore: 'own', auths: { 'r.example': auth('u', 'p') } });
    expect(await find('r.example', 'a')).toBe('u:p of file ~/.docker/config.json');
  });

  it.each([
    ['is missing', 'none', '', 'docker-credential-none is not on PATH'],
    ['has a path for a name', '../../bin/own', '', '"docker-credential-../../bin/own" is no name of a helper'],
    ['fails', 'own', 'echo "store is locked" >&2; exit 3', 'docker-credential-own failed with status 3: store is locked'],
    [
      'fails, as the protocol has it',
      'own',
      'echo "pass not initialized"; exit 1',
      'docker-credential-own failed with status 1: pass not init',
    ],
    ['fails without a word', 'own', 'exit 1', 'docker-credential-own failed with status 1'],
    ['is killed', 'own', 'kill -9 $$', 'docker-credential-own failed with status 137'],
    ['tells in its errors', 'own', `echo "cannot use {\\"Secret\\":\\"${SECRET}\\"}" >&2; exit 1`, 'failed with status 1'],
    [
      'tells on standard output',
      'own',
      `echo '{"Username":"u","Secret":"${SECRET}"}'; echo ${SECRET} >&2; exit 1`,
      'failed with status 1: ***',
    ],
    [
      'tells in a URL',
      'own',
      `echo "GET https://u:${SECRET}@h/x?sig=${SECRET}" >&2; exit 1`,
      'failed with status 1: GET https://***@h/x?…',
    ],
    ['tells by name', 'own', `echo "bad password: ${SECRET}" >&2; exit 1`, 'failed with status 1: bad password: ***'],
    ['answers with something else', 'own', `echo '"${SECRET}"'`, "answered something other than its protocol's JSON"],
    ['answers with half', 'own', `printf '{"Username":"u","Secret":"${SECRET}'`, "answered something other than its protocol's JSON"],
    ['has no interpreter', 'broken', '', 'cannot run "docker-credential-broken": ENOENT'],
    ['hangs', 'own', 'sleep 60', 'docker-credential-own did not answer within 0.5 s'],
  ])('that %s is warned of, once, and the next source is asked', async (what, name, script, message) => {
    helper('own', script);
    chmodSync(put('bin/docker-credential-broken', '#!/nonexistent/interpreter\n'), 0o755);
    put('.docker/config.json', { credsStore: name, auths: { 'r.example': auth('u', 'p'), 's.example': auth('u', 'p') } });
    const { credentials, warnings, debugs } = open({}, {}, what === 'hangs' ? { helperTimeoutMs: 500 } : {});
    expect(show(await credentials.find('r.example', 'a'))).toBe('u:p of file ~/.docker/config.json');
    expect(show(await credentials.find('r.example', 'b'))).toBe('u:p of file ~/.docker/config.json');
    expect(show(await credentials.find('s.example', 'a'))).toBe('u:p of file ~/.docker/config.json');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(message);
    expect(warnings[0]).toContain(`"${home}/.docker/config.json" for "r.example"`);
    for (const said of [...warnings, ...debugs]) for (const part of [SECRET, 'hunter2', 'Horse']) expect(said).not.toContain(part);
  });

  it('that hangs is not waited for twice, and ends with what it started', async () => {
    helper('own', `sleep 60 & echo $! >'${home}/pid'; wait`);
    put('.docker/config.json', { credsStore: 'own' });
    const { credentials, warnings } = open({}, {}, { helperTimeoutMs: 1500 });
    await credentials.find('r.example', 'a');
    await credentials.find('s.example', 'a');
    expect(asked('own')).toEqual(['get r.example']);
    expect(warnings).toHaveLength(1);
    const pid = readFileSync(join(home, 'pid'), 'utf8').trim();
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] : 'gone';
    expect(['gone', 'Z']).toContain(state);
  });

  it('has no name on PATH but in absolute directories of the given PATH', async () => {
    helper('own', answer('me'));
    put('.docker/config.json', { credsStore: 'own' });
    const { credentials, warnings } = open({}, { PATH: '/usr/bin:/bin' });
    expect(show(await credentials.find('r.example', 'a'))).toBe('none');
    expect(warnings).toEqual([expect.stringContaining('docker-credential-own is not on PATH')]);
  });
});
