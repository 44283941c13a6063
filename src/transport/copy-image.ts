import { linkSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, errnoOf } from '../base/errors.js';
import { withCopyCredentials } from '../credential-hosts.js';
import { readImage } from '../image/read.js';
import { isImageConfig, readConfig, readGraph, withForeignLayers, type ImageGraph } from '../image/graph.js';
import { openSource, type ImageSource } from './image-sources.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import { hostPlatform } from '../oci/platform.js';
import { formatLocation, parseLocation, type ImageLocation } from '../oci/transports.js';
import type { Descriptor, ImageConfig, Platform } from '../oci/types.js';
import { saveDockerArchive } from '../output/docker-archive.js';
import type { OutputContent } from '../output/entries.js';
import { archiveContent } from '../output/oci-archive.js';
import { placeContent } from '../output/oci-layout.js';
import { isIndex } from '../store/import.js';
import { blobPath, hasBlob } from '../store/layout.js';
import { Store } from '../store/store.js';
import type { TempDir } from '../store/temp.js';
import type { CopyOptions, MovedImage } from './options.js';
import { TransportSession } from './session.js';
import { Pusher } from '../push.js';

/**
 * Copies an image or index from one place to another. Digests stay what they are, unless an index is reduced to some of its platforms. Between
 * registries nothing is written to disk.
 * @throws BuildError
 */
export async function copyImage(options: CopyOptions): Promise<MovedImage> {
  const [from, to] = [parseLocation(options.source), parseLocation(options.destination)];
  checkDestination(to);
  const { registry = {}, sourceCredentials, destinationCredentials } = options;
  await using session = new TransportSession({
    ...options,
    registry: withCopyCredentials(registry, { from, to, sourceCredentials, destinationCredentials }),
  });
  await using work = new WorkStore(session, to);
  // Nothing may be collected as garbage while it is read, or before it is referred to.
  using _lease = from.kind === 'store' || to.kind === 'store' ? (await session.store()).lease() : undefined;
  const source = await openSource(from, { session, workStore: () => work.get() });
  const all = await readGraph(source, platformsFor(to, source, options.platforms));
  const graph = to.kind === 'store' ? withForeignLayers(all) : all;
  await write(to, { from: from.kind, source, graph, session, work });
  return { name: formatLocation(to), descriptor: graph.root };
}

interface Copy {
  readonly from: ImageLocation['kind'];
  readonly source: ImageSource;
  readonly graph: ImageGraph;
  readonly session: TransportSession;
  readonly work: WorkStore;
}

async function write(to: ImageLocation, { from, source, graph, session, work }: Copy): Promise<void> {
  if (to.kind === 'registry') return pushGraph({ source, graph, session, targets: [targetOf(to.reference, graph)] });
  const target = await work.get();
  if (from === 'registry') await work.seed(graph.blobs);
  const store = await source.bring(graph, target);
  const names = to.kind === 'store' ? [formatReference(parseReference(to.name))] : namesFor(to, source);
  session.signal.throwIfAborted();
  switch (to.kind) {
    case 'store':
      if (store !== target) throw new Error('the image was brought elsewhere');
      return store.tag(graph.root, names);
    case 'docker-archive':
      return saveDockerArchive(store, [{ image: await readImage(store, graph.root), names }], to.path);
    case 'oci-archive':
      return archiveContent({ store, content: await toContent(graph, source), names, tag: to.tag, dest: to.path });
    case 'oci':
      return placeContent({ store, content: await toContent(graph, source), names, tag: to.tag, dest: to.path });
  }
}

export interface GraphPush {
  readonly source: ImageSource;
  readonly graph: ImageGraph;
  readonly session: TransportSession;
  readonly targets: readonly Reference[];
}

/** Pushes what a source has; other repositories of the registries lend blobs that they are known to have. */
export async function pushGraph({ source, graph, session, targets }: GraphPush): Promise<void> {
  await using pusher = new Pusher(await session.pusherRequest(targets));
  const lenders = source.lender === undefined ? [] : [source.lender];
  const others = await source.lendersIn?.(new Set(targets.map(({ domain }) => domain)));
  const blobs = graph.blobs.map((descriptor) => ({
    descriptor,
    open: (offset: number) => source.open(descriptor, offset),
    mountFrom: [...lenders, ...(others?.get(descriptor.digest) ?? [])],
  }));
  await pusher.finish({ descriptor: graph.root, manifests: graph.manifests, blobs });
}

