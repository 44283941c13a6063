import type { Descriptor } from '../oci/types.js';
import type { Image } from '../image/image.js';
import { hexOf } from '../oci/digest.js';
import { parseReference, familiarRepository } from '../oci/reference.js';
import type { Store } from '../store/store.js';
import type { ArchiveInput } from '../tar/archive.js';
import { blobMember, blobName, bytesMember, directoryMember, writeBlobArchive } from './archive.js';
import { encodeDockerManifest } from './docker-types.js';
import { contentOf, familiarNames, newIndex, toIndexEntries } from './entries.js';
import { OCI_LAYOUT, uniqueMembers } from './oci-archive.js';
import type { DockerOutput } from './output.js';

/** One image and its names in an archive: this kind of archive holds no index. */
export interface DockerImage {
  readonly image: Image;
  readonly names: readonly string[];
}

export interface DockerArchiveRequest extends DockerImage {
  readonly store: Store;
  readonly spec: DockerOutput;
}

/** An image as it stands in the archive: the blob of its manifest may be one that the store does not have. */
interface Archived extends DockerImage {
  readonly descriptor: Descriptor;
  readonly manifest: ArchiveInput;
}

/**
 * Writes the archive of `docker save`, which `docker load`, `podman load` and skopeo read: `manifest.json` and `repositories` for old readers, an OCI layout for
 * new ones; all name the same blobs.
 *
 * @returns the descriptor of the manifest in it
 */
export async function writeDockerArchive({ store, image, spec, names }: DockerArchiveRequest): Promise<Descriptor> {
  const archived = toArchived(store, { image, names }, spec.ociMediaTypes ?? false);
  await writeBlobArchive(spec.dest, archiveMembers(store, [archived]));
  return archived.descriptor;
}

/** The same with several images, their manifests as they are. */
export async function saveDockerArchive(store: Store, images: readonly DockerImage[], dest: string): Promise<void> {
  const archived = images.map((named) => toArchived(store, named, true));
  await writeBlobArchive(dest, archiveMembers(store, archived));
}

function toArchived(store: Store, { image, names }: DockerImage, keepMediaTypes: boolean): Archived {
  if (keepMediaTypes) return { image, names, descriptor: image.descriptor, manifest: blobMember(store, image.descriptor) };
  const { descriptor, bytes } = encodeDockerManifest(image.manifest);
  return { image, names, descriptor, manifest: bytesMember(blobName(descriptor.digest), bytes) };
}

function archiveMembers(store: Store, images: readonly Archived[]): ArchiveInput[] {
  const entries = images.flatMap(({ image, descriptor, names }) =>
    toIndexEntries({ descriptor, config: image.config, isIndex: false }, names, undefined),
  );
  const blobs = images.flatMap(({ image, manifest }) => [...contentOf(image).map((blob) => blobMember(store, blob)), manifest]);
  return [
    bytesMember('manifest.json', toJson(images.map(toLegacyManifest))),
    bytesMember('repositories', toJson(toRepositories(images))),
    bytesMember('oci-layout', OCI_LAYOUT),
    bytesMember('index.json', toJson(newIndex(entries))),
    directoryMember('blobs'),
    directoryMember('blobs/sha256'),
    ...uniqueMembers(blobs),
  ];
}

/** docker image spec v1.2, "Combined Image JSON + Filesystem Changeset Format" */
function toLegacyManifest({ image, names }: DockerImage): object {
  return {
    Config: blobName(image.manifest.config.digest),
    RepoTags: familiarNames(names),
    Layers: image.manifest.layers.map((layer) => blobName(layer.digest)),
  };
}

/** `{"app":{"latest":"<hex of the top layer>"}}` */
function toRepositories(images: readonly DockerImage[]): Record<string, Record<string, string>> {
  const repositories = new Map<string, Record<string, string>>();
  for (const { image, names } of images) {
    const top = image.manifest.layers.at(-1);
    if (top === undefined) continue;
    for (const reference of names.map(parseReference)) {
      const repository = familiarRepository(reference);
      repositories.set(repository, { ...repositories.get(repository), [reference.tag ?? 'latest']: hexOf(top.digest) });
    }
  }
  return Object.fromEntries(repositories);
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
