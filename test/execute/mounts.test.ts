import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { placeMounts, type PreparedMount } from '../../src/execute/mounts.js';
import { prepareStep, runStep } from '../../src/execute/run.js';
import type { SourceMount } from '../../src/os/container.js';
import { makeNode } from '../../src/os/native.js';
import type { LayerDir } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import { listTree, Sandbox, whyNoContainers } from './sandbox.js';

const layers = new Sandbox();
afterAll(() => layers.dispose());

function bind(
  target: string,
  of: { readonly layer?: LayerDir; readonly isFile?: boolean; readonly writable?: boolean } = {},
): PreparedMount {
  const { layer, isFile = false, writable = false } = of;
  const contents = layer === undefined ? {} : { contents: { view: openRootView([layer]), path: '', writable } };
  return { target, type: 'bind', source: layer?.path ?? '/nowhere', isFile, options: ['bind', writable ? 'rw' : 'ro'], ...contents };
}

const tmpfs = (target: string): PreparedMount => ({
  target,
  type: 'tmpfs',
  isFile: false,
  options: ['nosuid', 'nodev'],
  contents: { view: openRootView([]), path: '', writable: true },
});

const TREE = {
  'data/dir/': '',
  'data/file': 'x',
  'data/link': { link: 'dir' },
  abs: { link: '/data/dir' },
  lost: { link: '/no/where' },
  up: { link: '../../../data' },
  loop: { link: 'loop' },
  'to-proc': { link: '/proc' },
  'to-dev': { link: '/dev' },
  'to-root': { link: '..' },
  'to-bytes': { link: Buffer.from('/d\xff', 'latin1') },
};

describe('the place of a mount', () => {
  const root = openRootView([layers.layer(TREE)]);
  const place = (...mounts: readonly PreparedMount[]): object[] =>
    placeMounts(mounts, root).map(({ path, inRoot, mode }) => ({ path, inRoot, mode }));

  const rows: [target: string, path: string][] = [
    ['/data', 'data'],
    ['/new/deep', 'new/deep'],
    ['/data/link', 'data/dir'],
    ['/data/link/new', 'data/dir/new'],
    ['/abs', 'data/dir'],
    ['/lost', 'no/where'],
    ['/lost/more', 'no/where/more'],
    ['/up/dir', 'data/dir'],
  ];
  for (const [target, path] of rows)
    test(`${target} is ${path}`, () => expect(place(bind(target))).toMatchObject([{ path, inRoot: true }]));

  const refused: [target: string, message: string][] = [
    ['/data/file', 'cannot mount at "/data/file": a directory does not fit on a file'],
    ['/data/file/x/y', 'cannot mount at "/data/file/x/y": /data/file is a file'],
    ['/to-proc', 'cannot mount at "/to-proc": it leads to /proc, which the runtime mounts'],
    ['/to-proc/self/fd', 'cannot mount at "/to-proc/self/fd": it leads to /proc/self/fd, which the runtime mounts'],
    ['/to-dev', 'cannot mount at "/to-dev": it leads to /dev, which the runtime mounts'],
    ['/to-root', 'cannot mount at "/to-root": it is the root of the file system'],
  ];
  for (const [target, message] of refused)
    test(`${target} is refused`, () => expect(() => place(bind(target))).toThrow(new BuildError('dockerfile', message)));

  test('what no text can name is refused, as config.json is text', () => {
    expect(() => place(bind('/to-bytes/x'))).toThrow('cannot mount at "/to-bytes/x": it leads to /d\ufffd/x, which is not UTF-8');
  });

  test('a loop of links is refused', () => expect(() => place(bind('/loop'))).toThrow('too many symbolic links'));

  test('a file does not go on a directory', () => {
    expect(() => place(bind('/data', { isFile: true }))).toThrow('cannot mount at "/data": a file does not fit on a directory');
    expect(place(bind('/data/file', { isFile: true }))).toMatchObject([{ path: 'data/file', inRoot: true }]);
  });

  test('nothing goes below a file', () => {
    const file = bind('/new/file', { isFile: true });
    expect(() => place(file, tmpfs('/new/file/more'))).toThrow('cannot mount at "/new/file/more": /new/file is a file');
    expect(place(file, file)).toHaveLength(2);
  });

  test('a mount in another one is found there, whatever the order', () => {
    const layer = layers.layer({ 'in/': '', link: { link: 'in' }, file: '', 'in/climb': { link: '../../data' } });
    const outer = bind('/data/dir', { layer });
    expect(place(bind('/data/link/link'), outer)).toMatchObject([{ path: 'data/dir' }, { path: 'data/dir/in', inRoot: false }]);
    // `..` of what is mounted is where it is mounted.
    expect(place(bind('/data/dir/in/climb/link'), outer)).toMatchObject([{}, { path: 'data/data/link', inRoot: true }]);
    expect(() => place(outer, bind('/data/dir/file'))).toThrow('a directory does not fit on a file');
    expect(() => place(outer, bind('/data/dir/new'))).toThrow(/nothing of that name in what is mounted read-only at "\/data\/dir"/);
    expect(place(bind('/data/dir', { layer, writable: true }), bind('/data/dir/new'))).toMatchObject([
      {},
      { path: 'data/dir/new', inRoot: false },
    ]);
    expect(place(tmpfs('/data'), tmpfs('/data/dir/x'))).toMatchObject([{ inRoot: true }, { path: 'data/dir/x', inRoot: false }]);
  });

  test('a tmpfs has the mode of the directory that it hides, or is open to everybody', () => {
    expect(place(tmpfs('/data/dir'), tmpfs('/new'))).toMatchObject([{ mode: 0o1777 }, { mode: 0o755 }]);
    expect(place(tmpfs('/dev/shm'))).toMatchObject([{ path: 'dev/shm', inRoot: false }]);
  });
});

