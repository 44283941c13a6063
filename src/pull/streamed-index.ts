import { BuildError } from '../base/errors.js';
import { isLieOfMirror } from './begin-anew.js';
import type { Layer } from '../image/image.js';
import { keepLayerIndex } from './kept-indexes.js';
import { readLayerStream } from './layer-blobs.js';
import type { BlobOrigin, RemoteBlobs } from './remote-blobs.js';
import { readLayerIndex } from '../snapshot/layer-index.js';
import type { LayerIndex } from '../snapshot/root-view.js';

export interface StreamedIndexRequest {
  readonly blobs: RemoteBlobs;
  readonly origin: BlobOrigin;
  /** Where the index is left for later builds. */
  readonly keptAt: string;
}

/**
 * Reads a layer that nobody wants in the store through once, for what can be looked up in it. It is read in this thread: decompressing, which is
 * most of the work, is done in others anyway.
 * @throws BuildError what the download throws, `input` when what it brings is no layer
 */
export async function streamIndex(layer: Layer, { blobs, origin, keptAt }: StreamedIndexRequest): Promise<LayerIndex> {
  const { descriptor, diffId } = layer;
  const read = (): AsyncIterable<Buffer> =>
    readLayerStream(blobs.open(descriptor), { digest: descriptor.digest, diffId }, origin.reference);
  const make = async (): Promise<LayerIndex> => {
    const index = await readLayerIndex(read, `layer ${descriptor.digest}`);
    keepLayerIndex(keptAt, index);
    return index;
  };
  try {
    return await make();
  } catch (error) {
    // The bytes may not have been those that the digest says: only their end tells.
    if (!isLieOfMirror(error) && !(error instanceof BuildError && error.kind === 'input')) throw error;
    await blobs.bring(descriptor);
    return make();
  }
}
