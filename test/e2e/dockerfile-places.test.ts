import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { tsbuild } from '../helpers/cli.js';
import { readTree } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';

const COPY_ALL = 'FROM scratch\nCOPY . /\n';

describe('a context that is a directory', () => {
  const shop = new Workshop();
  afterAll(() => shop[Symbol.dispose]());
  let count = 0;

  /** Texts of the files that come out, by path. */
  function build(args: readonly string[]): Record<string, string> {
    const dest = shop.at(`files-${count++}`);
    shop.run([...args, '-o', dest]);
    const files = [...readTree(dest)].filter(([, node]) => node.type === 'file').map(([path]) => path);
    return Object.fromEntries(files.map((path) => [path, readFileSync(`${dest}/${path}`, 'utf8').trim()]));
  }

  it('takes a Dockerfile from outside', () => {
    const elsewhere = shop.context({ 'app.Dockerfile': 'FROM scratch\nCOPY . /\n', 'app.Dockerfile.dockerignore': 'secret\n' });
    const context = shop.context({ x: 'x', secret: 's', '.dockerignore': 'x\n' });
    expect(build(['-f', `${elsewhere}/app.Dockerfile`, context])).toEqual({ x: 'x', '.dockerignore': 'x' });
  });

  it('117: builds by a Dockerfile that its ignore file hides', () => {
    const context = shop.context({ Dockerfile: COPY_ALL, x: 'x', '.dockerignore': 'Dockerfile\n.dockerignore\n' });
    expect(build([context])).toEqual({ x: 'x' });
  });

  it('118: a lone ! in the ignore file is an error', () => {
    const context = shop.context({ Dockerfile: COPY_ALL, '.dockerignore': 'a\n!\n' });
    const { status, stderr } = tsbuild(['--root', shop.store, context]);
    expect(status).toBeGreaterThan(0);
    expect(stderr).toContain('.dockerignore:2: illegal exclusion pattern: "!"');
  });

  it('119: an ignore file of the Dockerfile replaces that of the context', () => {
    const files = {
      'foo.Dockerfile': COPY_ALL,
      '.dockerignore': 'a\n*ockerfile*\n',
      'foo.Dockerfile.dockerignore': 'b\n*ocker*\n',
      a: 'a',
      b: 'b',
    };
    const context = shop.context(files);
    expect(build(['-f', `${context}/foo.Dockerfile`, context])).toEqual({ a: 'a' });
  });

  it('138: reads a Dockerfile through a symlink', () => {
    const context = shop.context({ 'docker/prod': 'FROM scratch\nCOPY x /\n', Dockerfile: { link: 'docker/prod' }, x: 'x' });
    expect(build([context])).toEqual({ x: 'x' });
  });

  it('139: finds a file called dockerfile', () => {
    expect(build([shop.context({ dockerfile: 'FROM scratch\nCOPY x /\n', x: 'x' })])).toEqual({ x: 'x' });
  });
});
