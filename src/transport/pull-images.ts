import { BuildError } from '../base/errors.js';
import { chooseChild, isImageConfig, readGraph, withForeignLayers, type ImageGraph } from '../image/graph.js';
import { openRegistrySource, putManifests, type ImageSource } from './image-sources.js';
import { extractLayers } from './pull-layers.js';
import { formatPlatform, hostPlatform, matchesPlatform } from '../oci/platform.js';
import { familiarName, formatReference, type Reference } from '../oci/reference.js';
import { parseRegistryName } from '../oci/transports.js';
import type { ImageConfig, Manifest, Platform } from '../oci/types.js';
import { checkLayerCount, MAX_CONFIG_BYTES, parseImageConfig, parseIndex } from '../oci/validate.js';
import { RemoteBlobs } from '../pull/remote-blobs.js';
import { isIndex } from '../store/import.js';
import type { Store } from '../store/store.js';
import type { MovedImage, PullOptions } from './options.js';
import { TransportSession } from './session.js';

/**
 * Brings images of registries into the store, verified, one after the other. Only blobs that the store lacks are fetched. An image gets its
 * name when it is whole; of an index, the index is named, and those of its images are there that were asked for.
 * @throws BuildError
 */
export async function pullImages(options: PullOptions): Promise<MovedImage[]> {
  const references = options.references.map(parseRegistryName);
  if (options.allPlatforms === true && options.platforms !== undefined) {
    throw new BuildError('usage', '--all-platforms and --platform say different things', { hint: 'give one of them' });
  }
  await using session = new TransportSession(options);
  const store = await session.store();
  // What is brought is referred to by nobody until the end.
  using _lease = store.lease();
  const pulled: MovedImage[] = [];
  for (const reference of references) pulled.push(await pull(reference, { session, store, options }));
  return pulled;
}

interface Pull {
  readonly session: TransportSession;
  readonly store: Store;
  readonly options: PullOptions;
}

async function pull(reference: Reference, { session, store, options }: Pull): Promise<MovedImage> {
  const name = nameInStore(reference);
  const source = await openRegistrySource(reference, session, { store, root: await store.find(name) });
  const graphs = (await wantedGraphs(source, options)).map(withForeignLayers);
  await bringGraphs(graphs, { source, reference, session, store, options });
  // The index itself is named, whatever of it is here.
  await store.putBlob(source.root.bytes, source.root.descriptor.mediaType);
  session.signal.throwIfAborted();
  await store.tag(source.root.descriptor, [name]);
  return { name, descriptor: source.root.descriptor };
}

/** The images that are asked for, each by itself; all of an index together. */
async function wantedGraphs(source: ImageSource, { platforms, allPlatforms }: PullOptions): Promise<ImageGraph[]> {
  if (!isIndex(source.root.descriptor)) return [await readGraph(source, platforms)];
  if (allPlatforms === true) return [await readGraph(source)];
  const wanted = platforms ?? [hostPlatform()];
  // Before anything is fetched: whether all are there.
  for (const platform of wanted) chooseChild(parseIndex(source.root.bytes), platform, source.name);
  return Promise.all(wanted.map((platform) => readGraph(source, [platform])));
}

interface Bring extends Pull {
  readonly source: ImageSource;
  readonly reference: Reference;
}

/** Every blob at once, and each layer unpacked while it comes where that is asked for; then the manifests. */
async function bringGraphs(graphs: readonly ImageGraph[], { source, reference, session, store, options }: Bring): Promise<void> {
  const { transfers, signal } = session;
  await using blobs = new RemoteBlobs({ store, transfers, signal, ...session.jobs() });
  for (const graph of graphs)
    blobs.add(graph.blobs, { repository: await session.repository(reference), reference: familiarName(reference) });
  const images = graphs.flatMap((graph) => graph.images).filter(({ manifest }) => isImageConfig(manifest.config));
  for (const { manifest } of images) checkConfigSize(manifest, source);
  // First, since they are small and tell whether this is what was meant.
  await Promise.all(images.map(({ manifest }) => blobs.bring(manifest.config)));
  const configs = await Promise.all(
    images.map(async ({ manifest }) => ({ manifest, config: await configOf(manifest, { store, source }) })),
  );
  const [only] = configs;
  if (!isIndex(source.root.descriptor) && only !== undefined) warnOfPlatform(only.config, source, session);
  // What BuildKit adds about an image has a config too, but no layers.
  const runnable = configs.filter(({ config }) => config.os !== 'unknown');
  for (const { manifest, config } of runnable) checkLayerCount(manifest, config);
  if (options.extract === true) await extractLayers(runnable, { blobs, store, session });
  await Promise.all(graphs.flatMap((graph) => graph.blobs).map((blob) => blobs.bring(blob)));
  for (const graph of graphs) await putManifests(graph, store);
}

function checkConfigSize({ config: { digest, size } }: Manifest, { name }: ImageSource): void {
  if (size > MAX_CONFIG_BYTES)
    throw new BuildError('input', `config ${digest} of "${name}" has ${size} bytes, want at most ${MAX_CONFIG_BYTES}`);
}

async function configOf(manifest: Manifest, { store, source }: Pick<Bring, 'store' | 'source'>): Promise<ImageConfig> {
  const bytes = await store.readBlob(manifest.config, MAX_CONFIG_BYTES);
  return parseImageConfig(bytes, { name: `config ${manifest.config.digest} of "${source.name}"` });
}

/** It can be what is wanted: to look into it, or to push it elsewhere. */
function warnOfPlatform(config: Platform, { name }: ImageSource, { options, progress }: TransportSession): void {
  if ('platforms' in options || matchesPlatform(config, hostPlatform())) return;
  progress.warn(`"${name}" is for ${formatPlatform(config)}, this machine is ${formatPlatform(hostPlatform())}`);
}

/** With a digest, the tag means nothing and is not kept: it may lead elsewhere tomorrow. */
function nameInStore({ tag, digest, ...named }: Reference): string {
  if (digest !== undefined) return formatReference({ ...named, digest });
  return formatReference({ ...named, ...(tag === undefined ? {} : { tag }) });
}
