import { digestOf } from '../oci/digest.js';
import { MediaType, type Descriptor, type Manifest } from '../oci/types.js';

const DOCKER_TYPES: Readonly<Record<string, string>> = {
  [MediaType.ociConfig]: MediaType.dockerConfig,
  [MediaType.ociLayer]: MediaType.dockerLayer,
  [MediaType.ociLayerGzip]: MediaType.dockerLayerGzip,
  [MediaType.ociLayerZstd]: MediaType.dockerLayerZstd,
};

/** A manifest, and what refers to it. */
interface Encoded {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** The same image in docker's words (image manifest version 2, schema 2): its blobs are the same. */
export function encodeDockerManifest(manifest: Manifest): Encoded {
  const converted: Manifest = {
    ...manifest,
    mediaType: MediaType.dockerManifest,
    config: toDocker(manifest.config),
    layers: manifest.layers.map(toDocker),
  };
  const bytes = Buffer.from(JSON.stringify(converted));
  return { bytes, descriptor: { mediaType: MediaType.dockerManifest, digest: digestOf(bytes), size: bytes.length } };
}

function toDocker(descriptor: Descriptor): Descriptor {
  return { ...descriptor, mediaType: DOCKER_TYPES[descriptor.mediaType] ?? descriptor.mediaType };
}
