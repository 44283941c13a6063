import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { fromText, toFsPath } from '../../src/base/bytes.js';
import { BuildError } from '../../src/base/errors.js';
import { openContext } from '../../src/context/context.js';
import { parseIgnore } from '../../src/context/dockerignore.js';
import type { CopyRequest } from '../../src/execute/copy-request.js';
import { explainCopyError } from '../../src/execute/copy-hint.js';
import { makeNode, setXattr } from '../../src/os/native.js';
import { openRootView } from '../../src/snapshot/view.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { copyIn, entryAt, make, NOW, pathsOf, useCopyLab, type CopyOptions } from './copy-lab.js';

const isRoot = process.geteuid?.() === 0;
if (!isRoot) console.log('not root: tests of owners, devices and capabilities are skipped');

const lab = useCopyLab();
let context: string;
let below: string;

beforeEach(() => {
  ({ context, below } = lab);
});

function copy(sources: readonly string[], dest: string, options: CopyOptions = {}): readonly TarEntry[] {
  return copyIn(lab, sources, dest, options);
}

function paths(entries: readonly TarEntry[]): string[] {
  return pathsOf(lab, entries);
}

describe('sources', () => {
  it('83: a wildcard without a match beside a source that is there', () => {
    make(context, { foo: 'x' });
    expect(paths(copy(['foo', 'nomatch*'], '/'))).toEqual(['foo: foo']);
  });

  it('84: a wildcard without a match alone makes an empty layer; its directory must exist', () => {
    expect(copy(['nomatch*'], '/x/')).toEqual([]);
    expect(() => copy(['no/match*'], '/x/')).toThrow('COPY: "no/match*" not found in the build context');
  });

  it('85: the contents of a directory, not the directory', () => {
    make(context, { 'dir/a': 'a', 'dir/s/b': 'b' });
    expect(paths(copy(['dir'], '/x'))).toEqual(['x/', 'x/a: dir/a', 'x/s/', 'x/s/b: dir/s/b']);
    expect(paths(copy(['./dir/'], '/x/'))).toEqual(['x/', 'x/a: dir/a', 'x/s/', 'x/s/b: dir/s/b']);
  });

  it('86: directories that a wildcard matches are merged', () => {
    make(context, { 'dir1/a': '1', 'dir1/both': '1', 'dir2/b': '2', 'dir2/both': '2' });
    expect(paths(copy(['dir*'], '/x/'))).toEqual(['x/', 'x/a: dir1/a', 'x/b: dir2/b', 'x/both: dir2/both']);
  });

  it('87: symlinks that a source or a wildcard names are followed and keep their names', () => {
    make(context, { 'sub/l1': '-> ../file', 'sub/l2': '-> l1', 'sub/l3': '-> /dir', file: 'f', 'dir/inner': 'i' });
    expect(paths(copy(['sub/l*'], '/all/'))).toEqual(['all/', 'all/inner: dir/inner', 'all/l1: file', 'all/l2: file']);
    expect(paths(copy(['sub/l2'], '/name'))).toEqual(['name: file']);
  });

  it('88: symlinks inside of a directory are copied as links', () => {
    make(context, { 'foo/sub': '-> ../bar', 'foo/dangling': '-> nothing', 'bar/x': '' });
    expect(paths(copy(['foo'], '/'))).toEqual(['dangling -> nothing', 'sub -> ../bar']);
  });

  it('89: a symlink as a component is followed inside of the root', () => {
    make(context, { link: '-> /real', 'real/foo': 'x', out: '-> ../../../../real' });
    expect(paths(copy(['link/foo'], '/'))).toEqual(['foo: real/foo']);
    expect(paths(copy(['out/foo'], '/'))).toEqual(['foo: real/foo']);
    expect(paths(copy(['link/f*'], '/'))).toEqual(['foo: real/foo']);
  });

  it('92: from another root, relative to its top; owners are kept', () => {
    make(below, { 'etc/hosts': 'h' });
    if (isRoot) chownSync(join(below, 'etc/hosts'), 7, 8);
    const entries = copy(['etc/hosts'], '/copy', { source: openRootView([{ path: below }]), fromContext: false });
    const { uid, gid } = statSync(join(below, 'etc/hosts'));
    expect(entries).toMatchObject([{ path: 'copy', uid, gid, content: { path: join(below, 'etc/hosts') } }]);
  });

  it('cannot leave the root by ..', () => {
    make(context, { a: 'x' });
    expect(paths(copy(['../../a', '/../a'], '/'))).toEqual(['a: a']);
  });

  it('needs brackets escaped, and takes a backslash literally where there is no wildcard', () => {
    make(context, { 'arr[0].txt': 'a', 'arr0.txt': 'b', 'back\\slash': 'c', '*': 'd' });
    expect(paths(copy(['arr[0].txt'], '/'))).toEqual(['arr0.txt: arr0.txt']);
    expect(paths(copy(['arr[[]0].txt'], '/'))).toEqual(['arr[0].txt: arr[0].txt']);
    expect(paths(copy(['back\\slash'], '/'))).toEqual(['back\\slash: back\\slash']);
    expect(paths(copy([String.raw`\*`], '/'))).toEqual(['*: *']);
    expect(() => copy(['a['], '/')).toThrow(
      expect.objectContaining({ kind: 'dockerfile', message: 'COPY: syntax error in pattern: "a["' }),
    );
  });

  it('has no ** in wildcards, and looks for nothing behind a symlink that an inner wildcard matches', () => {
    make(context, { 'a/f': '', 'a/b/f': '', link: '-> a' });
    expect(paths(copy(['**/f'], '/x/'))).toEqual(['x/', 'x/f']);
    expect(paths(copy(['*/*/f'], '/x/'))).toEqual(['x/', 'x/f']);
    expect(paths(copy(['l*/f'], '/x/'))).toEqual([]);
  });

  it('100: a socket becomes an empty file', async () => {
    const server = createServer().listen(join(context, 'sock'));
    await new Promise((resolve) => {
      server.once('listening', resolve);
    });
    try {
      expect(copy(['.'], '/')).toMatchObject([{ path: 'sock', type: 'file', sizeBytes: 0 }]);
    } finally {
      server.close();
    }
  });

  it.skipIf(!isRoot)('fifos and devices are made anew', () => {
    makeNode(join(context, 'fifo'), { type: 'fifo', mode: 0o640, major: 0, minor: 0 });
    makeNode(join(context, 'null'), { type: 'char', mode: 0o666, major: 1, minor: 3 });
    expect(copy(['.'], '/')).toMatchObject([
      { path: 'fifo', type: 'fifo', mode: 0o640, sizeBytes: 0 },
      { path: 'null', type: 'char', mode: 0o666, devMajor: 1, devMinor: 3 },
    ]);
  });

  it('101: the same path twice: the later source wins', () => {
    make(context, { 'a/f': 'aa', 'a/s/g': '', 'b/f': 'bbb', 'b/s/h': '' });
    expect(paths(copy(['a', 'b'], '/'))).toEqual(['f: b/f', 's/', 's/g', 's/h']);
    expect(paths(copy(['a/f', 'b/f', 'a/f'], '/x'))).toEqual(['x: a/f']);
  });

  it('102: names are bytes', () => {
    make(context, { 'früh/文件': 'x' });
    writeFileSync(toFsPath(`${fromText(context)}/früh/\xff`.replace('früh', fromText('früh'))), 'y');
    expect(copy(['früh'], '/ü/').map(({ path }) => path)).toEqual([fromText('ü'), fromText('ü/文件'), `${fromText('ü')}/\xff`]);
  });

  it('116: a star matches dotfiles', () => {
    make(context, { '.env': '', visible: '' });
    expect(paths(copy(['*'], '/'))).toEqual(['.env', 'visible']);
  });

  it('117: what .dockerignore hides is not there', () => {
    make(context, { Dockerfile: '', '.dockerignore': '', app: '' });
    expect(paths(copy(['.'], '/', { ignore: 'Dockerfile\n.dockerignore' }))).toEqual(['app']);
    expect(() => copy(['Dockerfile'], '/', { ignore: 'Dockerfile' })).toThrow('COPY: "Dockerfile" not found in the build context');
    expect(copy(['.'], '/', { ignore: '**' })).toEqual([]);
  });

  it('hard links inside of one copy stay links, and none points to what a later source replaced', () => {
    make(context, { 'a/one': 'x', 'b/one': 'other' });
    linkSync(join(context, 'a/one'), join(context, 'a/two'));
    linkSync(join(context, 'a/one'), join(context, 'a/zwei'));
    expect(paths(copy(['a'], '/'))).toEqual(['one: a/one', 'two = one', 'zwei = one']);
    expect(paths(copy(['a', 'b'], '/'))).toEqual(['one: b/one', 'two: a/two', 'zwei = two']);
  });

  it.skipIf(!isRoot)('keeps user.* and capabilities, drops what belongs to the host', () => {
    make(context, { f: 'x' });
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    setXattr(join(context, 'f'), 'user.note', Buffer.from('n'));
    setXattr(join(context, 'f'), 'user.overlay.opaque', Buffer.from('y'));
    setXattr(join(context, 'f'), 'security.capability', capability);
    expect(copy(['f'], '/')[0]?.xattrs).toEqual([
      ['security.capability', capability],
      ['user.note', Buffer.from('n')],
    ]);
  });
});

