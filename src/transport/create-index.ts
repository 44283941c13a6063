import { BuildError } from '../base/errors.js';
import { restrictCredentials } from '../credential-hosts.js';
import { encodeIndex } from '../image/index.js';
import { isImageConfig, readConfig, readGraph, type ImageGraph, type ManifestBytes } from '../image/graph.js';
import { openRegistrySource, type ImageSource } from './image-sources.js';
import type { Digest } from '../oci/digest.js';
import { formatPlatform, normalizePlatform } from '../oci/platform.js';
import { familiarName, formatReference } from '../oci/reference.js';
import { parseRegistryName } from '../oci/transports.js';
import { MediaType, type Descriptor, type Manifest, type Platform } from '../oci/types.js';
import { parseIndex } from '../oci/validate.js';
import { Pusher, type PushBlob } from '../push.js';
import { isIndex } from '../store/import.js';
import type { IndexOptions, MovedImage } from './options.js';
import { TransportSession } from './session.js';

/**
 * Makes one index of images and indexes that are in registries, and pushes it. Their blobs are lent where the registry is the same, and copied where
 * not; the index gets its tags when everything has arrived.
 * @throws BuildError `usage` when two are for one platform
 */
export async function createIndex(options: IndexOptions): Promise<MovedImage[]> {
  const targets = options.targets.map(parseRegistryName);
  const digested = targets.find((target) => target.digest !== undefined);
  if (digested !== undefined) throw new BuildError('usage', `invalid --tag "${familiarName(digested)}": a digest cannot be chosen`);
  if (options.images.length === 0) throw new BuildError('usage', 'no image is given to make an index of');
  const registry = restrictCredentials(
    options.registry ?? {},
    targets.map(({ domain }) => domain),
  );
  await using session = new TransportSession({ ...options, registry });
  const parts = await Promise.all(options.images.map((text) => readPart(text, session)));
  const entries = joinEntries(parts);
  const index = encodeIndex({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: entries });
  await using pusher = new Pusher(await session.pusherRequest(targets));
  await pusher.finish({ descriptor: index.descriptor, manifests: [...manifestsOf(parts), index], blobs: blobsOf(parts) });
  return targets.map((target) => ({ name: formatReference(target), descriptor: index.descriptor }));
}

/** An image or index that becomes part of the index. */
interface Part {
  readonly source: ImageSource;
  readonly graph: ImageGraph;
  /** What of it stands in the index. */
  readonly entries: readonly Descriptor[];
}

async function readPart(text: string, session: TransportSession): Promise<Part> {
  const source = await openRegistrySource(parseRegistryName(text), session);
  const graph = await readGraph(source);
  return { source, graph, entries: await entriesOf(source, graph) };
}

async function entriesOf(source: ImageSource, { root, images }: ImageGraph): Promise<readonly Descriptor[]> {
  if (isIndex(root)) return parseIndex(source.root.bytes).manifests;
  const [image] = images;
  if (image === undefined || !isImageConfig(image.manifest.config)) {
    throw new BuildError('registry', `"${source.name}" is no image, so that it has no platform`);
  }
  return [toEntry(root, await platformOf(source, image.manifest))];
}

async function platformOf(source: ImageSource, manifest: Manifest): Promise<Platform> {
  const config = await readConfig(source, manifest);
  const { os, architecture, variant } = config;
  const version = config['os.version'];
  return { architecture, os, ...(version === undefined ? {} : { 'os.version': version }), ...(variant === undefined ? {} : { variant }) };
}

function toEntry({ mediaType, digest, size }: Descriptor, platform: Platform): Descriptor {
  return { mediaType, digest, size, platform };
}

/**
 * All entries in the order of their images; what is given twice stands there once. Attestations are not for a platform.
 * @throws BuildError `usage` naming both images of one platform
 */
function joinEntries(parts: readonly Part[]): Descriptor[] {
  const byDigest = new Map<Digest, Descriptor>();
  const owners = new Map<string, { readonly name: string; readonly digest: Digest }>();
  for (const { source, entries } of parts) {
    for (const entry of entries) {
      const platform = entry.platform === undefined || entry.platform.os === 'unknown' ? undefined : platformKey(entry.platform);
      const owner = platform === undefined ? undefined : owners.get(platform);
      if (platform !== undefined && owner !== undefined && owner.digest !== entry.digest) {
        throw new BuildError('usage', `two images are for ${platform}: "${owner.name}" and "${source.name}"`, {
          hint: 'leave one of them out',
        });
      }
      if (platform !== undefined) owners.set(platform, { name: source.name, digest: entry.digest });
      byDigest.set(entry.digest, byDigest.get(entry.digest) ?? entry);
    }
  }
  return [...byDigest.values()];
}

/** Windows has images for each of its versions. */
function platformKey(platform: Platform): string {
  const version = platform['os.version'];
  return `${formatPlatform(normalizePlatform(platform))}${version === undefined ? '' : ` (${version})`}`;
}

/** Those of the images; the indexes that they come from are not part of the new one. */
function manifestsOf(parts: readonly Part[]): ManifestBytes[] {
  const manifests = parts.flatMap(({ graph, source }) => {
    const isOuter = (digest: Digest): boolean => isIndex(source.root.descriptor) && digest === source.root.descriptor.digest;
    return graph.manifests.filter(({ descriptor }) => !isOuter(descriptor.digest));
  });
  return [...new Map(manifests.map((manifest) => [manifest.descriptor.digest, manifest])).values()];
}

/** Each from the first that has it; all others that have it can lend it too. */
function blobsOf(parts: readonly Part[]): PushBlob[] {
  const blobs = new Map<Digest, PushBlob>();
  for (const { source, graph } of parts) {
    for (const descriptor of graph.blobs) {
      const known = blobs.get(descriptor.digest);
      const mountFrom = [...(known?.mountFrom ?? []), ...(source.lender === undefined ? [] : [source.lender])];
      const open = known?.open ?? ((offset: number) => source.open(descriptor, offset));
      blobs.set(descriptor.digest, { descriptor, open, mountFrom });
    }
  }
  return [...blobs.values()];
}
