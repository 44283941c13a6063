import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { MediaType, type Descriptor } from '../../src/oci/types.js';
import { Store } from '../../src/store/store.js';
import { assembleImage } from '../../src/image/assemble.js';
import { bundleProgram } from '../helpers/bundle.js';
import { expectOciSchema } from '../helpers/oci-schema.js';

const PLATFORM = { os: 'linux', architecture: 'amd64' };

let dir: string;
let root: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-store-'));
  root = join(dir, 'store');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** An image of one layer, told apart by `text`. */
async function putImage(store: Store, text: string): Promise<{ manifest: Descriptor; config: Digest; layer: Digest; diffId: Digest }> {
  const layer = await store.putBlob(Buffer.from(`layer of ${text}`), MediaType.ociLayer);
  const { image, configBytes, manifestBytes } = assembleImage({
    baseLayers: [],
    layers: [{ diffId: layer.digest, descriptor: layer }],
    history: [{ created_by: text }],
    config: {},
    platform: PLATFORM,
  });
  const config = await store.putBlob(configBytes, MediaType.ociConfig);
  const manifest = await store.putBlob(manifestBytes, MediaType.ociManifest);
  expect(manifest.digest).toBe(image.descriptor.digest);
  return { manifest, config: config.digest, layer: layer.digest, diffId: layer.digest };
}

function indexJson(): { manifests: Descriptor[] } {
  return JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
}

describe('Store.open', () => {
  it('makes a layout that only the owner may enter', async () => {
    await Store.open(root);
    expect(statSync(root).mode & 0o777).toBe(0o700);
    expect(readdirSync(root).toSorted()).toEqual(['CACHEDIR.TAG', 'blobs', 'index.json', 'layers', 'oci-layout', 'tmp']);
    expectOciSchema('image-layout-schema', JSON.parse(readFileSync(join(root, 'oci-layout'), 'utf8')));
    expectOciSchema('image-index-schema', indexJson());
  });

  it('may be done by many at once', async () => {
    const stores = await Promise.all(Array.from({ length: 10 }, () => Store.open(root)));
    await Promise.all(
      stores.map((store, index) => putImage(store, 'same').then(({ manifest }) => store.tag(manifest, [`example.org/a:${index}`]))),
    );
    expect(indexJson().manifests).toHaveLength(10);
  });

  it('closes a store that was open to others', async () => {
    await Store.open(root);
    chmodSync(root, 0o755);
    await Store.open(root);
    expect(statSync(root).mode & 0o777).toBe(0o700);
  });

  it('takes an empty directory, and one whose making was broken off', async () => {
    mkdirSync(join(root, 'layers'), { recursive: true });
    await Store.open(root);
    expect(existsSync(join(root, 'oci-layout'))).toBe(true);
  });

  it('refuses a directory of something else, and leaves it as it is', async () => {
    mkdirSync(root, { mode: 0o755 });
    writeFileSync(join(root, 'thesis.tex'), '');
    await expect(Store.open(root)).rejects.toMatchObject({
      kind: 'environment',
      message: `"${root}" is not a store: it holds "thesis.tex"`,
    });
    expect(statSync(root).mode & 0o777).toBe(0o755);
    expect(readdirSync(root)).toEqual(['thesis.tex']);
  });

  it('refuses a file', async () => {
    writeFileSync(root, '');
    await expect(Store.open(root)).rejects.toMatchObject({ kind: 'environment', message: `the store "${root}" is not a directory` });
  });

  it('names path and reason when the place cannot be written', async () => {
    const failed = Store.open('/proc/tsbuild');
    await expect(failed).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringMatching(/^cannot write "\/proc\/tsbuild": .*\(ENOENT\)$/),
    });
  });
});

