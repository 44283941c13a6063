import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaType } from '../../src/oci/types.js';
import { readManifest } from '../helpers/image-tools.js';
import { missingRegistry, startRegistry, type TestRegistry, type TestRegistryOptions } from '../helpers/registry.js';
import { Workshop } from '../helpers/workshop.js';
import { Access, expectTsbuild, layoutDigest } from './registry-lab.js';

const missing =
  process.getuid?.() === 0
    ? missingRegistry('runc', 'busybox', 'skopeo', 'buildah', 'umoci', 'nginx', 'htpasswd', 'openssl', 'unshare')
    : 'needs root for RUN';
if (missing !== undefined) console.warn(`SKIPPED: round trips with registries: ${missing}`);

const USER = { username: 'ann', password: 'se:cret' };
const CREDS = `${USER.username}:${USER.password}`;
const FILES = ['copied', 'made', 'dir/nested'];
const TEXTS = ['from the context\n', 'made of from the context\n', 'nested\n'];

/** An image with files of the base, of a COPY and of a RUN. */
const dockerfile = (base: string): string => `FROM ${base}
COPY copied /copied
RUN echo "made of $(cat /copied)" >/made && mkdir /dir && echo nested >/dir/nested && rm /gone
`;

describe.skipIf(missing !== undefined)('with a registry', () => {
  const workshop = new Workshop();
  let base: string;
  let context: string;

  beforeAll(() => {
    base = workshop.at('base-layout');
    const dir = workshop.busyboxContext('COPY large gone /', { large: 'large '.repeat(200_000), gone: 'gone' });
    workshop.run(['--root', workshop.at('base-store'), '--oci-layout', base, dir]);
    context = workshop.context({ copied: TEXTS[0] ?? '' });
  });

  afterAll(() => workshop[Symbol.dispose]());

  /** A Dockerfile on that base. @returns flags that name it and the store */
  function buildFlags(name: string, baseName: string): string[] {
    const dir = workshop.context({ Dockerfile: dockerfile(baseName) });
    return ['--root', workshop.at(`store-${name}`), '-f', join(dir, 'Dockerfile')];
  }

  /** skopeo, umoci and buildah find in the image what was built. */
  async function expectContent(access: Access, name: string, { dir, umoci = true }: { dir: string; umoci?: boolean }): Promise<void> {
    expect(await access.readWithBuildah(name, workshop.at(`${dir}-buildah`), FILES)).toEqual(TEXTS);
    if (!umoci) return;
    const root = await access.unpack(name, workshop.at(`${dir}-umoci`));
    expect(FILES.map((path) => readFileSync(join(root, path), 'utf8'))).toEqual(TEXTS);
    expect(existsSync(join(root, 'gone'))).toBe(false);
    expect(readFileSync(join(root, 'large'), 'utf8')).toBe('large '.repeat(200_000));
    expect(sha256(join(root, 'bin/busybox'))).toBe(sha256(join(workshop.at('context-0'), 'busybox')));
  }

  describe.each<Transport>([
    { title: 'over http', name: 'http', options: {}, prefix: '', by: 'flags' },
    { title: 'over TLS with an authority of its own', name: 'tls', options: { tls: true }, prefix: '', by: 'flags' },
    { title: 'with a password', name: 'htpasswd', options: { htpasswd: USER }, prefix: 'team/', by: 'flags' },
    { title: 'with tokens', name: 'token', options: { token: { users: [USER] } }, prefix: 'a/b/c/', by: 'authfile' },
    {
      title: 'behind nginx, with tokens and TLS',
      name: 'nginx',
      options: { nginxPrefix: 'project', tls: true, token: { users: [{ ...USER, repositories: ['project/*'] }] } },
      prefix: 'project/',
      by: 'environment',
    },
  ])('$title', ({ name, options, prefix, by }) => {
    let registry: TestRegistry;
    let access: Access;
    let flags: readonly string[];
    let env: Readonly<Record<string, string>>;

    beforeAll(async () => {
      registry = await startRegistry(options);
      const isOpen = options.htpasswd === undefined && options.token === undefined;
      access = new Access(registry, isOpen ? undefined : CREDS);
      const dir = workshop.context({});
      const authFile = access.writeAuthFile(join(dir, 'config.json'));
      flags = { flags: access.flags, authfile: ['--authfile', authFile], environment: [] }[by];
      env = by === 'environment' ? { DOCKER_CONFIG: dir, SSL_CERT_FILE: registry.caFile ?? '' } : {};
      await access.seed(base, `${prefix}base:1`);
    });

    afterAll(() => registry[Symbol.asyncDispose]());

    it('builds FROM there, pushes, and others read it', async () => {
      const { host } = registry;
      const layout = workshop.at(`${name}-layout`);
      const tags = ['-t', `${host}/${prefix}app:1`, '-t', `${host}/${prefix}app:2`, '-t', `${host}/${prefix}other:1`];
      const local = ['--oci-layout', `${layout}:1`];
      await expectTsbuild(['build', '--push', ...local, ...flags, ...tags, ...buildFlags(name, `${host}/${prefix}base:1`), context], env);
      for (const tag of ['app:1', 'app:2', 'other:1']) {
        expect(await access.raw(`${prefix}${tag}`)).toEqual(readManifest(layout, '1'));
      }
      await expectContent(access, `${prefix}app:1`, { dir: name });
    });

    it('pulls to another machine, and pushes from there', async () => {
      const { host } = registry;
      const root = workshop.at(`store-${name}-second`);
      await expectTsbuild(['pull', '--root', root, ...flags, `${host}/${prefix}base:1`], env);
      await expectTsbuild(['push', '--root', root, ...flags, `${host}/${prefix}base:1`, `${host}/${prefix}again:1`], env);
      const [there, again] = [await access.raw(`${prefix}base:1`), await access.raw(`${prefix}again:1`)];
      expect(again).toEqual(there);
      expect(there).toEqual(readManifest(base));
    });

    it('copies to a layout and back', async () => {
      const { host } = registry;
      const copy = workshop.at(`${name}-copy`);
      await expectTsbuild(['cp', ...flags, `docker://${host}/${prefix}base:1`, `oci:${copy}:1`], env);
      expect(layoutDigest(copy)).toBe(layoutDigest(base));
      await expectTsbuild(['cp', ...flags, `oci:${copy}:1`, `docker://${host}/${prefix}copied/again:1`], env);
      expect(await access.raw(`${prefix}copied/again:1`)).toEqual(readManifest(base));
    });
  });

  describe('in every format', () => {
    let registry: TestRegistry;
    let access: Access;

    beforeAll(async () => {
      registry = await startRegistry();
      access = new Access(registry);
      await access.seed(base, 'base:1');
    });

    afterAll(() => registry[Symbol.asyncDispose]());

    it.each([
      { name: 'zstd', output: 'compression=zstd', layer: MediaType.ociLayerZstd },
      { name: 'uncompressed', output: 'compression=uncompressed', layer: MediaType.ociLayer },
      { name: 'docker', output: 'oci-mediatypes=false', layer: MediaType.dockerLayerGzip },
      { name: 'docker-uncompressed', output: 'oci-mediatypes=false,compression=uncompressed', layer: MediaType.dockerLayer },
    ])('pushes $name, and others read it', async ({ name, output, layer }) => {
      const tag = `${registry.host}/formats:${name}`;
      await expectTsbuild([...buildFlags(name, `${registry.host}/base:1`), '-o', `type=registry,${output}`, '-t', tag, context]);
      const manifest = await access.raw(`formats:${name}`);
      expect(manifest.layers.at(-1)?.mediaType).toBe(layer);
      if (name.startsWith('docker')) {
        expect(manifest.mediaType).toBe(MediaType.dockerManifest);
        expect(manifest.config.mediaType).toBe(MediaType.dockerConfig);
        expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual(manifest.layers.map(() => expect.stringContaining('vnd.docker')));
      }
      // umoci knows no zstd.
      await expectContent(access, `formats:${name}`, { dir: name, umoci: name !== 'zstd' });
      // What tsbuild wrote serves as its base, too.
      const next = workshop.context({ Dockerfile: `FROM ${tag}\nRUN cat /made >/next\n` });
      const root = workshop.at(`store-${name}-next`);
      await expectTsbuild(['--root', root, '-o', `type=local,dest=${workshop.at(`${name}-next`)}`, next]);
      expect(readFileSync(workshop.at(`${name}-next`, 'next'), 'utf8')).toBe(TEXTS[1]);
    });

    it.each([
      { title: 'OCI', output: 'type=registry', index: MediaType.ociIndex, manifest: MediaType.ociManifest },
      { title: 'docker', output: 'type=registry,oci-mediatypes=false', index: MediaType.dockerIndex, manifest: MediaType.dockerManifest },
    ])('pushes an index of two platforms with the media types of $title', async ({ title, output, index, manifest }) => {
      const platforms = ['--platform', 'linux/amd64,linux/arm64'];
      const name = (tag: string): string => `${registry.host}/index-${title.toLowerCase()}:${tag}`;
      const root = workshop.at(`store-index-${title}`);
      const lower = workshop.context({
        Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n',
        amd64: 'of amd64',
        arm64: 'of arm64',
      });
      await expectTsbuild(['--root', root, ...platforms, '-o', output, '-t', name('base'), lower]);
      const upper = workshop.context({ Dockerfile: `FROM ${name('base')}\nCOPY app /app\n`, app: 'everywhere' });
      await expectTsbuild(['--root', `${root}-2`, ...platforms, '-o', output, '-t', name('1'), upper]);
      const short = `index-${title.toLowerCase()}:1`;
      const pushed = await access.raw(short);
      expect(pushed.mediaType).toBe(index);
      expect(pushed.manifests.map(({ mediaType, platform }) => [mediaType, platform?.architecture])).toEqual([
        [manifest, 'amd64'],
        [manifest, 'arm64'],
      ]);
      for (const architecture of ['amd64', 'arm64']) {
        const unpacked = await access.unpack(short, workshop.at(`index-${title}-${architecture}`), ['--override-arch', architecture]);
        expect(readFileSync(join(unpacked, 'arch'), 'utf8')).toBe(`of ${architecture}`);
        expect(readFileSync(join(unpacked, 'app'), 'utf8')).toBe('everywhere');
      }
      const pulled = workshop.at(`store-index-${title}-3`);
      await expectTsbuild(['pull', '--root', pulled, '--all-platforms', name('1')]);
      await expectTsbuild(['push', '--root', pulled, name('1'), name('again')]);
      expect(await access.raw(`index-${title.toLowerCase()}:again`)).toEqual(pushed);
    });
  });
});

interface Transport {
  readonly title: string;
  readonly name: string;
  readonly options: TestRegistryOptions;
  /** Of all repositories. */
  readonly prefix: string;
  /** How tsbuild learns of credentials and authorities; the others are told by flags. */
  readonly by: 'flags' | 'authfile' | 'environment';
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
