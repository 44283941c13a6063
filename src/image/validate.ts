import { createHash } from 'node:crypto';
import { BuildError } from '../base/errors.js';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { MediaType, type Descriptor, type HistoryEntry, type ImageConfig } from '../oci/types.js';
import { checkLayerCount, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseImageConfig, parseManifest } from '../oci/validate.js';
import { readBlob, verifyBlob, blobPath } from '../store/layout.js';
import { openDecompressed } from '../tar/decompress.js';
import type { Image, Layer } from './image.js';

const LAYER_TYPES: ReadonlySet<string> = new Set([
  MediaType.ociLayer,
  MediaType.ociLayerGzip,
  MediaType.ociLayerZstd,
  MediaType.dockerLayer,
  MediaType.dockerLayerGzip,
  MediaType.dockerLayerZstd,
]);

/** Where the blobs lie: a store, or any layout directory as `{ root: dir }`. */
export interface BlobPlace {
  readonly root: string;
}

/**
 * Reads an image through, all of it: every blob has the size and digest that its descriptor names, every layer unpacks to its diffId, config
 * and manifest agree on the number of layers, and so does the history where there is one.
 * @throws BuildError `input` naming the first thing that does not hold
 */
export async function validateImage({ root }: BlobPlace, descriptor: Descriptor): Promise<Image> {
  const image = await readImage({ root }, descriptor);
  checkHistory(image.manifest.config.digest, image.config);
  for (const [index, layer] of image.layers.entries()) {
    if (!LAYER_TYPES.has(layer.descriptor.mediaType)) {
      throw new BuildError(
        'input',
        `manifest ${descriptor.digest}: layers[${index}].mediaType: "${layer.descriptor.mediaType}" is no layer`,
      );
    }
    await verifyLayer(blobPath(root, layer.descriptor.digest), layer);
  }
  return image;
}

/**
 * Manifest and config of an image, verified; its layers are not looked at.
 * @throws BuildError `input`
 */
export async function readImage({ root }: BlobPlace, descriptor: Descriptor): Promise<Image> {
  const manifest = parseManifest(readBlob(root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
  const config = parseImageConfig(readBlob(root, manifest.config, { maxBytes: MAX_CONFIG_BYTES }));
  checkLayerCount(manifest, config);
  const layers = config.rootfs.diff_ids.flatMap((diffId, index) => {
    const layer = manifest.layers[index];
    return layer === undefined ? [] : [{ diffId, descriptor: layer }];
  });
  return { descriptor, manifest, config, layers };
}

/** @throws BuildError `input` when the blob is damaged or holds another tar than its diffId says */
async function verifyLayer(path: string, layer: Layer): Promise<void> {
  await verifyBlob(path, layer.descriptor);
  const hash = createHash('sha256');
  for await (const chunk of openDecompressed(path)) hash.update(chunk);
  const got = digestFromHex(hash.digest('hex'));
  if (got !== layer.diffId) {
    throw new BuildError('input', `layer ${layer.descriptor.digest} unpacks to another tar: got diffId ${got}, want ${layer.diffId}`);
  }
}

function checkHistory(digest: Digest, { history, rootfs }: ImageConfig): void {
  if (history === undefined || history.length === 0) return;
  const rows = history.filter((row: HistoryEntry) => row.empty_layer !== true).length;
  if (rows !== rootfs.diff_ids.length) {
    throw new BuildError('input', `config ${digest}: history has ${rows} rows with a layer, want ${rootfs.diff_ids.length}`);
  }
}