describe('blobs', () => {
  it('come back verified', async () => {
    const store = await Store.open(root);
    const descriptor = await store.putBlob(Buffer.from('hello'), 'text/plain');
    expect(descriptor).toEqual({ mediaType: 'text/plain', digest: digestOf('hello'), size: 5 });
    expect(store.hasBlob(descriptor)).toBe(true);
    expect((await store.readBlob(descriptor, 5)).toString()).toBe('hello');
    await expect(store.readBlob(descriptor, 4)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('want at most 4'),
    });
    expect(readdirSync(join(root, 'blobs/sha256'))).toEqual([descriptor.digest.slice(7)]);
  });

  it('that are damaged name both digests', async () => {
    const store = await Store.open(root);
    const descriptor = await store.putBlob(Buffer.from('hello'), 'text/plain');
    writeFileSync(store.blobPath(descriptor.digest), 'hellO');
    const failed = store.readBlob(descriptor, 100);
    await expect(failed).rejects.toThrow(`got ${digestOf('hellO')} with 5 bytes, want ${digestOf('hello')} with 5 bytes`);
  });

  it('that are missing say so', async () => {
    const store = await Store.open(root);
    const absent = { mediaType: 'text/plain', digest: digestOf('absent'), size: 6 };
    expect(store.hasBlob(absent)).toBe(false);
    await expect(store.readBlob(absent, 100)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining(`${absent.digest} is missing`),
    });
  });

  it('of the wrong size are written anew', async () => {
    const store = await Store.open(root);
    const descriptor = await store.putBlob(Buffer.from('hello'), 'text/plain');
    truncateSync(store.blobPath(descriptor.digest), 2);
    expect(store.hasBlob(descriptor)).toBe(false);
    await store.putBlob(Buffer.from('hello'), 'text/plain');
    expect((await store.readBlob(descriptor, 5)).toString()).toBe('hello');
  });

  it('are adopted from a finished file, which is gone then, also when the blob is there already', async () => {
    const store = await Store.open(root);
    await using temp = await store.tempDir();
    const descriptor = { mediaType: 'text/plain', digest: digestOf('hello'), size: 5 };
    for (const name of ['one', 'two']) {
      const file = join(temp.path, name);
      writeFileSync(file, 'hello');
      await store.adoptBlob(file, descriptor);
      expect(existsSync(file)).toBe(false);
      expect((await store.readBlob(descriptor, 5)).toString()).toBe('hello');
    }
  });

  it('are adopted from another file system', async () => {
    if (!existsSync('/dev/shm') || statSync('/dev/shm').dev === statSync(dir).dev) {
      console.warn('SKIPPED: /dev/shm is not another file system');
      return;
    }
    const store = await Store.open(root);
    const other = mkdtempSync('/dev/shm/tsbuild-store-');
    try {
      writeFileSync(join(other, 'file'), 'hello');
      await store.adoptBlob(join(other, 'file'), { mediaType: 'text/plain', digest: digestOf('hello'), size: 5 });
      expect(readFileSync(store.blobPath(digestOf('hello')), 'utf8')).toBe('hello');
      expect(readdirSync(other)).toEqual([]);
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});

describe('tags', () => {
  it('are index entries with the names that other tools look for', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    await store.tag(manifest, ['docker.io/library/app:1', 'localhost:5000/app:latest']);
    expect(indexJson().manifests.map(({ digest, annotations }) => ({ digest, annotations }))).toEqual([
      {
        digest: manifest.digest,
        annotations: {
          'io.containerd.image.name': 'docker.io/library/app:1',
          'org.opencontainers.image.ref.name': 'docker.io/library/app:1',
        },
      },
      {
        digest: manifest.digest,
        annotations: {
          'io.containerd.image.name': 'localhost:5000/app:latest',
          'org.opencontainers.image.ref.name': 'localhost:5000/app:latest',
        },
      },
    ]);
    expectOciSchema('image-index-schema', indexJson());
    expect(await store.images()).toMatchObject([{ references: ['docker.io/library/app:1', 'localhost:5000/app:latest'] }]);
  });

  it('move to the image that got them last', async () => {
    const store = await Store.open(root);
    const [a, b] = [await putImage(store, 'a'), await putImage(store, 'b')];
    await store.tag(a.manifest, ['example.org/app:1', 'example.org/app:2']);
    await store.tag(b.manifest, ['example.org/app:1']);
    expect((await store.find('example.org/app:1'))?.digest).toBe(b.manifest.digest);
    expect((await store.find('example.org/app:2'))?.digest).toBe(a.manifest.digest);
    expect(await store.find('example.org/app:3')).toBeUndefined();
  });

  it('are found by digest in their repository', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    await store.tag(manifest, ['localhost:5000/app:1']);
    expect(await store.find(`localhost:5000/app@${manifest.digest}`)).toMatchObject({ digest: manifest.digest });
    expect(await store.find(`localhost:5000/app:1@${manifest.digest}`)).toMatchObject({ digest: manifest.digest });
    expect(await store.find(`localhost:5000/other@${manifest.digest}`)).toBeUndefined();
  });

  it('an image without name is kept until it gets one', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    await store.tag(manifest, []);
    await store.tag(manifest, []);
    expect(await store.images()).toEqual([{ descriptor: manifest, references: [] }]);
    await store.tag(manifest, ['example.org/app:1']);
    expect(await store.images()).toMatchObject([{ references: ['example.org/app:1'] }]);
    await store.tag(manifest, []);
    expect(indexJson().manifests).toHaveLength(1);
  });

  it('are removed by name', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    await store.tag(manifest, ['example.org/app:1']);
    expect(await store.untag('example.org/app:2')).toBe(false);
    expect(await store.untag('example.org/app:1')).toBe(true);
    expect(await store.images()).toEqual([]);
  });

  it('entries and fields of other tools stay', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    const foreign = { mediaType: 'application/x', digest: digestOf('x'), size: 1, artifactType: 'application/y' };
    writeFileSync(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [foreign], extra: 1 }));
    await store.tag(manifest, ['example.org/app:1']);
    expect(indexJson()).toMatchObject({ extra: 1, manifests: [foreign, { digest: manifest.digest }] });
  });

  it('by id: the beginning of the manifest or config digest', async () => {
    const store = await Store.open(root);
    const images = [];
    for (let index = 0; index < 20; index++) {
      images.push(await putImage(store, String(index)));
      await store.tag(images[index]!.manifest, [`example.org/app:${index}`]);
    }
    const { manifest, config } = images[7]!;
    for (const id of [manifest.digest, config]) {
      expect((await store.findById(id))?.digest).toBe(manifest.digest);
      expect((await store.findById(id.slice(7, 7 + 20)))?.digest).toBe(manifest.digest);
    }
    expect(await store.findById('zz')).toBeUndefined();
    expect(await store.findById('0'.repeat(40))).toBeUndefined();
    // Forty digests and sixteen first digits: some digit begins two of them.
    const ambiguous = Array.from({ length: 16 }, (_, digit) => digit.toString(16)).map((digit) =>
      store.findById(digit).then(() => 'one', String),
    );
    expect((await Promise.all(ambiguous)).some((outcome) => /is ambiguous: \d+ images begin with it/.test(outcome))).toBe(true);
  });
});

