import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchDir, tsbuild, writeFiles } from '../helpers/cli.js';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const isBuilt = existsSync(join(PACKAGE, 'dist/main.cjs'));

describe.skipIf(!isBuilt)('the bytecode of the bundle', () => {
  const scratch = scratchDir('tsbuild-bytecode-');
  afterAll(() => scratch[Symbol.dispose]());
  let count = 0;

  /** A package of its own, without bytecode, and how to build with it. */
  function install(): { readonly dist: string; readonly build: () => ReturnType<typeof tsbuild>; readonly codes: () => string[] } {
    const root = join(scratch.path, String(count++));
    const dist = join(root, 'dist');
    mkdirSync(dist, { recursive: true });
    cpSync(join(PACKAGE, 'bin'), join(root, 'bin'), { recursive: true });
    for (const name of ['main.cjs', 'vendor']) cpSync(join(PACKAGE, 'dist', name), join(dist, name), { recursive: true });
    symlinkSync(join(PACKAGE, 'node_modules'), join(root, 'node_modules'));
    const context = writeFiles(join(root, 'context'), { Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const args = ['-q', '--root', join(root, 'store'), '--source-date-epoch', '1', context];
    return {
      dist,
      build: () => tsbuild(args, { program: join(root, 'bin/tsbuild.js') }),
      codes: () => readdirSync(dist).filter((name) => name.includes('.code')),
    };
  }

  it('is kept by the first build, and taken by the next', () => {
    const { dist, build, codes } = install();
    const first = build();
    expect(first).toMatchObject({ status: 0, stderr: '' });
    const [name = '', ...others] = codes();
    expect(others).toEqual([]);
    expect(name).toMatch(new RegExp(`^main\\.cjs-[0-9a-f]{16}-${process.version}-${process.arch}\\.code$`));
    const { ino, mtimeMs } = statSync(join(dist, name));
    expect(build()).toEqual(first);
    // Bytecode that was not taken would have been written anew.
    expect(statSync(join(dist, name))).toMatchObject({ ino, mtimeMs });
  });

  it.each([
    ['torn', (path: string): void => truncateSync(path, 5000)],
    ['none at all', (path: string): void => writeFileSync(path, 'x')],
  ])('is made again where what lies there is %s', (_title, damage) => {
    const { dist, build, codes } = install();
    const first = build();
    const path = join(dist, codes()[0] ?? '');
    const whole = statSync(path).size;
    damage(path);
    expect(build()).toEqual(first);
    expect(statSync(path).size).toBeGreaterThan(whole / 2);
  });

  it('of another bundle is left alone', () => {
    const { dist, build, codes } = install();
    const first = build();
    const bundle = join(dist, 'main.cjs');
    // What a newer package with the same number of bytes would be.
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace(/^\/\/[0-9a-f]{16}/, `//${'0'.repeat(16)}`), 'latin1');
    expect(build()).toEqual(first);
    expect(codes()).toHaveLength(2);
  });

  it('is not kept of anything but a build', () => {
    const { dist, codes } = install();
    expect(tsbuild(['--version'], { program: join(dist, '../bin/tsbuild.js') }).status).toBe(0);
    expect(codes()).toEqual([]);
  });
});
