import { createReadStream } from 'node:fs';
import { BuildError } from '../base/errors.js';
import { beginAnew } from '../pull/begin-anew.js';
import { findImage } from '../image/find.js';
import { importArchive, type LoadedImage } from '../image/load.js';
import { validateImage, type BlobPlace } from '../image/validate.js';
import { offeredPlatforms, type ImageGraph, type ManifestBytes, type ManifestSource } from '../image/graph.js';
import { findLenders } from './layer-lenders.js';
import { shortDigest } from '../oci/digest.js';
import { familiarName, formatReference, isTag, parseReference, type Reference } from '../oci/reference.js';
import { formatLocation, type ImageLocation } from '../oci/transports.js';
import type { Descriptor } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex } from '../oci/validate.js';
import type { Repository } from '../registry/repository.js';
import { RemoteBlobs } from '../pull/remote-blobs.js';
import { findInLayout, importFromLayout, isIndex } from '../store/import.js';
import { blobPath, hasBlob, readBlob, readLayout } from '../store/layout.js';
import type { Store } from '../store/store.js';
import { tagOrDigest, type TransportSession } from './session.js';

const READ_BYTES = 1 << 20;
const STORE = 'the store';
const IMAGE_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';

/** An image somewhere, to be read. */
export interface ImageSource extends ManifestSource {
  /** The full name with a tag, where it has one: what a copy without a name of its own is called. */
  readonly fullName: string | undefined;
  /** The repository that has the blobs, for registries that lend them to their other repositories. */
  readonly lender?: Pick<Reference, 'domain' | 'path'>;
  /** Repositories of these registries that may have the blobs as well, by blob. */
  lendersIn?(domains: ReadonlySet<string>): ReturnType<typeof findLenders>;
  /** A blob's bytes from `offset` on. */
  open(blob: Descriptor, offset: number): AsyncIterable<Buffer>;
  /**
   * Makes sure that a store has everything of the graph, verified.
   * @returns that store: the one given, or that of the source
   */
  bring(graph: ImageGraph, store: Store): Promise<Store>;
}

type Location<Kind> = Extract<ImageLocation, { readonly kind: Kind }>;

export interface SourceRequest {
  readonly session: TransportSession;
  /** Where archives are unpacked, and what comes from a registry is kept until it is written. */
  readonly workStore: () => Promise<Store>;
}

/** @throws BuildError `input` or `registry` when there is no such image */
export async function openSource(location: ImageLocation, { session, workStore }: SourceRequest): Promise<ImageSource> {
  switch (location.kind) {
    case 'registry':
      return openRegistrySource(location.reference, session);
    case 'store':
      return openStoreSource(location.name, await session.store());
    case 'oci':
      return openLayoutSource(location, session);
    case 'oci-archive':
    case 'docker-archive':
      return openArchiveSource(location, await workStore());
  }
}

/**
 * An image of a registry.
 * @param known what a store has of it: its manifests are read there, and of the root the registry is only asked whether it is still the same,
 * which counts as no pull where pulls are counted
 */
export async function openRegistrySource(reference: Reference, session: TransportSession, known?: KnownImage): Promise<ImageSource> {
  const repository = await session.repository(reference);
  const name = familiarName(reference);
  const { signal } = session;
  const read = async function* (descriptor: Descriptor, offset: number): AsyncGenerator<Buffer, void, void> {
    let skip = offset;
    for await (const chunk of repository.download({ descriptor, signal })) {
      if (chunk.length > skip) yield chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
    }
  };
  return {
    name,
    root: await readRoot(repository, { reference, known, signal }),
    fullName: reference.tag === undefined ? undefined : formatReference(withoutDigest(reference)),
    lender: reference,
    readManifest: async (descriptor) => {
      if (known?.store.hasBlob(descriptor) === true) return known.store.readBlob(descriptor, MAX_MANIFEST_BYTES);
      return (await repository.manifest(descriptor.digest, signal)).bytes;
    },
    readBlob: (descriptor, maxBytes) => beginAnew(() => collect(read(descriptor, 0), { descriptor, maxBytes, name })),
    open: read,
    async bring(graph, store) {
      const { signal: stop } = session;
      await using blobs = new RemoteBlobs({ store, transfers: session.transfers, signal: stop, ...session.jobs() });
      blobs.add(graph.blobs, { repository, reference: name });
      await Promise.all(graph.blobs.map((blob) => blobs.bring(blob)));
      await putManifests(graph, store);
      return store;
    },
  };
}

