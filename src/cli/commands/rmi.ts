import { BuildError } from '../../base/errors.js';
import { formatBytes } from '../../base/format.js';
import { findImage } from '../../image/find.js';
import { familiarName, parseReference } from '../../oci/reference.js';
import { updateIndex } from '../../store/layout.js';
import type { Store } from '../../store/store.js';
import type { CliContext } from '../context.js';
import { openStore } from './store-image.js';

export interface RmiFlags {
  readonly root?: string;
}

/**
 * `tsbuild rmi`: takes names away, or whole images when given by id, then frees what nothing refers to. A name that is not there does not keep the
 * others from being removed.
 */
export async function removeImages(names: readonly string[], flags: RmiFlags, context: CliContext): Promise<void> {
  const store = await openStore(flags.root);
  let firstError: unknown;
  for (const name of names) {
    try {
      for (const line of await removeOne(store, name)) context.stdout.write(`${line}\n`);
    } catch (error) {
      firstError ??= error;
    }
  }
  await freeSpace(store, context);
  if (firstError !== undefined) throw firstError;
}

async function removeOne(store: Store, name: string): Promise<string[]> {
  const { descriptor, reference } = await findImage(store, name);
  if (reference !== undefined && (await store.untag(reference))) return [`untagged ${familiarName(parseReference(reference))}`];
  const stored = (await store.images()).find((image) => image.descriptor.digest === descriptor.digest);
  await updateIndex(store.root, (index) => ({
    ...index,
    manifests: index.manifests.filter((other) => other.digest !== descriptor.digest),
  }));
  return [...(stored?.references ?? []).map((tag) => `untagged ${familiarName(parseReference(tag))}`), `deleted ${descriptor.digest}`];
}

/** A build that runs keeps its blobs from being collected; the next `rmi` frees them then. */
async function freeSpace(store: Store, context: CliContext): Promise<void> {
  try {
    const { blobs, blobBytes } = await store.collectGarbage();
    if (blobs > 0) context.stderr.write(`freed ${formatBytes(blobBytes)}\n`);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    context.stderr.write(`WARNING: no space is freed now: ${error.message}\n`);
  }
}
