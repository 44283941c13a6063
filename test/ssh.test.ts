import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forwardAgent } from '../src/os/ssh-agent.js';
import { openSshAgents } from '../src/ssh.js';
import { missingProgram, scratchDir } from './helpers/cli.js';
import { processesOf } from './helpers/leftovers.js';

const missing = process.getuid?.() === 0 ? missingProgram('ssh-agent', 'ssh-add', 'ssh-keygen', 'setpriv') : 'needs root';
if (missing !== undefined) console.warn(`SKIPPED: ssh agents: ${missing}`);

describe.skipIf(missing !== undefined)('ssh agents', () => {
  const scratch = scratchDir('tsbuild-ssh-');
  const at = (...names: string[]): string => join(scratch.path, ...names);
  const key = (name: string, passphrase = ''): string => {
    if (!existsSync(at(name))) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', name, '-f', at(name)]);
    return at(name);
  };
  /** Too long for the address of a socket. */
  const deep = at('d'.repeat(60), 'e'.repeat(60));

  beforeAll(() => void mkdirSync(deep, { recursive: true }));
  afterAll(() => scratch[Symbol.dispose]());

  /** What ssh-add says; beside this process, in which the forwarding happens. */
  async function ask(socket: string, ...args: string[]): Promise<string> {
    const options = { cwd: deep, env: { ...process.env, SSH_AUTH_SOCK: socket }, timeout: 10_000 };
    return new Promise((resolve) => execFile('ssh-add', args, options, (_, stdout, stderr) => resolve(stdout + stderr)));
  }

  it('are made of keys, whatever permissions those have, and end with the build', async () => {
    chmodSync(key('one'), 0o644);
    const agents = openSshAgents([{ id: 'gh', paths: [key('one'), key('two')] }], deep, {});
    const socket = (await agents.socketOf('gh')) ?? '';
    expect(await ask(socket, '-l')).toMatch(/one \(ED25519\)\n.*two \(ED25519\)\n$/);
    expect(await agents.socketOf('gh')).toBe(socket);
    expect(await agents.socketOf('other')).toBeUndefined();
    expect(processesOf(socket)).toHaveLength(1);
    await agents[Symbol.asyncDispose]();
    expect(processesOf(socket)).toEqual([]);
    expect(readdirSync(deep)).toEqual([]);
  });

  it('start when they are asked for', async () => {
    const agents = openSshAgents([{ id: 'default', paths: [key('one')] }], deep, {});
    expect(readdirSync(deep)).toEqual([]);
    await agents[Symbol.asyncDispose]();
  });

  it('are forwarded for use alone, by a socket of the owner and mode asked for, at a path of any length', async () => {
    await using agents = openSshAgents([{ id: 'default', paths: [key('one')] }], deep, {});
    const socket = (await agents.socketOf('default')) ?? '';
    const place = join(deep, 'forwarded');
    const forwarded = await forwardAgent(socket, { path: place, uid: 7, gid: 8, mode: 0o640 });
    const { uid, gid, mode } = statSync(place);
    expect([uid, gid, mode & 0o777]).toEqual([7, 8, 0o640]);
    expect(await ask('forwarded', '-l')).toMatch(/one \(ED25519\)\n$/);
    expect(await ask('forwarded', '-T', `${key('one')}.pub`)).toBe('');
    for (const args of [['-D'], ['-d', `${key('one')}.pub`], [key('two')]]) await ask('forwarded', ...args);
    expect(await ask(socket, '-l')).toMatch(/^\S+ \S+ one \(ED25519\)\n$/);
    await forwarded[Symbol.asyncDispose]();
    expect(existsSync(place)).toBe(false);
  });

  it.each<[string, string[], Record<string, string>, RegExp]>([
    ['no agent', [], {}, /^--ssh id: there is no SSH agent: SSH_AUTH_SOCK is not set$/],
    ['an agent that is gone', [], { SSH_AUTH_SOCK: '/none/such' }, /no agent or key at "\/none\/such": no such file or directory/],
    ['a key that is not there', ['/none/key'], {}, /no agent or key at "\/none\/key": no such file or directory/],
    ['a directory', ['/'], {}, /is a directory, want the socket of an agent or a private key/],
  ])('%s is told at once', (_, paths, env, message) => {
    expect(() => openSshAgents([{ id: 'id', paths }], deep, env)).toThrow(message);
  });

  it('a socket and a key do not go together', () => {
    const server: Server = createServer().listen(at('sock'));
    expect(() => openSshAgents([{ id: 'id', paths: [at('sock'), key('one')] }], deep, {})).toThrow('not both');
    expect(() => openSshAgents([{ id: 'id', paths: [] }], deep, { SSH_AUTH_SOCK: at('sock') })).not.toThrow();
    server.close();
  });

  it.each([
    ['with a passphrase', (): string => key('locked', 'passphrase')],
    ['that is none', (): string => (writeFileSync(at('none'), 'hello\n'), at('none'))],
  ])('a key %s is refused without a question', async (_, make) => {
    const path = make();
    await using agents = openSshAgents([{ id: 'id', paths: [path] }], deep, {});
    await expect(agents.socketOf('id')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining(`cannot use the SSH key "${path}": `) as string,
      hint: 'Name a private key without a passphrase, or add it to an agent with ssh-add and use --ssh default.',
    });
    expect(readdirSync(deep)).toEqual([]);
  });
});
