import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownPrivileges } from '../../src/execute/insecure.js';
import type { StepMount } from '../../src/plan/plan.js';
import type { LayerDir } from '../../src/snapshot/root-view.js';
import { listTree, Sandbox, whyNoContainers } from './sandbox.js';

type SecretMount = Extract<StepMount, { kind: 'secret' }>;

const VALUE = 'hunter2-of-this-test';

function secret(fields: Partial<SecretMount> & { readonly id: string }): SecretMount {
  return { kind: 'secret', required: false, uid: 0, gid: 0, mode: 0o400, ...fields };
}

/** Regular files that hold the text. */
function filesWith(text: string, dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => holds(path, text));
}

/** A runtime's own files come and go. */
function holds(path: string, text: string): boolean {
  try {
    return readFileSync(path).includes(text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

for (const runtime of ['runc', 'crun']) {
  const reason = whyNoContainers(runtime);
  if (reason !== undefined) console.warn(`skipped: secrets with ${runtime}: ${reason}`);

  describe.skipIf(reason !== undefined)(`secrets with ${runtime}`, () => {
    const sandbox = new Sandbox(runtime);
    const give = (values: Readonly<Record<string, string | Buffer>>) => (id: string) => {
      const value = values[id];
      return value === undefined ? undefined : Buffer.from(value);
    };
    let base: LayerDir;
    beforeAll(() => {
      base = sandbox.busybox({ 'tmp/': '' });
    });
    afterAll(() => sandbox.dispose());

    test('129: a file has the mode and owner asked for, cannot be written to, and leaves no trace', async () => {
      const mounts = [secret({ id: 'a', target: '/run/secrets/a' }), secret({ id: 'b', target: '/etc/b', uid: 7, gid: 8, mode: 0o444 })];
      const script = 'stat -c "%a %u %g %n" /run/secrets/a /etc/b; cat /run/secrets/a /etc/b; echo x > /etc/b; rm /etc/b; true';
      const readSecret = give({ a: VALUE, b: 'second' });
      const { lines, upper } = await sandbox.sh([base], script, { mounts }, { readSecret });
      expect(lines.slice(0, 2)).toEqual(['400 0 0 /run/secrets/a', '444 7 8 /etc/b']);
      expect(lines[2]).toContain(`${VALUE}second`);
      expect(lines.filter((line) => /read-only|busy/i.test(line))).toHaveLength(2);
      expect(listTree(upper)).toEqual([]);
    });

    test('128: a variable has the value, with a target the file has it too', async () => {
      const mounts = [secret({ id: 'a', env: 'FOO' }), secret({ id: 'b', env: 'BAR', target: '/b' })];
      const script = 'echo "$FOO $BAR"; cat /b; test -e /run/secrets || echo no file';
      const { lines } = await sandbox.sh(
        [base],
        script,
        { mounts, env: ['PATH=/bin', 'FOO=old'] },
        { readSecret: give({ a: VALUE, b: 'B' }) },
      );
      expect(lines).toEqual([`${VALUE} B`, 'Bno file']);
    });

    test('127: one that is not there, and need not be, is nothing', async () => {
      const mounts = [secret({ id: 'a', target: '/run/secrets/a' }), secret({ id: 'b', env: 'B' })];
      const { lines } = await sandbox.sh([base], 'test -e /run || echo none; echo ${B-unset}', { mounts });
      expect(lines).toEqual(['none', 'unset']);
    });

    test('any bytes come through, none and 500 KiB as well', async () => {
      const large = Buffer.alloc(500 * 1024, Buffer.from([0, 1, 2, 255, 10, 13, 39]));
      const mounts = [secret({ id: 'large', target: '/large' }), secret({ id: 'empty', target: '/empty' })];
      const { lines } = await sandbox.sh(
        [base],
        'wc -c < /large; wc -c < /empty; tail -c 7 /large | od -An -tx1',
        { mounts },
        {
          readSecret: give({ large, empty: '' }),
        },
      );
      expect(lines.slice(0, 2)).toEqual([String(large.length), '0']);
      expect((lines[2] ?? '').trim()).toBe([...large.subarray(-7)].map((byte) => byte.toString(16).padStart(2, '0')).join(' '));
    });

    test('while the step runs, no file that others can see has the value', async () => {
      const mounts = [secret({ id: 'a', target: '/a', env: 'FOO' })];
      const seen: string[][] = [];
      const onLine = (): void => void seen.push(filesWith(VALUE, sandbox.dir));
      await sandbox.sh([base], 'echo up; sleep 0.2; echo down', { mounts }, { readSecret: give({ a: VALUE }), onLine });
      expect(seen).toEqual([[], []]);
      expect(filesWith('buildkitsandbox', sandbox.dir).length).toBeGreaterThan(0);
    });

    test.each([
      ['has a NUL byte', `${VALUE}\0`],
      ['is not UTF-8', Buffer.from([0x61, 0xff])],
      ['has 131068 bytes', 'x'.repeat(131_068)],
    ])('no variable can hold what %s', async (why, value) => {
      const mounts = [secret({ id: 'a', env: 'FOO' })];
      await expect(sandbox.sh([base], 'true', { mounts }, { readSecret: give({ a: value }) })).rejects.toMatchObject({
        kind: 'input',
        message: `secret a ${why}, so that no environment variable can hold it`,
      });
      await sandbox.stopContainers();
    });

    test('a variable holds what just fits', async () => {
      const mounts = [secret({ id: 'a', env: 'FOO' })];
      const { lines } = await sandbox.sh([base], 'echo ${#FOO}', { mounts }, { readSecret: give({ a: 'x'.repeat(131_067) }) });
      expect(lines).toEqual(['131067']);
    });

    test('31: scripts are found in /dev/pipes, read-only, and leave no trace', async () => {
      const scripts = [{ name: 'EOF', text: '#!/bin/sh -e\necho "$0: ran"\nfalse\necho not reached\n' }];
      const script = 'stat -c %a /dev/pipes/EOF; echo >> /dev/pipes/EOF; touch /dev/pipes/x; /dev/pipes/EOF || echo $?';
      const { lines, upper } = await sandbox.sh([base], script, { scripts });
      expect(lines[0]).toBe('755');
      expect(lines.filter((line) => /read-only/i.test(line))).toHaveLength(2);
      expect(lines.slice(-2)).toEqual(['/dev/pipes/EOF: ran', '1']);
      expect(listTree(upper)).toEqual([]);
    });

    test('131: the host name is in /etc/hosts too', async () => {
      const { lines } = await sandbox.sh([base], 'hostname; head -n 1 /etc/hosts', { hostname: 'ci-1' });
      expect(lines).toEqual(['ci-1', '127.0.0.1\tlocalhost ci-1']);
    });

    test('a step that is not shut in has all capabilities, as any user, no filter, and devices', async () => {
      const script = [
        'grep -E "^(Cap(Inh|Prm|Eff|Bnd|Amb)|Seccomp):" /proc/self/status',
        'test -c /dev/null && test -c /dev/tty && echo devices',
        'mknod /dev/mine c 1 3 && echo x > /dev/mine && echo made',
        'mount -t tmpfs t /tmp && echo mounted',
        'test -w /proc/sys/kernel/hostname && echo writable',
      ].join('; ');
      const all = (/^CapBnd:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '').padStart(16, '0');
      const root = await sandbox.sh([base], script, { security: 'insecure' });
      expect(root.lines.map((line) => line.split(/\s+/).at(-1))).toEqual([
        all,
        all,
        all,
        all,
        all,
        '0',
        'devices',
        'made',
        'mounted',
        'writable',
      ]);
      const other = await sandbox.sh([base], 'grep ^CapEff: /proc/self/status', { security: 'insecure', user: '1000' });
      expect(other.lines.map((line) => line.split(/\s+/).at(-1))).toEqual([all]);
      expect(ownPrivileges().devices).toContain('null');
    });
  });
}
