import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromText, toFsPath, toText } from '../../src/base/bytes.js';
import { findDockerfile, openContext, readIgnoreText } from '../../src/context/context.js';
import { parseIgnore } from '../../src/context/dockerignore.js';
import { gitIgnoredEntries, missingSourceHint } from '../../src/context/hints.js';
import type { RootView } from '../../src/snapshot/root-view.js';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-context-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Files by path with their text; a path with a slash at the end is a directory. */
function make(files: Readonly<Record<string, string>>, root = dir): void {
  for (const [path, text] of Object.entries(files)) {
    const full = join(root, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(full, text);
  }
}

function walked(view: RootView, path = ''): string[] {
  const found: string[] = [];
  view.walk?.(path, (each, { type }) => found.push(toText(each) + (type === 'directory' ? '/' : '')));
  return found;
}

/** The same by the methods for single paths. */
function listed(view: RootView, path = ''): string[] {
  return view.list(path).flatMap((name) => {
    const child = path === '' ? name : `${path}/${name}`;
    return view.lstat(child)?.type === 'directory' ? [`${toText(child)}/`, ...listed(view, child)] : [toText(child)];
  });
}

function contextOf(rules: string): RootView {
  return openContext(dir, parseIgnore(rules, '.dockerignore'));
}

describe('openContext', () => {
  it('walks depth first, names in byte order', () => {
    make({ 'a/z': '', 'a-b': '', b: '', 'a/c/': '', ä: '', Z: '' });
    expect(walked(openContext(dir, undefined))).toEqual(['Z', 'a/', 'a/c/', 'a/z', 'a-b', 'b', 'ä'].toSorted(byWalk));
  });

  it.each([
    { title: 'an excluded directory is gone', rules: 'a', want: ['b/', 'b/f', 'top'] },
    {
      title: 'a directory shows for what is let in below it',
      rules: 'a\n!a/s/t',
      want: ['a/', 'a/s/', 'a/s/t/', 'a/s/t/f', 'b/', 'b/f', 'top'],
    },
    { title: 'nothing let in: the directory is gone', rules: 'a\n!a/none', want: ['b/', 'b/f', 'top'] },
    { title: 'an allow list', rules: '*\n!top', want: ['top'] },
    { title: 'a suffix let in everywhere', rules: '**\n!**/f', want: ['a/', 'a/s/', 'a/s/t/', 'a/s/t/f', 'b/', 'b/f'] },
    { title: 'a directory emptied by a rule for its contents stays', rules: 'b/*\na', want: ['b/', 'top'] },
    { title: 'everything', rules: '**', want: [] },
  ])('$title', ({ rules, want }) => {
    make({ 'a/f2': '', 'a/s/t/f': '', 'b/f': '', top: '' });
    const view = contextOf(rules);
    expect(walked(view)).toEqual(want);
    expect(listed(contextOf(rules))).toEqual(want);
  });

  it('walks and lists what the rules leave, and the directories above that', () => {
    const names = ['a', 'b', 'c'];
    const files = names.flatMap((x) => names.flatMap((y) => names.map((z) => `${x}/${y}/${z}`)));
    make(Object.fromEntries(files.map((path) => [path, ''])));
    const all = walked(openContext(dir, undefined));
    const rule = fc
      .tuple(fc.boolean(), fc.array(fc.constantFrom('a', 'b', '*', '[bc]', '**'), { minLength: 1, maxLength: 3 }))
      .map(([negated, segments]) => (negated ? '!' : '') + segments.join('/'));
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), (rules) => {
        const ignore = parseIgnore(rules.join('\n'), 'x');
        const visible = all.filter((path) => ignore.decide(path.replace(/\/$/, ''))?.negated !== false);
        const want = all.filter((path) => visible.some((each) => each === path || (path.endsWith('/') && each.startsWith(path))));
        expect(walked(openContext(dir, ignore))).toEqual(want);
        expect(listed(openContext(dir, ignore))).toEqual(want);
      }),
      { numRuns: 200 },
    );
  });

  it('shows an excluded directory with its own mode when something below is let in', () => {
    make({ 'a/keep': '', 'a/drop': '' });
    chmodSync(join(dir, 'a'), 0o711);
    const view = contextOf('a\n!a/keep');
    expect(view.lstat('a')?.mode).toBe(0o711);
    expect(view.lstat('a/drop')).toBeUndefined();
    expect(view.list('a')).toEqual(['keep']);
    expect(contextOf('a').lstat('a')).toBeUndefined();
  });

  it('does not show an excluded file through a symlink', () => {
    make({ 'secret/key': 'k' });
    symlinkSync('secret/key', join(dir, 'link'));
    const view = contextOf('secret');
    expect(view.readFile('link', 100)).toBeUndefined();
    expect(view.lstat(view.resolve('link'))).toBeUndefined();
  });

  it('looks at no path behind a symlink, and follows links inside the root only', () => {
    make({ 'real/f': 'inside' });
    symlinkSync('real', join(dir, 'link'));
    symlinkSync('/real/f', join(dir, 'absolute'));
    symlinkSync('../../../../../etc/passwd', join(dir, 'out'));
    const view = openContext(dir, undefined);
    expect(view.lstat('link/f')).toBeUndefined();
    expect(view.list('link')).toEqual([]);
    expect(view.xattrs('link/f')).toEqual([]);
    expect(view.resolve('link/f')).toBe('real/f');
    expect(view.resolve('link', { followLast: false })).toBe('link');
    expect(view.resolve('link/missing/x')).toBe('real/missing/x');
    expect(view.resolve('absolute')).toBe('real/f');
    expect(view.resolve('out')).toBe('etc/passwd');
    expect(view.readFile('out', 1e6)).toBeUndefined();
    expect(view.readFile('absolute', 100)?.toString()).toBe('inside');
  });

  it('stops at 40 links', () => {
    symlinkSync('b', join(dir, 'a'));
    symlinkSync('a', join(dir, 'b'));
    expect(() => openContext(dir, undefined).resolve('a/x')).toThrow('too many symbolic links on the way to "a/x"');
  });

  it('keeps names that are not UTF-8', () => {
    writeFileSync(toFsPath(`${fromText(dir)}/bad\xff`), 'x');
    const view = openContext(dir, undefined);
    expect(view.list('')).toEqual(['bad\xff']);
    expect(view.readFile('bad\xff', 10)?.toString()).toBe('x');
  });

  it('refuses a file above the limit', () => {
    make({ big: 'x'.repeat(11) });
    expect(() => openContext(dir, undefined).readFile('big', 10)).toThrow('"big" is too large: got 11 bytes, want at most 10');
  });

  it('refuses what is not a directory', () => {
    expect(() => openContext(join(dir, 'none'), undefined)).toThrow('is not a directory');
  });
});

