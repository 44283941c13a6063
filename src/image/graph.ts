import { BuildError } from '../base/errors.js';
import { Slots } from '../base/slots.js';
import { encodeIndex } from './index.js';
import type { Digest } from '../oci/digest.js';
import { formatPlatform, matchesPlatform, samePlatform } from '../oci/platform.js';
import { MediaType, type Descriptor, type ImageConfig, type ImageIndex, type Manifest, type Platform } from '../oci/types.js';
import { MAX_CONFIG_BYTES, parseImageConfig, parseIndex, parseManifest } from '../oci/validate.js';
import { isIndex } from '../store/import.js';

/** The bytes that a descriptor stands for. */
export interface ManifestBytes {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** An image, or an index with its images, as far as manifests tell. */
export interface ImageGraph {
  readonly root: Descriptor;
  /** Children before parents, the root last; each once. */
  readonly manifests: readonly ManifestBytes[];
  /** Those of images, parsed, in the same order. */
  readonly images: readonly { readonly descriptor: Descriptor; readonly manifest: Manifest }[];
  /** Configs and layers, each once. */
  readonly blobs: readonly Descriptor[];
}

/** Where manifests are read from. */
export interface ManifestSource {
  /** As messages name the image. */
  readonly name: string;
  readonly root: ManifestBytes;
  /** @throws BuildError when it is not there */
  readManifest(descriptor: Descriptor): Promise<Buffer>;
  /** A small blob, verified: the config of an image. */
  readBlob(descriptor: Descriptor, maxBytes: number): Promise<Buffer>;
}

/** Indexes in indexes are allowed by image-spec; nobody makes them deep. */
const MAX_DEPTH = 5;
const READ_AT_ONCE = 6;

/**
 * Reads the manifests below an image's root.
 *
 * @param platforms what of an index is wanted: one makes its image the root, several an index of those; nothing is everything, attestations too
 * @throws BuildError `registry` when an index lacks one of the platforms, or an image is for another
 */
export async function readGraph(source: ManifestSource, platforms?: readonly Platform[]): Promise<ImageGraph> {
  const root = platforms === undefined ? source.root : await rootFor(source, platforms);
  const reader = new GraphReader(source);
  await reader.add(root, 0);
  return reader.toGraph(root.descriptor);
}

class GraphReader {
  readonly #source: ManifestSource;
  readonly #slots = new Slots(READ_AT_ONCE);
  readonly #seen = new Set<Digest>();
  readonly #manifests: ManifestBytes[] = [];
  readonly #images: { descriptor: Descriptor; manifest: Manifest }[] = [];
  readonly #blobs = new Map<Digest, Descriptor>();

  constructor(source: ManifestSource) {
    this.#source = source;
  }

