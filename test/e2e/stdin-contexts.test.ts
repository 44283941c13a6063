import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, TSBUILD } from '../helpers/cli.js';
import { ContextLab } from '../helpers/context-lab.js';
import { readTree } from '../helpers/tree.js';

const missing = missingProgram('tar', 'bzip2', 'xz', 'zstd', 'python3');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/stdin-contexts.test.ts: ${missing}\n`);

const COPY_ALL = 'FROM scratch\nCOPY . /\n';

describe.skipIf(missing !== undefined)('standard input', () => {
  const lab = new ContextLab();
  beforeAll(() => lab.start());
  afterAll(() => lab[Symbol.asyncDispose]());

  describe('as the context', () => {
    it.each([
      ['plain', []],
      ['gzip', ['--gzip']],
      ['bzip2', ['--bzip2']],
      ['xz', ['--xz']],
      ['zstd', ['--zstd']],
    ])('is an archive: %s', async (_, flags) => {
      const input = lab.tar({ Dockerfile: COPY_ALL, 'a/b': 'b', '.dockerignore': 'a' }, ...flags);
      // An ignore file is for directories of the user's.
      expect(await lab.build(['-'], { input })).toEqual({ Dockerfile: COPY_ALL.trim(), 'a/b': 'b', '.dockerignore': 'a' });
    });

    it('has its Dockerfile where --file says', async () => {
      const input = lab.tar({ 'docker/app.Dockerfile': 'FROM scratch\nCOPY x /y\n', x: 'x' });
      expect(await lab.build(['-f', 'docker/app.Dockerfile', '-'], { input })).toEqual({ y: 'x' });
      expect(await lab.build(['-f', lab.shop.context({ D: 'FROM scratch\nCOPY x /z\n' }) + '/D', '-'], { input })).toEqual({ z: 'x' });
    });

    it('is a Dockerfile, and has no files', async () => {
      expect(await lab.build(['-'], { input: COPY_ALL })).toEqual({});
      const { status, stderr } = await lab.tsbuild(['-'], { input: 'FROM scratch\nCOPY x /\n' });
      expect(status).toBe(1);
      expect(stderr).toMatch(/<stdin>:2:1: COPY: "x" not found in the build context/);
      expect(stderr).toContain('hint: the build context is empty');
    });

    it('belongs to root, with the modes and times of the archive', async () => {
      const input = lab.tar(
        { Dockerfile: 'FROM scratch\nCOPY bin /\n', 'bin/run': { text: 'x', mode: 0o750 } },
        '--owner=1000',
        '--group=1000',
        '--mtime=@1000',
      );
      const dest = lab.shop.at('owned');
      expect((await lab.tsbuild(['-o', dest, '-'], { input })).status).toBe(0);
      expect(readTree(dest).get('run')).toMatchObject({ mode: '0750', uid: 0, gid: 0, mtimeSeconds: 1000 });
    });

    it.each([
      ['nothing', '', 'the Dockerfile cannot be empty'],
      ['an archive without Dockerfile', () => lab.tar({ x: '' }), 'no Dockerfile in standard input'],
      ['a damaged archive', () => lab.tar({ Dockerfile: COPY_ALL }, '--gzip').subarray(0, 60), 'standard input'],
      [
        'something compressed that is no archive',
        () => spawnSync('gzip', ['-c'], { input: COPY_ALL.repeat(100) }).stdout,
        'standard input',
      ],
    ])('%s is an error', async (_, input, message) => {
      const { status, stderr } = await lab.tsbuild(['-'], { input: typeof input === 'string' ? input : input() });
      expect(status).toBeGreaterThan(0);
      expect(status).toBeLessThan(3);
      expect(stderr).toContain(message);
    });

    it('does not leave its place', async () => {
      const dir = lab.shop.context({ inner: undefined, victim: 'untouched' });
      const script = [
        'import sys, tarfile, io',
        't = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")',
        'def add(name, data=b"stolen", **more):',
        '    i = tarfile.TarInfo(name); i.size = len(data)',
        '    for k, v in more.items(): setattr(i, k, v)',
        '    t.addfile(i, io.BytesIO(data))',
        'add("Dockerfile", b"FROM scratch\\nCOPY . /\\n")',
        `add("link", b"", type=tarfile.SYMTYPE, linkname="${dir}")`,
        'add("link/victim")',
        `add("../../../../../../..${dir}/victim")`,
        `add("${dir}/victim")`,
        `add("hard", b"", type=tarfile.SYMTYPE, linkname="${dir}/victim")`,
        'add("hard")',
        't.close()',
      ].join('\n');
      const input = spawnSync('python3', ['-c', script]).stdout;
      await lab.tsbuild(['-o', lab.shop.at('hostile'), '-'], { input });
      expect(readFileSync(`${dir}/victim`, 'utf8')).toBe('untouched');
    });

    it('is no larger than --max-archive-size', async () => {
      const input = lab.tar({ Dockerfile: COPY_ALL, big: 'x'.repeat(100_000) }, '--gzip');
      const { status, stderr } = await lab.tsbuild(['--max-archive-size', '50k', '-'], { input });
      expect(status).toBe(1);
      expect(stderr).toMatch(/standard input: .*(larger|more|exceeds|large)/);
    });

    it('is read once', async () => {
      const both = await lab.tsbuild(['-f', '-', '-'], { input: COPY_ALL });
      expect(both).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("can't use stdin for both build context and dockerfile") as string,
      });
      const two = await lab.tsbuild(['-f', 'Dockerfile', '-'], { input: COPY_ALL });
      expect(two).toMatchObject({ status: 2, stderr: expect.stringContaining('ambiguous Dockerfile source') as string });
    });
  });

  describe('as the Dockerfile of a directory', () => {
    it('takes a Dockerfile from standard input or a URL', async () => {
      const context = lab.shop.context({ x: 'x', '.dockerignore': 'y\n', y: 'y', Dockerfile: 'FROM none' });
      expect(await lab.build(['-f', '-', context], { input: 'FROM scratch\nCOPY x* y* /\n' })).toEqual({ x: 'x' });
      lab.publish({ Elsewhere: 'FROM scratch\nCOPY x /from-url\n' });
      expect(await lab.build(['-f', `${lab.origin}/Elsewhere`, context])).toEqual({ 'from-url': 'x' });
      const { stderr, status } = await lab.tsbuild(['-f', '-', context], { input: 'FROM scratch\nCOPYY x /\n' });
      expect(status).toBe(2);
      expect(stderr).toContain('<stdin>:2');
    });
  });

  it('stops while it waits for standard input', async () => {
    const child = spawn(process.execPath, [TSBUILD, '--root', lab.shop.store, '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    setTimeout(() => child.kill('SIGINT'), 700);
    expect(await finished(child)).toMatchObject({ status: 130, stderr: expect.stringContaining('cancelled') as string });
    expect(lab.leftovers()).toEqual([]);
  });
});