for (const runtime of ['runc', 'crun']) {
  const reason = whyNoContainers(runtime);
  if (reason !== undefined) console.warn(`skipped: mounts with ${runtime}: ${reason}`);

  describe.skipIf(reason !== undefined)(`mounts with ${runtime}`, () => {
    const sandbox = new Sandbox(runtime);
    afterAll(() => sandbox.dispose());

    test('120: leave nothing in the layer of the step', async () => {
      const base = sandbox.busybox({ 'data/dir/': '', 'data/file': 'x', lost: { link: '/no/where' } });
      const layer = sandbox.layer({ f: 'f\n', 'd/': '' });
      const file = { ...bind('/new/file', { isFile: true }), source: join(layer.path, 'f') };
      const mounts = [
        bind('/lost/m', { layer }),
        bind('/data/dir', { layer, writable: true }),
        tmpfs('/data/dir/t'),
        tmpfs('/a/b/c'),
        file,
        { ...file, target: '/data/file' },
      ];
      const script =
        'cat /no/where/m/f /new/file /data/file /data/dir/f; touch /a/b/c/x /data/dir/t/x /data/dir/x; touch /no/where/m/x; stat -c %a /a/b/c';
      const { lines, upper } = await sandbox.sh([base], script, {}, { mounts });
      expect(lines).toEqual(['f', 'f', 'f', 'f', 'touch: /no/where/m/x: Read-only file system', '1777']);
      expect(listTree(upper)).toEqual([]);
      expect(listTree(layer.path)).toEqual(['d', 'f', 't', 'x']);
    });

    test('from overlays that stand in the namespace of the step alone', async () => {
      const below = sandbox.layer({ 'd/a': 'below\n', 'd/b': 'below\n' });
      const above = sandbox.layer({ 'd/a': 'above\n' });
      const [ro, rw, upper, work] = ['ro', 'rw', 'upper', 'work'].map((name) => sandbox.path(`source-${name}`));
      for (const dir of [ro, rw, upper, work]) mkdirSync(dir ?? '');
      const lowers = [above.path, below.path];
      const mountSources: SourceMount[] = [
        { kind: 'overlay', at: ro ?? '', lowers },
        { kind: 'overlay', at: rw ?? '', lowers, scratch: { upper: upper ?? '', work: work ?? '' } },
      ];
      const mounts = [
        { ...bind('/ro'), source: join(ro ?? '', 'd') },
        { ...bind('/rw', { writable: true }), source: join(rw ?? '', 'd') },
        { ...bind('/f', { isFile: true }), source: join(ro ?? '', 'd/b') },
      ];
      const { lines } = await sandbox.sh(
        [sandbox.busybox()],
        'cat /ro/a /ro/b /f; echo new >/rw/a; rm /rw/b; cat /rw/*; touch /ro/x || true',
        {},
        { mounts, mountSources },
      );
      expect(lines).toEqual(['above', 'below', 'below', 'new', 'touch: /ro/x: Read-only file system']);
      expect(listTree(above.path)).toEqual(['d', 'd/a']);
      expect(listTree(rw ?? '')).toEqual([]);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(sandbox.dir);
    });

    test('126: a source that became a symlink is not mounted', async () => {
      const secret = sandbox.layer({ secret: 'secret\n' });
      const cache = sandbox.layer({ 'real/f': 'f\n' });
      symlinkSync(secret.path, join(cache.path, 'link'));
      const run = async (from: string): Promise<readonly string[]> => {
        const at = sandbox.path(`at-${from}`);
        mkdirSync(at);
        const mountSources: SourceMount[] = [{ kind: 'bind', at, from: join(cache.path, from) }];
        return (await sandbox.sh([sandbox.busybox()], 'ls /m', {}, { mounts: [{ ...bind('/m'), source: at }], mountSources })).lines;
      };
      expect(await run('real')).toEqual(['f']);
      await expect(run('link')).rejects.toThrow('the source of a mount has moved');
    });

    test('device nodes in what is mounted open nothing', async () => {
      const layer = sandbox.layer({});
      const base = sandbox.busybox();
      const made = await sandbox.sh([base], 'mknod /m/null c 1 3 && ls /m', {}, { mounts: [bind('/m', { layer, writable: true })] });
      expect(made.lines).toEqual(['null']);
      const nodev = { ...bind('/m', { layer }), options: ['bind', 'ro', 'nodev'] };
      const { lines } = await sandbox.sh([base], 'cat /m/null || echo refused', {}, { mounts: [nodev] });
      expect(lines.at(-1)).toBe('refused');
    });

    test('a step that cannot be mounted for has run nothing', async () => {
      const layer = sandbox.layer({ marker: '' });
      const at = sandbox.path('missing-source');
      const request = sandbox.request(
        [sandbox.busybox()],
        { args: ['rm', '/m/marker'] },
        {
          mounts: [bind('/m', { layer, writable: true })],
          mountSources: [{ kind: 'overlay', at, lowers: [layer.path] }],
        },
      );
      await expect(runStep(request)).rejects.toMatchObject({
        kind: 'environment',
        message: expect.stringContaining('cannot mount the layers') as string,
      });
      expect(listTree(layer.path)).toEqual(['marker']);
    });

    test('a target that no file system takes is refused', async () => {
      const long = `/${'n'.repeat(300)}`;
      await expect(sandbox.sh([sandbox.busybox()], 'true', {}, { mounts: [tmpfs(long)] })).rejects.toMatchObject({
        kind: 'dockerfile',
        message: `cannot mount at "${long.slice(0, 200)}…": the path is too long`,
      });
      await sandbox.stopContainers();
    });

    test('the runtime does not wait for an /etc/passwd that is mounted and never comes', async () => {
      const layer = sandbox.layer({ 'real/': '', passwd: { link: 'real/fifo' } });
      makeNode(join(layer.path, 'real/fifo'), { type: 'fifo', mode: 0o644, major: 0, minor: 0 });
      await expect(sandbox.sh([sandbox.busybox()], 'true', {}, { mounts: [bind('/etc', { layer })] })).rejects.toMatchObject({
        kind: 'input',
        message: '/etc/passwd as the step finds it is a fifo, not a file',
      });
      await sandbox.stopContainers();
    });

    test('the directory of the step may have a colon', async () => {
      const dir = sandbox.path('a:b');
      mkdirSync(dir);
      const container = prepareStep(dir, runtime);
      const lines: string[] = [];
      const onLine = (line: string): void => void lines.push(line);
      await runStep({ ...sandbox.request([sandbox.busybox()], { args: ['echo', 'ran'] }, { onLine }), container });
      await container[Symbol.asyncDispose]();
      await sandbox.stopContainers();
      expect(lines).toEqual(['ran']);
    });

    test('a path with blanks, quotes and commas is a path', async () => {
      const odd = sandbox.path(`it's a "dir", really`);
      mkdirSync(join(odd, 'at'), { recursive: true });
      mkdirSync(join(odd, 'lower'));
      writeFileSync(join(odd, 'lower/f'), 'f\n');
      const mountSources: SourceMount[] = [{ kind: 'overlay', at: join(odd, 'at'), lowers: [join(odd, 'lower')] }];
      const mounts = [{ ...bind('/m'), source: join(odd, 'at') }, tmpfs(`/it's a "dir", really`)];
      const { lines } = await sandbox.sh([sandbox.busybox()], `cat /m/f; ls -d /it*`, {}, { mounts, mountSources });
      expect(lines).toEqual(['f', `/it's a "dir", really`]);
    });
  });
}
