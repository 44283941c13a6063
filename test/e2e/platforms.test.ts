import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hexOf } from '../../src/oci/digest.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import type { Descriptor, ImageConfig, ImageIndex, Manifest } from '../../src/oci/types.js';
import { findProgram } from '../../src/os/process.js';
import { runsProgramsOf, tinyProgram } from '../../src/os/binfmt.js';
import { registerEmulator } from '../helpers/binfmt.js';
import { missingProgram, tsbuild, TSBUILD, type CliResult } from '../helpers/cli.js';
import { addBusybox, blobPath, readDescriptor, run } from '../helpers/image-tools.js';
import { expectOciSchema } from '../helpers/oci-schema.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox', 'skopeo', 'umoci', 'tar', 'unshare');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/platforms.test.ts: ${missing}\n`);

const HOST = hostPlatform().architecture;
const OTHER = HOST === 'arm64' ? 'amd64' : 'arm64';
const PLATFORMS = `linux/${HOST},linux/${OTHER}`;
const QEMU = { arm64: 'aarch64', amd64: 'x86_64' }[OTHER];

const BASE = 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH/ /\nLABEL base=$TARGETARCH\n';
const APP = `
FROM --platform=$BUILDPLATFORM base AS shared
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox date +%N > /once"]
FROM --platform=$BUILDPLATFORM base AS build
ARG TARGETARCH
RUN ["/bin/busybox", "sh", "-c", "echo built on $(/bin/busybox cat /arch) for $TARGETARCH > /out"]
FROM base
WORKDIR /srv
COPY --from=build /out ./
COPY --from=shared /once ./
ENV NAME=value
`;

describe.skipIf(missing !== undefined)('a build for two platforms', () => {
  const shop = new Workshop();
  const layout = shop.at('layout');
  let built: CliResult;
  let context = '';

  function build(args: readonly string[], from = context, env: Readonly<Record<string, string>> = {}): CliResult {
    return tsbuild([...args, from], { env: { TSBUILD_ROOT: shop.store, ...env } });
  }

  beforeAll(() => {
    const base = shop.context({ Dockerfile: BASE, [`${OTHER}/arch`]: `${OTHER}\n`, [`${HOST}/arch`]: `${HOST}\n` });
    mkdirSync(join(base, HOST, 'bin'));
    addBusybox(join(base, HOST, 'bin'));
    spawnSync('chmod', ['755', join(base, HOST, 'bin/busybox')]);
    shop.run(['--platform', PLATFORMS, '-t', 'base', base]);
    context = shop.context({ Dockerfile: APP });
    const facts = ['--iidfile', shop.at('iid'), '--metadata-file', shop.at('metadata.json')];
    const files = [
      '-o',
      `type=oci,dest=${shop.at('app.tar')},name=one:1,name=two:2`,
      '-o',
      shop.at('files'),
      '-o',
      `type=tar,dest=${shop.at('tree.tar')}`,
    ];
    built = build([
      '--platform',
      PLATFORMS,
      '-t',
      'app:1',
      '--progress=plain',
      ...facts,
      ...files,
      '-o',
      'type=image',
      '--oci-layout',
      `${layout}:1`,
    ]);
    expect(built.status, built.stderr).toBe(0);
  });
  afterAll(() => shop[Symbol.dispose]());

  const indexOf = (dir: string, tag?: string): ImageIndex => readJson(dir, readDescriptor(dir, tag)) as ImageIndex;
  function imageOf(dir: string, architecture: string, tag?: string): { manifest: Manifest; config: ImageConfig } {
    const entry = indexOf(dir, tag).manifests.find(({ platform }) => platform?.architecture === architecture);
    if (entry === undefined) throw new Error(`no image for ${architecture}`);
    const manifest = readJson(dir, entry) as Manifest;
    return { manifest, config: readJson(dir, manifest.config) as ImageConfig };
  }

  it('writes an index with a manifest for each, which is what the image-spec says', () => {
    const descriptor = readDescriptor(layout, '1');
    expect(descriptor).toMatchObject({ mediaType: 'application/vnd.oci.image.index.v1+json' });
    expect(descriptor.platform).toBeUndefined();
    expectOciSchema('image-index-schema', JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')));
    const index = indexOf(layout, '1');
    expectOciSchema('image-index-schema', index);
    expect(index.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: HOST, os: 'linux' },
      { architecture: OTHER, os: 'linux' },
    ]);
    for (const architecture of [HOST, OTHER]) {
      const { manifest, config } = imageOf(layout, architecture, '1');
      expectOciSchema('image-manifest-schema', manifest);
      expectOciSchema('config-schema', config);
      expect(config).toMatchObject({ architecture, os: 'linux', config: { Labels: { base: architecture }, WorkingDir: '/srv' } });
      for (const blob of [manifest.config, ...manifest.layers]) expect(statSync(blobPath(layout, blob.digest)).size).toBe(blob.size);
    }
  });

  it('takes a step in common once, and each other for its platform', () => {
    const files = Object.fromEntries([HOST, OTHER].map((name) => [name, readTreeFiles(shop.at('files', `linux_${name}`))]));
    expect(files[HOST]?.['srv/out']).toBe(`built on ${HOST} for ${HOST}\n`);
    expect(files[OTHER]?.['srv/out']).toBe(`built on ${HOST} for ${OTHER}\n`);
    expect(files[OTHER]?.['srv/once']).toBe(files[HOST]?.['srv/once']);
    expect(files[OTHER]?.['arch']).toBe(`${OTHER}\n`);
    const titles = [...built.stderr.matchAll(/^#\d+ (\[.*\]) RUN/gm)].map(([, title = '']) => title);
    expect(titles.toSorted()).toEqual(
      [`[linux/${HOST} build 3/3]`, `[linux/${HOST} shared 2/2]`, `[linux/${HOST}->${OTHER} build 3/3]`].toSorted(),
    );
    expect(built.stderr).toContain(`[linux/${OTHER} stage-2 3/5] COPY`);
  });

  it('type=tar has a directory for each platform', () => {
    const names = run('tar', ['-tf', shop.at('tree.tar')])
      .trim()
      .split('\n');
    expect(names).toContain(`linux_${HOST}/srv/out`);
    expect(names).toContain(`linux_${OTHER}/srv/out`);
    expect(new Set(names.map((name) => name.split('/')[0]))).toEqual(new Set([`linux_${HOST}`, `linux_${OTHER}`]));
  });

  it('is told as the index by --iidfile and --metadata-file', () => {
    const { digest, size, mediaType } = readDescriptor(layout, '1');
    expect(readFileSync(shop.at('iid'), 'utf8')).toBe(digest);
    const metadata = JSON.parse(readFileSync(shop.at('metadata.json'), 'utf8')) as Record<string, unknown>;
    expect(metadata).toMatchObject({ 'containerimage.digest': digest, 'containerimage.descriptor': { mediaType, digest, size } });
    expect(metadata).not.toHaveProperty(['containerimage.config.digest']);
    expect(built.stderr).toContain(`built index ${digest}`);
  });

  it('141: has an entry for each name of an archive', () => {
    const dir = shop.at('unpacked');
    mkdirSync(dir);
    run('tar', ['-xf', shop.at('app.tar'), '-C', dir]);
    const { manifests } = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as ImageIndex;
    expect(manifests.map(({ annotations }) => annotations?.['io.containerd.image.name'])).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/one:1',
      'docker.io/library/two:2',
    ]);
    expect(new Set(manifests.map(({ digest }) => digest))).toEqual(new Set([readDescriptor(layout, '1').digest]));
  });

  it('is read by skopeo and umoci', () => {
    const raw = run('skopeo', ['inspect', '--raw', `oci:${layout}:1`]);
    expect(JSON.parse(raw)).toEqual(indexOf(layout, '1'));
    for (const architecture of [HOST, OTHER]) {
      const config = run('skopeo', ['inspect', '--config', '--raw', '--override-arch', architecture, `oci:${layout}:1`]);
      expect(JSON.parse(config)).toEqual(imageOf(layout, architecture, '1').config);
    }
    const copied = shop.at('copied');
    run(
      'skopeo',
      ['copy', '-q', '--all', `oci-archive:${shop.at('app.tar')}:two:2`, `oci:${copied}:2`].map((arg) => arg.replace(':two:2', ':2')),
    );
    expect(readDescriptor(copied, '2').digest).toBe(readDescriptor(layout, '1').digest);
    expect(run('umoci', ['list', '--layout', layout]).trim()).toBe('1');
  });

  it('is one image of the store, which inspect, save, load and rmi know', () => {
    const { digest } = readDescriptor(layout, '1');
    const rows = JSON.parse(shop.run(['images', '--json'])) as { names: string[]; id: string; platforms: string[] }[];
    const row = rows.find(({ names }) => names[0] === 'docker.io/library/app:1');
    expect(row).toMatchObject({ id: hexOf(digest), digest, platforms: [`linux/${HOST}`, `linux/${OTHER}`] });
    const shown = JSON.parse(shop.run(['inspect', 'app:1'])) as { index: ImageIndex; images: { config: ImageConfig }[] };
    expect(shown.index).toEqual(indexOf(layout, '1'));
    expect(shown.images.map(({ config }) => config.architecture)).toEqual([HOST, OTHER]);
    expect(shop.run(['history', 'app:1'])).toContain('ENV NAME=value');

    const elsewhere = { TSBUILD_ROOT: shop.at('elsewhere') };
    shop.run(['save', 'app:1', '--format', 'oci-archive', '-o', shop.at('saved.tar')]);
    expect(shop.run(['load', '-i', shop.at('saved.tar')], { env: elsewhere })).toBe('loaded app:1\n');
    expect(JSON.parse(shop.run(['inspect', 'app:1'], { env: elsewhere }))).toMatchObject({ descriptor: { digest }, images: [{}, {}] });
    shop.run(['save', 'app:1', '--format', 'oci-dir', '-o', shop.at('saved')]);
    expect(readDescriptor(shop.at('saved'), '1').digest).toBe(digest);
    // An archive of docker holds no index.
    shop.run(['save', 'app:1', '-o', shop.at('docker.tar')]);
    const docker = run('skopeo', ['inspect', '--config', `docker-archive:${shop.at('docker.tar')}`]);
    expect(JSON.parse(docker)).toMatchObject({ architecture: HOST });

    expect(shop.run(['rmi', hexOf(digest).slice(0, 12)], { env: elsewhere })).toBe(`untagged app:1\ndeleted ${digest}\n`);
    expect(readdirSync(join(shop.at('elsewhere'), 'blobs/sha256'))).toEqual([]);
  });

  it('stands on an index of another layout, too', () => {
    shop.run(['save', 'base', '--format', 'oci-dir', '-o', shop.at('base-layout')]);
    const args = [
      '--platform',
      PLATFORMS,
      '--build-context',
      `base=oci-layout://${shop.at('base-layout')}`,
      '--root',
      shop.at('empty-store'),
    ];
    const { status, stderr } = build([...args, '--oci-layout', shop.at('on-layout')]);
    expect(status, stderr).toBe(0);
    const layers = (dir: string, architecture: string, tag?: string): unknown => imageOf(dir, architecture, tag).manifest.layers[0];
    for (const name of [HOST, OTHER]) expect(layers(shop.at('on-layout'), name)).toEqual(layers(layout, name, '1'));
  });

  it('142: is the same index again, in another store, with SOURCE_DATE_EPOCH; layers of the base keep their times', () => {
    const steady = shop.context({ Dockerfile: APP.replace('/bin/busybox date +%N', 'echo steady') });
    const digests = ['first', 'second'].map((name) => {
      const args = [
        '--platform',
        PLATFORMS,
        '--build-context',
        `base=oci-layout://${shop.at('base-layout')}`,
        '--root',
        shop.at(`${name}-store`),
      ];
      const { status, stderr } = build([...args, '--oci-layout', shop.at(name)], steady, { SOURCE_DATE_EPOCH: '1000000000' });
      expect(status, stderr).toBe(0);
      return readDescriptor(shop.at(name)).digest;
    });
    expect(digests[1]).toBe(digests[0]);
    for (const name of [HOST, OTHER]) {
      const { manifest, config } = imageOf(shop.at('first'), name);
      expect(manifest.layers[0]).toEqual(imageOf(layout, name, '1').manifest.layers[0]);
      expect(config.created).toBe('2001-09-09T01:46:40.000Z');
      const times = manifest.layers.slice(1).map(({ digest }) => newestTime(blobPath(shop.at('first'), digest)));
      expect(Math.max(...times)).toBe(1_000_000_000);
    }
  });

  it('has a manifest and index of its own for annotations of an output', () => {
    const dest = shop.at('annotated');
    const { status, stderr } = build(['--platform', PLATFORMS, '-o', `type=oci,tar=false,dest=${dest},annotation.a=b`]);
    expect(status, stderr).toBe(0);
    for (const name of [HOST, OTHER]) expect(imageOf(dest, name).manifest.annotations).toEqual({ a: 'b' });
  });

  it('is refused for an archive of docker, before anything is built', () => {
    const { status, stderr } = build(['--platform', PLATFORMS, '-o', `type=docker,dest=${shop.at('no.tar')}`]);
    expect(status).toBe(2);
    expect(stderr).toContain('type=docker does not support several platforms');
    expect(existsSync(shop.at('no.tar'))).toBe(false);
  });

  it('does not put files of two platforms into one place', () => {
    const { status, stderr } = build(['--platform', PLATFORMS, '-o', `type=local,dest=${shop.at('joined')},platform-split=false`]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/cannot overwrite "arch" from linux\/\w+ with linux\/\w+ when split option is disabled/);
    expect(existsSync(shop.at('joined'))).toBe(false);
    const apart = shop.context({ Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY file /dir/$TARGETARCH\n', file: 'x' });
    for (const output of [`type=local,dest=${shop.at('apart')}`, `type=tar,dest=${shop.at('apart.tar')}`]) {
      expect(build(['--platform', PLATFORMS, '-o', `${output},platform-split=false`], apart).status).toBe(0);
    }
    expect(readdirSync(shop.at('apart/dir')).toSorted()).toEqual([HOST, OTHER].toSorted());
    const names = run('tar', ['-tf', shop.at('apart.tar')])
      .trim()
      .split('\n');
    expect(names.toSorted()).toEqual(['dir/', `dir/${HOST}`, `dir/${OTHER}`].toSorted());
  });

  it('whose last stage is for this machine has equal layers, and configs for their platforms', () => {
    const one = shop.context({ Dockerfile: 'FROM --platform=$BUILDPLATFORM base\nRUN ["/bin/busybox", "touch", "/new"]\n' });
    const { status, stderr } = build(['--progress=plain', '--platform', PLATFORMS, '--oci-layout', shop.at('equal')], one);
    expect(status, stderr).toBe(0);
    const [host, other] = [HOST, OTHER].map((name) => imageOf(shop.at('equal'), name));
    expect(other?.manifest.layers).toEqual(host?.manifest.layers);
    expect([host?.config.architecture, other?.config.architecture]).toEqual([HOST, OTHER]);
    expect(stderr.match(/^#\d+ \[.*\] RUN/gm)).toHaveLength(1);
  });

  it('makes an index of one platform when BUILDKIT_MULTI_PLATFORM says so, and no index of one otherwise', () => {
    const [plain, multi] = ['plain', 'multi'].map((name) => shop.at(name));
    const args = ['--platform', `linux/${OTHER}`, '--oci-layout'];
    expect(build([...args, plain ?? '']).status).toBe(0);
    expect(build([...args, multi ?? '', '--build-arg', 'BUILDKIT_MULTI_PLATFORM=1']).status).toBe(0);
    expect(readDescriptor(plain ?? '')).toMatchObject({
      mediaType: expect.stringContaining('manifest') as string,
      platform: { architecture: OTHER },
    });
    expect(indexOf(multi ?? '').manifests).toHaveLength(1);
  });

  it('has the times that its outputs ask for', () => {
    const times = shop.context({ Dockerfile: 'FROM base\nCOPY file /file\nWORKDIR /dir\n', file: 'x' });
    const layerTimes = (args: readonly string[]): { newest: number[]; created: string | undefined } => {
      const dest = shop.at(`times-${args.length}-${args.join('').length}`);
      const { status, stderr } = build(['-o', `type=oci,tar=false,dest=${dest},${args.join(',')}`], times, {
        SOURCE_DATE_EPOCH: '1000000000',
      });
      expect(status, stderr).toBe(0);
      const manifest = readJson(dest, readDescriptor(dest)) as Manifest;
      const { created } = readJson(dest, manifest.config) as ImageConfig;
      return { newest: manifest.layers.slice(1).map(({ digest }) => newestTime(blobPath(dest, digest))), created };
    };
    expect(layerTimes(['rewrite-timestamp=true'])).toEqual({ newest: [1_000_000_000, 1_000_000_000], created: '2001-09-09T01:46:40.000Z' });
    const kept = layerTimes(['rewrite-timestamp=false']);
    expect(kept.created).toBe('2001-09-09T01:46:40.000Z');
    expect(kept.newest[0]).toBeGreaterThan(1_700_000_000);
    expect(kept.newest[1]).toBe(1_000_000_000);
    expect(layerTimes(['source-date-epoch=900000000'])).toEqual({
      newest: [900_000_000, 900_000_000],
      created: '1998-07-09T16:00:00.000Z',
    });
    const cleared = layerTimes(['source-date-epoch=']);
    expect(Date.parse(cleared.created ?? '')).toBeGreaterThan(1_700_000_000_000);
    const differing = ['-o', `type=oci,dest=${shop.at('a.tar')},source-date-epoch=1`, '-o', 'type=image'];
    expect(build(differing, times).stderr).toContain('different source-date-epoch or rewrite-timestamp');
    expect(build(['-o', `type=local,dest=${shop.at('dated')},source-date-epoch=5`], times).status).toBe(0);
    expect(statSync(shop.at('dated/file')).mtimeMs).toBe(5000);
  });
});

describe.skipIf(missing !== undefined)('RUN for another machine', () => {
  const shop = new Workshop();
  afterAll(() => shop[Symbol.dispose]());

  function build(context: string, args: readonly string[]): CliResult {
    return tsbuild(['--progress=plain', ...args, context], { env: { TSBUILD_ROOT: shop.store } });
  }

  /** The same where the kernel's list of handlers can be read. */
  function buildWithList(context: string, args: readonly string[]): CliResult {
    const script = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && exec "$@"';
    const command = [process.execPath, TSBUILD, '--root', shop.store, ...args, context];
    return spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', ...command], { encoding: 'utf8' });
  }

  /** A Dockerfile that runs a program of that machine. */
  function contextFor(architecture: string, lines = ''): string {
    const context = shop.context({ Dockerfile: `FROM scratch\nCOPY probe /probe\n${lines}RUN ["/probe"]\n` });
    writeFileSync(join(context, 'probe'), tinyProgram(architecture) ?? '', { mode: 0o755 });
    return context;
  }

  it('stops the build before anything is built when nothing can run it', () => {
    const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\nRUN ["/x"]\n' });
    for (const platforms of ['linux/sparc64', `linux/${HOST},linux/sparc64`]) {
      const { status, stderr } = build(context, ['--platform', platforms, '-t', 'never']);
      expect(status).toBe(1);
      expect(stderr).toContain(`RUN for linux/sparc64 needs an emulator: this machine is ${formatPlatform(hostPlatform())}`);
      expect(stderr).toContain('apt-get install qemu-user-static');
      expect(stderr).toContain('>>> 3 | RUN ["/x"]');
      expect(stderr).not.toContain('#1');
    }
    expect(shop.run(['images'])).not.toContain('never');
  });

  it('is needed by no stage that is for this machine, nor by one that nothing needs', () => {
    const lines = 'FROM --platform=linux/sparc64 scratch AS unused\nRUN ["/x"]\nFROM scratch\nCOPY Dockerfile /\nWORKDIR /w\n';
    const { status, stderr } = build(shop.context({ Dockerfile: lines }), ['--platform', 'linux/sparc64']);
    expect(status, stderr).toBe(0);
  });

  it('is known from the image rather than from FROM', () => {
    shop.run(['--platform', 'linux/sparc64', '-t', 'sparc', shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' })]);
    const { status, stderr } = build(shop.context({ Dockerfile: `FROM --platform=linux/${HOST} sparc\nRUN ["/x"]\n` }), []);
    expect(status).toBe(1);
    expect(stderr).toContain('RUN for linux/sparc64 needs an emulator');
    const context = contextFor(HOST);
    writeFileSync(join(context, 'Dockerfile'), `FROM --platform=$BUILDPLATFORM scratch\nCOPY probe /probe\nRUN ["/probe"]\n`);
    const own = build(context, ['--platform', 'linux/sparc64']);
    expect(own.status, own.stderr).toBe(0);
  });

  it('stops the build for another system than Linux', () => {
    const { status, stderr } = build(contextFor(HOST), ['--platform', `freebsd/${HOST}`]);
    expect(status).toBe(1);
    expect(stderr).toContain(`RUN for freebsd/${HOST}: steps run on Linux only`);
  });

  it('needs no emulator where the kernel runs it: 386 on amd64, arm on arm64', async ({ skip }) => {
    const small = { amd64: '386', arm64: 'arm' }[HOST] ?? '';
    if (small === '' || !(await runsProgramsOf(small, shop.at()))) return skip(`this machine does not run ${small}`);
    const { status, stderr } = build(contextFor(small), ['--platform', `linux/${small}`]);
    expect(status, stderr).toBe(0);
    return undefined;
  });

  it('is done by the emulator of binfmt_misc, held open or brought along', async ({ skip }) => {
    const qemu = findProgram(`qemu-${QEMU}-static`);
    mkdirSync(shop.at(), { recursive: true });
    if (qemu === undefined) return skip(`not installed: qemu-${QEMU}-static`);
    if (await runsProgramsOf(OTHER, shop.at())) return skip(`this machine runs ${OTHER} already`);
    const args = ['--platform', `linux/${OTHER}`];
    expect(build(contextFor(OTHER), args).stderr).toContain('needs an emulator');
    {
      using held = registerEmulator(OTHER, qemu, 'F') as Exclude<ReturnType<typeof registerEmulator>, string>;
      if (typeof held === 'string') return skip(held);
      const { status, stderr } = build(contextFor(OTHER), args);
      expect(status, stderr).toBe(0);
    }
    {
      using named = registerEmulator(OTHER, '/usr/bin/test-emulator', '') as Exclude<ReturnType<typeof registerEmulator>, string>;
      if (typeof named === 'string') return skip(named);
      expect(buildWithList(contextFor(OTHER), args).stderr).toContain('needs an emulator');
      const context = contextFor(OTHER, 'COPY test-emulator /usr/bin/\n');
      writeFileSync(join(context, 'test-emulator'), readFileSync(qemu), { mode: 0o755 });
      const { status, stderr } = buildWithList(context, args);
      expect(status, stderr).toBe(0);
    }
    return undefined;
  });
});

function readJson(layout: string, { digest }: Descriptor): unknown {
  return JSON.parse(readFileSync(blobPath(layout, digest), 'utf8'));
}

/** Texts by path. */
function readTreeFiles(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(dir, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name), 'latin1')]));
}

function newestTime(layer: string): number {
  const lines = run('tar', ['--full-time', '-tvf', layer], { env: { TZ: 'UTC' } }).trim();
  const times = [...lines.matchAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g)].map(([time]) => Date.parse(`${time.replace(' ', 'T')}Z`) / 1000);
  return Math.max(...times);
}
