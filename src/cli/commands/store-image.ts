import { findImage } from '../../image/find.js';
import type { Image } from '../../image/image.js';
import type { ImageOrIndex } from '../../image/index.js';
import { imageForHost, readImageOrIndex } from '../../image/read.js';
import { hexOf } from '../../oci/digest.js';
import { defaultRoot } from '../../store/root.js';
import { Store } from '../../store/store.js';

export const SHORT_ID_DIGITS = 12;

/** @param root value of `--root` */
export function openStore(root: string | undefined): Promise<Store> {
  return Store.open(root ?? defaultRoot());
}

async function readNamed(store: Store, text: string): Promise<ImageOrIndex> {
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
