import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { readdir, rename, stat } from '../base/async-files.js';
import { errnoOf } from '../base/errors.js';
import { hexOf, type Digest } from '../oci/digest.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseImageConfig, parseIndex, parseManifest } from '../oci/validate.js';
import { hasBlob, readBlob, readLayout } from './layout.js';

/** What to keep besides the images: what cache records refer to. */
export interface GarbageOptions {
  readonly keepBlobs?: ReadonlySet<Digest>;
  /** By diffId. */
  readonly keepLayers?: ReadonlySet<Digest>;
}

export interface GarbageReport {
  readonly blobs: number;
  readonly layers: number;
  /** Of the blobs; the size of layer directories is not counted. */
  readonly blobBytes: number;
}

const UNUSED_INDEX_MS = 14 * 24 * 60 * 60 * 1000;

interface Live {
  readonly blobs: Set<string>;
  readonly layers: Set<string>;
}

/** Moves what nothing refers to into `trash`, which the caller removes when it no longer holds the lock: renames are quick, removal is not. */
export async function collectGarbage(root: string, trash: string, options: GarbageOptions): Promise<GarbageReport> {
  const live: Live = { blobs: new Set(), layers: new Set() };
  for (const digest of options.keepBlobs ?? []) live.blobs.add(hexOf(digest));
  for (const digest of options.keepLayers ?? []) live.layers.add(hexOf(digest));
  for (const descriptor of readLayout(root).manifests) await mark(root, descriptor, live);

  const report = { blobs: 0, layers: 0, blobBytes: 0 };
  for (const { name } of await list(join(root, 'blobs/sha256'))) {
    if (live.blobs.has(name)) continue;
    const path = join(root, 'blobs/sha256', name);
    report.blobBytes += (await stat(path)).size;
    report.blobs++;
    await rename(path, join(trash, `blob-${name}`));
  }
  for (const entry of await list(join(root, 'layers'))) {
    // What a layer is known by: its directory, `<hex>.json` and `<hex>.index` beside it, and links of shorter names in `l`.
    if (entry.name === 'l' || live.layers.has(entry.name.replace(/\.(?:json|index)$/, ''))) continue;
    if (entry.name.endsWith('.index') && (await isInUse(join(root, 'layers', entry.name)))) continue;
    if (entry.isDirectory()) report.layers++;
    await rename(join(root, 'layers', entry.name), join(trash, `layer-${entry.name}`));
  }
  return report;
}

/**
 * Of a base image that stays in its registry, the store has the indexes of its layers and nothing that names them: they are kept as long as builds
 * go on using them. They are small.
 */
async function isInUse(indexPath: string): Promise<boolean> {
  return Date.now() - (await stat(indexPath)).mtimeMs < UNUSED_INDEX_MS;
}

async function mark(root: string, descriptor: Descriptor, live: Live): Promise<void> {
  const hex = hexOf(descriptor.digest);
  if (live.blobs.has(hex)) return;
  live.blobs.add(hex);
  // An index names the manifests of other platforms, which were never fetched.
  if (!hasBlob(root, descriptor)) return;
  switch (descriptor.mediaType) {
    case MediaType.ociIndex:
    case MediaType.dockerIndex: {
      const index = parseIndex(readBlob(root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
      for (const child of index.manifests) await mark(root, child, live);
      return;
    }
    case MediaType.ociManifest:
    case MediaType.dockerManifest: {
      const manifest = parseManifest(readBlob(root, descriptor, { maxBytes: MAX_MANIFEST_BYTES }));
      for (const child of [manifest.config, ...manifest.layers]) await mark(root, child, live);
      return;
    }
    case MediaType.ociConfig:
    case MediaType.dockerConfig: {
      const config = parseImageConfig(readBlob(root, descriptor, { maxBytes: MAX_CONFIG_BYTES }));
      for (const diffId of config.rootfs.diff_ids) live.layers.add(hexOf(diffId));
      return;
    }
    default:
  }
}

async function list(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