export interface KnownImage {
  readonly store: Store;
  /** What the store has under the name. */
  readonly root: Descriptor | undefined;
}

interface RootRequest {
  readonly reference: Reference;
  readonly known: KnownImage | undefined;
  readonly signal: AbortSignal;
}

async function readRoot(repository: Repository, { reference, known, signal }: RootRequest): Promise<ManifestBytes> {
  const name = tagOrDigest(reference);
  if (known?.root === undefined) return repository.manifest(name, signal);
  const descriptor = await repository.resolve(name, signal);
  if (descriptor === undefined || !known.store.hasBlob(descriptor)) return repository.manifest(descriptor?.digest ?? name, signal);
  return { descriptor, bytes: await known.store.readBlob(descriptor, MAX_MANIFEST_BYTES) };
}

export async function openStoreSource(text: string, store: Store): Promise<ImageSource> {
  const { descriptor, reference } = await findImage(store, text);
  const source = openPlace(store, { descriptor: bare(descriptor), name: text, where: STORE });
  const fullName = reference === undefined || parseReference(reference).digest !== undefined ? undefined : reference;
  // It may have come from there, or have been pushed there; a registry that does not have it takes the upload instead.
  const lender = reference === undefined ? {} : { lender: parseReference(reference) };
  return {
    ...source,
    ...lender,
    lendersIn: (domains) => findLenders(store, domains),
    fullName,
    bring: (graph) => checkBlobs(store, graph, text).then(() => store),
  };
}

async function openLayoutSource(location: Location<'oci'>, session: TransportSession): Promise<ImageSource> {
  const { path } = location;
  const found = location.name === undefined ? await findInLayout(location) : findByName(path, location.name);
  const name = formatLocation(location);
  return {
    ...openPlace({ root: path }, { descriptor: bare(found), name, where: `"${path}"` }),
    fullName: toFullName(found.annotations?.[IMAGE_NAME] ?? found.annotations?.[REF_NAME]),
    async bring(graph, store) {
      for (const { descriptor } of graph.images) await importFromLayout(store, { dir: path, descriptor, signal: session.signal });
      await putManifests(graph, store);
      return store;
    },
  };
}

async function openArchiveSource(location: Location<'oci-archive' | 'docker-archive'>, store: Store): Promise<ImageSource> {
  const images = await importArchive(store, location.path === '-' ? process.stdin : location.path);
  const { descriptor, names } = chooseLoaded(images, location);
  // Its blobs are named by what they hold, so that the config alone tells whether they are what they were.
  if (location.kind === 'docker-archive') await validateImage(store, bare(descriptor));
  const name = formatLocation(location);
  const source = openPlace(store, { descriptor: bare(descriptor), name, where: `"${location.path}"` });
  const fullName = location.name ?? names[0];
  return { ...source, fullName, bring: (graph) => checkBlobs(store, graph, name).then(() => store) };
}

interface PlacedImage {
  readonly descriptor: Descriptor;
  readonly name: string;
  /** As messages call the place. */
  readonly where: string;
}

