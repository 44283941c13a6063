import { execFile, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, tsbuild, type CliResult } from '../helpers/cli.js';
import { addPrograms, BUSYBOX_BASE, run } from '../helpers/image-tools.js';
import { lastingLeftovers } from '../helpers/leftovers.js';
import { Workshop } from '../helpers/workshop.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox', 'ssh-agent', 'ssh-add', 'ssh-keygen') : 'needs root';
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/ssh.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('RUN --mount=type=ssh', () => {
  const shop = new Workshop();
  const socket = `/tmp/tsbuild-agent-${process.pid}`;
  let context = '';
  let agent: ChildProcess | undefined;
  let builds = 0;
  const key = (name: string): string => shop.at('keys', name);

  beforeAll(async () => {
    context = shop.busyboxContext('');
    addPrograms(context, ['ssh-add']);
    mkdirSync(shop.at('keys'));
    for (const name of ['one', 'two']) run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `key-${name}`, '-f', key(name)]);
    agent = execFile('ssh-agent', ['-D', '-a', socket]);
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 5));
    run('ssh-add', ['-q', key('one')], { env: { SSH_AUTH_SOCK: socket } });
  });
  afterAll(() => {
    agent?.kill();
    shop[Symbol.dispose]();
  });

  /** A build that gives `/out` to `out()`. */
  function build(lines: readonly string[], args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): CliResult {
    const file = shop.at(`Dockerfile.${builds++}`);
    const passwd = 'RUN mkdir -p /etc && echo root:x:0:0::/:/bin/sh > /etc/passwd && echo one:x:1000:1000::/:/bin/sh >> /etc/passwd';
    writeFileSync(file, `${BUSYBOX_BASE}COPY rootfs /\n${passwd}\n${lines.join('\n')}\nFROM scratch\nCOPY --from=0 /out* /\n`);
    const output = ['-o', `type=local,dest=${shop.at('out')}`];
    return tsbuild(['--root', shop.store, '--progress', 'plain', '-f', file, ...output, ...args, context], {
      env: { SSH_AUTH_SOCK: '', ...env },
    });
  }

  function out(): string {
    return readFileSync(shop.at('out', 'out'), 'utf8');
  }

  function expectBuilt(result: CliResult): void {
    expect(result.status, result.stderr).toBe(0);
  }

  it('130: an agent’s socket is of root alone, and the variable leads to it', () => {
    const lines = ['RUN --mount=type=ssh stat -c "%a %u:%g %F" $SSH_AUTH_SOCK > /out; echo $SSH_AUTH_SOCK >> /out; ssh-add -l >> /out'];
    expectBuilt(build(lines, ['--ssh', 'default'], { SSH_AUTH_SOCK: socket }));
    expect(out()).toMatch(/^600 0:0 socket\n\/run\/buildkit\/ssh_agent\.0\n256 \S+ key-one \(ED25519\)\n$/);
  });

  it('130: mode, uid, gid, target and id are those asked for', () => {
    const mount = '--mount=type=ssh,id=deploy,target=/s/agent.sock,mode=0640,uid=1000,gid=7';
    const lines = ['USER one', `RUN ${mount} stat -c "%a %u:%g" /s/agent.sock; echo $SSH_AUTH_SOCK; ssh-add -l`];
    const result = build([...lines, 'USER root', 'RUN touch /out; test ! -e /s && test ! -e /run'], ['--ssh', `deploy=${key('two')}`]);
    expectBuilt(result);
    expect(result.stderr).toMatch(/640 1000:7\n.*\/s\/agent\.sock\n.* key-two \(ED25519\)\n/);
  });

  it('130: who may not use the socket cannot', () => {
    expectBuilt(
      build(['USER one', 'RUN --mount=type=ssh ! ssh-add -l', 'USER root', 'RUN touch /out'], ['--ssh', `default=${key('one')}`]),
    );
  });

  it('several are told apart, and a variable of the image’s own stays', () => {
    const lines = [
      'RUN --mount=type=ssh,id=a --mount=type=ssh,id=b,target=/b ssh-add -l > /out; SSH_AUTH_SOCK=/b ssh-add -l >> /out',
      'ENV SSH_AUTH_SOCK=/mine',
      'RUN --mount=type=ssh,id=a echo $SSH_AUTH_SOCK >> /out',
    ];
    expectBuilt(build(lines, ['--ssh', `a=${key('one')}`, '--ssh', `b=${key('two')},${key('one')}`]));
    expect(out()).toMatch(/^.* key-one .*\n.* key-two .*\n.* key-one .*\n\/mine\n$/);
  });

  it('a step can use the keys, and do nothing else to the agent', () => {
    const lines = ['RUN --mount=type=ssh ssh-add -D; ssh-add -d; ssh-add -l > /out'];
    expectBuilt(build(lines, ['--ssh', `default=${socket}`]));
    expect(out()).toMatch(/^.* key-one .*\n$/);
    expect(run('ssh-add', ['-l'], { env: { SSH_AUTH_SOCK: socket } })).toMatch(/^.* key-one .*\n$/);
  });

  it('leaves no trace, and no agent', async () => {
    const lines = ['RUN --mount=type=ssh ssh-add -l', 'RUN ls -A / > /out; test ! -e /run'];
    const result = build(lines, ['--ssh', `default=${key('one')}`]);
    expectBuilt(result);
    expect(spawnSync('pgrep', ['-f', 'ssh-agent.*/ssh-agent-0'], { encoding: 'utf8' }).stdout).toBe('');
    expect(await lastingLeftovers(shop.dir, 0)).toEqual([]);
  });

  it('need not be given', () => {
    expectBuilt(build(['RUN --mount=type=ssh test -z "$SSH_AUTH_SOCK" && test ! -e /run && touch /out']));
  });

  it('stops the build before anything runs when it is required and was not given', () => {
    const { status, stderr } = build(['RUN echo ran', 'RUN --mount=type=ssh,id=deploy,required=true true']);
    expect(status).toBe(1);
    expect(stderr).toContain(':7:1: no SSH key "deploy" forwarded from the client\n');
    expect(stderr).toContain('>>> 7 | RUN --mount=type=ssh,id=deploy,required=true true\n');
    expect(stderr).toContain('hint: Forward an agent or a private key: --ssh deploy or --ssh deploy=FILE.\n');
    expect(stderr).not.toContain('DONE');
  });

  it.each([
    ['no agent', ['--ssh', 'default'], {}, 'ERROR: --ssh default: there is no SSH agent: SSH_AUTH_SOCK is not set\n'],
    [
      'an agent that is gone',
      ['--ssh', 'default'],
      { SSH_AUTH_SOCK: '/none' },
      'ERROR: --ssh default: no agent or key at "/none": no such file',
    ],
    ['a key that is none', ['--ssh', 'default=/etc/passwd'], {}, 'cannot use the SSH key "/etc/passwd": '],
  ])('%s is told before anything runs', (_, args, env, message) => {
    const { status, stderr } = build(['RUN --mount=type=ssh true'], args, env);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('DONE');
  });
});
