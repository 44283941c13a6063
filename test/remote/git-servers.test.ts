import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { git } from '../helpers/git-server.js';
import { freePort, listening, serve } from '../helpers/web.js';
import { GitLab, textOf } from './git-lab.js';

const missing = missingProgram('git', 'openssl');
if (missing !== undefined) process.stderr.write(`skipped: test/remote/git-servers.test.ts: ${missing}\n`);

const TOKEN = 'gho_secretTokenValue';

describe.skipIf(missing !== undefined)('checkout, by whom and from whom', () => {
  const lab = new GitLab();
  beforeAll(() => lab.start());
  afterAll(() => lab[Symbol.asyncDispose]());

  describe('credentials', () => {
    const header = (): string | undefined => lab.requests.find(({ headers }) => headers.authorization !== undefined)?.headers.authorization;
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

    it.each([
      ['a token', () => ({ GIT_AUTH_TOKEN: `${TOKEN}\n` }), basic(`x-access-token:${TOKEN}`)],
      ['a header', () => ({ GIT_AUTH_HEADER: 'Bearer abc' }), 'Bearer abc'],
      [
        'a token for the host',
        () => ({ [`GIT_AUTH_TOKEN.127.0.0.1:${lab.server.port}`]: TOKEN, GIT_AUTH_HEADER: 'other' }),
        basic(`x-access-token:${TOKEN}`),
      ],
    ])('%s', async (_, given, want) => {
      const got = await lab.fetch(`${lab.server.origin}/private/app.git`, { given: given() });
      expect(textOf(got)).toBe('second');
      expect(header()).toBe(want);
      expect(leaks(lab.at())).toEqual([]);
    });

    it('of the URL are not kept in .git', async () => {
      const { dir } = await lab.fetch(`http://user:${TOKEN}@127.0.0.1:${lab.server.port}/private/app.git`, { keepGitDir: true });
      expect(git(dir, 'remote', 'get-url', 'origin')).toBe(`${lab.server.origin}/private/app.git`);
      expect(leaks(dir)).toEqual([]);
    });

    it('missing: asks nobody, says how to give them', async () => {
      await expect(lab.fetch(`${lab.server.origin}/private/app.git`)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringMatching(/cannot fetch .*private\/app\.git: could not read Username/) as string,
        hint: expect.stringContaining('GIT_AUTH_TOKEN') as string,
      });
    });
  });

  it('trusts the authorities of the environment', async () => {
    const url = `${lab.secure.origin}/app.git`;
    await expect(lab.fetch(url)).rejects.toThrow(/certificate/);
    expect(textOf(await lab.fetch(url, { env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: lab.authority.ca } }))).toBe('second');
  });

  it('says who does not answer', async () => {
    await expect(lab.fetch(`http://127.0.0.1:${await freePort()}/app.git`)).rejects.toThrow(
      /cannot fetch http:\/\/127.*: unable to access.*Failed to connect/,
    );
    await expect(lab.fetch(`${lab.server.origin}/none.git`)).rejects.toThrow(/cannot fetch .*none\.git: .*not found/);
  });

  it('reads no configuration, runs no hook', async () => {
    const home = lab.at('home');
    mkdirSync(join(home, 'templates/hooks'), { recursive: true });
    const hook = join(home, 'templates/hooks/post-checkout');
    writeFileSync(hook, `#!/bin/sh\ntouch ${lab.at('hooked')}\n`);
    chmodSync(hook, 0o755);
    writeFileSync(
      join(home, '.gitconfig'),
      `[init]\n\ttemplateDir = ${join(home, 'templates')}\n[url "file:///none"]\n\tinsteadOf = http\n`,
    );
    const env = {
      PATH: process.env['PATH'],
      HOME: home,
      GIT_TEMPLATE_DIR: join(home, 'templates'),
      GIT_DIR: '/none',
      GIT_CONFIG_GLOBAL: join(home, '.gitconfig'),
    };
    expect(textOf(await lab.fetch(lab.app(), { env }))).toBe('second');
    expect(existsSync(lab.at('hooked'))).toBe(false);
  });

  it('of a server that gives out no single commit', async () => {
    const url = `${lab.server.origin}/old/app.git`;
    expect(textOf(await lab.fetch(`${url}#${lab.commits.middle}`))).toBe('middle');
    expect(lab.requests).toHaveLength(3);
    await expect(lab.fetch(`${url}#${'1'.repeat(40)}`)).rejects.toThrow(`does not contain the commit ${'1'.repeat(40)}`);
  });

  it('by the protocol of git', async () => {
    const port = await freePort();
    const env = { PATH: process.env['PATH'] ?? '', GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' };
    const args = [
      'daemon',
      '--reuseaddr',
      '--listen=127.0.0.1',
      `--port=${port}`,
      '--export-all',
      `--base-path=${lab.at('served')}`,
      lab.at('served'),
    ];
    const daemon = spawn('git', args, { stdio: 'ignore', env, detached: true });
    try {
      await listening(port);
      expect(textOf(await lab.fetch(`git://127.0.0.1:${port}/app.git#${lab.commits.middle}`))).toBe('middle');
    } finally {
      // With the daemon that git starts.
      process.kill(-(daemon.pid ?? 0));
      await once(daemon, 'close');
    }
  });

  it('over ssh: keys from the agent alone, no questions', async () => {
    // In the place of ssh: notes how it is called, and runs here what it should run there.
    const bin = lab.at('bin');
    mkdirSync(bin);
    const notes = lab.at('ssh-notes');
    writeFileSync(
      join(bin, 'ssh'),
      `#!/bin/sh\nprintf '%s\\n' "$@" "agent=$SSH_AUTH_SOCK" > ${notes}\nfor last; do :; done\nexec sh -c "$last"\n`,
    );
    chmodSync(join(bin, 'ssh'), 0o755);
    const env = { PATH: `${bin}:${process.env['PATH']}`, SSH_AUTH_SOCK: '/agent.sock' };
    expect(textOf(await lab.fetch(`git@example.org:${lab.at('served/app.git')}#v1`, { env }))).toBe('first');
    const lines = readFileSync(notes, 'utf8').split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(['/dev/null', 'BatchMode=yes', 'IdentityFile=none', 'git@example.org', 'agent=/agent.sock']),
    );
    await lab.fetch(`ssh://git@example.org${lab.at('served/app.git')}`, { env, sshSocket: '/given.sock' });
    expect(readFileSync(notes, 'utf8')).toContain('agent=/given.sock');
  });

  it('over ssh, where nobody answers', async () => {
    await expect(lab.fetch(`ssh://git@127.0.0.1:${await freePort()}/app.git`)).rejects.toThrow(
      /cannot fetch ssh:.*: ssh: connect to host 127\.0\.0\.1 .*Connection refused/,
    );
  });

  it('stops when it is told to, and leaves no process', async () => {
    const stop = new AbortController();
    const silent = await serve(() => setTimeout(() => stop.abort(), 50));
    const started = performance.now();
    await expect(lab.fetch(`${silent.origin}/app.git`, { signal: stop.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - started).toBeLessThan(3000);
    await sleep(50);
    expect(commandLines().filter((line) => line.includes(`:${silent.port}/`))).toEqual([]);
    await silent[Symbol.asyncDispose]();
  });
});

/** Files below a directory in which the token stands. */
function leaks(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => readFileSync(path).includes(TOKEN));
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}
