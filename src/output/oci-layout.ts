import { existsSync, linkSync } from 'node:fs';
import { rm } from '../base/async-files.js';
import { errnoOf } from '../base/errors.js';
import type { ImageOrIndex } from '../image/index.js';
import type { Descriptor } from '../oci/types.js';
import { blobPath, hasBlob, importBlob, initLayout, putBlob, readLayout, sweepLayout, updateIndex } from '../store/layout.js';
import type { Store } from '../store/store.js';
import { mergeEntries, toContent, toIndexEntries } from './entries.js';
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
  const isNew = !existsSync(spec.dest);
  try {
    initLayout(spec.dest);
    await sweepLayout(spec.dest);
    const content = toContent(image, spec.annotations);
    for (const { descriptor, bytes } of content.blobs) {
      if (bytes === undefined) await placeBlob(store, spec.dest, descriptor);
      else await putBlob(spec.dest, bytes, descriptor.mediaType);
    }
    const entries = toIndexEntries(content, names, spec.tag);
    await updateIndex(spec.dest, (index) => mergeEntries(index, entries));
    return content.descriptor;
  } catch (error) {
    if (isNew && isEmpty(spec.dest)) await rm(spec.dest, { recursive: true, force: true });
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
