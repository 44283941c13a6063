import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findLenders } from '../../src/transport/layer-lenders.js';
import type { Descriptor } from '../../src/oci/types.js';
import { MediaType } from '../../src/oci/types.js';
import { Store } from '../../src/store/store.js';
import { scratchDir } from '../helpers/cli.js';
import { storeImage } from '../helpers/stored-image.js';

const DOMAINS = new Set(['one.example', 'two.example']);

async function lendersOf(store: Store, { digest }: Descriptor): Promise<string[]> {
  return ((await findLenders(store, DOMAINS)).get(digest) ?? []).map(({ domain, path }) => `${domain}/${path}`);
}

describe('repositories that lend layers', () => {
  it('are those of the registries asked for, each once, few', async () => {
    using scratch = scratchDir();
    const store = await Store.open(scratch.path);
    const image = await storeImage(store, { layers: [{ a: 'a' }, { b: 'b' }] });
    const other = await storeImage(store, { layers: [{ a: 'a' }] });
    const [first, second] = image.manifest.layers as [Descriptor, Descriptor];
    await store.tag(image.descriptor, ['one.example/app:1', 'one.example/app:2', 'three.example/app:1', 'two.example/app:1']);
    await store.tag(other.descriptor, ['one.example/other:1', 'one.example/more:1']);
    expect(await lendersOf(store, second)).toEqual(['one.example/app', 'two.example/app']);
    expect(await lendersOf(store, first)).toEqual(['one.example/app', 'two.example/app', 'one.example/other']);
    expect(await lendersOf(store, image.manifest.config)).toEqual([]);
  });

  it('are told by what is there of an index, whatever else is damaged', async () => {
    using scratch = scratchDir();
    const store = await Store.open(scratch.path);
    const image = await storeImage(store, { layers: [{ a: 'a' }] });
    const damaged = await storeImage(store, { layers: [{ b: 'b' }] });
    const gone = { ...image.descriptor, digest: `sha256:${'0'.repeat(64)}` };
    const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [gone, image.descriptor] };
    await store.tag(await store.putBlob(Buffer.from(JSON.stringify(index)), MediaType.ociIndex), ['one.example/index:1']);
    await store.tag(damaged.descriptor, ['one.example/damaged:1']);
    writeFileSync(join(scratch.path, 'blobs', damaged.descriptor.digest.replace(':', '/')), '{'.repeat(damaged.descriptor.size));
    expect(await lendersOf(store, image.manifest.layers[0] as Descriptor)).toEqual(['one.example/index']);
  });
});
