import type { Digest } from '../oci/digest.js';
import type { Descriptor, ImageConfig, Manifest } from '../oci/types.js';

/** gzip is the default of every peer. `zstd` is faster and smaller but not read everywhere; `none` leaves the tar as it is. */
export type Compression = 'gzip' | 'zstd' | 'none';

/** Lowest and highest level of each. */
export const COMPRESSION_LEVELS: Readonly<Record<Compression, readonly [number, number]>> = { gzip: [0, 9], zstd: [1, 22], none: [0, 22] };

/** A finished layer. Its blob lies in the store under `descriptor.digest`. */
export interface Layer {
  /** sha256 of the uncompressed tar. */
  readonly diffId: Digest;
  readonly descriptor: Descriptor;
}

/** A finished image. Its blobs, `manifestBytes` and `configBytes` among them, lie in the store. */
export interface Image {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}