describe('layer directories', () => {
  const diffId = digestOf('a layer');

  it('appear by rename, with what they imply', async () => {
    const store = await Store.open(root);
    await using temp = await store.tempDir();
    mkdirSync(join(temp.path, 'fs/etc'), { recursive: true });
    expect(store.hasLayerDir(diffId)).toBe(false);
    expect(store.findLayerDir(diffId)).toBeUndefined();
    await store.publishLayerDir(join(temp.path, 'fs'), diffId, { implied: ['etc', 'caf\u00c3\u00a9'] });
    expect(store.hasLayerDir(diffId)).toBe(true);
    expect(store.findLayerDir(diffId)).toEqual({ path: store.layerDir(diffId), implied: ['etc', 'caf\u00c3\u00a9'] });
    expect(readdirSync(store.layerDir(diffId))).toEqual(['etc']);
  });

  it('published twice at once is the same as once', async () => {
    const store = await Store.open(root);
    const publish = async (name: string): Promise<void> => {
      await using temp = await store.tempDir();
      mkdirSync(join(temp.path, 'fs', 'same'), { recursive: true });
      expect(await store.publishLayerDir(join(temp.path, 'fs'), diffId, { implied: [] }), name).toMatchObject({ implied: [] });
    };
    await Promise.all(['a', 'b', 'c'].map(publish));
    expect(readdirSync(join(root, 'layers')).toSorted()).toEqual([diffId.slice(7), `${diffId.slice(7)}.json`]);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });
});

