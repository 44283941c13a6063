import { existsSync, statSync } from 'node:fs';
import { chooseChild } from '../image/graph.js';
import { digestOf, type Digest } from '../oci/digest.js';
import { familiarName, type Reference } from '../oci/reference.js';
import { MediaType, type Descriptor, type Manifest, type Platform } from '../oci/types.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseIndex, parseManifest } from '../oci/validate.js';
import { BuildError } from '../base/errors.js';
import { readDownload } from './begin-anew.js';
import type { Repository } from '../registry/repository.js';
import type { RemoteBlobs } from './remote-blobs.js';
import { isIndex } from '../store/import.js';
import { readBlob } from '../store/layout.js';
import type { Store } from '../store/store.js';

/** Where images of registries are made known to. */
export interface RemotePlace {
  readonly store: Store;
  readonly blobs: RemoteBlobs;
  readonly signal: AbortSignal;
}

/** A name of a registry, and what it stands for: a manifest or an index, whose bytes are in the store. */
export interface RemoteRoot {
  readonly reference: Reference;
  readonly repository: Repository;
  readonly descriptor: Descriptor;
}

const MAX_DEPTH = 5;

/**
 * The manifest or index of a name, brought into the store.
 * @param known what the store has under the name: the registry is then only asked whether it is still the same, which counts as no pull
 * where pulls are counted
 * @throws BuildError `registry` or `credentials`, `input` when it is malformed
 */
export async function fetchRoot(
  { store, signal }: RemotePlace,
  { reference, repository, known }: Omit<RemoteRoot, 'descriptor'> & { readonly known?: Descriptor | undefined },
): Promise<RemoteRoot> {
  const name = reference.digest ?? reference.tag ?? 'latest';
  const found = known === undefined ? undefined : await repository.resolve(name, signal);
  if (found !== undefined && store.hasBlob(found)) return { reference, repository, descriptor: found };
  return { reference, repository, descriptor: await fetchManifest(store, repository, found?.digest ?? name, signal) };
}

/** The manifest or index of a digest that the store has, wherever it has it from: then no registry needs to be asked. */
export function findStoredRoot(store: Store, digest: Digest): Descriptor | undefined {
  const path = store.blobPath(digest);
  if (!existsSync(path)) return undefined;
  const { size } = statSync(path);
  if (size > MAX_MANIFEST_BYTES) return undefined;
  try {
    const bytes = readBlob(store.root, { mediaType: '', digest, size }, { maxBytes: MAX_MANIFEST_BYTES });
    const { mediaType, manifests } = JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown; manifests?: unknown };
    const guess = manifests === undefined ? MediaType.ociManifest : MediaType.ociIndex;
    return { mediaType: typeof mediaType === 'string' ? mediaType : guess, digest, size };
  } catch {
    return undefined;
  }
}

/**
 * Brings what is small of the image for one platform into the store, its manifest and its config, and makes known where its layers are.
 * @throws BuildError `registry` that lists the platforms when there is none for this one, and whatever `fetchRoot` throws
 */
export async function fetchImage(
  place: RemotePlace,
  { descriptor: root, reference, repository }: RemoteRoot,
  platform: Platform,
): Promise<void> {
  const { store, blobs, signal } = place;
  let descriptor = root;
  for (let depth = 0; isIndex(descriptor); depth++) {
    if (depth === MAX_DEPTH)
      throw new BuildError('registry', `"${familiarName(reference)}": indexes lie in one another, at most ${MAX_DEPTH} are read`);
    const index = parseIndex(readBlob(store.root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
    descriptor = chooseChild(index, platform, familiarName(reference));
    if (!store.hasBlob(descriptor)) await fetchManifest(store, repository, descriptor.digest, signal);
  }
  const manifest = parseManifest(readBlob(store.root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
  await fetchConfig(store, { repository, manifest, signal });
  blobs.add(manifest.layers, { repository, reference: familiarName(reference) });
}

async function fetchManifest(store: Store, repository: Repository, tagOrDigest: string, signal: AbortSignal): Promise<Descriptor> {
  const { descriptor, bytes } = await repository.manifest(tagOrDigest, signal);
  // Parsed before it is kept: what is none is told by the name that it came under.
  if (isIndex(descriptor)) parseIndex(bytes);
  // Its config first: whatever cuts this short, no index that the store has a name for lists an image that is half there.
  else await fetchConfig(store, { repository, manifest: parseManifest(bytes), signal });
  await store.putBlob(bytes, descriptor.mediaType);
  return descriptor;
}

interface ConfigRequest {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
}

/** Too small to be worth a line of progress. */
async function fetchConfig(store: Store, { repository, manifest: { config }, signal }: ConfigRequest): Promise<void> {
  if (store.hasBlob(config)) return;
  if (config.size > MAX_CONFIG_BYTES) {
    throw new BuildError('input', `config ${config.digest} has ${config.size} bytes, want at most ${MAX_CONFIG_BYTES}`);
  }
  const bytes = await readDownload(repository, { descriptor: config, signal });
  if (digestOf(bytes) !== config.digest) throw new Error(`config ${config.digest} was not verified`);
  await store.putBlob(bytes, config.mediaType);
}
