import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType, type Descriptor } from '../../src/oci/types.js';
import { Store } from '../../src/store/store.js';
import { nameWhole } from '../../src/pull/whole-images.js';
import { scratchDir } from '../helpers/cli.js';

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-whole-');
afterAll(removeScratch);

const NAME = 'docker.io/library/app:1';

function put(store: Store, document: unknown, mediaType: string): Promise<Descriptor> {
  return store.putBlob(Buffer.from(JSON.stringify(document)), mediaType);
}

/** An image of one layer, whose blob is not there yet. */
async function putImage(store: Store, layer: string): Promise<Descriptor> {
  const config = await put(store, { of: layer }, MediaType.ociConfig);
  const layers = [{ mediaType: MediaType.ociLayer, digest: digestOf(layer), size: layer.length }];
  return put(store, { schemaVersion: 2, config, layers }, MediaType.ociManifest);
}

it('an image gets its name when nothing of it is missing, an index when that holds for all of its images that are there', async () => {
  const store = await Store.open(join(scratch, 'store'));
  const [one, two] = [await putImage(store, 'one'), await putImage(store, 'two')];
  const absent = { mediaType: MediaType.ociManifest, digest: digestOf('absent'), size: 6 };
  const index = await put(store, { schemaVersion: 2, manifests: [one, two, absent] }, MediaType.ociIndex);
  const named = async (descriptor: Descriptor): Promise<string | undefined> => {
    await nameWhole(store, { descriptor, name: NAME });
    return (await store.find(NAME))?.digest;
  };
  expect(await named(one)).toBeUndefined();
  await store.putBlob(Buffer.from('one'), MediaType.ociLayer);
  expect(await named(index)).toBeUndefined();
  expect(await named(one)).toBe(one.digest);
  await store.putBlob(Buffer.from('two'), MediaType.ociLayer);
  expect(await named(index)).toBe(index.digest);
  expect(await named(index)).toBe(index.digest);
  expect((await store.images()).flatMap(({ references }) => references)).toEqual([NAME]);
  const none = await put(store, { schemaVersion: 2, manifests: [absent] }, MediaType.ociIndex);
  expect(await named(none)).toBe(index.digest);
});
