import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Image } from '../../src/image/image.js';
import { oneImage } from '../../src/image/index.js';
import { validateImage } from '../../src/image/validate.js';
import { hexOf } from '../../src/oci/digest.js';
import { MediaType, type ImageIndex } from '../../src/oci/types.js';
import { writeDockerArchive } from '../../src/output/docker-archive.js';
import { writeOciArchive } from '../../src/output/oci-archive.js';
import { writeOciLayout } from '../../src/output/oci-layout.js';
import type { OciOutput } from '../../src/output/output.js';
import { Store } from '../../src/store/store.js';
import { missingProgram } from '../helpers/cli.js';
import { expectOciSchema } from '../helpers/oci-schema.js';
import { storeImage } from '../helpers/stored-image.js';

const noSkopeo = missingProgram('skopeo', 'umoci');
if (noSkopeo !== undefined) console.warn(`SKIPPED: ${noSkopeo}`);

let dir: string;
let store: Store;
let image: Image;
let other: Image;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-layout-'));
  store = await Store.open(join(dir, 'store'));
  image = await storeImage(store, {
    layers: [
      { 'etc/': '', 'etc/a': 'one', 'etc/b': 'two' },
      { 'etc/': '', 'etc/a': undefined },
    ],
    config: { Labels: { k: 'v' } },
  });
  other = await storeImage(store, { layers: [{ other: 'x' }], compression: 'none' });
});
afterAll(() => rmSync(dir, { recursive: true }));

function layoutSpec(name: string, more: Partial<OciOutput> = {}): OciOutput {
  return { type: 'oci', dest: join(dir, name), tar: false, names: [], annotations: {}, ...more };
}

function readIndex(path: string): ImageIndex {
  return JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as ImageIndex;
}

function unpack(archive: string, name: string): string {
  const target = join(dir, name);
  execFileSync('sh', ['-c', `mkdir ${target} && tar -xf ${archive} -C ${target}`]);
  return target;
}

function tags(index: ImageIndex): (string | undefined)[] {
  return index.manifests.map((entry) => entry.annotations?.['org.opencontainers.image.ref.name']);
}

describe('writeOciLayout', () => {
  it('writes a layout that validates, blobs linked and not copied', async () => {
    const spec = layoutSpec('one');
    const descriptor = await writeOciLayout({ store, image: oneImage(image), spec, names: ['app:1', 'registry.example/team/app:2'] });
    expect(descriptor).toEqual(image.descriptor);
    const index = readIndex(spec.dest);
    expectOciSchema('image-index-schema', index);
    expectOciSchema('image-layout-schema', JSON.parse(readFileSync(join(spec.dest, 'oci-layout'), 'utf8')));
    expect(index.manifests).toHaveLength(2);
    expect(index.manifests[0]).toEqual({
      mediaType: MediaType.ociManifest,
      digest: image.descriptor.digest,
      size: image.descriptor.size,
      annotations: {
        'io.containerd.image.name': 'docker.io/library/app:1',
        'org.opencontainers.image.ref.name': '1',
        'org.opencontainers.image.created': '2024-05-06T07:08:09Z',
      },
      platform: { os: image.config.os, architecture: image.config.architecture },
    });
    expect(index.manifests[1]?.annotations?.['io.containerd.image.name']).toBe('registry.example/team/app:2');
    await validateImage({ root: spec.dest }, descriptor);
    const blob = hexOf(image.manifest.config.digest);
    expect(statSync(join(spec.dest, 'blobs/sha256', blob)).ino).toBe(statSync(store.blobPath(image.manifest.config.digest)).ino);
    expect(readdirSync(join(spec.dest, 'blobs/sha256'))).toHaveLength(4);
  });

  it('keeps the other images of an existing layout and replaces the one of the same tag', async () => {
    const spec = layoutSpec('merged');
    await writeOciLayout({ store, image: oneImage(image), spec, names: ['app:1'] });
    await writeOciLayout({ store, image: oneImage(other), spec, names: ['app:2'] });
    expect(tags(readIndex(spec.dest))).toEqual(['1', '2']);
    await writeOciLayout({ store, image: oneImage(other), spec, names: ['app:1'] });
    const index = readIndex(spec.dest);
    expect(tags(index)).toEqual(['2', '1']);
    expect(index.manifests.map((entry) => entry.digest)).toEqual([other.descriptor.digest, other.descriptor.digest]);
  });

  it('writes the tag of --oci-layout, and an entry without a name when there is none', async () => {
    const tagged = layoutSpec('tagged', { tag: '3.0' });
    await writeOciLayout({ store, image: oneImage(image), spec: tagged, names: [] });
    expect(tags(readIndex(tagged.dest))).toEqual(['3.0']);
    const bare = layoutSpec('bare');
    await writeOciLayout({ store, image: oneImage(image), spec: bare, names: [] });
    await writeOciLayout({ store, image: oneImage(other), spec: bare, names: [] });
    await writeOciLayout({ store, image: oneImage(image), spec: bare, names: [] });
    // Nobody's image without a name is taken away by another one; the same image stands once.
    expect(tags(readIndex(bare.dest))).toEqual([undefined, undefined]);
    expect(readIndex(bare.dest).manifests.map(({ digest }) => digest)).toEqual([other.descriptor.digest, image.descriptor.digest]);
  });

  it('has a manifest of its own for annotations, and leaves that of the store as it is', async () => {
    const spec = layoutSpec('annotated', { annotations: { 'org.example.k': 'v' } });
    const descriptor = await writeOciLayout({ store, image: oneImage(image), spec, names: ['app:1'] });
    expect(descriptor.digest).not.toBe(image.descriptor.digest);
    const written = await validateImage({ root: spec.dest }, descriptor);
    expect(written.manifest.annotations).toEqual({ 'org.example.k': 'v' });
    expect(existsSync(store.blobPath(descriptor.digest))).toBe(false);
  });

  it.skipIf(noSkopeo !== undefined)('is read by skopeo and umoci', async () => {
    const spec = layoutSpec('foreign');
    await writeOciLayout({ store, image: oneImage(image), spec, names: ['app:1'] });
    const inspected = JSON.parse(execFileSync('skopeo', ['inspect', `oci:${spec.dest}:1`], { encoding: 'utf8' })) as { Digest: string };
    expect(inspected.Digest).toBe(image.descriptor.digest);
    const bundle = join(dir, 'bundle');
    execFileSync('umoci', ['unpack', '--rootless', '--image', `${spec.dest}:1`, bundle], { stdio: 'pipe' });
    expect(readdirSync(join(bundle, 'rootfs/etc'))).toEqual(['b']);
  });
});

