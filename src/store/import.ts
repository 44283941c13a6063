import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BuildError, errnoOf } from '../base/errors.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseIndex, parseManifest } from '../oci/validate.js';
import { toWriteError } from './files.js';
import { blobPath, readBlob, readLayout } from './layout.js';
import type { Store } from './store.js';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Which image of a layout: by digest, else by tag, else the one tagged `latest`, else the only one. */
export interface LayoutImage {
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/**
 * Finds an image in an OCI image layout.
 * @throws BuildError `input` when there is none, or several without a choice
 */
export async function findInLayout({ path, tag, digest }: LayoutImage): Promise<Descriptor> {
  const { manifests } = await readLayout(path);
  const tags = manifests.map((descriptor) => descriptor.annotations?.[REF_NAME]);
  const byTag = (wanted: string): Descriptor | undefined => manifests[tags.indexOf(wanted)];
  const found =
    digest !== undefined
      ? manifests.find((descriptor) => descriptor.digest === digest)
      : tag !== undefined
        ? byTag(tag)
        : (byTag('latest') ?? (new Set(manifests.map((descriptor) => descriptor.digest)).size === 1 ? manifests[0] : undefined));
  if (found !== undefined) return found;
  const wanted = digest ?? tag;
  const known = tags.filter((name) => name !== undefined).join(', ');
  throw new BuildError('input', `OCI layout "${path}" has no image ${wanted === undefined ? 'tagged "latest"' : `"${wanted}"`}`, {
    hint: known === '' ? 'name one by its digest: oci-layout://DIR@sha256:…' : `it has: ${known}`,
  });
}

/**
 * Brings an image, or an index with everything that it lists and the layout has, into the store. Every byte is read through and compared with its
 * digest on the way; what the store has already is not read.
 * @throws BuildError `input` naming a blob that is missing or damaged
 */
export async function importFromLayout(store: Store, dir: string, descriptor: Descriptor): Promise<void> {
  if (isIndex(descriptor)) {
    const bytes = await readBlob(dir, descriptor, { maxBytes: MAX_MANIFEST_BYTES });
    for (const child of parseIndex(bytes).manifests) await importFromLayout(store, dir, child);
    await store.putBlob(bytes, descriptor.mediaType);
    return;
  }
  const bytes = await readBlob(dir, descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  const manifest = parseManifest(bytes);
  await store.putBlob(await readBlob(dir, manifest.config, { maxBytes: MAX_CONFIG_BYTES }), manifest.config.mediaType);
  await Promise.all(manifest.layers.map((layer) => importBlob(store, dir, layer)));
  await store.putBlob(bytes, descriptor.mediaType);
}

export function isIndex({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.ociIndex || mediaType === MediaType.dockerIndex;
}

async function importBlob(store: Store, dir: string, descriptor: Descriptor): Promise<void> {
  if (store.hasBlob(descriptor)) return;
  await using temp = await store.tempDir();
  const tempFile = join(temp.path, 'blob');
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const source = blobPath(dir, descriptor.digest);
  try {
    await pipeline(
      createReadStream(source, { highWaterMark: 1 << 20 }),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          sizeBytes += chunk.length;
          yield chunk;
        }
      },
      createWriteStream(tempFile, { mode: 0o600 }),
    );
  } catch (error) {
    await rm(tempFile, { force: true });
    if (errnoOf(error) !== 'ENOENT') throw toWriteError(error, tempFile);
    throw new BuildError('input', `blob ${descriptor.digest} is missing: no file "${source}"`, { cause: error });
  }
  checkCopied(source, descriptor, hash, sizeBytes);
  await store.adoptBlob(tempFile, descriptor);
}

function checkCopied(source: string, want: Descriptor, hash: Hash, sizeBytes: number): void {
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest === want.digest && sizeBytes === want.size) return;
  throw new BuildError(
    'input',
    `blob "${source}" is damaged: got ${digest} with ${sizeBytes} bytes, want ${want.digest} with ${want.size} bytes`,
    {
      hint: 'make or fetch that layout again',
    },
  );
}
