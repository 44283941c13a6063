import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { chooseChild, readGraph, rootFor, type ManifestBytes, type ManifestSource } from '../../src/image/graph.js';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { MediaType, type Descriptor, type Platform } from '../../src/oci/types.js';

/** Documents by their digests, and what was read of them. */
class Documents {
  readonly #bytes = new Map<Digest, Buffer>();
  readonly read: string[] = [];

  put(mediaType: string, document: unknown): Descriptor {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOf(bytes);
    this.#bytes.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  image(platform: Platform, layers: readonly Descriptor[] = []): Descriptor {
    const config = this.put(MediaType.ociConfig, { ...platform, rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } });
    return { ...this.put(MediaType.ociManifest, { schemaVersion: 2, config, layers }), platform };
  }

  index(...manifests: readonly Descriptor[]): Descriptor {
    return this.put(MediaType.ociIndex, { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests, annotations: { made: 'by hand' } });
  }

  source(root: Descriptor): ManifestSource {
    return {
      name: 'app:1',
      root: { descriptor: root, bytes: this.#get(root) },
      readManifest: (descriptor) => {
        this.read.push(descriptor.digest);
        return Promise.resolve(this.#get(descriptor));
      },
      readBlob: (descriptor) => Promise.resolve(this.#get(descriptor)),
    };
  }

  #get({ digest }: Descriptor): Buffer {
    const bytes = this.#bytes.get(digest);
    if (bytes === undefined) throw new Error(`no ${digest}`);
    return bytes;
  }
}

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };
const ARM_V6 = { os: 'linux', architecture: 'arm', variant: 'v6' };
const NOBODY = { os: 'unknown', architecture: 'unknown' };
const layer = (text: string, mediaType: string = MediaType.ociLayerGzip): Descriptor => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
});
const digests = (list: readonly (Descriptor | ManifestBytes)[]): Digest[] =>
  list.map((each) => ('bytes' in each ? each.descriptor.digest : each.digest));

describe('the graph of an image', () => {
  it('has every manifest and blob once, children first', async () => {
    const documents = new Documents();
    const one = documents.image(AMD64, [layer('a'), layer('b'), layer('a')]);
    const two = documents.image(ARM64, [layer('a'), layer('c')]);
    const about = documents.image(NOBODY);
    const inner = documents.index(two, about);
    const root = documents.index(one, inner, one);
    const graph = await readGraph(documents.source(root));
    expect(digests(graph.manifests)).toEqual(digests([one, two, about, inner, root]));
    expect(graph.images.map(({ descriptor }) => descriptor.digest)).toEqual(digests([one, two, about]));
    expect(new Set(digests(graph.blobs)).size).toBe(graph.blobs.length);
    expect(digests(graph.blobs)).toEqual(expect.arrayContaining(digests([layer('a'), layer('b'), layer('c')])));
    expect(graph.root).toBe(root);
  });

  it('leaves out what registries do not have', async () => {
    const documents = new Documents();
    const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
    const root = documents.image(AMD64, [
      layer('w', foreign),
      layer('x', 'application/vnd.oci.image.layer.nondistributable.v1.tar'),
      layer('y'),
    ]);
    const graph = await readGraph(documents.source(root));
    expect(digests(graph.blobs).slice(1)).toEqual(digests([layer('y')]));
  });

  it('ends where indexes lie in one another too often', async () => {
    const documents = new Documents();
    let root = documents.image(AMD64);
    for (let depth = 0; depth < 10; depth++) root = { ...documents.index(root), platform: AMD64 };
    await expect(readGraph(documents.source(root))).rejects.toThrow(/at most 5/);
    await expect(readGraph(documents.source(root), [AMD64])).rejects.toThrow(/at most 5/);
  });

  it('refuses a manifest that is none', async () => {
    const documents = new Documents();
    const root = documents.index(documents.put(MediaType.ociManifest, { schemaVersion: 2, manifests: [] }));
    await expect(readGraph(documents.source(root))).rejects.toBeInstanceOf(BuildError);
  });
});

describe('the graph for some platforms', () => {
  const documents = new Documents();
  const one = documents.image(AMD64, [layer('a')]);
  const two = documents.image(ARM64, [layer('b')]);
  const about = { ...documents.image(NOBODY), annotations: { 'vnd.docker.reference.digest': one.digest } };
  const root = documents.index({ ...one, annotations: { of: 'the index' } }, two, about);

  it('is the one image, without what the index says of it', async () => {
    const { root: chosen, manifests } = await readGraph(documents.source(root), [AMD64]);
    expect(chosen).toEqual(one);
    expect(manifests).toHaveLength(1);
  });

  it('is an index of several, in the order of the whole one, its annotations kept', async () => {
    const graph = await readGraph(documents.source(root), [ARM64, AMD64]);
    expect(digests(graph.manifests)).toEqual([one.digest, two.digest, graph.root.digest]);
    const index = JSON.parse(graph.manifests.at(-1)?.bytes.toString() ?? '') as object;
    expect(index).toMatchObject({
      manifests: [{ digest: one.digest, annotations: { of: 'the index' } }, { digest: two.digest }],
      annotations: { made: 'by hand' },
    });
  });

  it('is the index itself when it has no others', async () => {
    const whole = documents.index(one, two);
    expect((await readGraph(documents.source(whole), [ARM64, AMD64])).root).toBe(whole);
  });

  it('does not read the images of other platforms', async () => {
    documents.read.length = 0;
    await readGraph(documents.source(root), [ARM64]);
    expect(documents.read).toEqual([two.digest]);
  });

  it('is found through an index in an index', async () => {
    const inner = { ...documents.index(two), platform: ARM64 };
    expect((await rootFor(documents.source(documents.index(one, inner)), [ARM64])).descriptor.digest).toBe(two.digest);
  });

  it('is a single image, if it is for that platform', async () => {
    expect((await readGraph(documents.source(one), [AMD64])).root).toBe(one);
    await expect(readGraph(documents.source(one), [ARM64])).rejects.toMatchObject({
      kind: 'registry',
      message: '"app:1" is for linux/amd64, want linux/arm64',
    });
  });

  it('takes an older variant, and tells what there is when there is none', () => {
    const entries = { schemaVersion: 2 as const, manifests: [{ ...one, platform: ARM_V6 }, about] };
    expect(chooseChild(entries, { os: 'linux', architecture: 'arm', variant: 'v7' }, 'app').platform).toEqual(ARM_V6);
    expect(() => chooseChild(entries, AMD64, 'app')).toThrow(
      expect.objectContaining({
        message: '"app" has no image for linux/amd64',
        hint: expect.stringMatching(/^there is linux\/arm\/v6:/) as string,
      }) as Error,
    );
    expect(() => chooseChild({ ...entries, manifests: [] }, AMD64, 'app')).toThrow(
      expect.objectContaining({ hint: 'its images do not say what they are for' }) as Error,
    );
  });
});