describe('destination', () => {
  it('a file becomes the destination, or goes into it when it is a directory', () => {
    make(context, { f: 'x' });
    make(below, { 'dir/': '' });
    expect(paths(copy(['f'], '/name'))).toEqual(['name: f']);
    expect(paths(copy(['f'], '/dir'))).toEqual(['dir/', 'dir/f: f']);
    expect(paths(copy(['f'], '/dir/name'))).toEqual(['dir/', 'dir/name: f']);
  });

  it('90: a dangling symlink to a directory: its target is made', () => {
    make(context, { f: 'x', 'd/g': '' });
    make(below, { symlink: '-> tmp/target' });
    expect(paths(copy(['f'], '/symlink/'))).toEqual(['tmp/', 'tmp/target/', 'tmp/target/f: f']);
    expect(paths(copy(['d'], '/symlink'))).toEqual(['tmp/', 'tmp/target/', 'tmp/target/g']);
  });

  it('symlinks are followed inside of the root: in every component, and the last if it leads to a directory', () => {
    make(context, { f: 'x' });
    make(below, { 'real/sub/': '', abs: '-> /real', up: '-> ../../../../real/sub', 'file-link': '-> /real/file' });
    expect(paths(copy(['f'], '/abs/new/'))).toEqual(['real/', 'real/new/', 'real/new/f: f']);
    expect(paths(copy(['f'], '/up'))).toEqual(['real/', 'real/sub/', 'real/sub/f: f']);
    expect(paths(copy(['f'], '/file-link'))).toEqual(['file-link: f']);
  });

  it('91: a slash at the end makes a directory', () => {
    make(context, { testfile: 'x' });
    expect(paths(copy(['testfile'], '/sample/'))).toEqual(['sample/', 'sample/testfile: testfile']);
    expect(paths(copy(['testfile'], '/sample/.'))).toEqual(['sample/', 'sample/testfile: testfile']);
    expect(paths(copy(['testfile'], '/a/../sample/'))).toEqual(['sample/', 'sample/testfile: testfile']);
  });

  it("94, 95: the directory that a copy makes is root's, or --chown's, with mode 755 and the mtime of the source", () => {
    make(context, { 'dir/sub/f': 'x' });
    chmodSync(join(context, 'dir'), 0o700);
    chmodSync(join(context, 'dir/sub'), 0o711);
    utimesSync(join(context, 'dir'), 1000, 1000);
    utimesSync(join(context, 'dir/sub'), 1500, 1500);
    if (isRoot) chownSync(join(context, 'dir'), 5, 5);
    const source = openRootView([{ path: context }]);
    const entries = copy(['/dir'], '/new/dir', { source, fromContext: false });
    expect(entryAt(entries, 'new')).toMatchObject({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: NOW });
    expect(entryAt(entries, 'new/dir')).toMatchObject({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 1000 });
    expect(entryAt(entries, 'new/dir/sub')).toMatchObject({ mode: 0o711, mtimeSeconds: 1500 });
    for (const entry of copy(['/dir'], '/new/dir', { source, fromContext: false, chown: { uid: 300, gid: 400 } })) {
      expect(entry).toMatchObject({ uid: 300, gid: 400 });
    }
  });

  it('95: an existing destination keeps mode and owner and takes the mtime; its sub-directories take those of the source', () => {
    make(context, { 'dir/sub/f': 'x' });
    make(below, { 'x/sub/': '' });
    chmodSync(join(below, 'x'), 0o1777);
    chmodSync(join(below, 'x/sub'), 0o700);
    if (isRoot) chownSync(join(below, 'x'), 5, 6);
    utimesSync(join(context, 'dir'), 1000, 1000);
    const { uid, gid } = statSync(join(below, 'x'));
    const entries = copy(['dir'], '/x', { chown: { uid: 300, gid: 400 } });
    expect(entryAt(entries, 'x')).toMatchObject({ mode: 0o1777, uid, gid, mtimeSeconds: 1000 });
    expect(entryAt(entries, 'x/sub')).toMatchObject({ mode: 0o755, uid: 300, gid: 400 });
  });

  it('existing directories above the destination come along as they are', () => {
    make(context, { f: 'x' });
    make(below, { 'opt/app/': '' });
    chmodSync(join(below, 'opt'), 0o750);
    utimesSync(join(below, 'opt'), 42, 42);
    setXattrIfPossible(join(below, 'opt'));
    const entries = copy(['f'], '/opt/app/', { chmod: '600' });
    expect(entryAt(entries, 'opt')).toMatchObject({ mode: 0o750, mtimeSeconds: 42 });
    expect(entryAt(entries, 'opt/app/f')).toMatchObject({ mode: 0o600 });
    expect(entryAt(entries, 'opt').xattrs).toEqual(
      openRootView([{ path: below }]).xattrs('opt').length === 0 ? undefined : [['user.x', Buffer.from('1')]],
    );
  });

  it('97: --chmod in octal is the mode of new parents too, and 0 is a mode', () => {
    make(context, { foo: 'x', link: '-> foo' });
    expect(copy(['foo'], '/parent/foo', { chmod: '777' })).toMatchObject([{ mode: 0o777 }, { path: 'parent/foo', mode: 0o777 }]);
    expect(copy(['foo'], '/foo', { chmod: '0' })).toMatchObject([{ mode: 0 }]);
    expect(entryAt(copy(['.'], '/', { chmod: '600' }), 'link')).toMatchObject({ type: 'symlink', mode: 0o777 });
  });

  it('98: --chmod by symbols changes the mode of each source, not of new parents', () => {
    make(context, { 'd/x/f': 'x', 'd/run': '' });
    chmodSync(join(context, 'd/x'), 0o700);
    chmodSync(join(context, 'd/x/f'), 0o640);
    chmodSync(join(context, 'd/run'), 0o700);
    const entries = copy(['d'], '/new', { chmod: 'go=u,a+X,o-w' });
    expect(entries.map(({ path, mode }) => [path, mode.toString(8)])).toEqual([
      ['new', '755'],
      ['new/run', '775'],
      ['new/x', '775'],
      ['new/x/f', '664'],
    ]);
  });

  it.each(['64a', '10000'])('99: --chmod=%s is refused', (chmod) => {
    make(context, { f: 'x' });
    expect(() => copy(['f'], '/', { chmod })).toThrow(
      expect.objectContaining({
        kind: 'dockerfile',
        message: `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`,
      }),
    );
  });

  it('several sources and no slash: the first file makes a file, the next replaces it', () => {
    make(context, { a: 'a', b: 'bb', 'd/x': '' });
    expect(paths(copy(['a', 'b'], '/dest'))).toEqual(['dest: b']);
    expect(paths(copy(['d', 'a'], '/dest'))).toEqual(['dest/', 'dest/a: a', 'dest/x']);
  });

  it('setuid and setgid stay', () => {
    make(context, { f: 'x' });
    chmodSync(join(context, 'f'), 0o6755);
    expect(copy(['f'], '/')[0]?.mode).toBe(0o6755);
  });

  it('mtimes stay', () => {
    make(context, { 'd/old': '', 'd/new': '', 'd/link': '-> old' });
    utimesSync(join(context, 'd/old'), 100, 100);
    utimesSync(join(context, 'd/new'), 300, 300);
    lutimesSync(join(context, 'd/link'), 50, 50);
    utimesSync(join(context, 'd'), 400, 400);
    expect(copy(['d'], '/p/q').map(({ mtimeSeconds }) => mtimeSeconds)).toEqual([NOW, 400, 50, 300, 100]);
  });

  it.skipIf(!isRoot)("files of the context are root's, those of --chown its, symlinks included", () => {
    make(context, { 'd/f': '', 'd/l': '-> f' });
    chownSync(join(context, 'd/f'), 1234, 1234);
    expect(copy(['d'], '/').map(({ uid, gid }) => [uid, gid])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(copy(['d'], '/', { chown: { uid: 9, gid: 8 } }).map(({ uid, gid }) => [uid, gid])).toEqual([
      [9, 8],
      [9, 8],
    ]);
  });
});

describe('conflicts', () => {
  it('a file replaces a file or a symlink', () => {
    make(context, { f: 'x', 'tree/l': 'y' });
    make(below, { 'dir/f': 'old', 'dir/l': '-> /dir' });
    expect(paths(copy(['f'], '/dir/f'))).toEqual(['dir/', 'dir/f: f']);
    expect(paths(copy(['tree'], '/dir'))).toEqual(['dir/', 'dir/l: tree/l']);
  });

  it.each([
    {
      title: 'a file on a directory',
      files: { 'd/x': 'f' },
      old: { 'dest/x/': '' },
      want: 'COPY: cannot replace to directory "/dest/x" with file "d/x"',
    },
    {
      title: 'a symlink on a directory',
      files: { 'd/x': '-> y' },
      old: { 'dest/x/': '' },
      want: 'COPY: cannot replace to directory "/dest/x" with file "d/x"',
    },
    {
      title: 'a directory on a file',
      files: { 'd/x/y': 'f' },
      old: { 'dest/x': '' },
      want: 'COPY: cannot copy to non-directory: "/dest/x" is a file',
    },
    {
      title: 'a directory on a symlink',
      files: { 'd/x/y': 'f' },
      old: { 'dest/x': '-> /tmp', 'tmp/': '' },
      want: 'COPY: cannot copy to non-directory: "/dest/x" is a symlink',
    },
    {
      title: 'a directory to a file',
      files: { 'd/x': 'f' },
      old: { dest: '' },
      want: 'COPY: cannot copy to non-directory: "/dest" is a file',
    },
  ])('$title', ({ files, old, want }) => {
    make(context, files);
    make(below, old);
    expect(() => copy(['d'], '/dest')).toThrow(expect.objectContaining({ kind: 'input', message: want }));
  });

  it('the same among the sources of one copy', () => {
    make(context, { 'a/x/f': '', 'b/x': '' });
    expect(() => copy(['a', 'b'], '/d')).toThrow('cannot replace to directory "/d/x" with file "b/x"');
    expect(() => copy(['b', 'a'], '/d')).toThrow('cannot copy to non-directory: "/d/x" is a file');
  });

  it('a file as a component, or named with a slash', () => {
    make(context, { f: 'x' });
    make(below, { file: '' });
    expect(() => copy(['f'], '/file/x')).toThrow('cannot copy to non-directory: "/file" is a file');
    expect(() => copy(['f'], '/file/')).toThrow('cannot copy to non-directory: "/file" is a file');
  });

  it('names that a layer reads as deletions are refused', () => {
    make(context, { 'd/.wh.f': '' });
    expect(() => copy(['d'], '/')).toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringContaining('"/.wh.f" cannot be in an image') as string }),
    );
  });
});

