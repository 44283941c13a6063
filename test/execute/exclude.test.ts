import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePatterns } from '../../src/context/dockerignore.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { copyIn, entryAt, make, pathsOf, toMemoryTree, useCopyLab, withParents, type CopyOptions } from './copy-lab.js';

const lab = useCopyLab();

function copy(exclude: readonly string[], sources: readonly string[], dest = '/', options: CopyOptions = {}): string[] {
  return pathsOf(lab, copyIn(lab, sources, dest, { exclude, ...options })).map((path) => path.replace(/: .*/, ''));
}

describe('--exclude', () => {
  const files = { 'dir/a.md': '', 'dir/b.txt': '', 'dir/sub/c.md': '', 'dir/sub/d.txt': '', 'dir/sub/deep/e.md': '' };

  it('107: a pattern without ** is for the top of the source alone', () => {
    make(lab.context, files);
    expect(copy(['*.md'], ['dir/'])).toEqual(['b.txt', 'sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/', 'sub/deep/e.md']);
    expect(copy(['**/*.md'], ['dir/'])).toEqual(['b.txt', 'sub/', 'sub/d.txt', 'sub/deep/']);
  });

  const rows: [title: string, exclude: string[], want: string[]][] = [
    ['a directory with everything in it', ['sub'], ['a.md', 'b.txt']],
    ['a path', ['sub/deep/e.md'], ['a.md', 'b.txt', 'sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/']],
    ['slashes at the ends', ['/sub/'], ['a.md', 'b.txt']],
    ['several', ['*.md', 'sub/*.md'], ['b.txt', 'sub/', 'sub/d.txt', 'sub/deep/', 'sub/deep/e.md']],
    ['a class', ['[ab].*'], ['sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/', 'sub/deep/e.md']],
    ['something let in again', ['**/*.md', '!sub/c.md'], ['b.txt', 'sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/']],
    [
      'something let in again below a directory that is out',
      ['sub', '!sub/deep/e.md'],
      ['a.md', 'b.txt', 'sub/', 'sub/deep/', 'sub/deep/e.md'],
    ],
    ['the last that matches decides', ['!sub/c.md', '**/*.md'], ['b.txt', 'sub/', 'sub/d.txt', 'sub/deep/']],
    ['everything', ['*'], []],
    [
      'the source itself is none of its files',
      ['dir', '.'],
      ['a.md', 'b.txt', 'sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/', 'sub/deep/e.md'],
    ],
    ['a hash is no comment', ['#', ' *.md '], ['b.txt', 'sub/', 'sub/c.md', 'sub/d.txt', 'sub/deep/', 'sub/deep/e.md']],
  ];
  it.each(rows)('%s', (_title, exclude, want) => {
    make(lab.context, files);
    expect(copy(exclude, ['dir'])).toEqual(want);
  });

  it('is relative to each source, also to each match of a wildcard', () => {
    make(lab.context, { 'one/x/f': '', 'one/y': '', 'two/x': '', 'two/z': '' });
    expect(copy(['x'], ['one', 'two'])).toEqual(['y', 'z']);
    expect(copy(['x'], ['*'])).toEqual(['y', 'z']);
  });

  it('takes nothing away from sources that are files, and says so', () => {
    make(lab.context, { 'a.md': '', 'b.md': '', 'dir/c.md': '', f: '' });
    const warnings: string[] = [];
    expect(copy(['*.md'], ['dir/c.md', '?.md', 'f'], '/d/', { warnings })).toEqual(['d/', 'd/a.md', 'd/b.md', 'd/c.md', 'd/f']);
    expect(warnings).toEqual([
      expect.stringMatching(/^--exclude does not apply to "c\.md": /),
      expect.stringMatching(/^--exclude does not apply to "a\.md", which "\?\.md" names: /),
      expect.stringMatching(/^--exclude does not apply to "b\.md", which "\?\.md" names: /),
    ]);
  });

  it('adds to what .dockerignore takes away', () => {
    make(lab.context, { 'd/a': '', 'd/b': '', 'd/c': '' });
    expect(copy(['a'], ['d'], '/', { ignore: 'd/b' })).toEqual(['c']);
  });

  it('the destination has the mtime of the source, excluded or not; a directory let in again has its own metadata', () => {
    make(lab.context, { 'd/s/f': '', 'd/s/g': '' });
    const entries: readonly TarEntry[] = copyIn(lab, ['d'], '/x', { exclude: ['s', '!s/f'], chmod: '700' });
    expect(entries.map(({ path }) => path)).toEqual(['x', 'x/s', 'x/s/f']);
    expect(entryAt(entries, 'x/s')).toMatchObject({ mode: 0o700, type: 'directory' });
  });

  it.each(['!', '[', 'a['])('%s is refused', (pattern) => {
    make(lab.context, files);
    expect(() => copy([pattern], ['dir'])).toThrow(
      expect.objectContaining({ kind: 'dockerfile', message: expect.stringMatching(/^--exclude: /) as string }) as Error,
    );
  });
});

describe('any patterns', () => {
  /** What patternmatcher's documentation says, pattern by pattern and path by path: slow and plain. */
  function isExcluded(path: string, patterns: readonly string[]): boolean {
    let excluded = false;
    for (const pattern of patterns) {
      const negated = pattern.startsWith('!');
      const expression = toExpression(negated ? pattern.slice(1) : pattern);
      const parts = path.split('/');
      const matches = parts.some((_part, index) => expression.test(parts.slice(0, index + 1).join('/')));
      if (matches) excluded = !negated;
    }
    return excluded;
  }

  function toExpression(pattern: string): RegExp {
    const source = pattern.replaceAll(
      /\*\*\/|\*\*|\*|[.]/g,
      (token) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*' })[token] ?? `\\${token}`,
    );
    return new RegExp(`^${source}$`);
  }

  const name = fc.constantFrom('a', 'b', 'ab', 'a.c');
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const part = fc.constantFrom('a', 'b', '*', '**', 'a*', '*.c', 'ab');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(part, { minLength: 1, maxLength: 3 }))
    .map(([negated, parts]) => (negated ? '!' : '') + parts.join('/'));

  it('leave the files that a plain reading of the rules leaves, and the directories that these lie in', () => {
    let left = 0;
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 12 }), fc.array(pattern, { minLength: 1, maxLength: 4 }), (paths, patterns) => {
        const tree = toMemoryTree(paths);
        const { directories, files } = tree;
        const kept = files.filter((file) => !isExcluded(file, patterns));
        const wanted = new Set(kept.flatMap(withParents));
        for (const directory of directories)
          if (!isExcluded(directory, patterns)) for (const each of withParents(directory)) wanted.add(each);
        const entries = copyIn(lab, ['.'], '/', { exclude: patterns, source: tree.view });
        expect(entries.map((entry) => entry.path).toSorted()).toEqual([...wanted].toSorted());
        left += kept.length;
      }),
      { numRuns: 800 },
    );
    expect(left).toBeGreaterThan(500);
  });

  it('are read as .dockerignore reads them', () => {
    expect(parsePatterns(['a', '!b'], 'x').rules.map(({ text, negated }) => [text, negated])).toEqual([
      ['a', false],
      ['!b', true],
    ]);
  });
});
