import { digestOf } from '../oci/digest.js';
import { MediaType, type Descriptor, type ImageIndex, type Platform } from '../oci/types.js';
import type { Image } from './image.js';

/** What a name leads to: an image, or an index of images for several platforms. */
export interface ImageOrIndex {
  /** Of the manifest, or of the index. */
  readonly descriptor: Descriptor;
  /** The one image, or those of the index that are there, in its order. */
  readonly images: readonly Image[];
  readonly index?: ImageIndex;
}

export interface PlatformImage {
  readonly platform: Platform;
  readonly image: Image;
}

export function oneImage(image: Image): ImageOrIndex {
  return { descriptor: image.descriptor, images: [image] };
}

/** An index with one manifest for each platform, in their order. The same images make the same bytes. */
export function assembleIndex(images: readonly PlatformImage[]): { readonly made: ImageOrIndex; readonly indexBytes: Buffer } {
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: images.map(({ platform, image: { descriptor } }) => toEntry(descriptor, platform)),
  };
  const { descriptor, bytes } = encodeIndex(index);
  return { made: { descriptor, images: images.map(({ image }) => image), index }, indexBytes: bytes };
}

/** The bytes of an index, and what refers to them. */
export function encodeIndex(index: ImageIndex): { readonly descriptor: Descriptor; readonly bytes: Buffer } {
  const bytes = Buffer.from(JSON.stringify(index));
  return { bytes, descriptor: { mediaType: index.mediaType ?? MediaType.ociIndex, digest: digestOf(bytes), size: bytes.length } };
}

/** Fields in the order of the image-spec, image-index.md. */
function toEntry({ mediaType, digest, size }: Descriptor, platform: Platform): Descriptor {
  const { os, architecture, variant, 'os.version': version } = platform;
  return {
    mediaType,
    digest,
    size,
    platform: {
      architecture,
      os,
      ...(version === undefined ? {} : { 'os.version': version }),
      ...(variant === undefined ? {} : { variant }),
    },
  };
}