describe('garbage', () => {
  it('is what no image refers to', async () => {
    const store = await Store.open(root);
    const [kept, lost] = [await putImage(store, 'kept'), await putImage(store, 'lost')];
    const recorded = await store.putBlob(Buffer.from('in a cache record'), MediaType.ociLayer);
    await store.tag(kept.manifest, ['example.org/kept:1']);
    for (const { diffId } of [kept, lost]) {
      await using temp = await store.tempDir();
      mkdirSync(join(temp.path, 'fs'));
      await store.publishLayerDir(join(temp.path, 'fs'), diffId, { implied: [] });
    }
    writeFileSync(join(root, 'blobs/sha256/.tmp-1-2'), 'of a killed process');
    const report = await store.collectGarbage({ keepBlobs: new Set([recorded.digest]) });
    expect(report).toMatchObject({ blobs: 4, layers: 1 });
    const blobs = [kept.manifest.digest, kept.config, kept.layer, recorded.digest].map((digest) => digest.slice(7));
    expect(readdirSync(join(root, 'blobs/sha256')).toSorted()).toEqual(blobs.toSorted());
    expect(store.hasLayerDir(kept.diffId)).toBe(true);
    expect(store.hasLayerDir(lost.diffId)).toBe(false);
    expect(readdirSync(join(root, 'layers'))).toHaveLength(2);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('stays while a build holds a lease', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    {
      using _one = store.lease();
      using _two = store.lease();
      await expect(store.collectGarbage()).rejects.toMatchObject({ kind: 'environment', message: `"${root}" is in use by a build` });
    }
    expect(store.hasBlob(manifest)).toBe(true);
    expect(await store.collectGarbage()).toMatchObject({ blobs: 3 });
    expect(store.hasBlob(manifest)).toBe(false);
  });
});

describe('temporary directories', () => {
  it('live until disposed', async () => {
    const store = await Store.open(root);
    let path: string;
    {
      await using temp = await store.tempDir();
      ({ path } = temp);
      expect(statSync(path).mode & 0o777).toBe(0o700);
      writeFileSync(join(path, 'file'), '');
      await (
        await Store.open(root)
      ).swept;
      expect(existsSync(join(path, 'file'))).toBe(true);
    }
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('without an owner are swept, whatever their modes', async () => {
    await (
      await Store.open(root)
    ).swept;
    const left = join(root, 'tmp/abandoned');
    mkdirSync(join(left, 'work/work'), { recursive: true });
    writeFileSync(join(left, 'work/work/file'), '');
    chmodSync(join(left, 'work/work'), 0);
    writeFileSync(`${left}.lock`, '');
    mkdirSync(join(root, 'tmp/without-lock'));
    await (
      await Store.open(root)
    ).swept;
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });
});

describe('several processes', () => {
  let programs: string;
  let child: string;

  beforeAll(() => {
    programs = mkdtempSync(join(tmpdir(), 'tsbuild-store-programs-'));
    child = bundleProgram(new URL('./store-child.ts', import.meta.url), programs);
  });
  afterAll(() => rmSync(programs, { recursive: true, force: true }));

  it('twenty that tag at once lose no name', async () => {
    const store = await Store.open(root);
    const { manifest } = await putImage(store, 'a');
    const children = Array.from({ length: 20 }, (_, index) =>
      fork(child, ['tag', root, JSON.stringify(manifest), `example.org/app:${index}`]),
    );
    const codes = await Promise.all(children.map(async (process) => (await once(process, 'exit'))[0] as number));
    expect(codes).toEqual(Array.from({ length: 20 }, () => 0));
    const [image] = await store.images();
    expect(image?.references.toSorted()).toEqual(Array.from({ length: 20 }, (_, index) => `example.org/app:${index}`).toSorted());
    expect(readdirSync(root).filter((name) => name.startsWith('.tmp-'))).toEqual([]);
  });

  it('one that is killed while it writes leaves a store that can be read, and its leftovers are swept', async () => {
    await Store.open(root);
    for (let round = 0; round < 5; round++) {
      const writer = spawn(process.execPath, [child, 'write', root], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(writer.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 30 + round * 37));
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      const store = await Store.open(root);
      for (const { descriptor } of await store.images()) expect(await store.readBlob(descriptor, 10_000)).toHaveLength(descriptor.size);
      await store.swept;
      expect(readdirSync(join(root, 'tmp'))).toEqual([]);
      await store.tag(await store.putBlob(Buffer.from('{}'), 'application/json'), [`example.org/after:${round}`]);
    }
    expect((await (await Store.open(root)).images()).length).toBeGreaterThan(1);
  });
});
