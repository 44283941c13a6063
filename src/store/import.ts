import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BuildError, systemErrorText } from '../base/errors.js';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { matchesPlatform } from '../oci/platform.js';
import { MediaType, type Descriptor, type Platform } from '../oci/types.js';
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
  /** Of several images with one tag, that for this platform. */
  readonly platform?: Platform;
}

/**
 * Finds an image in an OCI image layout.
 * @throws BuildError `input` when there is none, or several without a choice
 */
export async function findInLayout(image: LayoutImage): Promise<Descriptor> {
  const { path, tag, digest, platform } = image;
  const { manifests } = readLayout(path);
  const fitting = manifests.filter((entry) => platform === undefined || !entry.platform || matchesPlatform(entry.platform, platform));
  const found = findAmong(fitting, image) ?? findAmong(manifests, image);
  if (found !== undefined) return found;
  const wanted = digest ?? tag;
  const known = manifests.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []).join(', ');
  throw new BuildError('input', `OCI layout "${path}" has no image ${wanted === undefined ? 'tagged "latest"' : `"${wanted}"`}`, {
    hint: known === '' ? 'name one by its digest: oci-layout://DIR@sha256:…' : `it has: ${known}`,
  });
}

function findAmong(manifests: readonly Descriptor[], { tag, digest }: LayoutImage): Descriptor | undefined {
  if (digest !== undefined) return manifests.find((descriptor) => descriptor.digest === digest);
  const byTag = (wanted: string): Descriptor | undefined => manifests.find(({ annotations }) => annotations?.[REF_NAME] === wanted);
  if (tag !== undefined) return byTag(tag);
  return byTag('latest') ?? (new Set(manifests.map((descriptor) => descriptor.digest)).size === 1 ? manifests[0] : undefined);
}

export interface ImportRequest {
  /** Of the layout. */
  readonly dir: string;
  readonly descriptor: Descriptor;
  /** Stops the import; what it has brought so far stays. */
  readonly signal?: AbortSignal;
}

/**
 * Brings an image, or an index with everything that it lists and the layout has, into the store. Every byte is read through and compared with its
 * digest on the way; what the store has already is not read.
 * @throws BuildError `input` naming a blob that is missing or damaged, or the reason of the signal
 */
export async function importFromLayout(store: Store, request: ImportRequest): Promise<void> {
  await importOnce(store, request, new Set());
}

/** @param seen since small indexes that list one another many times over would take for ever */
async function importOnce(store: Store, { dir, descriptor, signal }: ImportRequest, seen: Set<Digest>): Promise<void> {
  if (seen.has(descriptor.digest)) return;
  seen.add(descriptor.digest);
  const of = { dir, ...(signal === undefined ? {} : { signal }) };
  const bytes = readBlob(dir, descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  if (isIndex(descriptor)) {
    for (const child of parseIndex(bytes).manifests) {
      // An index may list images that the layout leaves out: those of other platforms.
      if (existsSync(blobPath(dir, child.digest))) await importOnce(store, { ...of, descriptor: child }, seen);
    }
  } else {
    const manifest = parseManifest(bytes);
    await store.putBlob(readBlob(dir, manifest.config, { maxBytes: MAX_CONFIG_BYTES }), manifest.config.mediaType);
    // One after the other: hashing keeps the thread busy anyway, and of several at once the others would go on when one fails.
    for (const layer of manifest.layers) await importBlob(store, { ...of, descriptor: layer });
  }
  await store.putBlob(bytes, descriptor.mediaType);
}

export function isIndex({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.ociIndex || mediaType === MediaType.dockerIndex;
}

async function importBlob(store: Store, { dir, descriptor, signal }: ImportRequest): Promise<void> {
  if (store.hasBlob(descriptor)) return;
  const source = blobPath(dir, descriptor.digest);
  await using temp = await store.tempDir();
  const tempFile = join(temp.path, 'blob');
  const file = await openBlob(source, descriptor);
  const hash = createHash('sha256');
  try {
    await pipeline(
      file.createReadStream({ highWaterMark: 1 << 20 }),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(tempFile, { mode: 0o600 }),
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    signal?.throwIfAborted();
    throw toWriteError(error, tempFile);
  }
  checkCopied(source, descriptor, { digest: digestFromHex(hash.digest('hex')), size: statSync(tempFile).size });
  await store.adoptBlob(tempFile, descriptor);
}

/** A file of the right size: whatever else a layout has there, a FIFO or a terabyte, is not read. */
async function openBlob(path: string, descriptor: Descriptor): Promise<FileHandle> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new BuildError('input', `blob ${descriptor.digest} is missing: no file "${path}"`);
  if (!found.isFile()) throw new BuildError('input', `blob "${path}" is not a file`);
  if (found.size !== descriptor.size) throw damaged(path, `${found.size} bytes`, `${descriptor.size} bytes`);
  try {
    const { open } = await import('node:fs/promises');
    return await open(path, 'r');
  } catch (error) {
    throw new BuildError('input', `cannot read blob "${path}": ${systemErrorText(error)}`, { cause: error });
  }
}

function checkCopied(path: string, want: Descriptor, got: Pick<Descriptor, 'digest' | 'size'>): void {
  if (got.digest === want.digest && got.size === want.size) return;
  throw damaged(path, `${got.digest} with ${got.size} bytes`, `${want.digest} with ${want.size} bytes`);
}

function damaged(path: string, got: string, want: string): BuildError {
  return new BuildError('input', `blob "${path}" is damaged: got ${got}, want ${want}`, { hint: 'make or fetch that layout again' });
}
