import { chmodSync, chownSync, linkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitPivot } from '../../src/execute/parents.js';
import { openRootView } from '../../src/snapshot/view.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { copyIn, entryAt, make, pathsOf, toMemoryTree, useCopyLab, withParents, type CopyOptions } from './copy-lab.js';

const isRoot = process.geteuid?.() === 0;
const lab = useCopyLab();

function entriesOf(sources: readonly string[], dest = '/', options: CopyOptions = {}): readonly TarEntry[] {
  return copyIn(lab, sources, dest, { parents: true, ...options });
}

function copy(sources: readonly string[], dest = '/', options: CopyOptions = {}): string[] {
  return pathsOf(lab, entriesOf(sources, dest, options)).map((path) => path.replace(/: .*/, ''));
}

describe('--parents', () => {
  it('keeps the path of a file, and that of a directory with all it holds', () => {
    make(lab.context, { 'a/b/c.txt': '', 'a/b/d/e': '', 'a/x': '' });
    expect(copy(['a/b/c.txt'], '/d/')).toEqual(['d/', 'd/a/', 'd/a/b/', 'd/a/b/c.txt']);
    expect(copy(['a/b'], '/d')).toEqual(['d/', 'd/a/', 'd/a/b/', 'd/a/b/c.txt', 'd/a/b/d/', 'd/a/b/d/e']);
    expect(copy(['/a/b/.', './a/x'], '/')).toEqual(['a/', 'a/b/', 'a/b/c.txt', 'a/b/d/', 'a/b/d/e', 'a/x']);
    expect(copy(['.'], '/')).toEqual(['a/', 'a/b/', 'a/b/c.txt', 'a/b/d/', 'a/b/d/e', 'a/x']);
    expect(copy(['../../a/x'], '/')).toEqual(['a/', 'a/x']);
  });

  it('105: the first /./ is the pivot: what stands before it is dropped', () => {
    make(lab.context, { 'a/b/c': '', 'a/b2/c': '', 'a/b/s/t': '' });
    expect(copy(['a/./b/c'], '/x/')).toEqual(['x/', 'x/b/', 'x/b/c']);
    expect(copy(['./a/./b/c'], '/x/')).toEqual(['x/', 'x/b/', 'x/b/c']);
    expect(copy(['/a/./b/./s/t'], '/x/')).toEqual(['x/', 'x/b/', 'x/b/s/', 'x/b/s/t']);
    expect(copy(['a/b*/./c'], '/x/')).toEqual(['x/', 'x/c']);
    expect(copy(['a/./*/c'], '/x/')).toEqual(['x/', 'x/b/', 'x/b/c', 'x/b2/', 'x/b2/c']);
    expect(copy(['a/b/./.'], '/x/')).toEqual(['x/', 'x/c', 'x/s/', 'x/s/t']);
  });

  it('106: what is not there is an error, unless a wildcard asks for it', () => {
    make(lab.context, { 'a/b': '', 'd/': '' });
    for (const source of ['missing', 'a/missing', 'a/./missing', 'missing/./b', 'd/b', '*/./missing'])
      expect(() => copy([source]), source).toThrow(
        `COPY: "${source.startsWith('missing/.') ? 'missing' : source}" not found in the build context`,
      );
    expect(copy(['no*', 'missing/*', 'a/./no*', 'no*/./x', '**/no', 'missing/**/x'], '/x/')).toEqual(['x/']);
    expect(copy(['*/./b'], '/x/')).toEqual(['x/', 'x/b']);
  });

  it('** stands for any number of directories', () => {
    make(lab.context, { 'p/a/package.json': '', 'p/package.json': '', 'p/a/b/package.json': '', 'p/a/other': '', 'package.json': '' });
    expect(copy(['**/package.json'])).toEqual([
      'p/',
      'p/a/',
      'p/a/b/',
      'p/a/b/package.json',
      'p/a/package.json',
      'p/package.json',
      'package.json',
    ]);
    expect(copy(['p/**/package.json'])).toEqual(['p/', 'p/a/', 'p/a/b/', 'p/a/b/package.json', 'p/a/package.json', 'p/package.json']);
    expect(copy(['p/./**/b'])).toEqual(['a/', 'a/b/', 'a/b/package.json']);
    expect(copy(['p/a/**'])).toEqual(['p/', 'p/a/', 'p/a/b/', 'p/a/b/package.json', 'p/a/other', 'p/a/package.json']);
    expect(copy(['*/package.json'])).toEqual(['p/', 'p/package.json']);
  });

  it('directories on the way have the metadata of the source', () => {
    make(lab.context, { 'a/b/f': '', 'a/b/g/': '' });
    chmodSync(join(lab.context, 'a'), 0o701);
    chmodSync(join(lab.context, 'a/b'), 0o1777);
    utimesSync(join(lab.context, 'a'), 7, 7);
    const entries = entriesOf(['a/b/f'], '/x/');
    expect(entryAt(entries, 'x/a')).toMatchObject({ mode: 0o701, uid: 0, gid: 0, mtimeSeconds: 7 });
    expect(entryAt(entries, 'x/a/b')).toMatchObject({ mode: 0o1777 });
    const changed = entriesOf(['a/b/f'], '/x/', { chown: { uid: 3, gid: 4 }, chmod: 'o=' });
    expect(entryAt(changed, 'x/a')).toMatchObject({ mode: 0o700, uid: 3, gid: 4 });
    expect(entryAt(changed, 'x')).toMatchObject({ mode: 0o755, uid: 3, gid: 4 });
  });

  it.skipIf(!isRoot)('and their owners, when they come from an image', () => {
    make(lab.below, { 'a/b/f': '' });
    chownSync(join(lab.below, 'a'), 5, 6);
    const source = toMemoryTree([]).view;
    expect(() => copy(['a/b/f'], '/x/', { source, fromContext: false, sourceName: 'stage "s"' })).toThrow('"a/b/f" not found in stage "s"');
    const entries = entriesOf(['a/b/f'], '/x/', { source: openRootView([{ path: lab.below }]), fromContext: false });
    expect(entryAt(entries, 'x/a')).toMatchObject({ uid: 5, gid: 6 });
  });

  it('directories that are there stay as they are', () => {
    make(lab.context, { 'a/b/f': '', 'a/c/g': '' });
    make(lab.below, { 'x/a/b/': '', 'x/a/c/': '' });
    chmodSync(join(lab.below, 'x/a'), 0o711);
    chmodSync(join(lab.below, 'x/a/c'), 0o700);
    const entries = entriesOf(['a/b/f', 'a/c'], '/x/');
    expect(entryAt(entries, 'x/a')).toMatchObject({ mode: 0o711 });
    expect(entryAt(entries, 'x/a/c')).toMatchObject({ mode: 0o700 });
    expect(entryAt(entries, 'x/a/c/g')).toMatchObject({ type: 'file' });
  });

  it('symlinks are followed before the pivot, and copied behind it', () => {
    make(lab.context, { 'real/d/f': '', link: '-> real', 'real/l': '-> d' });
    expect(copy(['link/./d/f'])).toEqual(['d/', 'd/f']);
    expect(copy(['link'])).toEqual(['link -> real']);
    expect(copy(['real/*'])).toEqual(['real/', 'real/d/', 'real/d/f', 'real/l -> d']);
    expect(() => copy(['link/d/f'])).toThrow(
      expect.objectContaining({
        kind: 'input',
        message: 'COPY: "link/d/f" not found: "link" is a symlink',
        hint: expect.stringContaining('/./') as string,
      }) as Error,
    );
  });

  it('cannot put a directory in the place of a symlink or a file', () => {
    make(lab.context, { 'a/f': '', 'b/f': '' });
    make(lab.below, { 'there/': '', a: '-> there', b: '' });
    expect(() => copy(['a/f'])).toThrow('COPY: cannot copy to non-directory: "/a" is a symlink');
    expect(() => copy(['b/f'])).toThrow('COPY: cannot copy to non-directory: "/b" is a file');
  });

  it('--exclude is relative to the pivot, and holds for files that are named', () => {
    make(lab.context, { 'a/b/f.md': '', 'a/b/g.txt': '', 'a/c.md': '' });
    expect(copy(['a'], '/', { exclude: ['*.md'] })).toEqual(['a/', 'a/b/', 'a/b/f.md', 'a/b/g.txt', 'a/c.md']);
    expect(copy(['a'], '/', { exclude: ['**/*.md'] })).toEqual(['a/', 'a/b/', 'a/b/g.txt']);
    expect(copy(['a/./b', 'a/./c.md'], '/', { exclude: ['b/*.md', '*.md'] })).toEqual(['b/', 'b/g.txt']);
    expect(copy(['a/b/f.md', 'a/b/g.txt'], '/', { exclude: ['a/b/*.md'] })).toEqual(['a/', 'a/b/', 'a/b/g.txt']);
    expect(copy(['a/b'], '/', { exclude: ['a', '!a/b/f.md'] })).toEqual(['a/', 'a/b/', 'a/b/f.md']);
  });

  it('.dockerignore counts, and a name may begin with an exclamation mark', () => {
    make(lab.context, { 'a/x': '', 'a/y': '', '!n/z': '' });
    expect(copy(['**/[xyz]'], '/', { ignore: 'a/y' })).toEqual(['!n/', '!n/z', 'a/', 'a/x']);
    expect(copy(['!n/**'])).toEqual(['!n/', '!n/z']);
  });

  it('does not bring out what .dockerignore hides', () => {
    make(lab.context, { 'd/secret': '', 'd/open': '', link: '-> d', 'x/up': '-> ../d' });
    const ignore = '**/secret';
    for (const source of ['d/secret', 'd/./secret', 'link/./secret', 'd/../d/secret', 'x/up/./secret', './d//secret'])
      expect(() => copy([source], '/', { ignore }), source).toThrow('not found in the build context');
    expect(copy(['**/secret', 'd/**', 'link/./*', '*/./s*'], '/', { ignore, exclude: ['!**/secret', '!secret'] })).toEqual([
      'd/',
      'd/open',
      'open',
    ]);
  });

  it('a backslash makes ordinary, unless the name has one', () => {
    make(lab.context, { 'app/[id]/page': '', 'app/a\\b': '', 'app/ab': '' });
    expect(copy(['app/\\[id\\]/page', 'app/./\\[id\\]'])).toEqual(['[id]/', '[id]/page', 'app/', 'app/[id]/', 'app/[id]/page']);
    for (const source of ['app/\\[id\\]/*', 'app/\\[id\\]/**/p*']) expect(copy([source])).toEqual(['app/', 'app/[id]/', 'app/[id]/page']);
    expect(copy(['app/a\\b'])).toEqual(['app/', 'app/a\\b']);
  });

  it('hard links stay links', () => {
    make(lab.context, { 'a/b/f': 'x', 'c/': '' });
    linkSync(join(lab.context, 'a/b/f'), join(lab.context, 'c/g'));
    expect(copy(['c', 'a/b/f', 'a/b/f'])).toEqual(['a/', 'a/b/', 'a/b/f', 'c/', 'c/g = a/b/f']);
    expect(copy(['c', 'a'], '/', { exclude: ['a/b/f'] })).toEqual(['a/', 'a/b/', 'c/', 'c/g']);
  });
});

