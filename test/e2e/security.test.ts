import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, tsbuild, type CliResult } from '../helpers/cli.js';
import { BUSYBOX_BASE } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox') : 'needs root';
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/security.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('what a build may do', () => {
  const shop = new Workshop();
  let context = '';
  let builds = 0;

  beforeAll(() => {
    context = shop.busyboxContext('');
  });
  afterAll(() => shop[Symbol.dispose]());

  function build(lines: readonly string[], args: readonly string[] = []): CliResult {
    const file = shop.at(`Dockerfile.${builds++}`);
    writeFileSync(file, `${BUSYBOX_BASE}${lines.join('\n')}\n`);
    return tsbuild(['--root', shop.store, '--progress', 'plain', '-f', file, ...args, context]);
  }

  /** Lines that its steps wrote. */
  function said({ status, stderr }: CliResult): string[] {
    expect(status, stderr).toBe(0);
    return [...stderr.matchAll(/^#\d+ \d+\.\d+ (.*)$/gm)].map(([, line]) => line ?? '');
  }

  it('RUN --security=insecure is refused before anything runs', () => {
    const { status, stderr } = build(['RUN echo ran', 'RUN --security=insecure mount']);
    expect(status).toBe(2);
    expect(stderr).toContain(':5:1: entitlement security.insecure is not allowed\n');
    expect(stderr).toContain('>>> 5 | RUN --security=insecure mount\n');
    expect(stderr).toContain('hint: If you trust this Dockerfile with it: --allow security.insecure.\n');
    expect(stderr).not.toContain('DONE');
  });

  it('RUN --security=insecure has everything once it is allowed; the other steps have not', () => {
    const show =
      'mkdir -p /m; mount -t tmpfs t /m 2> /dev/null && echo mounted; grep Seccomp: /proc/self/status; rmdir /m 2> /dev/null; true';
    const lines = [`RUN --security=insecure ${show}`, `RUN --security=sandbox ${show}`, `RUN ${show}`];
    expect(said(build(lines, ['--allow', 'security.insecure']))).toEqual(['mounted', 'Seccomp:\t0', 'Seccomp:\t2', 'Seccomp:\t2']);
  });

  it('RUN --device is refused with a word', () => {
    const { status, stderr } = build(['RUN --device=vendor.com/gpu=0 true']);
    expect(status).toBe(2);
    expect(stderr).toContain('not supported yet: RUN --device\n');
    expect(stderr).toContain('hint: No device of this machine is handed to steps: leave --device out.\n');
    expect(build(['RUN true'], ['--allow', 'device']).stderr).toBe(
      'ERROR: --allow device is not supported\nhint: RUN --device is not to be had: leave both out.\n',
    );
  });

  it('--allow names what there is', () => {
    expect(build(['RUN true'], ['--allow', 'security.insecur'])).toMatchObject({
      status: 2,
      stderr: 'ERROR: invalid --allow "security.insecur": want network.host or security.insecure (did you mean security.insecure?)\n',
    });
  });

  it('132: --network=none has the loopback device alone', () => {
    expect(said(build(['RUN --network=none grep : /proc/net/dev | tr -d " " | cut -d : -f 1']))).toEqual(['lo']);
  });

  it('132: in a build without network, --network=host has to be allowed', () => {
    const lines = ['RUN grep -c : /proc/net/dev', 'RUN --network=host grep -c : /proc/net/dev > /n; test $(cat /n) -gt 0'];
    const refused = build(lines, ['--network', 'none']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain(':5:1: entitlement network.host is not allowed\n');
    expect(refused.stderr).not.toContain('DONE');
    expect(said(build(lines, ['--network', 'none', '--allow', 'network.host']))).toEqual(['1']);
    expect(said(build([lines[1] ?? '']))).toEqual([]);
  });

  it('131: the host name is buildkitsandbox, and can be changed', () => {
    const lines = ['RUN hostname; head -n 1 /etc/hosts'];
    expect(said(build(lines))).toEqual(['buildkitsandbox', '127.0.0.1\tlocalhost buildkitsandbox']);
    expect(said(build(lines, ['--build-arg', 'BUILDKIT_SANDBOX_HOSTNAME=ci-1']))).toEqual(['ci-1', '127.0.0.1\tlocalhost ci-1']);
  });

  it('31: a heredoc that names its interpreter is run by it', () => {
    const lines = [
      'ARG name=world',
      'RUN <<EOF',
      '#!/bin/awk -f',
      'BEGIN { print "hello " ENVIRON["name"] " $name" }',
      'EOF',
      'RUN <<-X',
      '\t#!/bin/sh -eu',
      '\techo "$0"',
      '\tX',
      'RUN ls -A /dev/pipes 2> /dev/null; test ! -e /dev/pipes',
    ];
    expect(said(build(lines, ['-t', 'scripts']))).toEqual(['hello world $name', '/dev/pipes/X']);
    const history = shop.run(['history', '--json', 'scripts']);
    expect(history).toContain('RUN |1 name=world /bin/sh -c /dev/pipes/EOF # buildkit');
  });

  it('31: one that fails fails the step', () => {
    const { status, stderr } = build(['RUN <<EOF', '#!/bin/sh -e', 'false', 'echo not reached', 'EOF']);
    expect(status).toBe(1);
    expect(stderr).toContain('process "/bin/sh -c /dev/pipes/EOF" did not complete successfully: exit code: 1\n');
  });
});