/** An image whose blobs lie on this machine. */
function openPlace({ root }: BlobPlace, image: PlacedImage): Pick<ImageSource, 'name' | 'root' | 'readManifest' | 'readBlob' | 'open'> {
  const bytes = readBlob(root, image.descriptor, { maxBytes: MAX_MANIFEST_BYTES });
  return {
    name: image.name,
    root: { descriptor: image.descriptor, bytes },
    async readManifest(descriptor) {
      if (!hasBlob(root, descriptor)) throw partial(root, { descriptor: image.descriptor, bytes }, image);
      return readBlob(root, descriptor, { maxBytes: MAX_MANIFEST_BYTES });
    },
    readBlob: async (descriptor, maxBytes) => readBlob(root, descriptor, { maxBytes }),
    open: (descriptor, offset) =>
      createReadStream(blobPath(root, descriptor.digest), { start: offset, highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>,
  };
}

/** An index of which a pull brought the image of one platform: to copy it whole would name what is not there. */
function partial(root: string, { descriptor, bytes }: ManifestBytes, { name, where }: PlacedImage): BuildError {
  if (!isIndex(descriptor)) return new BuildError('input', `image "${name}" is not whole in ${where}`);
  const { manifests } = parseIndex(bytes);
  const here = manifests.filter((child) => hasBlob(root, child));
  const [present, missing] = [here, manifests.filter((child) => !here.includes(child))].map(offeredPlatforms);
  const first = present?.[0];
  const lack = missing === undefined || missing.length === 0 ? `${manifests.length - here.length} of its parts` : missing.join(', ');
  return new BuildError('input', `index "${name}" is not whole in ${where}: it lacks ${lack}; there is ${present?.join(', ') || 'none'}`, {
    hint: [
      ...(first === undefined ? [] : [`take what is there with --platform ${first}`]),
      ...(where === STORE ? [`bring the rest: tsbuild pull --all-platforms ${name}`] : []),
    ].join(', or '),
  });
}

/** @throws BuildError `input` naming the first blob that is not there */
export async function checkBlobs({ root }: BlobPlace, graph: ImageGraph, name: string): Promise<void> {
  const missing = graph.blobs.find((blob) => !hasBlob(root, blob));
  if (missing === undefined) return;
  throw new BuildError('input', `image "${name}" is not whole: blob ${missing.digest} of ${missing.size} bytes is missing`, {
    hint: 'fetch or build it again',
  });
}

/** Manifests come last, so that whatever is in the store is whole. */
export async function putManifests({ manifests }: ImageGraph, store: Store): Promise<void> {
  for (const { descriptor, bytes } of manifests) await store.putBlob(bytes, descriptor.mediaType);
}

function findByName(path: string, name: string): Descriptor {
  const { manifests } = readLayout(path);
  const found = manifests.find(({ annotations }) =>
    [annotations?.[IMAGE_NAME], annotations?.[REF_NAME]].some((own) => toFullName(own) === name),
  );
  if (found !== undefined) return found;
  const known = manifests.flatMap(({ annotations }) => annotations?.[IMAGE_NAME] ?? annotations?.[REF_NAME] ?? []);
  throw notThere(path, name, known);
}

/** By digest, by name or tag, the one tagged `latest`, or the only one. */
function chooseLoaded(
  images: readonly LoadedImage[],
  { path, tag, name, digest }: Location<'oci-archive' | 'docker-archive'>,
): LoadedImage {
  const byTag = (wanted: string): LoadedImage | undefined =>
    images.find(({ refNames }) => refNames?.includes(wanted) === true) ??
    images.find(({ names }) => names.some((own) => parseReference(own).tag === wanted));
  const find = (): LoadedImage | undefined => {
    if (digest !== undefined) return images.find(({ descriptor }) => descriptor.digest === digest);
    if (name !== undefined) return images.find(({ names, refNames }) => names.includes(name) || refNames?.includes(tag ?? name) === true);
    if (tag !== undefined) return byTag(tag);
    return images.length === 1 ? images[0] : byTag('latest');
  };
  const found = find();
  if (found !== undefined) return found;
  throw notThere(
    path,
    digest ?? name ?? tag,
    images.flatMap(({ names, refNames, descriptor }) => names[0] ?? refNames?.[0] ?? descriptor.digest),
  );
}

function notThere(path: string, wanted: string | undefined, known: readonly string[]): BuildError {
  const what = wanted === undefined ? `has ${known.length} images and none is tagged "latest"` : `has no image "${wanted}"`;
  return new BuildError('input', `"${path}" ${what}`, {
    hint: known.length === 0 ? 'it is empty' : `it has: ${known.map(shorten).join(', ')}`,
  });
}

function shorten(name: string): string {
  return name.startsWith('sha256:') ? shortDigest(name as Descriptor['digest']) : name;
}

/** `1.0` alone is no name. */
function toFullName(text: string | undefined): string | undefined {
  if (text === undefined || isTag(text)) return undefined;
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}

function withoutDigest({ digest: _digest, ...named }: Reference): Reference {
  return named;
}

/** Without the annotations that name it where it was found. */
function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

interface Expected {
  readonly descriptor: Descriptor;
  readonly maxBytes: number;
  readonly name: string;
}

async function collect(chunks: AsyncIterable<Buffer>, { descriptor, maxBytes, name }: Expected): Promise<Buffer> {
  if (descriptor.size > maxBytes) {
    throw new BuildError('registry', `"${name}": blob ${descriptor.digest} has ${descriptor.size} bytes, want at most ${maxBytes}`);
  }
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
