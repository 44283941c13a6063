import { BASE, type ConformanceCase } from './case.js';

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
    context: { ...TREE, '.dockerignore': `${lines.join('\n')}\n` },
    ...rest,
  };
}

export const ignoreCases: readonly ConformanceCase[] = [
  ignoring('names, directories, wildcards', ['# comment', '', '.git', 'node_modules', '*.md', '/empty/']),
  ignoring('any depth', ['**/a.txt', '**/*.md', '**/node_modules/**']),
  ignoring('exceptions', ['*.txt', '!a.txt', 'docs/*', '!docs/b.md', '**/deep/*.txt', '!src/deep/keep.txt']),
  ignoring('exceptions inside of an ignored directory', ['src', '!src/deep/keep.txt', 'node_modules', '!node_modules/x/keep.txt']),
  ignoring('everything but', ['*', '!src', '!a.txt', 'src/deep']),
  ignoring('the last line that matches decides', ['*.txt', '!*.txt', 'a.txt', 'src/*', '!src/keep.txt', 'src/keep.txt']),
  ignoring('Dockerfile and .dockerignore themselves', ['Dockerfile', '.dockerignore', '?.md']),
  ignoring('a source that is ignored is not there', ['src'], { fails: /"\/?src"/ }),
];
