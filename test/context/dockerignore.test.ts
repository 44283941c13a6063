import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.js';
import { BuildError } from '../../src/base/errors.js';
import { parseIgnore, type IgnoreMatcher } from '../../src/context/dockerignore.js';
import { compileMatch } from '../../src/context/match.js';

function isExcluded(matcher: IgnoreMatcher, path: string): boolean {
  const rule = matcher.decide(fromText(path));
  return rule !== undefined && !rule.negated;
}

/** Rules one per line of the first column, as a file would have them; what moby/patternmatcher decides. */
const ROWS: readonly (readonly [rules: string, path: string, excluded: boolean])[] = [
  ['**', 'file', true],
  ['**', 'dir/file', true],
  ['**/', 'file', true],
  ['**/', 'dir/file', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/dir2/file', true],
  ['dir/**', 'dir', false],
  ['abc/**', 'abc', false],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/*', 'dir/dir2/dir2/file', true],
  ['**/dir2/**', 'dir/dir2/dir2/file', true],
  ['**file', 'file', true],
  ['**file', 'dir/file', true],
  ['**file', 'xfile', true],
  ['**b/a', 'a.b/a', true],
  [String.raw`**b/\a`, 'a.b/a', false],
  ['**/file', 'file', true],
  ['**/file', 'dir/file', true],
  ['**/file', 'dir/xfile', false],
  ['**/file*', 'dir/dir/file.txt', true],
  ['**/file*txt', 'dir/dir/file.txt', true],
  ['**/file*.txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['**/*.txt', 'file.txt', true],
  ['**/**/*.txt', 'file.txt', true],
  ['a**/*.txt', 'a/file.txt', true],
  ['a**/*.txt', 'a/dir/file.txt', true],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt', 'a/file.txt', true],
  ['a/*.txt**', 'a/file.txt', true],
  ['a[b-d]e', 'ae', false],
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc.def', 'abcdef', false],
  ['abc.def', 'abcZdef', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abcdef', false],
  [String.raw`a\\`, 'a\\', true],
  ['**/foo/bar', 'foo/bar', true],
  ['**/foo/bar', 'dir/foo/bar', true],
  ['**/foo/bar', 'dir/dir2/foo/bar', true],
  ['abc/**', 'abc/def', true],
  ['abc/**', 'abc/def/ghi', true],
  ['**/.foo', '.foo', true],
  ['**/.foo', 'bar.foo', false],
  ['./bar.*', 'bar.', true],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a(b)c/def', 'a(b)c/xyz', false],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', true],
  ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', true],
  [String.raw`a\*b`, 'a*b', true],
  [String.raw`a\*b`, 'aXb', false],
  ['a?b', 'a☺b', true],
  ['a*', 'ab/c', true],
  ['a', 'a/b/c', true],
  ['Dist', 'dist', false],
  ['node_modules', 'sub/node_modules', false],
  ['node_modules/', 'node_modules/x', true],
  ['/node_modules', 'node_modules/x', true],
  ['!/b\n', 'b', false],
  ['dist # no comment', 'dist', false],
  ['dist # no comment', 'dist # no comment', true],
  [' #x', '#x', true],
  ['# x', '# x', false],
  ['.', 'a', false],
  ['/', 'a', false],
  ['../a', 'a', false],
  ['a/../b', 'b', true],
  ['  b  ', 'b', true],
  ['b\r\nc\r\n', 'b', true],
  ['b\r\nc\r\n', 'c', true],
  ['\ufeffb', 'b', true],
  ['\ufeff# b', 'b', false],
  ['é?', 'éü', true],
  ['[^/]x', '/x', false],
  ['a[/]b', 'a/b', false],
  // The last line that matches decides.
  ['**\n!a', 'a', false],
  ['**\n!a', 'b', true],
  ['!a\n**', 'a', true],
  ['*\n!a/b', 'a/b', false],
  ['*\n!a/b', 'a/c', true],
  ['*\n!a\na/b', 'a/b', true],
  ['*\n!a\na/b', 'a/c', false],
  ['a\n!a/b\na/b/c', 'a/b/d', false],
  ['a\n!a/b\na/b/c', 'a/b/c', true],
  ['a\n!a/b\na', 'a/b', true],
  ['*\n! a', 'a', false],
  ['docs\n!**/*.md', 'docs/x/y.md', false],
  ['docs\n!**/README.md', 'docs/x/README.md', false],
];

describe('.dockerignore', () => {
  it.each(ROWS)('%j on %s: %s', (rules, path, excluded) => {
    expect(isExcluded(parseIgnore(rules, '.dockerignore'), path)).toBe(excluded);
  });

  it.each([
    ['!', '.dockerignore:1: illegal exclusion pattern: "!"'],
    ['a\n!  \n', '.dockerignore:2: illegal exclusion pattern: "!"'],
    ...['[]a]', '[-]', '[x-]', '\\', '[', '[^', 'a[', '[a-b-c]'].map((pattern) => [
      pattern,
      `.dockerignore:1: syntax error in pattern: "${pattern}"`,
    ]),
    ['a\n!b[', '.dockerignore:2: syntax error in pattern: "b["'],
  ])('%j is refused', (rules, message) => {
    const parse = (): unknown => parseIgnore(rules ?? '', '.dockerignore');
    expect(parse).toThrow(BuildError);
    expect(parse).toThrow(message ?? '');
  });

  it('tells the line that decided, counted with comments and blank lines', () => {
    const matcher = parseIgnore('# c\n\ndist\n!dist/keep\n', 'x.dockerignore');
    expect(matcher.decide('dist/a')).toMatchObject({ line: 3, text: 'dist', negated: false });
    expect(matcher.decide('dist/keep')).toMatchObject({ line: 4, text: '!dist/keep', negated: true });
    expect(matcher.decide('src')).toBeUndefined();
  });

  it.each([
    ['a\n!a/b', 'a', true],
    ['a\n!a/b/c', 'a/b', true],
    ['a\n!b', 'a', false],
    ['a\n!b/c', 'a', false],
    ['!a/b\na', 'a', false],
    ['a\n!**/x', 'a', true],
    ['a\n!a*/x', 'a', true],
    ['a\n!*/x', 'a', true],
    ['a\n!ab', 'a', false],
    ['a', 'a', false],
  ])('%j: something below the excluded %s may be let in: %s', (rules, directory, may) => {
    const matcher = parseIgnore(rules, '.dockerignore');
    expect(matcher.mayReinclude(matcher.enter(matcher.root, directory), directory)).toBe(may);
  });

  it('agrees with a matcher that only follows the definition, and mayReinclude never hides a file', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', '*', '?', 'a*', '[ab]', '**');
    const rule = fc
      .tuple(fc.boolean(), fc.array(segment, { minLength: 1, maxLength: 3 }))
      .map(([negated, segments]) => ({ negated, pattern: segments.join('/') }));
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'c'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), path, (rules, names) => {
        const matcher = parseIgnore(rules.map(({ negated, pattern }) => (negated ? '!' : '') + pattern).join('\n'), 'x');
        let excluded = false;
        for (const { negated, pattern } of rules) if (matchesOrParentMatches(pattern, names)) excluded = !negated;
        expect(isExcluded(matcher, names.join('/'))).toBe(excluded);
        if (!excluded) expect(isReachedByWalk(matcher, names)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it('decides about 46,000 paths by 20 rules in well under a second', () => {
    const rules = [
      'node_modules/.cache',
      '**/*.log',
      'dist',
      '.git',
      '**/*.map',
      'coverage/**',
      '*.md',
      '!README.md',
      '**/test',
      '**/__tests__',
    ];
    rules.push('tmp/*', '.env*', '**/.DS_Store', 'build', '**/*.swp', 'docs/**/*.html', '[Tt]emp', '.idea', '.vscode', 'Dockerfile*');
    const matcher = parseIgnore(rules.join('\n'), '.dockerignore');
    const started = performance.now();
    let excluded = 0;
    for (let directory = 0; directory < 4600; directory++) {
      const path = `node_modules/package-${directory}/lib`;
      const state = matcher.enter(matcher.enter(matcher.enter(matcher.root, 'node_modules'), path.slice(0, -4)), path);
      for (let file = 0; file < 10; file++) if (matcher.isExcluded(state, `${path}/file-${file}.${file === 0 ? 'map' : 'js'}`)) excluded++;
    }
    const elapsedMs = performance.now() - started;
    console.log(`46,000 paths by 20 rules: ${elapsedMs.toFixed(0)} ms`);
    expect(excluded).toBe(4600);
  });
});

/** A walk that skips what `mayReinclude` says cannot show anything. */
function isReachedByWalk(matcher: IgnoreMatcher, names: readonly string[]): boolean {
  let state = matcher.root;
  for (let depth = 1; depth < names.length; depth++) {
    const directory = names.slice(0, depth).join('/');
    state = matcher.enter(state, directory);
    if (state.excluded && !matcher.mayReinclude(state, directory)) return false;
  }
  return true;
}

function matchesOrParentMatches(pattern: string, names: readonly string[]): boolean {
  return names.some((_, index) => matchesSegments(pattern.split('/'), names.slice(0, index + 1)));
}

/** `**` is any number of directories; at the end at least one name, if anything stands before it. */
function matchesSegments(pattern: readonly string[], names: readonly string[]): boolean {
  const [segment, ...rest] = pattern;
  if (segment === undefined) return names.length === 0;
  if (segment !== '**') return names[0] !== undefined && compileMatch(segment)(names[0]) && matchesSegments(rest, names.slice(1));
  if (rest.every((part) => part === '**')) return names.length > 0;
  return names.some((_, skipped) => matchesSegments(rest, names.slice(skipped)));
}
