import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadImages } from '../../src/image/load.js';
import { assembleIndex, type ImageOrIndex, type PlatformImage } from '../../src/image/index.js';
import { chooseManifest, imageForHost, readImage, readImageOrIndex } from '../../src/image/read.js';
import { hostPlatform, parsePlatform } from '../../src/oci/platform.js';
import { MediaType, type Descriptor, type ImageIndex } from '../../src/oci/types.js';
import { writeOciLayout } from '../../src/output/oci-layout.js';
import { Store } from '../../src/store/store.js';
import { scratchDir } from '../helpers/cli.js';
import { expectOciSchema } from '../helpers/oci-schema.js';
import { storeImage } from '../helpers/stored-image.js';

const FOREIGN = 'linux/riscv64';

let scratch: ReturnType<typeof scratchDir>;
let store: Store;
beforeEach(async () => {
  scratch = scratchDir('tsbuild-index-');
  store = await Store.open(`${scratch.path}/store`);
});
afterEach(() => scratch[Symbol.dispose]());

/** An index of images that differ in a file. */
async function storeIndex(...platforms: readonly string[]): Promise<ImageOrIndex> {
  const images: PlatformImage[] = [];
  for (const text of platforms)
    images.push({ platform: parsePlatform(text), image: await storeImage(store, { layers: [{ file: text }] }) });
  const { made, indexBytes } = assembleIndex(images);
  await store.putBlob(indexBytes, made.descriptor.mediaType);
  return made;
}

describe('an index', () => {
  test('has a manifest for each platform, in their order, and is the same each time', async () => {
    const made = await storeIndex('linux/arm/v6', FOREIGN, 'linux/amd64');
    expectOciSchema('image-index-schema', made.index);
    expect(made.index?.manifests).toEqual([
      { ...manifestOf(made, 0), platform: { architecture: 'arm', os: 'linux', variant: 'v6' } },
      { ...manifestOf(made, 1), platform: { architecture: 'riscv64', os: 'linux' } },
      { ...manifestOf(made, 2), platform: { architecture: 'amd64', os: 'linux' } },
    ]);
    expect((await storeIndex('linux/arm/v6', FOREIGN, 'linux/amd64')).descriptor).toEqual(made.descriptor);
  });

  test('gives the image of a platform: the same, or else one that runs there', async () => {
    const made = await storeIndex('linux/amd64', 'linux/amd64/v3', 'linux/arm/v5');
    const choose = async (text: string): Promise<unknown> => (await chooseManifest(store, made.descriptor, parsePlatform(text))).digest;
    expect(await choose('linux/amd64')).toBe(made.images[0]?.descriptor.digest);
    expect(await choose('linux/amd64/v3')).toBe(made.images[1]?.descriptor.digest);
    expect(await choose('linux/amd64/v2')).toBe(made.images[0]?.descriptor.digest);
    expect(await choose('linux/arm')).toBe(made.images[2]?.descriptor.digest);
    await expect(choose('linux/arm64')).rejects.toThrow(`index ${made.descriptor.digest} has no image for linux/arm64`);
    expect((await readImage(store, made.descriptor, parsePlatform('linux/arm'))).descriptor).toEqual(made.index?.manifests[2]);
  });

  test('is read with the images that are there, attestations left out', async () => {
    const made = await storeIndex(FOREIGN, 'linux/386');
    const absent: Descriptor = {
      ...manifestOf(made, 0),
      digest: `sha256:${'0'.repeat(64)}` as Descriptor['digest'],
      platform: hostPlatform(),
    };
    const attestation = { ...manifestOf(made, 0), platform: { os: 'unknown', architecture: 'unknown' } };
    const index: ImageIndex = {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: [absent, attestation, ...(made.index?.manifests ?? [])],
    };
    const descriptor = await store.putBlob(Buffer.from(JSON.stringify(index)), MediaType.ociIndex);
    const read = await readImageOrIndex(store, descriptor);
    expect(read.index).toEqual(index);
    expect(read.images.map((image) => image.descriptor.digest)).toEqual(made.images.map((image) => image.descriptor.digest));
    expect(imageForHost(read)).toBe(read.images[0]);
    expect(() => imageForHost({ ...read, images: [] })).toThrow('has none of its images here');
  });

  test('of other machines alone can be loaded', async () => {
    const made = await storeIndex(FOREIGN);
    const dest = `${scratch.path}/layout`;
    await writeOciLayout({ store, image: made, names: ['app:1'], spec: { type: 'oci', dest, tar: false, names: [], annotations: {} } });
    const other = await Store.open(`${scratch.path}/other`);
    const loaded = await loadImages(other, dest, []);
    expect(loaded).toEqual([{ descriptor: made.descriptor, names: ['docker.io/library/app:1'] }]);
    expect((await readImageOrIndex(other, made.descriptor)).images).toHaveLength(1);
  });
});

function manifestOf({ images }: ImageOrIndex, position: number): Descriptor {
  const image = images[position];
  if (image === undefined) throw new Error('there is no such image');
  return image.descriptor;
}