/**
 * Where an image with a digest shall be pushed by it, that is the one it has.
 * @throws BuildError `usage` when it has another
 */
export function targetOf(reference: Reference, { root }: ImageGraph): Reference {
  if (reference.digest === undefined || reference.digest === root.digest) return reference;
  throw new BuildError('usage', `the image is ${root.digest}, the destination names ${reference.digest}`, {
    hint: 'leave the digest out of the destination: it follows from the image',
  });
}

/** Checked before anything is fetched. */
function checkDestination(to: ImageLocation): void {
  if (to.kind === 'store') parseReference(to.name);
  const digest = to.kind === 'registry' ? undefined : to.kind === 'store' ? parseReference(to.name).digest : to.digest;
  if (digest === undefined) return;
  throw new BuildError('usage', `invalid destination "${formatLocation(to)}": a digest cannot be chosen`, {
    hint: 'leave out everything from "@" on',
  });
}

/** An archive of docker holds one image: that of an index which is for this machine, unless another is asked for. */
function platformsFor(to: ImageLocation, source: ImageSource, wanted: readonly Platform[] | undefined): readonly Platform[] | undefined {
  if (to.kind !== 'docker-archive') return wanted;
  if (wanted !== undefined && wanted.length > 1) throw new BuildError('usage', 'an archive of docker holds the image of one platform only');
  return wanted ?? (isIndex(source.root.descriptor) ? [hostPlatform()] : undefined);
}

/** The copy has the name that it is given, or else that of its source. */
function namesFor(to: Exclude<ImageLocation, { readonly kind: 'registry' | 'store' }>, source: ImageSource): string[] {
  const name = to.tag === undefined ? (to.name ?? source.fullName) : undefined;
  return name === undefined ? [] : [name];
}

async function toContent(graph: ImageGraph, source: ImageSource): Promise<OutputContent> {
  const descriptors = [...graph.blobs, ...graph.manifests.map(({ descriptor }) => descriptor)];
  return {
    descriptor: graph.root,
    config: await configOf(graph, source),
    isIndex: isIndex(graph.root),
    blobs: descriptors.map((descriptor) => ({ descriptor })),
  };
}

/** `undefined` of what is no image but stands in registries all the same: charts, signatures, attestations. */
async function configOf({ images }: ImageGraph, source: ImageSource): Promise<ImageConfig | undefined> {
  const manifest = images[0]?.manifest;
  return manifest === undefined || !isImageConfig(manifest.config) ? undefined : readConfig(source, manifest);
}

/**
 * The store that a copy goes through: that of the destination, or one of its own that is gone afterwards. It lies in the local store, where
 * what a killed process leaves is swept, and begins with the blobs that are on this machine already.
 */
class WorkStore implements AsyncDisposable {
  readonly #session: TransportSession;
  readonly #to: ImageLocation;
  #temp: TempDir | undefined;
  #store: Promise<Store> | undefined;

  constructor(session: TransportSession, to: ImageLocation) {
    this.#session = session;
    this.#to = to;
  }

  get(): Promise<Store> {
    this.#store ??= this.#to.kind === 'store' ? this.#session.store() : this.#makeScratch();
    return this.#store;
  }

  /** Links what need not be fetched. */
  async seed(blobs: readonly Descriptor[]): Promise<void> {
    const work = await this.get();
    const local = await this.#session.store();
    if (work === local) return;
    const places = [local.root, ...(this.#to.kind === 'oci' ? [this.#to.path] : [])];
    for (const blob of blobs) {
      const place = places.find((root) => hasBlob(root, blob));
      if (place !== undefined && !work.hasBlob(blob)) linkBlob(blobPath(place, blob.digest), work.blobPath(blob.digest));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const store = await this.#store?.catch(() => undefined);
    if (this.#temp === undefined) return;
    await store?.swept;
    await this.#temp[Symbol.asyncDispose]();
  }

  async #makeScratch(): Promise<Store> {
    this.#temp = await (await this.#session.store()).tempDir();
    return Store.open(join(this.#temp.path, 'store'));
  }
}

/** Where file systems differ, or refuse, the blob is fetched. */
function linkBlob(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}
