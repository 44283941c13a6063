import type { ImageOrIndex } from '../image/index.js';
import type { Descriptor } from '../oci/types.js';
import type { Store } from '../store/store.js';
import type { ArchiveInput } from '../tar/archive.js';
import { blobMember, blobName, bytesMember, directoryMember, writeBlobArchive } from './archive.js';
import { newIndex, toContent, toIndexEntries, type OutputContent } from './entries.js';
import type { ImageOutputRequest, PlacedContent } from './oci-layout.js';
import type { OciOutput } from './output.js';

/** image-spec, image-layout.md#oci-layout-file */
export const OCI_LAYOUT = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** One image or index and its names in an archive. */
export interface NamedImage {
  readonly image: ImageOrIndex;
  readonly names: readonly string[];
}

/**
 * Writes the archive of an OCI layout with one image or index to `spec.dest`.
 * @returns its descriptor
 */
export async function writeOciArchive({ store, image, spec, names }: ImageOutputRequest<OciOutput>): Promise<Descriptor> {
  const content = toContent(image, spec.annotations);
  await archiveContent({ store, content, names, tag: spec.tag, dest: spec.dest });
  return content.descriptor;
}

/** Writes the archive of an OCI layout with these blobs. */
export async function archiveContent({ store, content, names, tag, dest }: PlacedContent): Promise<void> {
  await writeBlobArchive(dest, layoutMembers(toIndexEntries(content, names, tag), toMembers(store, content)));
}

/** Writes the archive of an OCI layout with several images. */
export async function saveOciArchive(store: Store, images: readonly NamedImage[], dest: string): Promise<void> {
  const contents = images.map(({ image, names }) => ({ names, content: toContent(image) }));
  const entries = contents.flatMap(({ content, names }) => toIndexEntries(content, names, undefined));
  const blobs = contents.flatMap(({ content }) => toMembers(store, content));
  await writeBlobArchive(dest, layoutMembers(entries, blobs));
}

function toMembers(store: Store, { blobs }: OutputContent): ArchiveInput[] {
  return blobs.map(({ descriptor, bytes }) =>
    bytes === undefined ? blobMember(store, descriptor) : bytesMember(blobName(descriptor.digest), bytes),
  );
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
