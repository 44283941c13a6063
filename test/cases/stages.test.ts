import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, tsbuild, writeFiles, type CliResult } from '../helpers/cli.js';
import { listLayer, readConfig, readManifest } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';
import { builtFiles, builtRoot } from './built.js';

const missing = missingProgram('runc', 'busybox', 'umoci');
if (missing !== undefined) process.stderr.write(`skipped: test/cases/stages.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('stages', () => {
  const shop = new Workshop();
  beforeAll(() => {
    shop.run(['-t', 'base', shop.busyboxContext('')]);
  });
  afterAll(() => shop[Symbol.dispose]());

  function attempt(lines: readonly string[], args: readonly string[] = []): CliResult {
    return tsbuild(['--root', shop.store, ...args, shop.context({ Dockerfile: `${lines.join('\n')}\n` })]);
  }

  it('63: are found in any case by COPY --from and --target, not by FROM', () => {
    const lines = [
      'FROM scratch AS Build',
      'COPY --from=base /bin/busybox /found',
      'FROM scratch AS Last',
      'COPY --from=bUILd /found /copied',
    ];
    expect(existsSync(join(builtRoot(shop, lines), 'copied'))).toBe(true);
    expect(existsSync(join(builtRoot(shop, lines, { args: ['--target', 'BUILD'] }), 'found'))).toBe(true);
    const { status, stderr } = attempt(['FROM scratch AS Build', 'FROM Build']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/Dockerfile:2:1: invalid image name "Build"[\s\S]*hint: write build/)]);
  });

  it('64, 67: that come later or are the stage itself cannot be copied from', () => {
    expect(attempt(['FROM scratch AS x', 'COPY --from=later a b', 'FROM scratch AS later', 'FROM x']).stderr).toContain(
      'Dockerfile:2:1: cannot copy from stage "later", it needs to be defined before current stage "x"',
    );
    expect(attempt(['FROM scratch AS x', 'COPY --from=x a b']).stderr).toContain('circular dependency detected on stage: x');
  });

  it('65: COPY --from takes an image of the store, and a stage that is misspelt is told', () => {
    expect(existsSync(join(builtRoot(shop, ['FROM scratch', 'COPY --from=base /bin/busybox /b']), 'b'))).toBe(true);
    const { status, stderr } = attempt(['FROM scratch AS builder', 'FROM scratch', 'COPY --from=bulider /a /b']);
    expect([status, stderr]).toEqual([3, expect.stringMatching(/Dockerfile:3:1: [\s\S]*did you mean the stage "builder"/)]);
  });

  it('66: without instructions share the files of their base', () => {
    const lines = ['FROM base AS a', 'RUN echo a > /a', 'FROM a AS b', 'FROM b', 'FROM b AS c'];
    expect(builtFiles(shop, lines, ['a'])).toEqual(['a\n']);
  });

  it('71: scratch has PATH, a working directory and a platform', () => {
    const layout = shop.at('scratch');
    shop.run(['--oci-layout', `${layout}:1`, shop.context({ Dockerfile: 'FROM scratch\n' })]);
    expect(readConfig(layout, '1')).toMatchObject({
      os: 'linux',
      architecture: expect.stringMatching(/^[a-z]/),
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], WorkingDir: '/' },
    });
  });

  it('76: the triggers of an image run once, in its child', () => {
    shop.run(['-t', 'parent', shop.context({ Dockerfile: 'FROM base\nONBUILD RUN echo ran >> /ran\nONBUILD ENV TRIGGERED=yes\n' })]);
    shop.run(['-t', 'child', shop.context({ Dockerfile: 'FROM parent\n' })]);
    const layout = shop.at('grandchild');
    shop.run(['--oci-layout', `${layout}:1`, shop.context({ Dockerfile: 'FROM child\nRUN [ "$TRIGGERED" = yes ]\n' })]);
    expect(readConfig(layout, '1').config).not.toHaveProperty('OnBuild');
    expect(builtFiles(shop, ['FROM child'], ['ran'])).toEqual(['ran\n']);
  });

  it('77: those of a stage run in the stages that stand on it', () => {
    const lines = [
      'FROM base AS a',
      'ONBUILD RUN echo trigger >> /log',
      'RUN echo a >> /log',
      'FROM a AS b',
      'RUN echo b >> /log',
      'FROM b',
    ];
    expect(builtFiles(shop, lines, ['log'])).toEqual(['a\ntrigger\nb\n']);
  });

  it('41: with a heredoc they run it whole', () => {
    const trigger = 'FROM base\nONBUILD RUN <<-EOF\n\techo one > /out\n\techo two >> /out\n\tEOF\n';
    shop.run(['-t', 'with-heredoc', shop.context({ Dockerfile: trigger })]);
    expect(builtFiles(shop, ['FROM with-heredoc'], ['out'])).toEqual(['one\ntwo\n']);
  });

  it('78: they copy from the stages of the child, or else from images', () => {
    const dockerfile = 'FROM base\nONBUILD COPY --from=tools /tool /tool\nONBUILD COPY --from=base /bin/busybox /from-image\n';
    shop.run(['-t', 'copying', shop.context({ Dockerfile: dockerfile })]);
    const root = builtRoot(shop, ['FROM base AS tools', 'RUN echo tool > /tool', 'FROM copying']);
    expect(readFileSync(join(root, 'tool'), 'utf8')).toBe('tool\n');
    expect(existsSync(join(root, 'from-image'))).toBe(true);
  });

  it('43, 78: with mounts and heredocs they are as good as instructions of the child', () => {
    const dockerfile = [
      'FROM base',
      'ONBUILD ARG WHO=world',
      'ONBUILD COPY <<-A <<"B" /files/',
      '\thello $WHO',
      '\tA',
      'hello $WHO',
      'B',
      'ONBUILD RUN --mount=type=bind,from=tools,source=/tool,target=/mnt/tool --mount=type=cache,target=/cache <<EOF',
      'cat /mnt/tool > /copied',
      'EOF',
      'ONBUILD WORKDIR sub',
      'ONBUILD HEALTHCHECK CMD test $WHO',
      '',
    ].join('\n');
    shop.run(['-t', 'full', shop.context({ Dockerfile: dockerfile })]);
    const root = builtRoot(shop, ['FROM base AS tools', 'RUN echo tool > /tool', 'FROM full', 'RUN pwd > /pwd']);
    const read = (name: string): string => readFileSync(join(root, name), 'utf8');
    expect(['files/A', 'files/B', 'copied', 'pwd'].map(read)).toEqual(['hello world\n', 'hello $WHO\n', 'tool\n', '/sub\n']);
    expect(['mnt', 'cache'].filter((name) => existsSync(join(root, name)))).toEqual([]);
  });

  it('103: a directory that is a file in the next build, and back', () => {
    const lines = ['FROM scratch', 'COPY . /all/'];
    const asDirectory = builtRoot(shop, lines, { files: { 'foo/sub/a': 'a', 'foo/b': 'b' } });
    expect(readFileSync(join(asDirectory, 'all/foo/sub/a'), 'utf8')).toBe('a');
    expect(builtFiles(shop, lines, ['all/foo'], { files: { foo: 'now a file' } })).toEqual(['now a file']);
    expect(builtFiles(shop, lines, ['all/foo/c'], { files: { 'foo/c': 'c' } })).toEqual(['c']);
  });

  it('103: the same in one and the same context', () => {
    const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY foo /foo\n', 'foo/a': 'a' });
    const layout = shop.at('same-context');
    shop.run(['--oci-layout', `${layout}:1`, context]);
    rmSync(join(context, 'foo'), { recursive: true });
    writeFiles(context, { foo: 'a file now' });
    shop.run(['--oci-layout', `${layout}:2`, context]);
    rmSync(join(context, 'foo'));
    writeFiles(context, { 'foo/b': 'b' });
    shop.run(['--oci-layout', `${layout}:3`, context]);
    const layerOf = (tag: string): string => readManifest(layout, tag).layers[0]?.digest ?? '';
    expect(['1', '2', '3'].map((tag) => listLayer(layout, layerOf(tag)))).toEqual([['foo/', 'foo/a'], ['foo'], ['foo/', 'foo/b']]);
  });

  it('134: a target that is misspelt is told', () => {
    const { status, stderr } = attempt(['FROM scratch AS build'], ['--target', 'biuld']);
    expect([status, stderr]).toEqual([2, expect.stringContaining('target stage "biuld" could not be found (did you mean build?)')]);
  });
});
