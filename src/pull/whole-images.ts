import type { Descriptor } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex, parseManifest } from '../oci/validate.js';
import { isIndex } from '../store/import.js';
import { readBlob } from '../store/layout.js';
import type { Store } from '../store/store.js';

export interface WholeImage {
  readonly descriptor: Descriptor;
  /** In full. */
  readonly name: string;
}

/**
 * Names an image in the store, provided that all of it is there: of an index, some of its images, and of each of these every blob. Names that lead
 * to less would fail whoever uses them.
 */
export async function nameWhole(store: Store, { descriptor, name }: WholeImage): Promise<void> {
  if (!isWhole(store, descriptor)) return;
  const named = await store.find(name);
  if (named?.digest !== descriptor.digest) await store.tag(descriptor, [name]);
}

/** Whether all blobs of an image are there; of an index, those of each image whose manifest is. */
export function isWhole(store: Store, descriptor: Descriptor): boolean {
  const bytes = readBlob(store.root, descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  if (isIndex(descriptor)) {
    const present = parseIndex(bytes).manifests.filter((child) => store.hasBlob(child));
    return present.length > 0 && present.every((child) => isWhole(store, child));
  }
  const { config, layers } = parseManifest(bytes);
  return [config, ...layers].every((blob) => store.hasBlob(blob));
}
