import { BuildError } from '../base/errors.js';
import type { Digest } from '../oci/digest.js';
import { parseReference } from '../oci/reference.js';
import type { Descriptor } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex, parseManifest } from '../oci/validate.js';
import type { RepositoryName } from '../push.js';
import { isIndex } from '../store/import.js';
import type { Store } from '../store/store.js';

/** Each that declines costs a request, and some names of a store were never pushed. */
const MAX_LENDERS = 3;

/**
 * Repositories of registries that have blobs, as far as the names of a store tell: what was built on a base of a registry can be pushed there
 * without the layers of the base, which the registry lends. Whoever is named wrongly declines, and the bytes are sent.
 * @param domains of the registries
 */
export async function findLenders(store: Store, domains: ReadonlySet<string>): Promise<ReadonlyMap<Digest, readonly RepositoryName[]>> {
  const lenders = new Map<Digest, RepositoryName[]>();
  for (const { descriptor, references } of await store.images()) {
    const repositories = references.map(parseReference).filter(({ domain }) => domains.has(domain));
    if (repositories.length === 0) continue;
    for (const { digest } of await readLayers(store, descriptor)) {
      const known = [...(lenders.get(digest) ?? []), ...repositories];
      lenders.set(digest, known.filter(isFirst).slice(0, MAX_LENDERS));
    }
  }
  return lenders;
}

/** Of an index, the layers of those images that are in the store. Another image being damaged is no reason not to push this one. */
async function readLayers(store: Store, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  if (!store.hasBlob(descriptor)) return [];
  try {
    const bytes = await store.readBlob(descriptor, MAX_MANIFEST_BYTES);
    if (!isIndex(descriptor)) return parseManifest(bytes).layers;
    return (await Promise.all(parseIndex(bytes).manifests.map((child) => readLayers(store, child)))).flat();
  } catch (error) {
    if (error instanceof BuildError) return [];
    throw error;
  }
}

function isFirst({ domain, path }: RepositoryName, index: number, all: readonly RepositoryName[]): boolean {
  return all.findIndex((one) => one.domain === domain && one.path === path) === index;
}
