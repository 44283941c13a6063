import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleImage } from '../../src/image/assemble.js';
import type { Compression, Image } from '../../src/image/image.js';
import { writeLayer } from '../../src/image/layer.js';
import { validateImage } from '../../src/image/validate.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import { findProgram } from '../../src/os/process.js';
import { Store } from '../../src/store/store.js';
import { fileEntry, sampleBytes } from './entries.js';

let dir: string;
let store: Store;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-validate-'));
  store = await Store.open(join(dir, 'store'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function buildImage(compression: Compression, change: (image: Image) => object = (image) => image.config): Promise<Image> {
  await using temp = await store.tempDir();
  const written = await writeLayer([fileEntry('f', sampleBytes(1_500_000, 1))], { tempFile: join(temp.path, 'blob'), compression });
  const descriptor = { mediaType: written.mediaType, digest: written.digest, size: written.sizeBytes };
  await store.adoptBlob(join(temp.path, 'blob'), descriptor);
  const { image } = assembleImage({
    baseLayers: [],
    layers: [{ diffId: written.diffId, descriptor }],
    history: [{ created_by: 'test' }],
    config: {},
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const config = await store.putBlob(Buffer.from(JSON.stringify(change(image))), MediaType.ociConfig);
  const manifest = await store.putBlob(Buffer.from(JSON.stringify({ ...image.manifest, config })), MediaType.ociManifest);
  return { ...image, descriptor: manifest };
}

describe('validateImage', () => {
  it.each(['gzip', 'zstd', 'none'] as const)('a sound image, %s', async (compression) => {
    if (compression === 'zstd' && findProgram('zstd') === undefined) {
      console.warn('SKIPPED: no program zstd');
      return;
    }
    const image = await buildImage(compression);
    expect(await validateImage(store, image.descriptor)).toMatchObject({ layers: image.layers, config: image.config });
  });

  it('a layer with a flipped bit', async () => {
    const image = await buildImage('gzip');
    const [layer] = image.layers;
    const path = store.blobPath(layer!.descriptor.digest);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
    const failed = validateImage(store, image.descriptor);
    await expect(failed).rejects.toThrow(
      `got ${digestOf(bytes)} with ${bytes.length} bytes, want ${layer!.descriptor.digest} with ${bytes.length} bytes`,
    );
  });

  it('a diffId that is another', async () => {
    const wrong = digestOf('another tar');
    const image = await buildImage('gzip', ({ config }) => ({ ...config, rootfs: { type: 'layers', diff_ids: [wrong] } }));
    const failed = validateImage(store, image.descriptor);
    await expect(failed).rejects.toThrow(`got diffId ${image.layers[0]!.diffId}, want ${wrong}`);
  });

  it('more diffIds than layers', async () => {
    const image = await buildImage('gzip', ({ config }) => {
      const [diffId] = config.rootfs.diff_ids;
      return { ...config, rootfs: { type: 'layers', diff_ids: [diffId, diffId] } };
    });
    await expect(validateImage(store, image.descriptor)).rejects.toThrow('has 2 diff_ids, its manifest 1 layers');
  });

  it('a history that does not match', async () => {
    const image = await buildImage('gzip', ({ config }) => ({ ...config, history: [{ empty_layer: true, created_by: 'x' }] }));
    await expect(validateImage(store, image.descriptor)).rejects.toThrow('history has 0 rows with a layer, want 1');
  });

  it('a missing config', async () => {
    const image = await buildImage('gzip');
    const { manifest } = await validateImage(store, image.descriptor);
    rmSync(store.blobPath(manifest.config.digest));
    await expect(validateImage(store, image.descriptor)).rejects.toThrow(`blob ${manifest.config.digest} is missing`);
  });
});
