import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { ContextLab } from '../helpers/context-lab.js';
import { commit, COMMIT_SECONDS, git, makeRepository } from '../helpers/git-server.js';
import { readConfig, readManifest } from '../helpers/image-tools.js';

const missing = missingProgram('git', 'tar', 'xz');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/remote-contexts.test.ts: ${missing}\n`);

const COPY_ALL = 'FROM scratch\nCOPY . /\n';

describe.skipIf(missing !== undefined)('a context', () => {
  const lab = new ContextLab();
  beforeAll(() => lab.start());
  afterAll(() => lab[Symbol.asyncDispose]());

  describe('from a URL', () => {
    it('is an archive, whatever its name', async () => {
      lab.publish({ 'context.bin': lab.tar({ Dockerfile: COPY_ALL, x: 'x' }, '--xz') });
      expect(await lab.build([`${lab.origin}/context.bin`])).toEqual({ Dockerfile: COPY_ALL.trim(), x: 'x' });
    });

    it('SOURCE_DATE_EPOCH=context is the time of the newest file in it', async () => {
      lab.publish({ 'dated.tar': lab.tar({ Dockerfile: COPY_ALL, x: 'x' }, '--mtime=@1234567000') });
      const layout = lab.shop.at('dated-archive');
      const args = ['--oci-layout', `${layout}:1`, '--build-arg', 'SOURCE_DATE_EPOCH=context', `${lab.origin}/dated.tar`];
      expect(await lab.tsbuild(args)).toMatchObject({ status: 0 });
      expect(readConfig(layout, '1').created).toBe(new Date(1_234_567_000_000).toISOString());
    });

    it('is a Dockerfile', async () => {
      lab.publish({ 'plain.txt': 'FROM scratch\nCOPY context /seen\n' });
      expect(await lab.build([`${lab.origin}/plain.txt`])).toEqual({ seen: 'FROM scratch\nCOPY context /seen' });
    });

    it('with a Dockerfile of this machine', async () => {
      lab.publish({ 'lib.tar': lab.tar({ x: 'x' }) });
      const url = `${lab.origin}/lib.tar`;
      expect(await lab.build(['-f', '-', url], { input: 'FROM scratch\nCOPY x /1\n' })).toEqual({ 1: 'x' });
      expect(await lab.build(['-f', `${lab.shop.context({ D: 'FROM scratch\nCOPY x /2\n' })}/D`, url])).toEqual({ 2: 'x' });
      expect((await lab.tsbuild([url])).stderr).toContain(`no Dockerfile in ${url}`);
    });

    it('that is a web page is none', async () => {
      lab.publish({ repo: '\n<!DOCTYPE html>\n<html></html>\n' });
      const { status, stderr } = await lab.tsbuild([`${lab.origin}/repo`]);
      expect(status).toBe(1);
      expect(stderr).toContain('is a web page, neither an archive nor a Dockerfile');
    });

    it('that does not exist is an error', async () => {
      const { status, stderr } = await lab.tsbuild([`${lab.origin}/none.tar?token=secret`]);
      expect(status).toBe(1);
      expect(stderr).toContain(`cannot download ${lab.origin}/none.tar?…: got status 404 Not Found`);
    });
  });

  describe('from a git repository', () => {
    let url = '';
    beforeAll(() => {
      const repo = makeRepository(lab.shop.at('served/app.git'), {
        Dockerfile: COPY_ALL,
        '.dockerignore': 'kept\n',
        kept: 'kept',
        'service/dockerfile': 'FROM scratch\nCOPY . /service/\n',
        'service/main': 'main',
        'link/Dockerfile': { link: '/etc/passwd' },
      });
      git(repo, 'tag', 'v1');
      commit(repo, { kept: 'newer' });
      url = `${lab.origin}/app.git`;
    });

    it('has its files, and not what belongs to git', async () => {
      expect(await lab.build([url])).toMatchObject({ kept: 'newer', 'service/main': 'main' });
      expect(await lab.build([`${url}#v1`])).toMatchObject({ kept: 'kept' });
      expect(Object.keys(await lab.build([url])).filter((path) => path.startsWith('.git/'))).toEqual([]);
    });

    it('139: is a directory of it', async () => {
      expect(await lab.build([`${url}#v1:service`])).toEqual({
        'service/dockerfile': 'FROM scratch\nCOPY . /service/',
        'service/main': 'main',
      });
      expect(await lab.build(['-f', 'service/dockerfile', `${url}?tag=v1`])).toHaveProperty('service/kept', 'kept');
    });

    it('keeps .git when asked to', async () => {
      expect(await lab.build([`${url}?keep-git-dir=true`])).toHaveProperty('.git/HEAD');
      expect(await lab.build(['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', url])).toHaveProperty('.git/HEAD');
    });

    it('SOURCE_DATE_EPOCH=context is the time of the commit', async () => {
      const layout = lab.shop.at('dated');
      expect(await lab.tsbuild(['--oci-layout', `${layout}:1`, '--build-arg', 'SOURCE_DATE_EPOCH=context', url])).toMatchObject({
        status: 0,
      });
      expect(readConfig(layout, '1').created).toBe(new Date(COMMIT_SECONDS * 1000).toISOString());
      const digest = readManifest(layout, '1').config.digest;
      expect(await lab.tsbuild(['--oci-layout', `${layout}:2`, '--build-arg', 'SOURCE_DATE_EPOCH=context', url])).toMatchObject({
        status: 0,
      });
      expect(readManifest(layout, '2').config.digest).toBe(digest);
    });

    it.each([
      ['#none', 'does not contain ref none'],
      ['#v1:none', 'has no directory "none"'],
      ['#v1:link', '"Dockerfile" in'],
      ['?x=y', 'unexpected query "x"'],
    ])('%s is an error', async (suffix, message) => {
      const { status, stderr } = await lab.tsbuild([url + suffix]);
      expect(status).toBeGreaterThan(0);
      expect(stderr).toContain(message);
    });
  });

  describe('of a name', () => {
    beforeAll(() => {
      lab.publish({ 'named.tgz': lab.tar({ 'a.txt': 'a', 'd/b.txt': 'b' }, '--gzip') });
      makeRepository(lab.shop.at('served/named.git'), { 'a.txt': 'git', 'd/b.txt': 'git b' });
    });

    const values = (): [string, string, string][] => [
      ['an archive', `${lab.origin}/named.tgz`, 'a'],
      ['a git repository', `${lab.origin}/named.git`, 'git'],
      ['a directory', lab.shop.context({ 'a.txt': 'dir', 'd/b.txt': 'dir b', '.dockerignore': '.dockerignore\n' }), 'dir'],
    ];

    it.each([0, 1, 2])('is a source of COPY and a base: %i', async (index) => {
      const [, value, text] = values()[index] ?? ['', '', ''];
      const context = lab.shop.context({ Dockerfile: 'FROM other\nCOPY --from=other a.txt /copied\n' });
      const files = await lab.build(['--build-context', `other=${value}`, context]);
      expect(files).toMatchObject({ 'a.txt': text, copied: text });
      expect(Object.keys(files).toSorted()).toEqual(['a.txt', 'copied', 'd/b.txt']);
    });

    it('as a base is one layer, in an image without more config', async () => {
      const layout = lab.shop.at('based');
      const { status, stderr } = await lab.tsbuild([
        '--build-context',
        `other=${lab.origin}/named.tgz`,
        '--oci-layout',
        `${layout}:1`,
        lab.shop.context({ Dockerfile: 'FROM other\nENV A=b\n' }),
      ]);
      expect(status, stderr).toBe(0);
      expect(readManifest(layout, '1').layers).toHaveLength(1);
      expect(readConfig(layout, '1')).toMatchObject({ config: { WorkingDir: '/', Env: [expect.stringMatching(/^PATH=/), 'A=b'] } });
    });

    it('is nothing: docker-image://scratch', async () => {
      const context = lab.shop.context({ Dockerfile: 'FROM other\nCOPY x /\n', x: 'x' });
      expect(await lab.build(['--build-context', 'other=docker-image://scratch', context])).toEqual({ x: 'x' });
    });

    it('is brought here once, and only when something asks for it', async () => {
      const context = lab.shop.context({
        Dockerfile: 'FROM scratch AS a\nCOPY --from=other a.txt /\nFROM scratch\nCOPY --from=other d /\nCOPY --from=a a.txt /\n',
      });
      const unused = `unused=${lab.origin}/unused.tgz`;
      expect(await lab.build(['--build-context', `other=${lab.origin}/named.tgz`, '--build-context', unused, context])).toEqual({
        'a.txt': 'a',
        'b.txt': 'b',
      });
      expect(lab.requests).toEqual(['/named.tgz']);
    });
  });
});
