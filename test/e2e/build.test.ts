import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Library from '../../src/index.js';
import { missingProgram, startTsbuild, tsbuild } from '../helpers/cli.js';
import { readConfig, readManifest, run, unpackWithUmoci } from '../helpers/image-tools.js';
import { readTree } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox', 'umoci');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/build.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('a build', () => {
  const shop = new Workshop();
  beforeAll(() => {
    shop.run(['-t', 'base', shop.busyboxContext('')]);
  });
  afterAll(() => shop[Symbol.dispose]());

  /** Builds on the busybox base of the store into a new layout. */
  function build(lines: readonly string[], args: readonly string[] = []): string {
    const layout = shop.at(`layout-${Math.random()}`);
    shop.run(['--oci-layout', `${layout}:1`, ...args, shop.context({ Dockerfile: lines.join('\n') })]);
    return layout;
  }

  it.skipIf(missingProgram('crun') !== undefined)('makes the same image with crun as with runc', () => {
    const lines = [
      'FROM base',
      'RUN id > /id; umask >> /id; echo $HOME $PATH >> /id; mkdir -p /a/b && mkfifo /a/p && chown 5:6 /a',
      'USER 7:8',
      'RUN id > /tmp-id || true',
    ];
    const layouts = ['runc', 'crun'].map((runtime) => build(lines, ['--runtime', runtime, '--source-date-epoch', '1600000000']));
    expect(readManifest(layouts[1] ?? '', '1').layers).toEqual(readManifest(layouts[0] ?? '', '1').layers);
  });

  it('takes the files, the environment and the history of the stage that a stage stands on', () => {
    const layout = build([
      'FROM base AS first',
      'ARG NOTE=from-first',
      'ENV WHERE=first',
      'WORKDIR /first',
      'RUN echo "$NOTE" > note',
      'FROM first',
      'RUN echo "$WHERE $NOTE $PWD" > /told && rm note',
    ]);
    const root = unpackWithUmoci(layout, '1', shop.at('stage-root'));
    expect(readFileSync(`${root}/told`, 'utf8')).toBe('first from-first /first\n');
    expect([...readTree(`${root}/first`).keys()]).toEqual(['']);
    expect(
      readConfig(layout, '1')
        .history?.map((entry) => entry.created_by)
        .slice(-5),
    ).toEqual([
      'ARG NOTE=from-first',
      'ENV WHERE=first',
      'WORKDIR /first',
      'RUN |1 NOTE=from-first /bin/sh -c echo "$NOTE" > note # buildkit',
      'RUN |1 NOTE=from-first /bin/sh -c echo "$WHERE $NOTE $PWD" > /told && rm note # buildkit',
    ]);
  });

  it('runs independent stages at the same time', async () => {
    // Each stage waits for the other: one after the other they would never end.
    const port = await freePort();
    const layout = build([
      'FROM base AS listener',
      `RUN timeout 60 nc -l -p ${port} > /heard`,
      'FROM base AS speaker',
      `RUN i=0; until echo hello | timeout 5 nc 127.0.0.1 ${port}; do i=$((i+1)); [ $i -lt 600 ] || exit 1; sleep 0.1; done`,
      'FROM scratch',
      'COPY --from=listener /heard /',
      'COPY --from=speaker /bin/busybox /',
    ]);
    expect(readFileSync(`${unpackWithUmoci(layout, '1', shop.at('both-root'))}/heard`, 'utf8')).toBe('hello\n');
  });

  it('does not run what the target does not need', () => {
    build(['FROM base AS unused', 'RUN exit 1', 'FROM base AS used', 'RUN true', 'FROM scratch', 'COPY --from=used /bin/busybox /']);
  });

  it('shares a store with another that runs beside it', async () => {
    const contexts = ['one', 'two', 'three'].map((name) =>
      shop.context({ Dockerfile: `FROM base\nRUN echo ${name} > /name && sleep 0.3\nRUN echo more > /more\n` }),
    );
    const root = shop.at('shared-store');
    shop.run(['-t', 'base', '--root', root, shop.busyboxContext('')]);
    const children = contexts.map((context, index) => startTsbuild(['-q', '--root', root, '-t', `beside:${index}`, context]));
    const statuses = await Promise.all(children.map(async (child) => (await once(child, 'close'))[0] as number));
    expect(statuses).toEqual([0, 0, 0]);
    for (const [index, name] of ['one', 'two', 'three'].entries()) {
      const layout = shop.at(`shared-${index}`);
      shop.run(['save', `beside:${index}`, '--root', root, '--format', 'oci-dir', '-o', layout]);
      expect(readFileSync(`${unpackWithUmoci(layout, String(index), shop.at(`shared-root-${index}`))}/name`, 'utf8')).toBe(`${name}\n`);
    }
  });

  it('fails with the line, the output and the exit code of the step, and leaves no image', () => {
    const context = shop.context({ Dockerfile: 'FROM base\nRUN echo before && \\\n  sh -c "echo oops >&2; exit 7"\nRUN true\n' });
    const { status, stdout, stderr } = tsbuild(['--root', shop.store, '-t', 'failed', context]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/Dockerfile:2/);
    expect(stderr).toMatch(/exit code: 7/);
    expect(stderr).toMatch(/\| oops/);
    expect(stderr).toMatch(/>>> 2 \| RUN echo before/);
    expect(tsbuild(['inspect', '--root', shop.store, 'failed']).stderr).toContain('no image "failed"');
  });

  it('is a function of the library', async () => {
    const { build: buildImage, BuildError } = (await import(new URL('../../dist/index.js', import.meta.url).href)) as typeof Library;
    const context = shop.context({
      Dockerfile: 'FROM base\nRUN echo from the library\nCOPY Dockerfile /\n',
      'Broken.Dockerfile': 'FROM base\nRUN exit 9\n',
    });
    const events: Library.BuildEvent[] = [];
    const result = await buildImage({ context, tags: ['library:1'], root: shop.store, onEvent: (event) => events.push(event) });
    expect(result.image?.layers).toHaveLength(4);
    expect(events.map((event) => event.type)).toEqual(
      expect.arrayContaining(['build-started', 'step-output', 'layer-finished', 'build-finished']),
    );
    expect(events.flatMap((event) => (event.type === 'step-output' ? [event.line] : []))).toEqual(['from the library']);
    expect(shop.run(['inspect', 'library:1'])).toContain(result.image?.descriptor.digest);
    const failure = await buildImage({ context, file: `${context}/Broken.Dockerfile`, root: shop.store }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BuildError);
    expect(failure).toMatchObject({ kind: 'step', range: { startLine: 2 } });
  });
});

describe.skipIf(missing !== undefined)('fixtures/hello', () => {
  const shop = new Workshop();
  afterAll(() => shop[Symbol.dispose]());

  it('runs under runc and says what it was built to say', () => {
    const demo = new URL('../../fixtures/hello/demo.sh', import.meta.url).pathname;
    const layout = shop.at('demo');
    const shown = run('sh', [demo, layout], { env: { TSBUILD_ROOT: shop.store } });
    expect(shown).toContain('COPY --chown=hello:hello /work/index.txt /srv/index.txt # buildkit');
    const bundle = shop.at('bundle');
    run('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
    run('sed', ['-i', 's/"terminal": true/"terminal": false/', `${bundle}/config.json`]);
    const said = spawnSync('runc', ['run', '--bundle', bundle, `tsbuild-hello-${process.pid}`], { encoding: 'utf8' });
    expect(said).toMatchObject({ status: 0, stderr: '' });
    expect(said.stdout).toContain('Good morning');
    const tree = readTree(`${bundle}/rootfs`);
    expect(tree.has('bin/vi')).toBe(false);
    expect(tree.has('work')).toBe(false);
    expect(tree.get('srv/built')?.uid).toBe(tree.get('srv/index.txt')?.uid);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
