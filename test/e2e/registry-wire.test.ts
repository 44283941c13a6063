import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/oci/types.js';
import { finished, scratchDir, startTsbuild, writeFiles, type CliResult, type FileSpec } from '../helpers/cli.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { run } from '../helpers/image-tools.js';
import { skopeo } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { directory, member, symlink, tarOf } from '../helpers/tar-builder.js';
import { noiseLayer, putBlob, putImage, startWire, toLayer, watchProcess, type Sighting, type Wire, type WireLayer } from './wire-lab.js';

const missing = missingRegistry('skopeo', 'tar');
if (missing !== undefined) console.warn(`SKIPPED: bytes on the wire: ${missing}`);

const MEBIBYTE = 1024 * 1024;
/** Beside the layer that is new: manifests, configs, questions, headers. */
const SMALL_TALK_BYTES = 200_000;
const MAX_RSS_BYTES = 250 * MEBIBYTE;

/** Memory, where there is some: the disk is not what is measured. */
const SHARED_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : undefined;

const TREE = tarOf(
  directory('etc'),
  member({ path: 'etc/passwd', text: 'root:x:0:0::/:/bin/sh\napp:x:1234:5678::/:/bin/sh\n' }),
  directory('srv'),
  directory('srv/releases'),
  directory('srv/releases/7', { uid: 1234, gid: 5678 }),
  symlink('srv/current', 'releases/7'),
);