  async add({ descriptor, bytes }: ManifestBytes, depth: number): Promise<void> {
    if (this.#seen.has(descriptor.digest)) return;
    this.#seen.add(descriptor.digest);
    if (isIndex(descriptor)) {
      if (depth >= MAX_DEPTH)
        throw new BuildError('registry', `index ${descriptor.digest} lies ${depth} indexes deep, at most ${MAX_DEPTH} are read`);
      const { manifests } = parseIndex(bytes, { name: this.#titleOf('index', descriptor) });
      const children = await Promise.all(manifests.map((child) => this.#slots.run(() => readChild(this.#source, child))));
      // One after the other from here on: the order is that of the index.
      for (const child of children) await this.add(child, depth + 1);
    } else {
      const manifest = parseManifest(bytes, { name: this.#titleOf('manifest', descriptor) });
      this.#images.push({ descriptor, manifest });
      for (const blob of [manifest.config, ...manifest.layers]) if (!isForeign(blob)) this.#blobs.set(blob.digest, blob);
    }
    this.#manifests.push({ descriptor, bytes });
  }

  #titleOf(kind: string, { digest }: Descriptor): string {
    return `${kind} ${digest} of "${this.#source.name}"`;
  }

  toGraph(root: Descriptor): ImageGraph {
    return { root, manifests: this.#manifests, images: this.#images, blobs: [...this.#blobs.values()] };
  }
}

/** Layers of Windows that registries may not hand out, and do not have (image-spec, layer.md#non-distributable-layers). */
function isForeign({ mediaType }: Descriptor): boolean {
  return /\.(?:foreign|nondistributable)\./.test(mediaType);
}

/**
 * The same, with the layers that registries may do without: for a place that keeps images whole. Some registries have them; that the others do not
 * is found out when they are asked.
 */
export function withForeignLayers(graph: ImageGraph): ImageGraph {
  const blobs = new Map(graph.blobs.map((blob) => [blob.digest, blob]));
  for (const { manifest } of graph.images) for (const layer of manifest.layers) if (isForeign(layer)) blobs.set(layer.digest, layer);
  return { ...graph, blobs: [...blobs.values()] };
}

async function readChild(source: ManifestSource, descriptor: Descriptor): Promise<ManifestBytes> {
  return { descriptor, bytes: await source.readManifest(descriptor) };
}

/**
 * The root of what is for these platforms.
 * @throws BuildError `registry` when there is no image for one of them
 */
export async function rootFor(source: ManifestSource, platforms: readonly Platform[]): Promise<ManifestBytes> {
  const { root } = source;
  const [first] = platforms;
  if (first === undefined) throw new BuildError('usage', 'no platform is given');
  if (!isIndex(root.descriptor)) {
    for (const platform of platforms) await checkPlatform(source, root, platform);
    return root;
  }
  const index = parseIndex(root.bytes);
  const chosen = platforms.map((platform) => chooseChild(index, platform, source.name));
  if (platforms.length === 1)
    return withoutAnnotations(await chooseImage(source, await readChild(source, chosen[0] ?? root.descriptor), first));
  const wanted = new Set(chosen.map((child) => child.digest));
  const manifests = index.manifests.filter((child) => wanted.has(child.digest));
  return manifests.length === index.manifests.length ? root : encodeIndex({ ...index, manifests });
}

/** What an index says of an image is not said where it stands alone. */
function withoutAnnotations({ descriptor: { annotations: _annotations, ...descriptor }, bytes }: ManifestBytes): ManifestBytes {
  return { descriptor, bytes };
}

/** The image of one platform, through any number of indexes. */
async function chooseImage(source: ManifestSource, found: ManifestBytes, platform: Platform, depth = 0): Promise<ManifestBytes> {
  if (!isIndex(found.descriptor)) return found;
  if (depth >= MAX_DEPTH) throw new BuildError('registry', `${source.name}: indexes lie in one another, at most ${MAX_DEPTH} are read`);
  return chooseImage(source, await readChild(source, chooseChild(parseIndex(found.bytes), platform, source.name)), platform, depth + 1);
}

/**
 * The entry of an index that is for a platform.
 * @throws BuildError `registry` that lists what there is
 */
export function chooseChild({ manifests }: ImageIndex, platform: Platform, name: string): Descriptor {
  const found =
    manifests.find((child) => child.platform !== undefined && samePlatform(child.platform, platform)) ??
    manifests.find((child) => child.platform !== undefined && matchesPlatform(child.platform, platform));
  if (found !== undefined) return found;
  const offered = offeredPlatforms(manifests);
  throw new BuildError('registry', `"${name}" has no image for ${formatPlatform(platform)}`, {
    hint: offered.length === 0 ? 'its images do not say what they are for' : `there is ${offered.join(', ')}: choose with --platform`,
  });
}

/** What an index is for, attestations left out. */
export function offeredPlatforms(manifests: readonly Descriptor[]): string[] {
  return manifests.flatMap(({ platform }) => (platform === undefined || platform.os === 'unknown' ? [] : [formatPlatform(platform)]));
}

/** An image that is no index is for one platform, which only its config tells. */
async function checkPlatform(source: ManifestSource, image: ManifestBytes, platform: Platform): Promise<void> {
  const config = await readConfig(source, parseManifest(image.bytes));
  if (matchesPlatform(config, platform)) return;
  throw new BuildError('registry', `"${source.name}" is for ${formatPlatform(config)}, want ${formatPlatform(platform)}`, {
    hint: 'it is a single image, not an index of several: leave out --platform to take it as it is',
  });
}

/** Charts, signatures and attestations are no images, but stand in registries as images do. */
export function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.ociConfig || mediaType === MediaType.dockerConfig;
}

/** @throws BuildError `input` when it is none */
export async function readConfig(source: ManifestSource, manifest: Manifest): Promise<ImageConfig> {
  const name = `config ${manifest.config.digest} of "${source.name}"`;
  return parseImageConfig(await source.readBlob(manifest.config, MAX_CONFIG_BYTES), { name });
}