describe('any tree and pattern', () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'c.d'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const part = fc.constantFrom('a', 'b', '*', '**', 'a*', '*.d', '?');
  const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

  /** Whether the segments of a pattern match those of a path: slow and plain. */
  function matches(segments: readonly string[], names: readonly string[]): boolean {
    const [first, ...rest] = segments;
    if (first === undefined) return names.length === 0;
    if (first === '**') {
      // At the end it needs something to stand for.
      if (rest.length === 0) return names.length > 0;
      return names.some((_name, index) => matches(rest, names.slice(index)));
    }
    const [name, ...below] = names;
    const expression = new RegExp(`^${first.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`);
    return name !== undefined && expression.test(name) && matches(rest, below);
  }

  it('copies what a plain reading of the pattern copies', () => {
    let copied = 0;
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 10 }), pattern, (paths, kept) => {
        fc.pre(/[*?]/.test(kept));
        const tree = toMemoryTree(paths);
        const selected = [...tree.files, ...tree.directories].filter((each) =>
          withParents(each).some((above) => matches(kept.split('/'), above.split('/'))),
        );
        const wanted = new Set(selected.flatMap(withParents));
        const entries = entriesOf([kept], '/', { source: tree.view });
        expect(entries.map((entry) => entry.path).toSorted()).toEqual([...wanted].toSorted());
        copied += wanted.size;
      }),
      { numRuns: 800 },
    );
    expect(copied).toBeGreaterThan(500);
  });
});

describe('the pivot', () => {
  it.each([
    ['a/b', '/', 'a/b'],
    ['/a/b/', '/', 'a/b'],
    ['./a', '/', 'a'],
    ['a/.', '/', 'a'],
    ['a/./b', 'a', 'b'],
    ['/a/./b/./c', '/a', 'b/c'],
    ['a/./../b', 'a', 'b'],
    ['a.b/.c/./d', 'a.b/.c', 'd'],
  ])('%s', (text, pivot, kept) => expect(splitPivot(text)).toEqual({ pivot, kept }));
});
