import type { ImageOrIndex } from '../image/index.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import { MAX_MANIFEST_BYTES } from '../oci/validate.js';
import type { Store } from '../store/store.js';
import { encodeDockerManifest } from './docker-types.js';
import { contentOf, encodeIndexOf, toManifests, type OutputBlob } from './entries.js';
import type { RegistryOutput } from './output.js';

/** What a registry gets of an image or index. */
export interface RegistryContent {
  readonly descriptor: Descriptor;
  /** Children before parents, the root last. */
  readonly manifests: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
  /** Configs and layers, each once. */
  readonly blobs: readonly Descriptor[];
}

export interface RegistryContentRequest {
  readonly store: Store;
  readonly image: ImageOrIndex;
  readonly spec: Pick<RegistryOutput, 'annotations' | 'dockerMediaTypes'>;
  readonly warn: (message: string) => void;
}

/** Manifests as the output wants them: with its annotations, or with docker's media types where those can say what there is. */
export async function toRegistryContent({ store, image, spec, warn }: RegistryContentRequest): Promise<RegistryContent> {
  const obstacle = spec.dockerMediaTypes === true ? dockerObstacle(image, spec) : undefined;
  if (obstacle !== undefined) warn(`pushed with OCI media types: docker's have none for ${obstacle}`);
  const made = spec.dockerMediaTypes === true && obstacle === undefined ? toDockerManifests(image) : toManifests(image, spec.annotations);
  const manifests = new Map<string, RegistryContent['manifests'][number]>();
  for (const { descriptor, bytes } of made) {
    manifests.set(descriptor.digest, { descriptor, bytes: bytes ?? (await store.readBlob(descriptor, MAX_MANIFEST_BYTES)) });
  }
  const blobs = new Map(image.images.flatMap(contentOf).map((blob) => [blob.digest, blob]));
  return { descriptor: made.at(-1)?.descriptor ?? image.descriptor, manifests: [...manifests.values()], blobs: [...blobs.values()] };
}

/** What docker's manifests cannot say. BuildKit keeps to OCI's media types in these cases, and says so as well. */
function dockerObstacle({ images }: ImageOrIndex, { annotations }: RegistryContentRequest['spec']): string | undefined {
  if (images.some(({ manifest }) => manifest.layers.some(({ mediaType }) => mediaType === MediaType.ociLayerZstd))) return 'zstd layers';
  const isAnnotated = images.some(({ manifest }) => Object.keys(manifest.annotations ?? {}).length > 0);
  return isAnnotated || Object.keys(annotations).length > 0 ? 'annotations' : undefined;
}

function toDockerManifests({ images, index }: ImageOrIndex): readonly OutputBlob[] {
  const manifests = images.map(({ manifest }) => encodeDockerManifest(manifest));
  return index === undefined ? manifests : [...manifests, encodeIndexOf({ ...index, mediaType: MediaType.dockerIndex }, images, manifests)];
}
