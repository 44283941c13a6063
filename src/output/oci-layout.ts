import { existsSync, linkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errnoOf } from '../base/errors.js';
import type { Image } from '../image/image.js';
import type { Descriptor } from '../oci/types.js';
import { blobPath, hasBlob, importBlob, initLayout, putBlob, readLayout, sweepLayout, updateIndex } from '../store/layout.js';
import type { Store } from '../store/store.js';
import { annotate, contentOf, mergeEntries, toIndexEntries } from './entries.js';
import type { OciOutput } from './output.js';

export interface ImageOutputRequest<Spec> {
  readonly store: Store;
  readonly image: Image;
  readonly spec: Spec;
  /** Every name that the image shall have there: those of the build and those of the output. */
  readonly names: readonly string[];
}

/**
 * Writes an image into a layout directory, made when missing. An existing layout keeps its other images; the index is replaced last, so that
 * it never names a blob that is not there.
 *
 * @returns the descriptor of the manifest, which is another than the image's when the output has annotations of its own
 * @throws BuildError `environment` when the directory cannot be written
 */
export async function writeOciLayout({ store, image, spec, names }: ImageOutputRequest<OciOutput>): Promise<Descriptor> {
  const isNew = !existsSync(spec.dest);
  try {
    initLayout(spec.dest);
    await sweepLayout(spec.dest);
    for (const blob of contentOf(image)) await placeBlob(store, spec.dest, blob);
    const descriptor = await placeManifest(store, image, spec);
    const entries = toIndexEntries({ descriptor, config: image.config }, names, spec.tag);
    await updateIndex(spec.dest, (index) => mergeEntries(index, entries));
    return descriptor;
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

async function placeManifest(store: Store, image: Image, spec: OciOutput): Promise<Descriptor> {
  const manifest = annotate(image.manifest, spec.annotations);
  if (manifest !== image.manifest) return putBlob(spec.dest, Buffer.from(JSON.stringify(manifest)), image.descriptor.mediaType);
  await placeBlob(store, spec.dest, image.descriptor);
  return image.descriptor;
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
