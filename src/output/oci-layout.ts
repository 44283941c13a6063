import { existsSync, linkSync } from 'node:fs';
import { rm } from '../base/async-files.js';
import { errnoOf } from '../base/errors.js';
import type { ImageOrIndex } from '../image/index.js';
import type { Descriptor } from '../oci/types.js';
import { blobPath, hasBlob, importBlob, initLayout, putBlob, readLayout, sweepLayout, updateIndex } from '../store/layout.js';
import type { Store } from '../store/store.js';
import { mergeEntries, toContent, toIndexEntries, type OutputContent } from './entries.js';
import type { OciOutput } from './output.js';

export interface ImageOutputRequest<Spec> {
  readonly store: Store;
  readonly image: ImageOrIndex;
  readonly spec: Spec;
  /** Every name that the image shall have there: those of the build and those of the output. */
  readonly names: readonly string[];
}

/**
 * Writes an image or index into a layout directory, made when missing. An existing layout keeps its other images; the index is replaced last, so that
 * it never names a blob that is not there.
 *
 * @returns the descriptor of the manifest or index, which is another than the image's when the output has annotations of its own
 * @throws BuildError `environment` when the directory cannot be written
 */
export async function writeOciLayout({ store, image, spec, names }: ImageOutputRequest<OciOutput>): Promise<Descriptor> {
  const content = toContent(image, spec.annotations);
  await placeContent({ store, content, names, tag: spec.tag, dest: spec.dest });
  return content.descriptor;
}

/** An image or index on its way to a layout, or an archive of one. */
export interface PlacedContent {
  readonly store: Store;
  readonly content: OutputContent;
  /** In full. */
  readonly names: readonly string[];
  readonly tag: string | undefined;
  readonly dest: string;
}

/**
 * The same for blobs that are no image that was built.
 * @throws BuildError `environment`
 */
export async function placeContent({ store, content, names, tag, dest }: PlacedContent): Promise<void> {
  const isNew = !existsSync(dest);
  try {
    initLayout(dest);
    await sweepLayout(dest);
    for (const { descriptor, bytes } of content.blobs) {
      if (bytes === undefined) await placeBlob(store, dest, descriptor);
      else await putBlob(dest, bytes, descriptor.mediaType);
    }
    const entries = toIndexEntries(content, names, tag);
    await updateIndex(dest, (index) => mergeEntries(index, entries));
  } catch (error) {
    if (isNew && isEmpty(dest)) await rm(dest, { recursive: true, force: true });
    throw error;
  }
}

/** Whether nobody else has put an image there in the meantime. */
function isEmpty(dir: string): boolean {
  try {
    return readLayout(dir).manifests.length === 0;
  } catch {
    return true;
  }
}

/** A hard link costs nothing; where the file systems differ, or refuse, the blob is copied. */
async function placeBlob(store: Store, dir: string, blob: Descriptor): Promise<void> {
  if (hasBlob(dir, blob)) return;
  const source = store.blobPath(blob.digest);
  try {
    linkSync(source, blobPath(dir, blob.digest));
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && hasBlob(dir, blob)) return;
    await importBlob(dir, source, blob.digest, blob.size);
  }
}
