import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, tsbuild } from '../helpers/cli.js';
import { readConfig, readDescriptor } from '../helpers/image-tools.js';
import { readTree } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/contexts.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('what a build reads', () => {
  const shop = new Workshop();
  const layout = shop.at('layout');
  beforeAll(() => {
    for (const version of ['1', '2']) {
      const context = shop.context({ Dockerfile: `FROM scratch\nCOPY version /\nENV VERSION=${version}\n`, version: `${version}\n` });
      shop.run(['-t', `library:${version}`, '-o', 'type=image', '--oci-layout', `${layout}:${version}`, context]);
    }
  });
  afterAll(() => shop[Symbol.dispose]());

  /** Files that a Dockerfile leaves, by path. */
  function build(context: string, args: readonly string[] = []): Record<string, string> {
    const dest = shop.at(`files-${Math.random()}`);
    shop.run([...args, '-o', dest, context]);
    const files = [...readTree(dest)].filter(([, node]) => node.type === 'file').map(([path]) => path);
    return Object.fromEntries(files.map((path) => [path, readFileSync(`${dest}/${path}`, 'utf8').trim()]));
  }

  const second = (): string => readDescriptor(layout, '2').digest;

  describe('--build-context', () => {
    it.each([
      ['a layout with a tag', () => `oci-layout://${layout}:1`, '1'],
      ['a layout with a digest', () => `oci-layout://${layout}@${second()}`, '2'],
      ['a layout with a tag and a digest', () => `oci-layout://${layout}:2@${second()}`, '2'],
      ['an image of the store', () => 'docker-image://library:2', '2'],
    ])('%s stands for a base', (_, value, version) => {
      const context = shop.context({ Dockerfile: 'FROM base\nCOPY --from=base version /copied\n' });
      expect(build(context, ['--build-context', `base=${value()}`])).toEqual({ copied: version, version });
    });

    it('stands for an image that a FROM names in full, with its config', () => {
      const context = shop.context({ Dockerfile: 'FROM registry.example/app:1.2\nCOPY Dockerfile /\n' });
      const out = shop.at('renamed');
      shop.run(['--build-context', `registry.example/app:1.2=oci-layout://${layout}:2`, '--oci-layout', `${out}:1`, context]);
      expect(readConfig(out, '1').config?.Env).toContain('VERSION=2');
    });

    it('a directory is a source of COPY, with an ignore file of its own', () => {
      const other = shop.context({ kept: 'kept', left: 'left', '.dockerignore': 'left\n' });
      const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY --from=other . /\n', '.dockerignore': 'kept\n' });
      expect(build(context, ['--build-context', `other=${other}`])).toMatchObject({ kept: 'kept' });
      expect(build(context, ['--build-context', `other=${other}`])).not.toHaveProperty('left');
    });

    it('comes before a stage of its name', () => {
      const context = shop.context({ Dockerfile: 'FROM scratch AS library\nCOPY Dockerfile /\nFROM scratch\nCOPY --from=library . /\n' });
      expect(build(context, ['--build-context', `library=oci-layout://${layout}:1`])).toEqual({ version: '1' });
    });
  });

  it('.dockerignore hides files, and a Dockerfile can have its own', () => {
    const files = { 'a.txt': 'a', 'b.log': 'b', 'sub/c.log': 'c', 'sub/keep.log': 'd', 'node_modules/x': 'e' };
    const context = shop.context({
      ...files,
      Dockerfile: 'FROM scratch\nCOPY . /\n',
      'Other.Dockerfile': 'FROM scratch\nCOPY . /\n',
      '.dockerignore': '**/*.log\n!sub/keep.log\nnode_modules\n*Dockerfile*\n.dockerignore\n',
      'Other.Dockerfile.dockerignore': 'sub\n*Dockerfile*\n.dockerignore\n',
    });
    expect(build(context)).toEqual({ 'a.txt': 'a', 'sub/keep.log': 'd' });
    expect(build(context, ['-f', `${context}/Other.Dockerfile`])).toEqual({ 'a.txt': 'a', 'b.log': 'b', 'node_modules/x': 'e' });
  });

  it('says that a missing source is ignored', () => {
    const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY secret.txt /\n', 'secret.txt': 'x', '.dockerignore': 'secret*\n' });
    const { status, stderr } = tsbuild(['--root', shop.store, context]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/Dockerfile:2/);
    expect(stderr).toMatch(/\.dockerignore:1/);
  });

  it.each([
    ['first', { one: 'Dockerfile' }],
    ['second', { one: 'Dockerfile', two: 'Dockerfile' }],
    ['SECOND', { one: 'Dockerfile', two: 'Dockerfile' }],
  ])('--target %s stops there', (target, expected) => {
    const lines = [
      'FROM scratch AS first',
      'COPY Dockerfile /one',
      'FROM first AS Second',
      'COPY Dockerfile /two',
      'FROM scratch',
      'COPY missing /',
    ];
    const context = shop.context({ Dockerfile: lines.join('\n') });
    const found = build(context, ['--target', target]);
    expect(Object.keys(found)).toEqual(Object.keys(expected));
  });

  it('a build argument reaches FROM, RUN and the history', () => {
    const context = shop.busyboxContext(['ARG WHO=nobody', 'RUN echo "hello $WHO" > /greeting'].join('\n'));
    expect(build(context, ['--build-arg', 'WHO=you'])['greeting']).toBe('hello you');
    expect(build(context)['greeting']).toBe('hello nobody');
    const chosen = shop.context({ Dockerfile: 'ARG VERSION=1\nFROM library:${VERSION}\n' });
    expect(build(chosen, ['--build-arg', 'VERSION=2'])).toEqual({ version: '2' });
  });
});
