import { BuildError } from '../../base/errors.js';
import type { Image } from '../../image/image.js';
import type { ImageOrIndex } from '../../image/index.js';
import { imageForHost, readImageOrIndex } from '../../image/read.js';
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

export async function readNamed(store: Store, text: string): Promise<ImageOrIndex> {
  return readImageOrIndex(store, (await findImage(store, text)).descriptor);
}

/** Of an index, the image for this machine, or the first. */
export async function readNamedImage(store: Store, text: string): Promise<Image> {
  return imageForHost(await readNamed(store, text));
}

/** Hex digits of the config's digest, which is what docker calls the image id; an index has its own digest. */
export function imageId({ descriptor, images: [image], index }: ImageOrIndex): string {
  return hexOf(index !== undefined || image === undefined ? descriptor.digest : image.manifest.config.digest);
}

/** Bytes of the blobs of all layers; of those that several images of an index share, once. */
export function layerBytes({ images }: ImageOrIndex): number {
  const [first] = images;
  if (images.length === 1 && first !== undefined) return sumOf(first.layers.map((layer) => layer.descriptor.size));
  const layers = images.flatMap((image) => image.layers);
  return sumOf([...new Map(layers.map(({ descriptor }) => [descriptor.digest, descriptor.size])).values()]);
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

function tryReference(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}
