import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openContext } from '../../src/context/context.js';
import { copyEntries, findArchives } from '../../src/execute/copy.js';
import type { CopyPart, CopyRequest, FetchedSource } from '../../src/execute/copy-request.js';
import { openRootView } from '../../src/snapshot/view.js';
import { member, tarOf } from '../helpers/tar-builder.js';
import { copyIn, make, pathsOf, useCopyLab } from './copy-lab.js';

const lab = useCopyLab();

function file(name: string, options: Partial<Extract<FetchedSource, { kind: 'file' }>> = {}): FetchedSource {
  const path = join(lab.context, `fetched-${name.replaceAll('/', '_')}`);
  writeFileSync(path, `bytes of ${name}`);
  return { kind: 'file', path, name, mode: 0o600, mtimeSeconds: 77, unpack: false, ...options };
}

async function parts(fetched: readonly FetchedSource[], options: Partial<CopyRequest> = {}): Promise<readonly CopyPart[]> {
  const request: CopyRequest = { op: 'ADD', sources: [], fetched, dest: '/out/', fromContext: true, nowSeconds: 1, ...options };
  const source = openContext(lab.context, undefined);
  return copyEntries({ ...request, archives: await findArchives(request, source) }, source, openRootView([{ path: lab.below }])).parts;
}

describe('what ADD has fetched', () => {
  it('a file has the mode and time given and belongs to root; its name counts in a directory', () => {
    const fetched = [file('pkg.tgz')];
    expect(copyIn(lab, [], '/d/', { op: 'ADD', fetched })).toMatchObject([
      { path: 'd', mode: 0o755 },
      { path: 'd/pkg.tgz', mode: 0o600, uid: 0, gid: 0, mtimeSeconds: 77, sizeBytes: 16 },
    ]);
    expect(pathsOf(lab, copyIn(lab, [], '/d', { op: 'ADD', fetched }))).toEqual(['d: fetched-pkg.tgz']);
  });

  it('--chown and --chmod hold for it', () => {
    const [entry] = copyIn(lab, [], '/f', { op: 'ADD', fetched: [file('x')], chown: { uid: 1, gid: 2 }, chmod: 'u+x' });
    expect(entry).toMatchObject({ mode: 0o700, uid: 1, gid: 2 });
  });

  it('comes after the sources and before heredocs', () => {
    make(lab.context, { x: 'source' });
    const added = copyIn(lab, ['x'], '/f', { op: 'ADD', fetched: [file('x')] });
    expect(pathsOf(lab, added)).toEqual(['f: fetched-x']);
    const files = [{ name: 'EOF', text: 'heredoc' }];
    expect(copyIn(lab, ['x'], '/f', { op: 'ADD', fetched: [file('x')], files })).toMatchObject([{ content: { kind: 'bytes' } }]);
  });

  it('an archive is unpacked when that is asked for', async () => {
    const path = join(lab.context, 'archive');
    const archive: FetchedSource = { ...file('a.tar'), path, unpack: true } as FetchedSource;
    writeFileSync(path, tarOf(member({ path: 'm', text: 'm' })));
    expect(await parts([archive])).toMatchObject([{ kind: 'entries' }, { kind: 'archive', fsPath: path, destDir: 'out', source: 'a.tar' }]);
    expect(await parts([{ ...archive, unpack: false } as FetchedSource])).toMatchObject([
      { kind: 'entries', entries: [{}, { path: 'out/a.tar' }] },
    ]);
    expect(await parts([file('no.tar', { unpack: true })])).toMatchObject([{ kind: 'entries', entries: [{}, { path: 'out/no.tar' }] }]);
  });

  it('a tree is copied like a directory: contents alone, root, mtime, without its ignore file', () => {
    make(lab.context, { 'tree/.dockerignore': 'a', 'tree/a': 'a', 'tree/s/l': '-> ../a' });
    const dir = join(lab.context, 'tree');
    chmodSync(join(dir, 's'), 0o700);
    utimesSync(dir, 55, 55);
    const entries = copyIn(lab, [], '/src', { op: 'ADD', fetched: [{ kind: 'tree', dir }] });
    expect(pathsOf(lab, entries)).toEqual(['src/', 'src/.dockerignore: tree/.dockerignore', 'src/a: tree/a', 'src/s/', 'src/s/l -> ../a']);
    expect(entries[0]).toMatchObject({ mode: 0o755, mtimeSeconds: 55, uid: 0 });
    expect(entries[3]).toMatchObject({ mode: 0o700, uid: 0, gid: 0 });
    const left = copyIn(lab, [], '/src', { op: 'ADD', fetched: [{ kind: 'tree', dir }], exclude: ['.dockerignore', 's'] });
    expect(pathsOf(lab, left)).toEqual(['src/', 'src/a: tree/a']);
  });

  it('an empty tree makes the destination', () => {
    const dir = join(lab.context, 'empty');
    mkdirSync(dir);
    expect(pathsOf(lab, copyIn(lab, [], '/src', { op: 'ADD', fetched: [{ kind: 'tree', dir }] }))).toEqual(['src/']);
  });

  it.each(['', '.', '..', '../x', 'a/b', 'a\0b'])('the name %j is refused', (name) => {
    const fetched = [{ ...file('safe'), name } as FetchedSource];
    expect(() => copyIn(lab, [], '/d/', { op: 'ADD', fetched })).toThrow(/^ADD: no file can have the name/);
  });
});

describe('--unpack', () => {
  it('false keeps archives of the context as they are, true unpacks as ADD does anyway', async () => {
    writeFileSync(join(lab.context, 'a.tar'), tarOf(member({ path: 'm', text: 'm' })));
    const unpacked = [{ kind: 'entries' }, { kind: 'archive', source: 'a.tar' }];
    expect(await parts([], { sources: ['a.tar'] })).toMatchObject(unpacked);
    expect(await parts([], { sources: ['a.tar'], unpack: true })).toMatchObject(unpacked);
    const kept = await parts([], { sources: ['a.tar'], unpack: false });
    expect(kept).toMatchObject([{ kind: 'entries', entries: [{ path: 'out' }, { path: 'out/a.tar', type: 'file' }] }]);
    expect(await parts([], { sources: ['*.tar'], unpack: false })).toMatchObject([
      { kind: 'entries', entries: [{}, { path: 'out/a.tar' }] },
    ]);
  });
});