describe.skipIf(missing !== undefined)('bytes between a registry and', () => {
  const scratch = scratchDir('tsbuild-wire-', SHARED_MEMORY);
  const at = (...names: string[]): string => join(scratch.path, ...names);
  let registry: TestRegistry;
  let proxy: FaultProxy;
  /** In front of the proxy: what it counts are bytes of the sockets. */
  let wire: Wire;
  /** 300 MiB in four layers. */
  let base: readonly Pick<WireLayer, 'descriptor' | 'diffId'>[];
  const named = (repository: string): string => `${wire.host}/${repository}`;
  const repositoryOf = (name: string): string => `${registry.origin}/v2/${name}`;

  beforeAll(async () => {
    mkdirSync(at('tmp'));
    registry = await startRegistry();
    proxy = await startFaultProxy({ target: registry.host, seed: 1 });
    wire = await startWire(proxy.host);
    const layers: (typeof base)[number][] = [];
    for (const make of [() => toLayer(TREE), ...['usr', 'opt', 'var'].map((name) => () => noiseLayer(name, 100))]) {
      const { blob, descriptor, diffId } = make();
      await putBlob(repositoryOf('library/base'), blob);
      layers.push({ descriptor, diffId });
    }
    base = layers;
    await putImage(repositoryOf('library/base'), '1', { layers });
  });
  afterAll(async () => {
    await wire?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  function forget(): void {
    wire.forget();
    proxy.forget();
  }

  /** A command that has to succeed, watched by where it might leave what it downloads. */
  async function tsbuild(store: string, ...args: string[]): Promise<CliResult & { readonly seen: Sighting }> {
    const [command = '', ...rest] = args;
    const env = {
      HOME: at('home'),
      DOCKER_CONFIG: '/nonexistent',
      XDG_RUNTIME_DIR: at('run'),
      XDG_CACHE_HOME: at('cache'),
      TMPDIR: at('tmp'),
    };
    const child = startTsbuild([command, '--root', store, ...rest], { env, cwd: at('tmp') });
    const ended = finished(child);
    const seen = await watchProcess(child.pid ?? 0, [store, at('tmp'), at('home'), at('run'), at('cache')], ended);
    const result = await ended;
    if (result.status !== 0) throw new Error(`tsbuild ${args.join(' ')}: status ${result.status}\n${result.stderr}`);
    return { ...result, seen };
  }

  let contexts = 0;
  const contextOf = (files: Readonly<Record<string, FileSpec>>): string => writeFiles(at(`context-${++contexts}`), files);
  const manifestOf = async (name: string): Promise<Manifest> => {
    const text = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/${name}`);
    return JSON.parse(text) as Manifest;
  };
  /** The lines of `tar -tv` for a layer of a repository. */
  const listLayer = async (repository: string, digest: string): Promise<string> => {
    const blob = Buffer.from(await (await fetch(`${repositoryOf(repository)}/blobs/${digest}`)).arrayBuffer());
    return run('tar', ['--numeric-owner', '-tv'], { input: gunzipSync(blob) });
  };
  const digestsOf = (layers: readonly { readonly digest: string }[]): string[] => layers.map(({ digest }) => digest);
  const baseDigests = (): string[] => base.map(({ descriptor }) => descriptor.digest);

  describe('a build that only copies onto a base of 300 MB in the registry it pushes to', () => {
    const store = at('copying');
    const dockerfile = (): string =>
      `FROM ${named('library/base:1')}\nCOPY --chown=app app.js /srv/current/\nCOPY assets /srv/current/assets\n`;
    const target = 'team/app:1';
    let context: string;
    /** After a change of one file. */
    const build = (...flags: string[]) => {
      // The rest stays as it was, with its times.
      context ??= contextOf({ Dockerfile: dockerfile(), 'assets/large.bin': randomBytes(MEBIBYTE), 'assets/small.txt': 'small' });
      writeFiles(context, { 'app.js': randomBytes(100_000) });
      return tsbuild(store, 'build', '--push', '-t', named(target), ...flags, context);
    };
    /** Of the layers that an image has above its base. */
    const newBytes = async (changed: readonly number[]): Promise<number> => {
      const { layers } = await manifestOf(target);
      return changed.reduce((sum, index) => sum + (layers[base.length + index]?.size ?? NaN), 0);
    };

    it('the first time: each layer is read once, none is written anywhere, and little memory is needed', async () => {
      forget();
      const { seen } = await build();
      const { layers, config } = await manifestOf(target);
      expect(digestsOf(layers).slice(0, 4)).toEqual(baseDigests());
      expect(layers).toHaveLength(6);
      for (const { descriptor } of base) expect(proxy.traffic.downloads.get(descriptor.digest)).toBe(descriptor.size);
      expect(proxy.traffic.uploadedBlobBytes).toBe((await newBytes([0, 1])) + config.size);
      expect(seen.looks).toBeGreaterThan(10);
      expect(seen.peakDiskBytes).toBeLessThan(4 * MEBIBYTE);
      expect(seen.writtenBytes).toBeLessThan(16 * MEBIBYTE);
      expect(kept(seen)).toEqual([]);
      expect(seen.peakRssBytes).toBeGreaterThan(30 * MEBIBYTE);
      expect(seen.peakRssBytes).toBeLessThan(MAX_RSS_BYTES);
      // What was looked up in the base: the owner, and where the symbolic link leads.
      expect(await listLayer('team/app', layers[4]?.digest ?? '')).toMatch(/^-\S+ 1234\/5678 .* srv\/releases\/7\/app\.js$/m);
      expect(await listLayer('team/app', layers[5]?.digest ?? '')).toMatch(/^-\S+ 0\/0 .* srv\/releases\/7\/assets\/large\.bin$/m);
      report('the first build', seen);
    });

    it.each([
      ['as the base is known', []],
      ['with the base asked for again', ['--pull=always']],
    ])('the second time, %s: the changed layer and small talk', async (_, flags) => {
      forget();
      const { seen } = await build(...flags);
      expect(proxy.traffic.downloads).not.toContain(baseDigests()[0]);
      expect(proxy.traffic.downloadedBlobBytes).toBeLessThan(10_000);
      const changed = await newBytes([0]);
      expect(changed).toBeGreaterThan(50_000);
      expect(proxy.traffic.uploadedBlobBytes).toBeGreaterThan(changed);
      expect(wire.bytes).toBeGreaterThan(changed);
      expect(wire.bytes - changed).toBeLessThan(SMALL_TALK_BYTES);
      expect(seen.peakDiskBytes).toBeLessThan(8 * MEBIBYTE);
      expect(kept(seen)).toEqual([]);
      report(`the second build ${flags.join(' ')}`, seen, `${wire.bytes - changed} bytes beside the layer of ${changed}`);
    });

    it('when the base has got another layer on top: that one is read, and no other', async () => {
      const extra = noiseLayer('home', 4);
      await putBlob(repositoryOf('library/base'), extra.blob);
      await putImage(repositoryOf('library/base'), '1', { layers: [...base, extra] });
      forget();
      await build('--pull=always');
      await putImage(repositoryOf('library/base'), '1', { layers: base });
      for (const digest of baseDigests()) expect(proxy.traffic.downloads.get(digest)).toBeUndefined();
      expect(proxy.traffic.downloads.get(extra.descriptor.digest)).toBe(extra.descriptor.size);
      expect(digestsOf((await manifestOf(target)).layers).slice(0, 5)).toEqual([...baseDigests(), extra.descriptor.digest]);
    });

    /** Files and directories that have a layer of the base in them. */
    function kept({ paths }: Sighting): string[] {
      const names = new Set(
        base.flatMap(({ descriptor, diffId }) => [descriptor.digest, diffId]).map((digest) => digest.split(':')[1] ?? ''),
      );
      return [...paths].filter((path) => names.has(path.slice(path.lastIndexOf('/') + 1)));
    }
  });

  describe('a pull', () => {
    const store = at('pulled');

    it('fetches all of an image, and of another one what is missing', async () => {
      forget();
      const { seen } = await tsbuild(store, 'pull', named('library/base:1'));
      for (const { descriptor } of base) expect(proxy.traffic.downloads.get(descriptor.digest)).toBe(descriptor.size);
      // The watch sees what is kept, for those above that see nothing.
      expect(seen.peakDiskBytes).toBeGreaterThan(300 * MEBIBYTE);
      expect(seen.writtenBytes).toBeGreaterThan(300 * MEBIBYTE);
      expect([...seen.paths]).toContain(`blobs/sha256/${baseDigests()[1]?.slice('sha256:'.length)}`);
      expect(seen.peakRssBytes).toBeLessThan(MAX_RSS_BYTES);
      report('the pull', seen);
      const extra = noiseLayer('home', 4);
      await putBlob(repositoryOf('library/base'), extra.blob);
      const config = await putImage(repositoryOf('library/base'), 'sharing', { layers: [...base.slice(0, 3), extra] });
      forget();
      await tsbuild(store, 'pull', named('library/base:sharing'));
      expect(proxy.traffic.downloads).toEqual(
        new Map([
          [config.digest, config.size],
          [extra.descriptor.digest, extra.descriptor.size],
        ]),
      );
      forget();
      await tsbuild(store, 'pull', named('library/base:sharing'));
      expect(proxy.traffic.downloadedBlobBytes).toBe(0);
      expect(wire.bytes).toBeLessThan(10_000);
    });

    it('and a push back: what the registry has in another repository is lent, and a second push sends nothing', async () => {
      const name = named('team/pushed:1');
      const context = contextOf({ Dockerfile: `FROM ${named('library/base:1')}\nCOPY file /\n`, file: randomBytes(300_000) });
      forget();
      await tsbuild(store, 'build', '--pull=never', '-o', `type=image,push=true,name=${name}`, context);
      const { layers, config } = await manifestOf('team/pushed:1');
      const addedBytes = (layers[4]?.size ?? NaN) + config.size;
      expect(addedBytes).toBeGreaterThan(300_000);
      expect(proxy.traffic.uploadedBlobBytes).toBe(addedBytes);
      for (const destination of [name, named('team/pushed:2'), named('team/elsewhere:1'), name]) {
        forget();
        await tsbuild(store, 'push', name, destination);
        expect(proxy.traffic.count('PUT', 'manifest')).toBeGreaterThan(0);
        expect(proxy.traffic.uploadedBlobBytes).toBe(0);
        expect(proxy.traffic.downloadedBlobBytes).toBe(0);
        expect(wire.bytes).toBeLessThan(20_000);
      }
      expect((await manifestOf('team/elsewhere:1')).layers).toEqual(layers);
      forget();
      // Built here for the same registry: the name of the base tells where its layers are.
      await tsbuild(store, 'build', '--pull=never', '-t', named('team/later:1'), context);
      await tsbuild(store, 'push', named('team/later:1'));
      expect(proxy.traffic.uploadedBlobBytes).toBeLessThan(2000);
      forget();
      await tsbuild(store, 'push', name);
      expect(proxy.traffic.changes.filter(({ what }) => what === 'blob')).toEqual([]);
    });
  });

  it('an image under three names in two repositories: each blob is sent once', async () => {
    const store = at('names');
    const context = contextOf({
      Dockerfile: 'FROM scratch\nCOPY one /\nCOPY two /\n',
      one: randomBytes(2 * MEBIBYTE),
      two: randomBytes(2 * MEBIBYTE),
    });
    const names = ['names/a:1', 'names/a:2', 'names/b:1'];
    forget();
    await tsbuild(store, 'build', '--push', ...names.flatMap((name) => ['-t', named(name)]), context);
    const { layers, config } = await manifestOf('names/a:1');
    const blobs = [...layers, config];
    expect(blobs).toHaveLength(3);
    expect(proxy.traffic.uploadedBlobBytes).toBe(blobs.reduce((sum, { size }) => sum + size, 0));
    const done = proxy.traffic.changes.filter(({ what, phase }) => what === 'blob' && phase === 'done');
    expect(done.map(({ repository, name }) => `${repository} ${name}`).toSorted()).toEqual(
      ['names/a', 'names/b'].flatMap((repository) => blobs.map(({ digest }) => `${repository} ${digest}`)).toSorted(),
    );
    for (const name of names) expect((await manifestOf(name)).layers).toEqual(layers);
  });
});

/** For the eyes: the limits are held by the tests. */
function report(what: string, { peakRssBytes, peakDiskBytes, writtenBytes }: Sighting, more = ''): void {
  const [rss, disk, written] = [peakRssBytes, peakDiskBytes, writtenBytes].map((bytes) => (bytes / MEBIBYTE).toFixed(1));
  console.info(`${what}: ${rss} MiB of memory, ${disk} MiB on disk, ${written} MiB written${more === '' ? '' : `; ${more}`}`);
}
