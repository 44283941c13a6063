import { BuildError } from '../base/errors.js';
import { formatPlatform, hostPlatform, matchesPlatform, samePlatform } from '../oci/platform.js';
import type { Descriptor, Platform } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex } from '../oci/validate.js';
import { isIndex } from '../store/import.js';
import { hasBlob, readBlob } from '../store/layout.js';
import type { Image } from './image.js';
import { oneImage, type ImageOrIndex } from './index.js';
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
  const found =
    manifests.find((child) => child.platform !== undefined && samePlatform(child.platform, platform)) ??
    manifests.find((child) => child.platform !== undefined && matchesPlatform(child.platform, platform));
  if (found === undefined) {
    const offered = manifests.flatMap((child) => (child.platform === undefined ? [] : [formatPlatform(child.platform)]));
    throw new BuildError('input', `index ${descriptor.digest} has no image for ${formatPlatform(platform)}`, {
      hint: offered.length === 0 ? 'its images do not say what they are for' : `it has ${offered.join(', ')}`,
    });
  }
  return chooseManifest({ root }, found, platform);
}

/**
 * Manifest and config of an image, verified; of an index, those of the image for `platform`.
 * @throws BuildError `input`
 */
export async function readImage(place: BlobPlace, descriptor: Descriptor, platform: Platform = hostPlatform()): Promise<Image> {
  return readManifestImage(place, await chooseManifest(place, descriptor, platform));
}

/**
 * What a descriptor stands for, verified; of an index the images whose manifests are there.
 * @throws BuildError `input`
 */
export async function readImageOrIndex(place: BlobPlace, descriptor: Descriptor): Promise<ImageOrIndex> {
  if (!isIndex(descriptor)) return oneImage(await readManifestImage(place, descriptor));
  const index = parseIndex(readBlob(place.root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
  // Attestations stand there as images for a platform that nobody has.
  const present = index.manifests.filter((child) => child.platform?.os !== 'unknown' && !isIndex(child) && hasBlob(place.root, child));
  return { descriptor, index, images: await Promise.all(present.map((child) => readManifestImage(place, child))) };
}

/** The image for this machine, or the first when there is none. */
export function imageForHost({ descriptor, images, index }: ImageOrIndex): Image {
  const platforms = new Map(index?.manifests.map(({ digest, platform }) => [digest, platform]));
  const host = hostPlatform();
  const found = images.find((image) => matchesPlatform(platforms.get(image.descriptor.digest) ?? host, host)) ?? images[0];
  if (found === undefined) throw new BuildError('input', `index ${descriptor.digest} has none of its images here`);
  return found;
}
