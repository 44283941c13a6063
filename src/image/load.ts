import { openSync, closeSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { BuildError } from '../base/errors.js';
import { parseDigest, type Digest } from '../oci/digest.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { MediaType, type Descriptor, type ImageConfig, type Manifest } from '../oci/types.js';
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, parseImageConfig, parseIndex, parseManifest } from '../oci/validate.js';
import { importFromLayout, isIndex } from '../store/import.js';
import { readLayout } from '../store/layout.js';
import type { Store } from '../store/store.js';
import { sniffCompression } from '../tar/decompress.js';
import { readImageOrIndex } from './read.js';
import { unpackMembers, type Members } from './members.js';
import { validateImage } from './validate.js';

const IMAGE_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';
const MAX_INDEX_BYTES = 32 * 1024 * 1024;

export interface LoadedImage {
  readonly descriptor: Descriptor;
  /** Full names. Empty when the source gives none, or only a tag. */
  readonly names: readonly string[];
  /** What a layout or an archive of one calls it (`org.opencontainers.image.ref.name`): tags, mostly. */
  readonly refNames?: readonly string[];
}

/**
 * Brings every image of an OCI layout directory, an archive of one, or an archive of `docker save` into the store. Nothing gets a name before
 * all its bytes are verified: digests and sizes of blobs, diffIds of layers.
 *
 * @param source a path, or the stream of an archive
 * @param names names for the one image of the source, instead of its own
 * @throws BuildError `input`
 */
export async function loadImages(store: Store, source: string | Readable, names: readonly string[]): Promise<LoadedImage[]> {
  using _lease = store.lease();
  const loaded = isDirectory(source) ? await loadLayout(store, source) : await importArchive(store, source);
  if (names.length > 0 && loaded.length !== 1) {
    throw new BuildError('usage', `there are ${loaded.length} images to load, a name can be given to one only`);
  }
  const named = loaded.map(({ descriptor, names: own }) => ({ descriptor, names: names.length === 0 ? own : names }));
  for (const { descriptor } of named) {
    for (const image of (await readImageOrIndex(store, descriptor)).images) await validateImage(store, image.descriptor);
  }
  for (const image of named) await store.tag(image.descriptor, image.names);
  return named;
}

function isDirectory(source: string | Readable): source is string {
  if (typeof source !== 'string') return false;
  const found = statSync(source, { throwIfNoEntry: false });
  if (found === undefined) throw new BuildError('input', `"${source}" does not exist`);
  return found.isDirectory();
}

async function loadLayout(store: Store, dir: string): Promise<LoadedImage[]> {
  const { manifests } = readLayout(dir);
  const images = byDigest(manifests);
  for (const { descriptor } of images) await importFromLayout(store, { dir, descriptor });
  return images;
}

/**
 * Brings the blobs of every image of an archive into the store, digests and sizes verified; none is named there.
 * @throws BuildError `input`
 */
export async function importArchive(store: Store, source: string | Readable): Promise<LoadedImage[]> {
  await using temp = await store.tempDir();
  const members = await unpackMembers(source, temp.path);
  const index = members.read('index.json', MAX_INDEX_BYTES);
  const legacy = members.read('manifest.json', MAX_INDEX_BYTES);
  const images =
    index === undefined || members.find('oci-layout') === undefined
      ? []
      : byDigest(parseIndex(index, { maxBytes: MAX_INDEX_BYTES }).manifests);
  // Archives of both kinds at once name their images in one of them only, when they are old.
  if (images.length > 0 && (images.some((image) => image.names.length > 0) || !hasNames(legacy))) {
    const done = new Set<Digest>();
    for (const { descriptor } of images) await importMembers({ store, members, done }, descriptor);
    return images;
  }
  if (legacy !== undefined) return await loadLegacy(store, members, legacy);
  throw new BuildError('input', 'neither an OCI archive nor an archive of docker save: it has no index.json and no manifest.json');
}

function hasNames(legacy: Buffer | undefined): boolean {
  return legacy !== undefined && parseLegacy(legacy).some(({ RepoTags }) => RepoTags.length > 0);
}

interface ListedImage extends LoadedImage {
  readonly names: string[];
  readonly refNames: string[];
}

/** The entries of an index: those of one digest are one image with several names. */
function byDigest(manifests: readonly Descriptor[]): LoadedImage[] {
  const images = new Map<Digest, ListedImage>();
  for (const { annotations, ...descriptor } of manifests) {
    const image: ListedImage = images.get(descriptor.digest) ?? { descriptor, names: [], refNames: [] };
    images.set(descriptor.digest, image);
    const refName = annotations?.[REF_NAME];
    if (refName !== undefined) image.refNames.push(refName);
    const name = toName(annotations?.[IMAGE_NAME]) ?? toName(annotations?.[REF_NAME]);
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
  }
  return [...images.values()];
}

/** A tag alone is no name: `latest` would become the image `docker.io/library/latest`. */
function toName(text: string | undefined): string | undefined {
  if (text === undefined || !/[:/]/.test(text)) return undefined;
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}

