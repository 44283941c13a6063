import { BuildError } from '../../base/errors.js';
import { readImage } from '../../image/read.js';
import type { Image } from '../../image/image.js';
import { hexOf } from '../../oci/digest.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import type { Descriptor } from '../../oci/types.js';
import { defaultRoot } from '../../store/root.js';
import { Store } from '../../store/store.js';

export const SHORT_ID_DIGITS = 12;

/** @param root value of `--root` */
export function openStore(root: string | undefined): Promise<Store> {
  return Store.open(root ?? defaultRoot());
}

/** What a name or an id of the command line stands for. */
export interface FoundImage {
  readonly descriptor: Descriptor;
  /** The full name, when it was found by that. */
  readonly reference?: string;
}

/**
 * A name, or the first digits of an image id or manifest digest.
 * @throws BuildError `input` when there is none, `usage` when the text is neither
 */
export async function findImage(store: Store, text: string): Promise<FoundImage> {
  const reference = tryReference(text);
  const named = reference === undefined ? undefined : await store.find(reference);
  if (named !== undefined && reference !== undefined) return { descriptor: named, reference };
  const byId = await store.findById(text);
  if (byId !== undefined) return { descriptor: byId };
  if (reference === undefined && !/^(?:sha256:)?[0-9a-f]+$/.test(text)) parseReference(text);
  throw new BuildError('input', `no image "${text}" in the store`, { hint: '"tsbuild images" lists what is there' });
}

export async function readNamed(store: Store, text: string): Promise<Image> {
  return readImage(store, (await findImage(store, text)).descriptor);
}

/** Hex digits of the config's digest, which is what docker calls the image id. */
export function imageId(image: Image): string {
  return hexOf(image.manifest.config.digest);
}

/** Bytes of the blobs of all layers. */
export function layerBytes(image: Image): number {
  return image.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
}

function tryReference(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}
