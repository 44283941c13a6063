import { BuildError } from '../base/errors.js';
import { formatPlatform, hostPlatform, matchesPlatform } from '../oci/platform.js';
import type { Descriptor, Platform } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex } from '../oci/validate.js';
import { isIndex } from '../store/import.js';
import { readBlob } from '../store/layout.js';
import type { Image } from './image.js';
import { readImage as readManifestImage, type BlobPlace } from './validate.js';

/**
 * The manifest that a descriptor stands for: itself, or the one of an index that is for `platform`.
 * @throws BuildError `input` when the index has none
 */
export async function chooseManifest(
  { root }: BlobPlace,
  descriptor: Descriptor,
  platform: Platform = hostPlatform(),
): Promise<Descriptor> {
  if (!isIndex(descriptor)) return descriptor;
  const { manifests } = parseIndex(readBlob(root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
  const found = manifests.find((child) => child.platform !== undefined && matchesPlatform(child.platform, platform));
  if (found === undefined) throw new BuildError('input', `index ${descriptor.digest} has no image for ${formatPlatform(platform)}`);
  return chooseManifest({ root }, found, platform);
}

/**
 * Manifest and config of an image, verified; of an index, those of the image for `platform`.
 * @throws BuildError `input`
 */
export async function readImage(place: BlobPlace, descriptor: Descriptor, platform: Platform = hostPlatform()): Promise<Image> {
  return readManifestImage(place, await chooseManifest(place, descriptor, platform));
}
