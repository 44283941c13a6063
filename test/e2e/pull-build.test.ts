import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { run, programBytes } from '../helpers/image-tools.js';
import { putJson, sha256, writeRawLayout, type Json } from '../helpers/raw-layout.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { directory, member, symlink, tarOf } from '../helpers/tar-builder.js';
import { contentOf, PullLab } from './pull-lab.js';

const missing = missingRegistry('skopeo');
if (missing !== undefined) console.warn(`SKIPPED: builds on images of registries: ${missing}`);
const cannotRun = missingProgram('runc', 'busybox') ?? (process.getuid?.() === 0 ? undefined : 'not root');
if (cannotRun !== undefined) console.warn(`SKIPPED: RUN on images of registries: ${cannotRun}`);

const PASSWD = 'root:x:0:0::/:/bin/sh\napp:x:1234:1234::/:/bin/sh\n';

describe.skipIf(missing !== undefined)('a build on images of a registry', () => {
  let lab: PullLab;
  beforeAll(async () => {
    lab = await PullLab.start();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  /** The downloads of blobs since the last image was put there, by digest. */
  const downloads = (): Map<string, number> => new Map(lab.proxy.traffic.downloads);

  describe.skipIf(cannotRun !== undefined)('that runs in them', () => {
    const system = (): Buffer =>
      tarOf(directory('bin'), member({ path: 'bin/busybox', mode: 0o755, text: programBytes('busybox') }), symlink('bin/sh', 'busybox'));

    it('extracts the layers, keeps the blobs, names the image, and asks nobody again', async () => {
      const store = lab.place();
      const base = await lab.seed('run:1', {
        layers: [system(), tarOf(member({ path: 'a', text: 'a' })), tarOf(member({ path: '.wh.a' }))],
      });
      const files = { Dockerfile: `FROM ${base}\nRUN ["/bin/sh", "-c", "test ! -e /a && echo works"]\n` };
      expect(await lab.expectBuild(store, files, '-t', 'app')).toContain(' works\n');
      expect(contentOf(store)).toMatchObject({ layers: 3, indexes: 0, temporary: [] });
      expect(await lab.names(store)).toEqual(['docker.io/library/app:latest', base]);
      lab.proxy.forget();
      await lab.expectBuild(store, files, '-t', 'again');
      expect(lab.proxy.traffic.requests.size).toBe(0);
    });

    it('fetches many layers, each once, when several stages want them at once', async () => {
      const store = lab.place();
      const small = Array.from({ length: 60 }, (_, index) =>
        tarOf(member({ path: `file-${index}`, text: randomBytes(3000).toString('hex') })),
      );
      const base = await lab.seed('many:1', { layers: [system(), ...small] });
      const steps = `RUN ["/bin/sh", "-c", "cat /file-0 /file-59 > /dev/null"]`;
      await lab.expectBuild(
        store,
        { Dockerfile: `FROM ${base} AS a\n${steps}\nFROM ${base} AS b\n${steps}\nCOPY --from=a /file-1 /copy\n` },
        '-t',
        'app',
      );
      expect(contentOf(store)).toMatchObject({ layers: 61, temporary: [] });
      expect(lab.proxy.traffic.count('GET', 'manifest')).toBe(1);
      expect(lab.proxy.traffic.count('GET', 'blob')).toBe(62);
    });

    it.each(['zstd', 'none'])('reads %s layers', async (compression) => {
      const store = lab.place();
      const tar = system();
      const blob = compression === 'none' ? tar : Buffer.from(run('zstd', ['-qc'], { input: tar }), 'latin1');
      const suffix = compression === 'none' ? '' : `+${compression}`;
      const base = await lab.seed(`${compression}:1`, {
        layers: [tar],
        blobs: [blob],
        changeManifest: ({ layers, ...rest }) => ({
          ...rest,
          layers: (layers as Json[]).map((layer) => ({ ...layer, mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}` })),
        }),
      });
      expect(await lab.expectBuild(store, { Dockerfile: `FROM ${base}\nRUN ["/bin/sh", "-c", "echo works"]\n` }, '-t', 'app')).toContain(
        ' works\n',
      );
    });
  });

  describe('that only copies', () => {
    const layers = (): Buffer[] => [
      tarOf(directory('etc'), member({ path: 'etc/passwd', text: PASSWD }), symlink('data', 'srv'), directory('srv')),
      tarOf(member({ path: 'large', text: randomBytes(200_000).toString('latin1') })),
    ];
    const dockerfile = (base: string): string => `FROM ${base}\nCOPY --chown=app file /data/\n`;

    it('pushed to the registry of its base, streams the layers once, keeps none, and later reads none', async () => {
      const store = lab.place();
      const base = await lab.seed('copy:1', { layers: layers() });
      const target = `${lab.proxy.host}/copied:1`;
      const files = { Dockerfile: dockerfile(base), file: 'x' };
      await lab.expectBuild(store, files, '--push', '-t', target);
      expect(lab.proxy.traffic.downloadedBlobBytes).toBeGreaterThan(200_000);
      expect(contentOf(store)).toMatchObject({ layers: 0, indexes: 2, temporary: [] });
      // Manifest and config of the base, and what was built.
      expect(contentOf(store).blobs).toHaveLength(5);
      expect(await lab.names(store)).toEqual([]);
      lab.proxy.forget();
      await lab.expectBuild(store, files, '--push', '-t', target);
      expect(lab.proxy.traffic.downloadedBlobBytes).toBe(0);
      expect(lab.proxy.traffic.uploadedBlobBytes).toBeLessThan(2000);
      const out = lab.place();
      await lab.expectBuild(lab.place(), { Dockerfile: `FROM ${target}\n` }, '-o', `type=local,dest=${out}`);
      expect(readFileSync(join(out, 'srv/file'), 'utf8')).toBe('x');
    });

    it('finds the same by an index that it kept, and makes a damaged one anew', async () => {
      const store = lab.place();
      const base = await lab.seed('kept:1', { layers: layers() });
      const build = (): Promise<string> =>
        lab.expectBuild(
          store,
          { Dockerfile: dockerfile(base), file: 'x' },
          '--push',
          '-t',
          `${lab.proxy.host}/kept-copy:1`,
          '--source-date-epoch',
          '1',
        );
      const digestIn = (said: string): string => /^built (\S+)/m.exec(said)?.[1] ?? '';
      const first = digestIn(await build());
      expect(digestIn(await build())).toBe(first);
      for (const name of contentOf(store).indexNames) writeFileSync(join(store, 'layers', name), 'tsbuild layer index 1\ndamaged');
      lab.proxy.forget();
      expect(digestIn(await build())).toBe(first);
      expect(lab.proxy.traffic.downloadedBlobBytes).toBeGreaterThan(200_000);
    });

    it('into a layout, brings the layers without unpacking them', async () => {
      const store = lab.place();
      const base = await lab.seed('layout:1', { layers: layers() });
      const layout = lab.place();
      await lab.expectBuild(store, { Dockerfile: dockerfile(base), file: 'x' }, '-o', `type=oci,tar=false,dest=${layout}`);
      expect(contentOf(store)).toMatchObject({ layers: 0, indexes: 2 });
      expect(contentOf(layout).blobs).toHaveLength(5);
      expect([...downloads().values()]).toHaveLength(3);
      expect(await lab.names(store)).toEqual([base]);
    });

    it('fetches what it shares with other images once', async () => {
      const store = lab.place();
      const [common = Buffer.alloc(0), ...own] = layers();
      const first = await lab.seed('shared:1', { layers: [common, ...own] });
      const second = await lab.seed('shared:2', { layers: [common, tarOf(member({ path: 'b', text: 'b' }))] });
      await lab.expectBuild(store, { Dockerfile: `FROM ${first}\n` }, '-t', 'one');
      lab.proxy.forget();
      await lab.expectBuild(store, { Dockerfile: `FROM ${second}\n` }, '-t', 'two');
      expect(downloads().size).toBe(2);
    });
  });

  it('65: COPY --from a name that is no stage takes it for an image and pulls it', async () => {
    const store = lab.place();
    const base = await lab.seed('source:1', { layers: [tarOf(member({ path: 'from-there', text: 'there' }))] });
    const out = lab.place();
    const dockerfile = `FROM scratch\nCOPY --from=${base} /from-there /here\n`;
    await lab.expectBuild(store, { Dockerfile: dockerfile }, '-o', `type=local,dest=${out}`);
    expect(readFileSync(join(out, 'here'), 'utf8')).toBe('there');
    const misspelt = `FROM scratch AS builder\nFROM scratch\nCOPY --from=buidler /x /\n`;
    const { status, stderr } = await lab.build(store, { Dockerfile: misspelt }, '--registry-mirror', `docker.io=http://${lab.proxy.host}`);
    expect([status, stderr]).toEqual([3, expect.stringMatching(/Dockerfile:3:.*"buidler"[^]*hint: did you mean the stage "builder"\?/)]);
  });

  it('is checked by their configs alone', async () => {
    const store = lab.place();
    const layers = [tarOf(member({ path: 'f', text: 'f' }))];
    const base = await lab.seed('checked:1', { layers, container: { Env: ['GIVEN=1'] } });
    const { status, stdout, stderr } = await lab.build(store, { Dockerfile: `FROM ${base}\nENV A=$GIVEN B=$GIVEM\n` }, '--check');
    expect([status, stdout + stderr]).toEqual([1, expect.stringContaining("undefined variable '$GIVEM' (did you mean $GIVEN?)")]);
    expect(stdout + stderr).not.toContain("'$GIVEN'");
    expect([lab.proxy.traffic.count('GET', 'blob'), existsSync(store)]).toEqual([1, false]);
    expect((await lab.build(store, { Dockerfile: `FROM ${base}\nENV B=$GIVEM\n` }, '--check', '--pull=never')).stdout).not.toContain(
      'did you mean',
    );
    expect((await lab.build(store, { Dockerfile: `FROM nowhere.invalid/x\nENV B=1\n` }, '--check')).status).toBe(0);
  });

  it('takes a named context from a registry', async () => {
    const store = lab.place();
    const base = await lab.seed('context:1', { layers: [tarOf(member({ path: 'f', text: 'f' }))] });
    const out = lab.place();
    const files = { Dockerfile: 'FROM scratch\nCOPY --from=other /f /f\nFROM third\nCOPY --from=0 /f /f2\n' };
    const flags = ['other', 'third'].flatMap((name) => ['--build-context', `${name}=docker-image://${base}`]);
    await lab.expectBuild(store, files, ...flags, '-o', `type=local,dest=${out}`);
    expect(existsSync(join(out, 'f')) && existsSync(join(out, 'f2'))).toBe(true);
    expect(lab.proxy.traffic.count('GET', 'manifest')).toBe(1);
  });

  describe('of several platforms', () => {
    const seedIndex = async (name: string, architectures: readonly string[]): Promise<string> => {
      const layout = lab.place();
      const manifests = architectures.map((architecture) => {
        let manifest: Json = {};
        const layers = [tarOf(member({ path: 'arch', text: architecture }))];
        const changeConfig = (config: Json): Json => ({ ...config, architecture });
        writeRawLayout(layout, {
          layers,
          changeConfig,
          changeIndex: (index) => ((manifest = (index['manifests'] as Json[])[0] ?? {}), index),
        });
        return { ...manifest, platform: { os: 'linux', architecture } };
      });
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const index = putJson(layout, mediaType, { schemaVersion: 2, mediaType, manifests });
      writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
      return lab.seedLayout(name, layout);
    };
    const tree = ['--platform', 'linux/amd64,linux/arm64'];

    it('asks once for the name, and brings what each platform needs', async () => {
      const store = lab.place();
      const base = await seedIndex('index:1', ['amd64', 'arm64', 's390x']);
      const out = lab.place();
      await lab.expectBuild(
        store,
        { Dockerfile: `FROM ${base}\n` },
        ...tree,
        '-o',
        `type=local,dest=${out}`,
        '-t',
        'app',
        '-o',
        'type=image',
      );
      expect(['linux_amd64', 'linux_arm64'].map((name) => readFileSync(join(out, name, 'arch'), 'utf8'))).toEqual(['amd64', 'arm64']);
      expect([lab.proxy.traffic.count('GET', 'manifest'), lab.proxy.traffic.count('HEAD', 'manifest')]).toEqual([3, 0]);
      expect(downloads().size).toBe(4);
      expect(await lab.names(store)).toEqual(['docker.io/library/app:latest', base]);
      lab.proxy.forget();
      const third = ['--platform', 'linux/s390x', '-t', 'third'];
      await lab.expectBuild(store, { Dockerfile: `FROM ${base}\n` }, ...third);
      expect(downloads().size).toBe(2);
    });

    it('asks again for a platform of which a build that only copied has kept no layer', async () => {
      const store = lab.place();
      const base = await seedIndex('index:3', ['amd64', 'arm64']);
      await lab.expectBuild(store, { Dockerfile: `FROM ${base}\n` }, '--platform', 'linux/amd64', '-t', 'first');
      const files = { Dockerfile: `FROM ${base}\nCOPY file /\n`, file: 'x' };
      await lab.expectBuild(store, files, '--platform', 'linux/arm64', '--push', '-t', `${lab.proxy.host}/index-copy:1`);
      expect(await lab.names(store)).toContain(base);
      const out = lab.place();
      await lab.expectBuild(store, { Dockerfile: `FROM ${base}\n` }, '--platform', 'linux/arm64', '-o', `type=local,dest=${out}`);
      expect(readFileSync(join(out, 'arch'), 'utf8')).toBe('arm64');
    });

    it('lists what there is when one is missing', async () => {
      const base = await seedIndex('index:2', ['arm64', 's390x']);
      const { status, stderr } = await lab.build(lab.place(), { Dockerfile: `FROM ${base}\n` }, '--platform', 'linux/amd64', '-t', 'app');
      expect(status).toBe(3);
      expect(stderr).toContain(`Dockerfile:1:1: `);
      expect(stderr).toContain(`"${base}" has no image for linux/amd64`);
      expect(stderr).toContain('linux/arm64, linux/s390x');
    });
  });

  describe('with --pull', () => {
    const image = (text: string): { layers: Buffer[] } => ({ layers: [tarOf(member({ path: 'version', text }))] });
    const built = async (store: string, base: string, ...flags: string[]): Promise<string> => {
      const out = lab.place();
      const said = await lab.expectBuild(store, { Dockerfile: `FROM ${base}\n` }, '-o', `type=local,dest=${out}`, ...flags);
      return readFileSync(join(out, 'version'), 'utf8') + (said.includes('WARNING: image') ? ' with a warning' : '');
    };

    it('looks for what has moved, or does not', async () => {
      const store = lab.place();
      const base = await lab.seed('moving:1', image('old'));
      expect(await built(store, base, '--pull=never').catch(String)).toMatch(
        /is not in the store, and no registry is asked \(--pull=never\)/,
      );
      expect(await built(store, base)).toBe('old');
      await lab.seed('moving:1', image('new'));
      expect(await built(store, base)).toBe('old');
      expect(await built(store, base, '--pull=never')).toBe('old');
      expect(lab.proxy.traffic.requests.size).toBe(0);
      expect(await built(store, base, '--pull=newer')).toBe('new');
      lab.proxy.forget();
      expect(await built(store, base, '--pull')).toBe('new');
      // Not moved: asked without being sent.
      expect([...lab.proxy.traffic.requests.keys()].filter((key) => key.startsWith('GET') && !key.endsWith('ping'))).toEqual([]);
      expect(await lab.names(store)).toEqual([base]);
    });

    it('makes do with the store when the registry fails, except when always asked', async () => {
      const store = lab.place();
      await using other = await startRegistry();
      const base = await lab.seed('stopped:1', image('kept'));
      const gone = base.replace(lab.proxy.host, other.host);
      await lab.expectBuild(store, { Dockerfile: `FROM ${base}\n` }, '-t', gone);
      expect(await built(store, gone, '--pull=newer')).toBe('kept with a warning');
      expect(await built(store, gone)).toBe('kept');
      await other[Symbol.asyncDispose]();
      expect(await built(store, gone, '--pull=newer')).toBe('kept with a warning');
      expect(await built(store, gone, '--pull=always').catch(String)).toMatch(/status 3\n[^]*Dockerfile:1:1: .*stopped:1/);
    });

    it('asks nobody for a digest whose blobs are all there', async () => {
      const store = lab.place();
      const base = await lab.seed('pinned:1', image('pinned'));
      const response = await fetch(`${lab.registry.origin}/v2/pinned/manifests/1`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      const pinned = `${base}@${response.headers.get('docker-content-digest')}`;
      expect(await built(store, pinned)).toBe('pinned');
      lab.proxy.forget();
      expect(await built(store, pinned)).toBe('pinned');
      expect(lab.proxy.traffic.requests.size).toBe(0);
    });
  });

  describe('that are broken', () => {
    const text = randomBytes(100_000).toString('latin1');
    const storageOf = (digest: string): string =>
      join(lab.registry.storageDir, 'docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data');
    /** The store has nothing of the layer, wherever it was wanted. */
    const expectNothing = (store: string, digest: string): void => {
      const { blobs, ...rest } = contentOf(store);
      expect({ has: blobs.includes(digest.slice(7)), ...rest }).toMatchObject({ has: false, layers: 0, indexes: 0, temporary: [] });
    };
    /** The blob of its only layer. */
    const layerOf = async (base: string): Promise<string> => {
      const response = await fetch(`${lab.registry.origin}/v2/${base.slice(base.indexOf('/') + 1).replace(':', '/manifests/')}`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      return ((await response.json()) as { layers: { digest: string }[] }).layers[0]?.digest ?? '';
    };
    // Each is read in another way: extracted, in the background, and for lookups alone.
    const ways = [
      ['extracted', (base: string) => ({ files: { Dockerfile: `FROM scratch\nCOPY --from=${base} /f /\n` }, flags: ['-t', 'app'] })],
      ['brought', (base: string) => ({ files: { Dockerfile: `FROM ${base}\n` }, flags: ['-t', 'app'] })],
      [
        'streamed',
        (base: string) => ({
          files: { Dockerfile: `FROM ${base}\nCOPY x /\n`, x: '' },
          flags: ['--push', '-t', `${lab.proxy.host}/broken-out:1`],
        }),
      ],
    ] as const;

    it.each(ways)('tells both digests of a damaged blob that is %s, and keeps nothing of it', async (way, toBuild) => {
      const store = lab.place();
      const base = await lab.seed(`damaged-${way}:1`, { layers: [tarOf(member({ path: `f`, text: way + text }))] });
      const digest = await layerOf(base);
      const bytes = readFileSync(storageOf(digest));
      bytes[50_000] = (bytes[50_000] ?? 0) ^ 0xff;
      writeFileSync(storageOf(digest), bytes);
      const { files, flags } = toBuild(base);
      const { status, stderr } = await lab.build(store, files, ...flags);
      expect([status, stderr]).toEqual([3, expect.stringContaining(digest)]);
      expect(stderr).toContain(sha256(bytes));
      expect(stderr).toMatch(/Dockerfile:\d:1: /);
      expectNothing(store, digest);
    });

    it.each(ways)('says so of a blob that is too short and %s', async (way, toBuild) => {
      const store = lab.place();
      const base = await lab.seed(`short-${way}:1`, { layers: [tarOf(member({ path: `f`, text: `short ${way}${text}` }))] });
      const digest = await layerOf(base);
      truncateSync(storageOf(digest), 60_000);
      const { files, flags } = toBuild(base);
      const { status, stderr } = await lab.build(store, files, ...flags);
      expect([status, stderr]).toEqual([3, expect.stringMatching(/Dockerfile:\d:1: .*60,?000/)]);
      expectNothing(store, digest);
    });

    it('says so of a blob that is gone', async () => {
      const store = lab.place();
      const base = await lab.seed(`gone:1`, { layers: [tarOf(member({ path: 'f', text: `gone ${text}` }))] });
      const digest = await layerOf(base);
      rmSync(storageOf(digest));
      const { status, stderr } = await lab.build(store, { Dockerfile: `FROM ${base}\n` }, '-t', 'app');
      expect([status, stderr]).toEqual([3, expect.stringMatching(/Dockerfile:1:1: .*sha256:/)]);
      expectNothing(store, digest);
    });

    const garbage = Buffer.from('\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage that is no deflate stream'.repeat(3000), 'latin1');
    it.each([
      ['gzip that is none', tarOf(member({ path: 'f', text: 'f' })), garbage, /is not valid gzip data/],
      ['a tar other than the config names', tarOf(member({ path: 'f', text: 'f' })), tarOf(member({ path: 'f', text: 'g' })), /diffId/],
    ])('refuses %s, extracted or looked into', async (title, tar, blob, message) => {
      for (const [, toBuild] of [ways[0], ways[2]]) {
        const store = lab.place();
        const base = await lab.seed(`garbage-${title.length}:1`, { layers: [tar], blobs: [blob] });
        const { files, flags } = toBuild(base);
        const { status, stderr } = await lab.build(store, files, ...flags);
        expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
        expect(stderr).toMatch(/layer sha256:[0-9a-f]{64}/);
        expect(contentOf(store)).toMatchObject({ layers: 0, indexes: 0, temporary: [] });
      }
    });

    it('says that there is no such image', async () => {
      const { status, stderr } = await lab.build(lab.place(), { Dockerfile: `FROM ${lab.proxy.host}/nothing:1\n` }, '-t', 'app');
      expect(status).toBe(3);
      expect(stderr).toContain(`Dockerfile:1:1: image "${lab.proxy.host}/nothing:1" is not in the store, and `);
      expect(stderr).toContain('--build-context');
    });
  });
});