describe('what is missing', () => {
  it('is named', () => {
    make(context, { dangling: '-> nowhere' });
    expect(() => copy(['/x'], '/')).toThrow(
      expect.objectContaining({ kind: 'input', message: 'COPY: "/x" not found in the build context' }),
    );
    expect(() => copy(['x'], '/', { op: 'ADD', fromContext: false, sourceName: 'stage "build"' })).toThrow(
      'ADD: "x" not found in stage "build"',
    );
    expect(() => copy(['dangling'], '/')).toThrow('it is a symlink to "nowhere", which is not there');
  });

  it.skipIf(!isRoot || process.seteuid === undefined)('includes what cannot be read', () => {
    make(context, { 'd/closed': 'x', 'closed/x': '' });
    for (const [path, mode] of [
      ['d/closed', 0o600],
      ['closed', 0o700],
      ['..', 0o755],
    ] as const)
      chmodSync(join(context, path), mode);
    process.seteuid?.(65534);
    try {
      expect(() => copy(['d'], '/')).toThrow(
        expect.objectContaining({ kind: 'input', message: 'COPY: cannot read "d/closed": permission denied (EACCES)' }),
      );
      expect(() => copy(['closed'], '/')).toThrow(
        expect.objectContaining({ kind: 'input', message: 'COPY: cannot read "closed": permission denied (EACCES)' }),
      );
    } finally {
      process.seteuid?.(0);
    }
  });

  it('comes with a hint', async () => {
    make(context, { 'src/App.ts': '', dist: '' });
    const ignore = parseIgnore('dist', '.dockerignore');
    const failure = (sources: string[]): Promise<unknown> => {
      const request: CopyRequest = { op: 'COPY', sources, dest: '/', fromContext: true, nowSeconds: NOW };
      const error = new BuildError('input', 'COPY: not found');
      return explainCopyError(error, { request, contextDir: context, ignore });
    };
    expect(await failure(['src', 'app.ts'])).toMatchObject({ message: 'COPY: not found', hint: 'did you mean "src/App.ts"?' });
    expect(await failure(['dist'])).toMatchObject({ hint: 'it is excluded by .dockerignore:1 "dist"' });
    expect(await failure(['src'])).toMatchObject({ hint: undefined });
  });
});

describe('a large tree', () => {
  it('is planned without reading files', () => {
    // In memory, where there is such a place: making the files takes longer than all else.
    const tree = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tsbuild-copy-'));
    try {
      for (let directory = 0; directory < 1000; directory++) {
        const path = join(tree, 'node_modules', `package-${directory}`);
        mkdirSync(path, { recursive: true });
        for (let file = 0; file < 20; file++) writeFileSync(join(path, `file-${file}.js`), '');
      }
      make(below, { 'app/': '' });
      const started = performance.now();
      const entries = copy(['.'], '/app/', { source: openContext(tree, undefined) });
      console.log(`21,000 entries planned (and checked) in ${(performance.now() - started).toFixed(0)} ms`);
      expect(entries).toHaveLength(1 + 1 + 1000 + 20_000);
    } finally {
      rmSync(tree, { recursive: true });
    }
  });
});

function setXattrIfPossible(path: string): void {
  try {
    setXattr(path, 'user.x', Buffer.from('1'));
  } catch {
    console.log('no user.* attributes here: not tested on parents');
  }
}
