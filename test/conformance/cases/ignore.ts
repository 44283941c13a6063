import { BASE, CONTEXT_SECONDS, sourceMtime, type ConformanceCase, type ExplainedDifference } from './case.js';

const TREE = {
  'a.txt': 'a',
  'b.md': 'b',
  'src/a.txt': 'a',
  'src/keep.txt': 'k',
  'src/deep/a.txt': 'a',
  'src/deep/keep.txt': 'k',
  'node_modules/x/index.js': 'x',
  'node_modules/x/keep.txt': 'k',
  '.git/HEAD': 'ref',
  'docs/b.md': 'b',
  'empty/dir': undefined,
} as const;

function ignoring(title: string, lines: readonly string[], rest: Partial<ConformanceCase> = {}): ConformanceCase {
  return {
    title: `.dockerignore: ${title}`,
    dockerfile: `FROM ${BASE}\nCOPY . /all\nCOPY src /src\n`,
    differences: sourceMtime('/all', '/src'),
    context: { ...TREE, '.dockerignore': `${lines.join('\n')}\n` },
    ...rest,
  };
}

/** A directory that is there only because something in it is. */
function parentOfKept(path: string): ExplainedDifference[] {
  const rule = 'the parents of what is not ignored are what they are in the context (peers)';
  const modes = new Map([
    ['/all/node_modules', '0700'],
    ['/all/src/deep', '0750'],
    ['/src/deep', '0750'],
  ]);
  const mode = modes.get(path);
  return [
    ...(mode === undefined ? [] : [{ where: `${path} mode`, tsbuild: mode, buildah: '0755', rule }]),
    { where: `${path} mtime`, tsbuild: CONTEXT_SECONDS, buildah: 'new', rule },
  ];
}

export const ignoreCases: readonly ConformanceCase[] = [
  ignoring('names, directories, wildcards', ['# comment', '', '.git', 'node_modules', '*.md', '/empty/']),
  ignoring('any depth', ['**/a.txt', '**/*.md', '**/node_modules/**']),
  ignoring('exceptions', ['*.txt', '!a.txt', 'docs/*', '!docs/b.md', '**/deep/*.txt', '!src/deep/keep.txt']),
  ignoring('exceptions inside of an ignored directory', ['src', '!src/deep/keep.txt', 'node_modules', '!node_modules/x/keep.txt'], {
    script: 'chmod 750 src/deep; chmod 700 node_modules',
    differences: ['/all', '/all/node_modules', '/all/node_modules/x', '/all/src', '/all/src/deep', '/src', '/src/deep'].flatMap(
      parentOfKept,
    ),
  }),
  ignoring('everything but', ['*', '!src', '!a.txt', 'src/deep']),
  ignoring('the last line that matches decides', ['*.txt', '!*.txt', 'a.txt', 'src/*', '!src/keep.txt', 'src/keep.txt']),
  ignoring('Dockerfile and .dockerignore themselves', ['Dockerfile', '.dockerignore', '?.md']),
  ignoring('a byte order mark, carriage returns, blanks around', ['\ufeff*.md\r', '  node_modules  ', '\tsrc/deep\t', '#b.md']),
  ignoring('slashes and dots in patterns', ['./b.md', 'src//deep/', '/docs/../node_modules', '.git/.', 'empty/./dir']),
  ignoring('classes and escapes', ['[ab].txt', 'b\\.md', '**/[!k]*.txt', 'node_module?']),
  ignoring('a directory by its wildcard, an exception below it', ['s*', 'node_modules/*', '!node_modules/x', 'node_modules/x/*.js'], {
    dockerfile: `FROM ${BASE}\nCOPY . /all\n`,
    differences: sourceMtime('/all'),
  }),
  ignoring('a source that is ignored is not there', ['src'], { differences: [], fails: /"src" not found/ }),
];
