import { EventEmitter, once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { runStep } from '../../src/execute/run.js';
import { findRuntime } from '../../src/os/runtime.js';
import type { LayerDir } from '../../src/snapshot/root-view.js';
import { listTree, Sandbox, whyNoContainers } from './sandbox.js';

async function errorOf(promise: Promise<unknown>): Promise<BuildError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof BuildError)) throw new Error(`want a BuildError, got ${String(error)}`);
  return error;
}

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001:A:/home/alice:/bin/sh\n';
const GROUP = 'root:x:0:root\nstaff:x:50:alice,bob\nusers:x:100:alice\nalice:x:1001:\n';

for (const runtime of ['runc', 'crun']) {
  const reason = whyNoContainers(runtime);
  if (reason !== undefined) console.warn(`skipped: RUN steps with ${runtime}: ${reason}`);

  describe.skipIf(reason !== undefined)(`RUN with ${runtime}`, () => {
    const sandbox = new Sandbox(runtime);
    let base: LayerDir;
    beforeAll(() => {
      base = sandbox.busybox({ 'etc/passwd': PASSWD, 'etc/group': GROUP, 'tmp/': '', 'home/alice/': '' });
    });
    afterAll(() => sandbox.dispose());

    test('the step sees its environment, its directory and no other variables', async () => {
      const { lines } = await sandbox.sh([base], 'pwd; env | sort', {
        cwd: '/home/alice',
        env: ['PATH=/bin', 'A=b c'],
        proxyEnv: ['http_proxy=x'],
      });
      expect(lines.filter((line) => !/^(SHLVL|PWD|OLDPWD|_)=/.test(line))).toEqual([
        '/home/alice',
        'A=b c',
        'HOME=/root',
        'PATH=/bin',
        'http_proxy=x',
      ]);
    });

    test('a directory that no text can name is none to run in, nor to mount in', async () => {
      const bytes = Buffer.from('d\xff', 'latin1');
      const odd = sandbox.layer({ link: { link: bytes }, etc: { link: bytes } });
      mkdirSync(Buffer.concat([Buffer.from(`${odd.path}/`), bytes]));
      await expect(sandbox.sh([odd, base], 'pwd', { cwd: '/link' })).rejects.toMatchObject({
        kind: 'input',
        message: 'WORKDIR "/link" leads to "/d\ufffd", which is not UTF-8',
      });
      await sandbox.stopContainers();
      const { upper } = await sandbox.sh([odd, base], 'test -f /etc/hosts');
      expect(listTree(upper)).toEqual([]);
    });

    test.each([
      ['', 'uid=0(root) gid=0(root) groups=0(root)', '/root'],
      ['alice', 'uid=1000(alice) gid=1001(alice) groups=50(staff),100(users),1001(alice)', '/home/alice'],
      ['1000', 'uid=1000(alice) gid=1001(alice) groups=50(staff),100(users),1001(alice)', '/home/alice'],
      ['alice:users', 'uid=1000(alice) gid=100(users) groups=100(users)', '/home/alice'],
      ['alice:7', 'uid=1000(alice) gid=7 groups=7', '/home/alice'],
      ['4000', 'uid=4000 gid=0(root) groups=0(root)', '/'],
      ['1000:1001', 'uid=1000(alice) gid=1001(alice) groups=1001(alice)', '/home/alice'],
    ])('USER %j runs as %s', async (user, ids, home) => {
      const { lines } = await sandbox.sh([base], 'id; echo $HOME', { user });
      expect(lines).toEqual([ids, home]);
    });

    test('a user that is not in the image fails before anything runs', async () => {
      const error = await errorOf(sandbox.sh([base], 'true', { user: 'nobody-here' }));
      expect(error.kind).toBe('dockerfile');
      expect(error.message).toBe('unable to find user nobody-here: no matching entries in passwd file');
    });

    test('capabilities are those of docker, for root alone', async () => {
      const show = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status";
      const root = await sandbox.sh([base], show);
      expect(root.lines.map((line) => line.split(/\s+/)[1])).toEqual(
        ['0', 'a80425fb', 'a80425fb', 'a80425fb', '0'].map((mask) => mask.padStart(16, '0')),
      );
      const alice = await sandbox.sh([base], show, { user: 'alice' });
      expect(alice.lines.map((line) => line.split(/\s+/)[1])).toEqual(
        ['0', '0', '0', 'a80425fb', '0'].map((mask) => mask.padStart(16, '0')),
      );
    });

    test('the system call filter is in force', async () => {
      const script = 'grep Seccomp: /proc/self/status; unshare -r true; mount -t tmpfs t /tmp; hostname x; chroot / true && echo chroot';
      const { lines } = await sandbox.sh([base], `${script}; true`);
      expect(lines[0]).toMatch(/^Seccomp:\s+2$/);
      expect(lines.filter((line) => /permitted|denied/i.test(line))).toHaveLength(3);
    });

    test('what tells about the machine is masked, what sets it is read-only', async () => {
      const { lines } = await sandbox.sh(
        [base],
        'cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l; touch /sys/x; echo 1 > /proc/sys/kernel/ns_last_pid; ls /sys/fs/cgroup | wc -l; true',
      );
      expect(lines[0]).toBe('0');
      expect(lines[1]).toBe('0');
      expect(lines.filter((line) => /read-only/i.test(line))).toHaveLength(2);
    });

    test('no device works but those of /dev, neither from mknod nor from a layer', async () => {
      const script = [
        'for d in null zero full random urandom; do test -c /dev/$d || echo missing $d; done',
        'head -c 3 /dev/zero | wc -c; echo x > /dev/null; test -L /dev/stdout && test -d /dev/pts && test -d /dev/shm && echo ok',
        'mknod -m 666 /node c 1 5; mknod -m 666 /dev/node c 1 5; mknod -m 666 /dev/shm/node c 1 5 && echo made',
        'for d in /node /dev/node /dev/shm/node; do head -c 3 $d | wc -c; done',
        'chmod 600 /dev/null; true',
      ];
      const before = statSync('/dev/null').mode;
      const { lines, upper } = await sandbox.sh([base], script.join('\n'));
      expect(lines.filter((line) => !/node|null/.test(line))).toEqual(['3', 'ok', 'made', '0', '0', '0']);
      expect(statSync('/dev/null').mode).toBe(before);
      const fromLayer = await sandbox.sh([{ path: upper }, base], 'head -c 3 /node | wc -c');
      expect(fromLayer.lines.at(-1)).toBe('0');
    });

    test('standard input is /dev/null, and no further descriptor is open', async () => {
      const script = 'readlink /proc/self/fd/0; cat; for n in $(seq 0 40); do test -e /proc/$$/fd/$n && echo $n; done; true';
      const { lines } = await sandbox.sh([base], script);
      expect(lines).toEqual(['/dev/null', '0', '1', '2']);
    });

    test('both outputs keep their order', async () => {
      const { lines } = await sandbox.sh([base], 'for i in $(seq 1 50); do echo out $i; echo err $i >&2; done');
      expect(lines).toEqual(Array.from({ length: 50 }, (_, index) => [`out ${index + 1}`, `err ${index + 1}`]).flat());
    });

    test('long lines, binary output and a last line without an end come through', async () => {
      const script = "yes a | head -n 100000 | tr -d '\\n'; printf '\\nh\\303\\266\\377\\r\\n1%%\\r2%%\\nend'";
      const { lines } = await sandbox.sh([base], script);
      expect(lines.slice(0, -3).join('')).toBe('a'.repeat(100_000));
      expect(lines.slice(-3)).toEqual(['hö\ufffd', '2%', 'end']);
    });

    test('131: the file system of the step: hosts and resolv.conf of its own, host name, shm, no /run', async () => {
      const { lines, upper } = await sandbox
        .sh(
          [base],
          'cat /etc/hosts; hostname; df -k /dev/shm | tail -n 1; test -e /run || echo no run; echo x >> /etc/hosts; cat /etc/resolv.conf',
          {},
          { addHosts: ['db:10.0.0.7', 'six=[fd00::1]', 'me:host-gateway'], shmSizeBytes: 2 * 1024 * 1024 },
        )
        .catch((error: unknown) => {
          throw error;
        });
      const text = lines.join('\n');
      expect(text).toContain(
        '127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.7\tdb\nfd00::1\tsix\n127.0.0.1\tme\nbuildkitsandbox\n',
      );
      expect(text).toMatch(/\n\S+\s+2048 .*\/dev\/shm\nno run/);
      expect(text).toMatch(/etc\/hosts: Read-only file system/);
      expect(text.endsWith(readFileSync('/etc/resolv.conf', 'utf8').trimEnd())).toBe(true);
      expect(listTree(upper)).toEqual([]);
    });

    test('132: network none has nothing but the loopback device, up', async () => {
      const { lines } = await sandbox.sh([base], 'ls /sys/class/net; ip addr show lo | grep -c "inet 127.0.0.1"', { network: 'none' });
      expect(lines).toEqual(['lo', '1']);
    });

    test('limits are set', async () => {
      const { lines } = await sandbox.sh(
        [base],
        'ulimit -Sn; ulimit -Hn; ulimit -c',
        {},
        {
          ulimits: [
            { name: 'nofile', soft: 123, hard: 456 },
            { name: 'core', soft: -1, hard: -1 },
          ],
        },
      );
      expect(lines).toEqual(['123', '456', 'unlimited']);
    });

    test('a step that changes nothing leaves nothing, whatever the image lacks', async () => {
      for (const layers of [[base], [sandbox.busybox()], [sandbox.busybox({ 'etc/hosts': 'own\n', 'etc/resolv.conf': 'own\n' })]]) {
        const { upper } = await sandbox.sh(layers, 'ls -la / /etc /dev /proc >/dev/null');
        expect(listTree(upper)).toEqual([]);
      }
    });

    test('what a step writes lands in the upper directory, with the metadata of what was below', async () => {
      const layer = sandbox.busybox({ 'etc/keep': 'x', 'etc/gone': 'y' });
      utimesSync(join(layer.path, 'etc'), 1000, 1000);
      const request = sandbox.request([layer], { args: ['sh', '-c', 'echo new > /etc/keep; rm /etc/gone; stat -c %Y /etc >/new'] });
      await runStep(request);
      expect(listTree(request.upper)).toEqual(['etc', 'etc/gone', 'etc/keep', 'new']);
      expect(statSync(join(request.upper, 'etc/gone')).isCharacterDevice()).toBe(true);
      expect(readFileSync(join(request.upper, 'etc/keep'), 'utf8')).toBe('new\n');
    });

    test('stubs do not change the time of /etc', async () => {
      const layer = sandbox.busybox({ 'etc/keep': 'x' });
      utimesSync(join(layer.path, 'etc'), 1000, 1000);
      const { lines } = await sandbox.sh([layer], 'stat -c "%Y %a" /etc');
      expect(lines).toEqual(['1000 755']);
    });

    test('the root directory has the metadata of the layers', async () => {
      const layer = sandbox.busybox();
      const request = sandbox.request([layer], { args: ['sh', '-c', 'stat -c "%a %u %g %Y" / >&2'] });
      const lines: string[] = [];
      await runStep({ ...request, onLine: (line) => lines.push(line) });
      const { mtimeMs } = statSync(layer.path);
      expect(lines).toEqual([`755 0 0 ${Math.floor(mtimeMs / 1000)}`]);
    });

    test('a directory that a layer only implied has the metadata of the layer below', async () => {
      const below = sandbox.busybox({ 'a/b/file': 'x' });
      statSync(below.path);
      utimesSync(join(below.path, 'a/b'), 77, 77);
      const above = { ...sandbox.layer({ 'a/b/other': 'y' }), implied: ['a', 'a/b'] };
      const request = sandbox.request([above, below], { args: ['sh', '-c', 'stat -c "%Y" /a/b; ls /a/b'] });
      const lines: string[] = [];
      const lstat = request.root.lstat.bind(request.root);
      // The view that reads `implied` right is another stage's: what matters here is that its answer is obeyed.
      const root = Object.assign(Object.create(request.root) as typeof request.root, {
        lstat: (path: string) => (path === 'a/b' ? { ...lstat(path), mtimeSeconds: 77, mode: 0o750 } : lstat(path)),
        list: request.root.list.bind(request.root),
        xattrs: request.root.xattrs.bind(request.root),
        resolve: request.root.resolve.bind(request.root),
        readFile: request.root.readFile.bind(request.root),
      });
      await runStep({ ...request, root, onLine: (line) => lines.push(line) });
      expect(lines).toEqual(['77', 'file', 'other']);
      expect(listTree(request.upper)).toEqual([]);
    });

    test('150 layers can be mounted', async () => {
      const layers = Array.from({ length: 150 }, (_, index) => sandbox.layer({ [`f${index}`]: String(index) }));
      const { lines } = await sandbox.sh([...layers, base], 'cat /f0 /f75 /f149');
      expect(lines).toEqual(['075149']);
    });

    test('an exit code, with the last lines', async () => {
      const error = await errorOf(sandbox.sh([base], 'seq 1 30; exit 7'));
      expect(error).toMatchObject({ kind: 'step', exitCode: 7 });
      expect(error.message).toBe('process "sh -c seq 1 30; exit 7" did not complete successfully: exit code: 7');
      expect(error.lastLines).toEqual(Array.from({ length: 20 }, (_, index) => String(index + 11)));
    });

    test('a signal is 128 and its number', async () => {
      const error = await errorOf(sandbox.sh([base], "sh -c 'kill -9 $$'; exit $?"));
      expect(error.exitCode).toBe(137);
    });

    test('an image without a shell says so', async () => {
      const error = await errorOf(runStep(sandbox.request([sandbox.layer({ file: '' })], { args: ['/bin/sh', '-c', 'true'] })));
      expect(error).toMatchObject({ kind: 'step', exitCode: 127 });
      expect(error.message).toMatch(/could not be started: .*\/bin\/sh.*no such file/i);
      expect(error.hint).toMatch(/has no \/bin\/sh/);
    });

    test('a file that is not executable is 126', async () => {
      const layer = sandbox.busybox({ plain: { mode: 0o644, text: 'x' } });
      const error = await errorOf(runStep(sandbox.request([layer], { args: ['/plain'] })));
      expect(error).toMatchObject({ kind: 'step', exitCode: 126 });
    });

    test('layers that cannot be mounted are told with the words of the kernel', async () => {
      const request = sandbox.request([base], {});
      const error = await errorOf(runStep({ ...request, layers: [{ path: sandbox.path('missing') }, base] }));
      expect(error.kind).toBe('environment');
      expect(error.message).toMatch(/^cannot mount the layers: mount: /);
    });

    test('nothing of a step remains on the machine', async () => {
      await sandbox.stopContainers();
      await sandbox.sh([base], 'sleep 100 & true');
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      expect(mounts).not.toContain(sandbox.dir);
      expect(processesWith(sandbox.dir)).toEqual([]);
    });

    describe('hostile images', () => {
      test.each([
        ['/dev is a symlink to outside', { dev: { link: '../../../../outside' } }],
        ['/proc and /sys are symlinks to outside', { proc: { link: 'OUTSIDE' }, sys: { link: 'OUTSIDE' } }],
        ['/dev is a file', { dev: 'x' }],
        [
          '/etc/resolv.conf and /etc/hosts are symlinks to outside',
          { 'etc/resolv.conf': { link: 'OUTSIDE/file' }, 'etc/hosts': { link: '../../../../../../OUTSIDE/new' } },
        ],
        ['/etc is a symlink to outside', { etc: { link: 'OUTSIDE' } }],
        ['/etc is a symlink inside', { etc: { link: 'usr/etc' }, 'usr/etc/x': '' }],
        ['/etc is a symlink to /proc', { etc: { link: '/proc' } }],
        ['/etc/hosts is a directory', { 'etc/hosts/x': '' }],
        ['/etc is a symlink to the root', { etc: { link: '/' } }],
      ])('%s', async (_title, tree) => {
        const outside = sandbox.path(`outside-${Math.random().toString(36).slice(2)}`);
        mkdirSync(outside);
        writeFileSync(join(outside, 'file'), 'sentinel');
        const text = JSON.stringify(tree).replaceAll('OUTSIDE', outside);
        const layer = sandbox.busybox(JSON.parse(text) as typeof tree);
        const { lines, upper } = await sandbox.sh([layer], 'cat /etc/hosts; test -d /proc/self && test -c /dev/null && echo fine');
        expect(lines.slice(0, 1)).toEqual(['127.0.0.1\tlocalhost buildkitsandbox']);
        expect(lines.at(-1)).toBe('fine');
        expect(listTree(upper)).toEqual([]);
        expect(listTree(outside)).toEqual(['file']);
        expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('sentinel');
      });

      test('a cwd that is a symlink is followed inside the root', async () => {
        const layer = sandbox.busybox({ work: { link: '/../../tmp/x' }, 'tmp/x/': '' });
        const { lines } = await sandbox.sh([layer], 'readlink /proc/self/cwd', { cwd: '/work' });
        expect(lines).toEqual(['/tmp/x']);
      });
    });

    test('a stopped step is gone at once', async () => {
      const stop = new AbortController();
      const output = new EventEmitter();
      const request = sandbox.request(
        [base],
        { args: ['sh', '-c', 'sleep 98765 & echo up; sleep 98765'] },
        { signal: stop.signal, onLine: () => output.emit('line') },
      );
      const started = once(output, 'line');
      const run = errorOf(runStep(request));
      await started;
      const before = performance.now();
      stop.abort();
      const error = await run;
      expect(error.kind).toBe('cancelled');
      expect(performance.now() - before).toBeLessThan(1000);
      expect(processesWith(request.container.dir)).toEqual([]);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(request.container.dir);
    });

    test('a step may close its outputs and go on', async () => {
      const { lines, upper } = await sandbox.sh([base], 'echo one; exec >/dev/null 2>&1; sleep 0.2; echo two > /two');
      expect(lines).toEqual(['one']);
      expect(readFileSync(join(upper, 'two'), 'utf8')).toBe('two\n');
      const error = await errorOf(sandbox.sh([base], 'exec >&- 2>&-; sleep 0.1; exit 9'));
      expect(error.exitCode).toBe(9);
    });

    test('15 steps that end at once each tell their status', async () => {
      for (let code = 1; code <= 15; code++) {
        const error = await errorOf(sandbox.sh([base], `exit ${code}`));
        expect(error.exitCode).toBe(code);
      }
    });

    test('a signal that fired before stops the step from starting', async () => {
      const error = await errorOf(sandbox.sh([base], 'true', {}, { signal: AbortSignal.abort() }));
      expect(error.kind).toBe('cancelled');
    });
  });
}

const plainReason = whyNoContainers('runc');

describe.skipIf(plainReason !== undefined)('a runtime of another name', () => {
  const sandbox = new Sandbox();
  afterAll(() => sandbox.dispose());

  test('gets its cgroups, which are gone afterwards, and no working device nodes', async () => {
    const program = sandbox.path('other-runtime');
    symlinkSync(findRuntime('runc').program, program);
    const script = 'mknod -m 666 /node c 1 5; head -c 3 /node | wc -c; exit 5';
    const lines: string[] = [];
    const request = sandbox.request(
      [sandbox.busybox()],
      { args: ['sh', '-c', script] },
      { runtime: program, onLine: (line) => lines.push(line) },
    );
    const error = await errorOf(runStep(request));
    expect(error.exitCode).toBe(5);
    expect(lines.at(-1)).toBe('0');
    const cgroups = readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' });
    expect(cgroups.filter((path) => path.includes(`tsbuild-${process.pid}-`))).toEqual([]);
  });
});

/** Processes whose command line or environment names a directory. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });
}
