import { BuildError } from '../base/errors.js';
import { hexOf } from '../oci/digest.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseManifest } from '../oci/validate.js';
import { hasBlob, readBlob } from './layout.js';

/**
 * The image whose manifest or config digest begins with the given hex digits (`sha256:` in front is allowed).
 * @throws BuildError `input` when several do
 */
export async function findByHexPrefix(dir: string, images: readonly Descriptor[], hexPrefix: string): Promise<Descriptor | undefined> {
  const prefix = hexPrefix.replace(/^sha256:/, '').toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(prefix)) return undefined;
  const found = new Map<string, Descriptor>();
  for (const image of images) {
    if (found.has(image.digest)) continue;
    if (hexOf(image.digest).startsWith(prefix) || (await configHexOf(dir, image))?.startsWith(prefix)) found.set(image.digest, image);
  }
  if (found.size > 1) {
    throw new BuildError('input', `image id "${hexPrefix}" is ambiguous: ${found.size} images begin with it`, { hint: 'give more digits' });
  }
  return [...found.values()][0];
}

async function configHexOf(dir: string, image: Descriptor): Promise<string | undefined> {
  const isManifest = image.mediaType === MediaType.ociManifest || image.mediaType === MediaType.dockerManifest;
  if (!isManifest || !hasBlob(dir, image)) return undefined;
  const manifest = parseManifest(readBlob(dir, image, { maxBytes: MAX_MANIFEST_BYTES }));
  return hexOf(manifest.config.digest);
}
