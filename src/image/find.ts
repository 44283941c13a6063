import { BuildError } from '../base/errors.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Descriptor } from '../oci/types.js';
import type { Store } from '../store/store.js';

/** What a name or an id stands for in the store. */
export interface FoundImage {
  readonly descriptor: Descriptor;
  /** The full name, when it was found by that. */
  readonly reference?: string;
}

/**
 * A name, or the first digits of an image id or manifest digest.
 * @throws BuildError `input` when there is none, `usage` when the text is neither
 */
export async function findImage(store: Store, text: string): Promise<FoundImage> {
  const reference = tryReference(text);
  const named = reference === undefined ? undefined : await store.find(reference);
  if (named !== undefined && reference !== undefined) return { descriptor: named, reference };
  const byId = await store.findById(text);
  if (byId !== undefined) return { descriptor: byId };
  if (reference === undefined && !/^(?:sha256:)?[0-9a-f]+$/.test(text)) parseReference(text);
  throw new BuildError('input', `no image "${text}" in the store`, { hint: '"tsbuild images" lists what is there' });
}

function tryReference(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}