/** By component, as the walk goes. */
function byWalk(a: string, b: string): number {
  const [left, right] = [a, b].map((path) => fromText(path).replaceAll('/', '\0'));
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

async function loadIgnore(contextDir: string, dockerfilePath: string | undefined) {
  const found = readIgnoreText(contextDir, dockerfilePath);
  return found === undefined ? undefined : parseIgnore(found.text, found.fileName);
}

describe('ignore file of a build', () => {
  it('119: is .dockerignore, unless the Dockerfile has its own', () => {
    make({ '.dockerignore': 'common', 'docker/prod.Dockerfile': '', 'docker/prod.Dockerfile.dockerignore': 'own' });
    expect(readIgnoreText(dir, join(dir, 'Dockerfile'))).toEqual({ text: 'common', fileName: '.dockerignore' });
    expect(readIgnoreText(dir, join(dir, 'docker/prod.Dockerfile'))).toEqual({
      text: 'own',
      fileName: 'docker/prod.Dockerfile.dockerignore',
    });
    expect(readIgnoreText(dir, undefined)?.text).toBe('common');
  });

  it('is found beside a Dockerfile outside of the context', () => {
    make({ 'context/.dockerignore': 'common', 'elsewhere/D.dockerignore': 'own' });
    expect(readIgnoreText(join(dir, 'context'), join(dir, 'elsewhere/D'))?.text).toBe('own');
  });

  it('is not read through a symlink that leaves the context', async () => {
    make({ outside: 'stolen', 'context/': '' });
    symlinkSync('../outside', join(dir, 'context/.dockerignore'));
    expect(await loadIgnore(join(dir, 'context'), undefined)).toBeUndefined();
    make({ 'context/outside': 'mine' });
    expect((await loadIgnore(join(dir, 'context'), undefined))?.decide('mine')?.line).toBe(1);
  });

  it('118: may lack, and may be wrong', async () => {
    expect(await loadIgnore(dir, undefined)).toBeUndefined();
    make({ '.dockerignore': 'a\n!' });
    await expect(loadIgnore(dir, undefined)).rejects.toThrow('.dockerignore:2: illegal exclusion pattern: "!"');
  });
});

describe('findDockerfile', () => {
  it('139: prefers Dockerfile to dockerfile', () => {
    make({ dockerfile: 'lower' });
    expect(findDockerfile(dir)).toMatchObject({ name: 'dockerfile', path: join(dir, 'dockerfile') });
    make({ Dockerfile: 'upper' });
    expect(findDockerfile(dir).bytes.toString()).toBe('upper');
  });

  it('138: follows a symlink inside the context', () => {
    make({ 'docker/prod': 'FROM x' });
    symlinkSync('docker/prod', join(dir, 'Dockerfile'));
    expect(findDockerfile(dir)).toMatchObject({ path: join(dir, 'Dockerfile'), bytes: Buffer.from('FROM x') });
  });

  it('follows a symlink out of the context only when --file names it', () => {
    make({ outside: 'FROM out', 'context/': '' });
    symlinkSync('../outside', join(dir, 'context/Dockerfile'));
    expect(() => findDockerfile(join(dir, 'context'))).toThrow('is a symlink to nothing inside the context');
    expect(findDockerfile(join(dir, 'context'), join(dir, 'context/Dockerfile')).bytes.toString()).toBe('FROM out');
  });

  it('says what to do when there is none', () => {
    expect(() => findDockerfile(dir)).toThrow(expect.objectContaining({ message: `no Dockerfile in "${dir}"`, kind: 'usage' }));
    make({ 'only-in-context': '' });
    expect(() => findDockerfile(dir, 'only-in-context')).toThrow(
      expect.objectContaining({
        message: 'Dockerfile "only-in-context" not found',
        hint: `--file is relative to the working directory: did you mean "${join(dir, 'only-in-context')}"?`,
      }),
    );
    expect(() => findDockerfile(dir, dir)).toThrow('is not a regular file');
  });
});

describe('hints', () => {
  it('names the line of the ignore file', async () => {
    make({ 'dist/app.js': '' });
    const ignore = parseIgnore('# c\n\ndist\n', '.dockerignore');
    expect(await missingSourceHint({ contextDir: dir, ignore, source: './dist/app.js' })).toBe('it is excluded by .dockerignore:3 "dist"');
  });

  it('names files of the same name, nearest first, none that is excluded', async () => {
    make({ 'a/b/App.js': '', 'src/app.js': '', 'hidden/app.js': '', 'node_modules/app.js': '' });
    const ignore = parseIgnore('hidden', '.dockerignore');
    expect(await missingSourceHint({ contextDir: dir, ignore, source: 'app.js' })).toBe('did you mean "src/app.js" or "a/b/App.js"?');
  });

  it('says where sources are looked for when there is no such name', async () => {
    expect(await missingSourceHint({ contextDir: dir, ignore: undefined, source: '/x' })).toMatch(/the build context is empty/);
    make({ other: '' });
    expect(await missingSourceHint({ contextDir: dir, ignore: undefined, source: '/x' })).toMatch(/relative to the build context/);
    expect(await missingSourceHint({ contextDir: dir, ignore: undefined, source: 'none/*' })).toBeUndefined();
  });

  it('names what git ignores at the top of a context without .dockerignore', async () => {
    make({
      '.gitignore': 'node_modules/\n/dist\n*.log\n!keep.log\n',
      'node_modules/x': '',
      'dist/y': '',
      'a.log': '',
      'keep.log': '',
      src: '',
    });
    expect(await gitIgnoredEntries(dir)).toEqual(['a.log', 'dist', 'node_modules']);
    make({ '.dockerignore': '' });
    expect(await gitIgnoredEntries(dir)).toEqual([]);
    expect(await gitIgnoredEntries(join(dir, 'src'))).toEqual([]);
  });
});
