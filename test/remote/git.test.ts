import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { COMMIT_SECONDS, git, makeRepository } from '../helpers/git-server.js';
import { GitLab, textOf } from './git-lab.js';

const missing = missingProgram('git', 'openssl');
if (missing !== undefined) process.stderr.write(`skipped: test/remote/git.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('checkout', () => {
  const lab = new GitLab();
  beforeAll(() => lab.start());
  afterAll(() => lab[Symbol.asyncDispose]());

  it('of the default branch: files, modes and symlinks, and nothing of git', async () => {
    const got = await lab.fetch(lab.app());
    expect(got).toMatchObject({ commit: lab.commits.second, commitSeconds: COMMIT_SECONDS });
    expect(readdirSync(got.dir).toSorted()).toEqual(['escape', 'file.txt', 'link', 'run.sh', 'sub']);
    expect(textOf(got)).toBe('second');
    expect(['run.sh', 'file.txt', 'sub'].map((name) => statSync(join(got.dir, name)).mode & 0o777)).toEqual([0o755, 0o644, 0o755]);
    expect(statSync(join(got.dir, 'file.txt')).mtimeMs / 1000).toBeGreaterThan(COMMIT_SECONDS);
  });

  it('with the modes of a user who is careful', async () => {
    const old = process.umask(0o077);
    try {
      const got = await lab.fetch(lab.app());
      expect(statSync(join(got.dir, 'file.txt')).mode & 0o777).toBe(0o644);
      expect(statSync(got.dir).mode & 0o777).toBe(0o755);
    } finally {
      process.umask(old);
    }
  });

  it.each([
    ['#side/branch', 'side'],
    ['#v1', 'first'],
    ['#v1-annotated', 'first'],
    ['#refs/tags/v1', 'first'],
    ['?branch=side/branch', 'side'],
    ['?tag=v1', 'first'],
    ['?ref=main', 'second'],
  ])('of %s', async (suffix, text) => {
    expect(textOf(await lab.fetch(lab.app(suffix)))).toBe(text);
  });

  it('of a commit by its name', async () => {
    expect(textOf(await lab.fetch(lab.app(`#${lab.commits.first}`)))).toBe('first');
    expect(textOf(await lab.fetch(lab.app(`?commit=${lab.commits.side}`)))).toBe('side');
    expect(textOf(await lab.fetch(lab.app(`?ref=main&checksum=${lab.commits.side}&fetch-by-commit=true`)))).toBe('side');
  });

  it('fetches no history', async () => {
    const { dir } = await lab.fetch(lab.app(), { keepGitDir: true });
    expect(git(dir, 'rev-list', '--all', '--count')).toBe('1');
  });

  it.each([
    ['a subdirectory', ':sub', 'inner.txt', 'inner'],
    ['one of another branch', '#side/branch:sub', 'inner.txt', 'inner'],
    ['one by a symlink', '?subdir=link', 'inner.txt', 'inner'],
    ['one that clings to the root', '#:../../sub', 'inner.txt', 'inner'],
    ['the root', '#:/', 'file.txt', 'second'],
  ])('takes %s', async (_, suffix, name, text) => {
    expect(textOf(await lab.fetch(lab.app(suffix.startsWith(':') ? `#${suffix}` : suffix)), name)).toBe(text);
  });

  it.each([
    ['one that is not there', '#:none', 'has no directory "none"'],
    ['a file', '#:file.txt', 'has no directory "file.txt"'],
    ['a symlink out of the repository', '#:escape/ssl', 'has no directory "escape/ssl"'],
  ])('refuses as a subdirectory %s', async (_, suffix, message) => {
    await expect(lab.fetch(lab.app(suffix))).rejects.toThrow(message);
  });

  it.each([
    ['#none', 'does not contain ref none'],
    ['#mian', 'does not contain ref mian (did you mean main?)'],
    ['#--upload-pack=x', 'invalid git ref "--upload-pack=x"'],
    ['?ref=a:b', 'invalid git ref "a:b"'],
    [`#${'0'.repeat(40)}`, `does not contain the commit ${'0'.repeat(40)}`],
  ])('%s is an error', async (suffix, message) => {
    await expect(lab.fetch(lab.app(suffix))).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining(message) as string });
  });

  it('checks the commit', async () => {
    expect(textOf(await lab.fetch(lab.app(`?tag=v1&checksum=${lab.commits.first.slice(0, 8)}`)))).toBe('first');
    const tagObject = git(lab.at('served/app.git'), 'rev-parse', 'v1-annotated');
    expect(textOf(await lab.fetch(lab.app(`?tag=v1-annotated&checksum=${tagObject}`)))).toBe('first');
    await expect(lab.fetch(lab.app(`?ref=main&checksum=${lab.commits.first}`))).rejects.toThrow(
      `expected checksum to match ${lab.commits.first}, got ${lab.commits.second}`,
    );
  });

  it('mtime=commit gives everything the time of the commit', async () => {
    const { dir } = await lab.fetch(lab.app('?mtime=commit'));
    expect(['.', 'file.txt', 'sub', 'sub/inner.txt'].map((name) => statSync(join(dir, name)).mtimeMs / 1000)).toEqual(
      Array(4).fill(COMMIT_SECONDS),
    );
  });

  describe('.git kept', () => {
    it('is a repository at that commit, with its origin and tag', async () => {
      const { dir } = await lab.fetch(lab.app('#v1-annotated'), { keepGitDir: true });
      expect(git(dir, 'status', '--porcelain')).toBe('');
      expect(git(dir, 'rev-parse', 'HEAD')).toBe(lab.commits.first);
      expect(git(dir, 'describe')).toBe('v1-annotated');
      expect(git(dir, 'remote', 'get-url', 'origin')).toBe(lab.app());
    });

    it('goes when a subdirectory is taken', async () => {
      const { dir } = await lab.fetch(lab.app('#:sub'), { keepGitDir: true });
      expect(readdirSync(dir)).toEqual(['inner.txt']);
    });
  });

  describe('submodules', () => {
    it('are fetched', async () => {
      const { dir } = await lab.fetch(`${lab.server.origin}/parent.git`);
      expect(textOf({ dir }, 'deps/lib/lib.txt')).toBe('lib');
      expect(readdirSync(join(dir, 'deps/lib'))).toEqual(['lib.txt']);
    });

    it('unless they are not wanted', async () => {
      const { dir } = await lab.fetch(`${lab.server.origin}/parent.git?submodules=false`);
      expect(readdirSync(join(dir, 'deps/lib'))).toEqual([]);
    });

    it('work where .git is kept', async () => {
      const { dir } = await lab.fetch(`${lab.server.origin}/parent.git`, { keepGitDir: true });
      expect(git(join(dir, 'deps/lib'), 'status', '--porcelain')).toBe('');
    });

    it('come over the network only', async () => {
      const evil = makeRepository(lab.at('served/evil.git'), {
        '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = ${lab.at('served/lib.git')}\n`,
      });
      git(evil, 'update-index', '--add', '--cacheinfo', `160000,${git(lab.at('served/lib.git'), 'rev-parse', 'HEAD')},x`);
      git(evil, 'commit', '--quiet', '-m', 'evil');
      await expect(lab.fetch(`${lab.server.origin}/evil.git`)).rejects.toThrow(
        /cannot fetch the submodules of .*evil\.git: transport 'file' not allowed/,
      );
    });
  });
});