describe('writeOciArchive', () => {
  it('writes the same archive for the same image, with a layout in it that validates', async () => {
    const paths = [join(dir, 'a.tar'), join(dir, 'deep/er/b.tar')];
    for (const dest of paths)
      await writeOciArchive({ store, image: oneImage(image), spec: layoutSpec('', { dest, tar: true }), names: ['app:1'] });
    expect(readFileSync(paths[0] ?? '')).toEqual(readFileSync(paths[1] ?? ''));
    const unpacked = unpack(paths[0] ?? '', 'oci-unpacked');
    expect(tags(readIndex(unpacked))).toEqual(['1']);
    await validateImage({ root: unpacked }, image.descriptor);
    expect(readdirSync(dir).filter((name) => name.startsWith('.tmp'))).toEqual([]);
  });

  it('carries annotations of its own', async () => {
    const dest = join(dir, 'annotated.tar');
    const descriptor = await writeOciArchive({
      store,
      image: oneImage(image),
      spec: layoutSpec('', { dest, tar: true, annotations: { a: 'b' } }),
      names: [],
    });
    const { manifest } = await validateImage({ root: unpack(dest, 'annotated-unpacked') }, descriptor);
    expect(manifest.annotations).toEqual({ a: 'b' });
  });

  it.skipIf(noSkopeo !== undefined)('is read by skopeo', async () => {
    const dest = join(dir, 'skopeo.tar');
    await writeOciArchive({ store, image: oneImage(image), spec: layoutSpec('', { dest, tar: true }), names: ['app:1'] });
    const raw = execFileSync('skopeo', ['inspect', '--config', `oci-archive:${dest}:1`], { encoding: 'utf8' });
    expect(JSON.parse(raw)).toMatchObject({ config: { Labels: { k: 'v' } } });
  });
});

describe('writeDockerArchive', () => {
  it('names the same blobs in all of its indexes, with media types of docker', async () => {
    const dest = join(dir, 'docker.tar');
    const spec = { type: 'docker', dest, names: [] } as const;
    const descriptor = await writeDockerArchive({ store, image, spec, names: ['app:1', 'registry.example/x/y:2'] });
    const unpacked = unpack(dest, 'docker-unpacked');
    const { manifest } = await validateImage({ root: unpacked }, descriptor);
    expect(manifest.mediaType).toBe(MediaType.dockerManifest);
    expect(manifest.config.mediaType).toBe(MediaType.dockerConfig);
    expect(manifest.layers.map((layer) => layer.mediaType)).toEqual([MediaType.dockerLayerGzip, MediaType.dockerLayerGzip]);
    expect(JSON.parse(readFileSync(join(unpacked, 'manifest.json'), 'utf8'))).toEqual([
      {
        Config: `blobs/sha256/${hexOf(image.manifest.config.digest)}`,
        RepoTags: ['app:1', 'registry.example/x/y:2'],
        Layers: image.layers.map((layer) => `blobs/sha256/${hexOf(layer.descriptor.digest)}`),
      },
    ]);
    const top = hexOf(image.layers.at(-1)?.descriptor.digest ?? image.descriptor.digest);
    expect(JSON.parse(readFileSync(join(unpacked, 'repositories'), 'utf8'))).toEqual({
      app: { '1': top },
      'registry.example/x/y': { '2': top },
    });
    expect(tags(readIndex(unpacked))).toEqual(['1', '2']);
  });

  it('keeps OCI media types when asked', async () => {
    const dest = join(dir, 'docker-oci.tar');
    const spec = { type: 'docker', dest, names: [], ociMediaTypes: true } as const;
    expect(await writeDockerArchive({ store, image, spec, names: [] })).toEqual(image.descriptor);
  });

  it.skipIf(noSkopeo !== undefined)('is read by skopeo, which unpacks its layers to the same diffIds', async () => {
    const dest = join(dir, 'docker-skopeo.tar');
    await writeDockerArchive({ store, image, spec: { type: 'docker', dest, names: [] }, names: ['app:1'] });
    const target = join(dir, 'from-docker');
    execFileSync('skopeo', ['copy', '--insecure-policy', `docker-archive:${dest}:app:1`, `oci:${target}:1`], { stdio: 'pipe' });
    const raw = execFileSync('skopeo', ['inspect', '--config', `oci:${target}:1`], { encoding: 'utf8' });
    expect((JSON.parse(raw) as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids).toEqual(image.layers.map((layer) => layer.diffId));
  });
});
