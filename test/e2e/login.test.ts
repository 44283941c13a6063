import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, scratchDir, startTsbuild, TSBUILD, writeFiles, type CliResult } from '../helpers/cli.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { serve } from '../helpers/web.js';

const USER = 'tester';
const PASSWORD = 'hunter2:Corr3ct';
const ENCODED = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');

const missing = missingRegistry('htpasswd');
if (missing !== undefined) console.warn(`login tests skipped: ${missing}`);
const noSkopeo = missingProgram('skopeo');
const noTerminal = missingProgram('script');
if (noTerminal !== undefined) console.warn(`login tests in a terminal skipped: ${noTerminal}`);

interface Login {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A user with an empty home. What commands say never has the password, raw or encoded; the outputs of all are checked. */
function newUser() {
  const scratch = scratchDir('tsbuild-login-');
  const home = scratch.path;
  const env = (extra: Login['env']) => ({
    HOME: home,
    CI: '',
    DOCKER_CONFIG: '',
    REGISTRY_AUTH_FILE: '',
    XDG_RUNTIME_DIR: join(home, 'run'),
    ...extra,
  });
  return {
    home,
    config: join(home, '.docker/config.json'),
    env,
    async run(args: readonly string[], { input, env: extra }: Login = {}): Promise<CliResult> {
      const result = await finished(startTsbuild(args, { env: env(extra), ...(input === undefined ? {} : { input }) }));
      for (const secret of ['hunter2', 'Corr3ct', ENCODED]) expect(result.stdout + result.stderr).not.toContain(secret);
      return result;
    },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

function filesWith(dir: string, text: string): string[] {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(dir, name)).isFile());
  return files.filter((name) => readFileSync(join(dir, name), 'utf8').includes(text));
}

describe.skipIf(missing !== undefined)('tsbuild login', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({ htpasswd: { username: USER, password: PASSWORD } });
  });
  afterAll(async () => registry?.[Symbol.asyncDispose]());

  it('stores what the registry takes, for itself and for others', async () => {
    using user = newUser();
    const result = await user.run(['login', registry.host, '-u', USER, '--password-stdin'], { input: `${PASSWORD}\n` });
    expect(result).toEqual({
      status: 0,
      stdout: `logged in to ${registry.host} as ${USER}\n`,
      stderr: `WARNING: the password is stored unencrypted in "${user.config}"; a credential helper would keep it safe\n`,
    });
    expect(JSON.parse(readFileSync(user.config, 'utf8'))).toEqual({ auths: { [registry.host]: { auth: ENCODED } } });
    expect(statSync(user.config).mode & 0o777).toBe(0o600);
    expect(filesWith(user.home, ENCODED)).toEqual(['.docker/config.json']);
    expect(filesWith(user.home, PASSWORD)).toEqual([]);
    expect((await user.run(['login', '--get-login', registry.host])).stdout).toBe(`${USER}\n`);
    const listed = await user.run(['ls', registry.host, '-D']);
    expect(listed.stderr).toContain(`credentials for ${registry.host}`);
    expect(listed.stderr).toContain(`file ${user.config}`);
    expect(listed.status).toBe(0);
    if (noSkopeo === undefined) {
      const args = ['login', '--get-login', '--authfile', user.config, registry.host];
      expect(spawnSync('skopeo', args, { encoding: 'utf8' }).stdout).toBe(`${USER}\n`);
    }
    expect((await user.run(['logout', registry.host])).stdout).toBe(`logged out of ${registry.host}\n`);
    expect((await user.run(['logout', registry.host])).stdout).toBe(`not logged in to ${registry.host}\n`);
    expect(JSON.parse(readFileSync(user.config, 'utf8'))).toEqual({ auths: {} });
    const nobody = await user.run(['login', '--get-login', registry.host]);
    expect(nobody).toMatchObject({ status: 4, stdout: '', stderr: `ERROR: not logged in to ${registry.host}\n` });
    expect((await user.run(['ls', registry.host])).status).toBe(4);
  });

  it.each([
    ['a wrong password', [USER, `${PASSWORD}x`], 4],
    ['a wrong name', ['nobody', PASSWORD], 4],
  ])('stores nothing with %s', async (_, [name = '', password = ''], status) => {
    using user = newUser();
    const result = await user.run(['login', registry.host, '-u', name, '--password-stdin', '-D'], { input: password });
    expect(result.status).toBe(status);
    expect(result.stdout).toBe('');
    expect(result.stderr).toContain(`could not log in to ${registry.host}`);
    expect(existsSync(user.config)).toBe(false);
  });

  it('warns of a password on the command line', async () => {
    using user = newUser();
    const result = await user.run([
      'login',
      `http://${registry.host}/v2/`,
      '-u',
      USER,
      '-p',
      PASSWORD,
      '--authfile',
      join(user.home, 'auth.json'),
    ]);
    expect(result.status).toBe(0);
    expect(result.stderr).toContain('WARNING: a password on the command line is seen by all users of this machine');
    expect(filesWith(user.home, ENCODED)).toEqual(['auth.json']);
  });

  it('takes a password on the command line out of the list of processes', async () => {
    using user = newUser();
    const requests = new EventEmitter();
    await using silent = await serve(() => requests.emit('asked'));
    const asked = once(requests, 'asked');
    const child = startTsbuild(['login', `localhost:${silent.port}`, '-u', USER, '-p', PASSWORD, '--timeout=60s'], { env: user.env({}) });
    const ended = finished(child);
    await asked;
    const listed = readFileSync(`/proc/${child.pid ?? 0}/cmdline`, 'utf8');
    child.kill('SIGTERM');
    expect(listed).toContain('tsbuild');
    expect(listed).not.toContain('hunter2');
    expect((await ended).status).toBe(143);
    expect(existsSync(user.config)).toBe(false);
  });

  it.each<[string, string[], Login, number, string]>([
    ['nobody to ask', [], {}, 2, 'the user name and the password cannot be asked for: standard input is no terminal'],
    ['no password', ['-u', USER], { env: { CI: 'true' } }, 2, 'the password cannot be asked for: CI is set'],
    ['an empty password', ['-u', USER, '--password-stdin'], { input: '\n' }, 2, 'the password on standard input is empty'],
    ['no name', ['--password-stdin'], { input: PASSWORD }, 2, '--password-stdin needs --username'],
    ['two passwords', ['-u', USER, '-p', PASSWORD, '--password-stdin'], { input: PASSWORD }, 2, 'exclude each other'],
    ['a name with a colon', ['-u', PASSWORD, '--password-stdin'], { input: 'x' }, 2, 'a name has no ":"'],
    ['no registry', ['-u', USER, '-p', PASSWORD, `https://u:${PASSWORD}@a b`], {}, 2, 'invalid registry "a b"'],
    ['nobody there', ['-u', USER, '-p', PASSWORD, 'localhost:1', '--retry=0'], {}, 3, 'localhost:1'],
  ])('refuses %s', async (_, args, login, status, message) => {
    using user = newUser();
    const result = await user.run(['login', ...args], login);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(message);
    expect(existsSync(user.config)).toBe(false);
  });

  it('says of a broken file where it is broken, before anything is asked', async () => {
    using user = newUser();
    writeFiles(user.home, { '.docker/config.json': `{"auths": {"x": {"auth": "${ENCODED}"}}` });
    const result = await user.run(['login', registry.host, '-u', USER, '--password-stdin'], { input: PASSWORD });
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/\.docker\/config\.json:1:\d+: not JSON\n/);
  });

  it('goes to the helper that the file names, and out of it', async () => {
    using user = newUser();
    const script = `#!/bin/sh\ncase $1 in\nstore) cat >'${user.home}/kept' ;;\nget) cat >/dev/null; cat '${user.home}/kept' 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;\nerase) cat >/dev/null; rm '${user.home}/kept' ;;\nesac\n`;
    writeFiles(user.home, { 'bin/docker-credential-test': script, '.docker/config.json': '{"credsStore": "test"}' });
    chmodSync(join(user.home, 'bin/docker-credential-test'), 0o755);
    const env = { PATH: `${user.home}/bin:${process.env['PATH'] ?? ''}` };
    const result = await user.run(['login', registry.host, '-u', USER, '--password-stdin'], { input: PASSWORD, env });
    expect(result).toEqual({ status: 0, stdout: `logged in to ${registry.host} as ${USER}\n`, stderr: '' });
    expect(filesWith(user.home, PASSWORD)).toEqual(['kept']);
    expect(filesWith(user.home, ENCODED)).toEqual([]);
    const listed = await user.run(['ls', registry.host, '-D'], { env });
    expect(listed.stderr).toContain('helper docker-credential-test');
    expect(listed.status).toBe(0);
    expect((await user.run(['logout', '--all'], { env })).stdout).toBe(`logged out of ${registry.host}\n`);
    expect(existsSync(join(user.home, 'kept'))).toBe(false);
    expect(JSON.parse(readFileSync(user.config, 'utf8'))).toEqual({ credsStore: 'test', auths: {} });
  });

  it.skipIf(noTerminal !== undefined)('asks in a terminal, and shows nothing of the password', async () => {
    using user = newUser();
    writeFileSync(join(user.home, 'typed'), `${USER}\n${PASSWORD}\n`);
    const command = `${process.execPath} ${TSBUILD} login ${registry.host}`;
    const { stdout, status } = spawnSync(
      'sh',
      ['-c', `{ sleep 2; cat '${user.home}/typed'; sleep 2; } | script -qec '${command}' /dev/null`],
      {
        env: { ...process.env, ...user.env({}) },
        encoding: 'utf8',
        timeout: 30_000,
      },
    );
    expect(stdout).toContain(`User name for ${registry.host}: `);
    expect(stdout).toContain('Password: ');
    expect(stdout).toContain(`logged in to ${registry.host} as ${USER}`);
    // The terminal itself echoes what arrives before the question; later nothing does.
    expect(stdout.slice(stdout.indexOf('Password: '))).not.toContain('hunter2');
    expect(status).toBe(0);
    expect(filesWith(user.home, ENCODED)).toEqual(['.docker/config.json']);
  });

  it('gets a token where a registry has a token server', async () => {
    await using tokens = await startRegistry({ token: { users: [{ username: USER, password: PASSWORD }] } });
    using user = newUser();
    const wrong = await user.run(['login', tokens.host, '-u', USER, '--password-stdin'], { input: 'wrong' });
    expect(wrong.status).toBe(4);
    const right = await user.run(['login', tokens.host, '-u', USER, '--password-stdin'], { input: PASSWORD });
    expect(right.status).toBe(0);
    expect(right.stdout).toBe(`logged in to ${tokens.host} as ${USER}\n`);
  });
});