interface Import {
  readonly store: Store;
  readonly members: Members;
  /** What several indexes list is read once. */
  readonly done: Set<Digest>;
}

async function importMembers(to: Import, descriptor: Descriptor): Promise<void> {
  const { store, members, done } = to;
  if (done.has(descriptor.digest)) return;
  done.add(descriptor.digest);
  const bytes = members.read(blobPath(descriptor.digest), MAX_MANIFEST_BYTES);
  if (bytes === undefined) throw missing(blobPath(descriptor.digest));
  if (isIndex(descriptor)) {
    for (const child of parseIndex(bytes).manifests) {
      // An index may list images that the archive leaves out: those of other platforms.
      if (members.find(blobPath(child.digest)) !== undefined) await importMembers(to, child);
    }
  } else {
    const manifest = parseManifest(bytes);
    for (const blob of [manifest.config, ...manifest.layers]) await adopt(store, members, blob);
  }
  await adopt(store, members, descriptor);
}

async function adopt(store: Store, members: Members, descriptor: Descriptor): Promise<void> {
  if (store.hasBlob(descriptor)) return;
  const member = members.find(blobPath(descriptor.digest));
  if (member === undefined) throw missing(blobPath(descriptor.digest));
  if (member.digest !== descriptor.digest || member.sizeBytes !== descriptor.size) {
    throw new BuildError(
      'input',
      `blob ${descriptor.digest} is damaged: got ${member.digest} with ${member.sizeBytes} bytes, want ${descriptor.size} bytes`,
    );
  }
  await store.adoptBlob(member.file, descriptor);
}

/** `manifest.json` of docker save: docker image spec v1.2. The config is kept byte for byte, so that the image keeps its id. */
async function loadLegacy(store: Store, members: Members, manifestJson: Buffer): Promise<LoadedImage[]> {
  const images: LoadedImage[] = [];
  for (const entry of parseLegacy(manifestJson)) {
    const configBytes = members.read(entry.Config, MAX_CONFIG_BYTES);
    if (configBytes === undefined) throw missing(entry.Config);
    const config = parseImageConfig(configBytes);
    const layers: Descriptor[] = [];
    for (const path of entry.Layers) layers.push(await adoptLayer(store, members, path));
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: await store.putBlob(configBytes, MediaType.ociConfig),
      layers,
    };
    const descriptor = await store.putBlob(Buffer.from(JSON.stringify(manifest)), MediaType.ociManifest);
    images.push({
      descriptor: { ...descriptor, platform: platformOf(config) },
      names: entry.RepoTags.map((name) => formatReference(parseReference(name))),
    });
  }
  return images;
}

function platformOf({ os, architecture, variant }: ImageConfig): NonNullable<Descriptor['platform']> {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

const LAYER_TYPES: Readonly<Record<string, string>> = {
  none: MediaType.ociLayer,
  gzip: MediaType.ociLayerGzip,
  zstd: MediaType.ociLayerZstd,
};

/** Layers may be listed twice, and in old archives several paths lead to one file. */
async function adoptLayer(store: Store, members: Members, path: string): Promise<Descriptor> {
  const member = members.find(path);
  if (member === undefined) throw missing(path);
  const descriptor = { digest: member.digest, size: member.sizeBytes };
  // Asked first: the file is gone from where it was unpacked once the store has it.
  const stored = store.hasBlob({ mediaType: '', ...descriptor });
  const compression = sniffCompression(readStart(stored ? store.blobPath(member.digest) : member.file));
  const mediaType = LAYER_TYPES[compression];
  if (mediaType === undefined)
    throw new BuildError('unsupported', `layer "${path}" is compressed with ${compression}`, { hint: 'save the image again' });
  if (!stored) await store.adoptBlob(member.file, { mediaType, ...descriptor });
  return { mediaType, ...descriptor };
}

function readStart(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const start = Buffer.alloc(512);
    return start.subarray(0, readSync(fd, start));
  } finally {
    closeSync(fd);
  }
}

interface LegacyEntry {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

function parseLegacy(bytes: Buffer): LegacyEntry[] {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new BuildError('input', 'manifest.json is no JSON', { cause });
  }
  if (!Array.isArray(document)) throw new BuildError('input', 'manifest.json: want a list of images');
  return document.map((entry: Partial<Record<keyof LegacyEntry, unknown>> | null) => {
    const { Config, Layers, RepoTags } = entry ?? {};
    if (typeof Config !== 'string' || !isStrings(Layers) || !(isStrings(RepoTags) || RepoTags === null || RepoTags === undefined)) {
      throw new BuildError('input', 'manifest.json: want Config, Layers and RepoTags in each image');
    }
    return { Config, Layers, RepoTags: RepoTags ?? [] };
  });
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${parseDigest(digest).slice('sha256:'.length)}`;
}

function missing(path: string): BuildError {
  return new BuildError('input', `the archive has no "${path}"`);
}
