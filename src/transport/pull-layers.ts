import { BaseLayers } from '../pull/base-layers.js';
import type { ImageConfig, Manifest } from '../oci/types.js';
import { checkLayerCount } from '../oci/validate.js';
import { JobPool } from '../pool.js';
import type { RemoteBlobs } from '../pull/remote-blobs.js';
import type { Store } from '../store/store.js';
import type { TransportSession } from './session.js';

export interface ExtractRequest {
  readonly blobs: RemoteBlobs;
  readonly store: Store;
  readonly session: TransportSession;
}

/** Unpacks the layers of images into the store while they come, all of them side by side, as a build does that needs them. */
export async function extractLayers(
  images: readonly { readonly manifest: Manifest; readonly config: ImageConfig }[],
  { blobs, store, session: { progress, signal } }: ExtractRequest,
): Promise<void> {
  using pool = new JobPool();
  const close = (): void => pool.close(signal.reason as Error);
  signal.addEventListener('abort', close, { once: true });
  try {
    await using layers = new BaseLayers({ store, blobs, pool, warn: (message) => progress.warn(message) });
    const pairs = images.flatMap(({ manifest, config }) => {
      checkLayerCount(manifest, config);
      return manifest.layers.map((descriptor, at) => ({ descriptor, diffId: config.rootfs.diff_ids[at] }));
    });
    const all = pairs.flatMap(({ descriptor, diffId }) => (diffId === undefined ? [] : [layers.extract({ descriptor, diffId })]));
    try {
      await Promise.all(all);
    } catch (error) {
      // The others would go on to their end otherwise, and be waited for.
      blobs.stop();
      pool.close(error as Error);
      throw error;
    }
  } finally {
    signal.removeEventListener('abort', close);
  }
}
