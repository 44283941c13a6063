import { chmodSync, chownSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { workdirEntries } from '../../src/execute/make-directory.js';
import { openRootView } from '../../src/snapshot/view.js';
import { Sandbox } from './sandbox.js';

const sandbox = new Sandbox();
afterAll(() => sandbox.dispose());

const base = sandbox.layer({
  'etc/passwd': 'alice:x:1000:1001::/:\n',
  'srv/app/': '',
  'data/': '',
  file: '',
});
symlinkSync('/srv/app', join(base.path, 'link'));
symlinkSync('../../../../../tmp/nowhere', join(base.path, 'dangling'));
symlinkSync('/proc', join(base.path, 'sly'));
const isRoot = process.geteuid?.() === 0;
if (isRoot) chownSync(join(base.path, 'data'), 5, 6);
chmodSync(join(base.path, 'data'), 0o2751);
utimesSync(join(base.path, 'data'), 1234, 1234);
const root = openRootView([base]);

function workdir(path: string, user = ''): ReturnType<typeof workdirEntries> {
  return workdirEntries({ path, user, nowSeconds: 99 }, root);
}

const made = { type: 'directory', mode: 0o755, sizeBytes: 0, mtimeSeconds: 99 };

test.each(['/', '/srv/app', '/srv/app/', '/srv/../srv//app/.', '/link', '/../../srv'])('%s exists', (path) => {
  expect(workdir(path)).toEqual([]);
});

test('74: missing directories belong to the user, existing ones are as they were', () => {
  expect(workdir('/data/x/y', 'alice')).toEqual([
    {
      path: 'data',
      type: 'directory',
      mode: 0o2751,
      uid: isRoot ? 5 : expect.any(Number),
      gid: isRoot ? 6 : expect.any(Number),
      sizeBytes: 0,
      mtimeSeconds: 1234,
    },
    { ...made, path: 'data/x', uid: 1000, gid: 1001 },
    { ...made, path: 'data/x/y', uid: 1000, gid: 1001 },
  ]);
});

test.each([
  ['', 0, 0],
  ['7', 7, 7],
  ['7:8', 7, 8],
  ['nobody', 0, 0],
])('USER %j owns %i:%i', (user, uid, gid) => {
  expect(workdir('/new', user)).toEqual([{ ...made, path: 'new', uid, gid }]);
});

test('symlinks are followed inside the root', () => {
  expect(workdir('/link/new').map((entry) => entry.path)).toEqual(['srv', 'srv/app', 'srv/app/new']);
  expect(workdir('/dangling').map((entry) => entry.path)).toEqual(['tmp', 'tmp/nowhere']);
});

test.each(['/proc/self/fd/7', '/sys', '/dev/shm', '/sly/self/cwd', '/srv/../proc/1'])('%s is refused', (path) => {
  expect(() => workdir(path)).toThrow(expect.objectContaining({ kind: 'dockerfile' }) as Error);
});

test('a file in the way is named', () => {
  expect(() => workdir('/file/x')).toThrow('cannot make working directory "/file/x": "/file" is a file, not a directory');
  expect(() => workdir('/file')).toThrow('"/file" is a file');
});

test('an empty root', () => {
  expect(workdirEntries({ path: '/a/b', user: '', nowSeconds: 1 }, openRootView([])).map((entry) => entry.path)).toEqual(['a', 'a/b']);
});
