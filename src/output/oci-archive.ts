import type { Image } from '../image/image.js';
import { digestOf } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';
import type { Store } from '../store/store.js';
import type { ArchiveInput } from '../tar/archive.js';
import { blobMember, blobName, bytesMember, directoryMember, writeBlobArchive } from './archive.js';
import { annotate, contentOf, newIndex, toIndexEntries } from './entries.js';
import type { ImageOutputRequest } from './oci-layout.js';
import type { OciOutput } from './output.js';

/** image-spec, image-layout.md#oci-layout-file */
export const OCI_LAYOUT = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** One image and its names in an archive. */
export interface NamedImage {
  readonly image: Image;
  readonly names: readonly string[];
}

/**
 * Writes the archive of an OCI layout with one image to `spec.dest`.
 * @returns the descriptor of the manifest in it
 */
export async function writeOciArchive({ store, image, spec, names }: ImageOutputRequest<OciOutput>): Promise<Descriptor> {
  const manifest = annotate(image.manifest, spec.annotations);
  const bytes = manifest === image.manifest ? undefined : Buffer.from(JSON.stringify(manifest));
  const descriptor =
    bytes === undefined ? image.descriptor : { mediaType: image.descriptor.mediaType, digest: digestOf(bytes), size: bytes.length };
  const blobs = contentOf(image).map((blob) => blobMember(store, blob));
  blobs.push(bytes === undefined ? blobMember(store, descriptor) : bytesMember(blobName(descriptor.digest), bytes));
  await writeBlobArchive(spec.dest, layoutMembers(toIndexEntries({ descriptor, config: image.config }, names, spec.tag), blobs));
  return descriptor;
}

/** Writes the archive of an OCI layout with several images. */
export async function saveOciArchive(store: Store, images: readonly NamedImage[], dest: string): Promise<void> {
  const entries = images.flatMap(({ image, names }) => toIndexEntries(image, names, undefined));
  const blobs = images.flatMap(({ image }) => [...contentOf(image), image.descriptor]).map((blob) => blobMember(store, blob));
  await writeBlobArchive(dest, layoutMembers(entries, blobs));
}

/** The small files come first: a reader of a stream then knows the index before the layers. */
function layoutMembers(entries: readonly Descriptor[], blobs: readonly ArchiveInput[]): ArchiveInput[] {
  return [
    bytesMember('oci-layout', OCI_LAYOUT),
    bytesMember('index.json', Buffer.from(JSON.stringify(newIndex(entries)))),
    directoryMember('blobs'),
    directoryMember('blobs/sha256'),
    ...uniqueMembers(blobs),
  ];
}

/** Sorted by name; a blob that several images share stands there once. */
export function uniqueMembers(members: readonly ArchiveInput[]): ArchiveInput[] {
  return [...new Map(members.map((member) => [member.name, member])).values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
