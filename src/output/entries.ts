import { familiarName, parseReference } from '../oci/reference.js';
import { MediaType, type Annotations, type Descriptor, type ImageConfig, type ImageIndex, type Manifest } from '../oci/types.js';
import type { Image } from '../image/image.js';
import { encodeIndex, type ImageOrIndex } from '../image/index.js';
import { digestOf } from '../oci/digest.js';

/** Full name; containerd, BuildKit and nerdctl read it. */
const IMAGE_NAME = 'io.containerd.image.name';
/** image-spec, annotations.md: the tag; skopeo, umoci and podman look images up by it. */
const REF_NAME = 'org.opencontainers.image.ref.name';
const CREATED = 'org.opencontainers.image.created';

/** What `index.json` names: an image by its config, or an index. */
export interface Listed {
  readonly descriptor: Descriptor;
  /** Of the image, or of the first one of an index. */
  readonly config: ImageConfig | undefined;
  readonly isIndex: boolean;
}

/** What stands in `index.json` for one image or index: an entry for each name, or a single one that has `tag` or no name at all. */
export function toIndexEntries({ descriptor, config, isIndex }: Listed, names: readonly string[], tag: string | undefined): Descriptor[] {
  const platform = config === undefined || isIndex ? {} : { platform: platformOf(config) };
  const created = config?.created === undefined ? {} : { [CREATED]: config.created };
  const entry = (annotations: Annotations): Descriptor => ({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...platform,
  });
  const refNames = new Set<string>();
  const named = names.map((name) => {
    const { domain, path, tag: ownTag = 'latest' } = parseReference(name);
    const full = `${domain}/${path}:${ownTag}`;
    // umoci takes a name that stands twice for ambiguous, whatever the two entries lead to.
    const own = refNames.has(ownTag) ? full : ownTag;
    refNames.add(own);
    return entry({ [IMAGE_NAME]: full, [REF_NAME]: own, ...created });
  });
  const tagged = tag === undefined || refNames.has(tag) ? [] : [entry({ [REF_NAME]: tag, ...created })];
  return named.length + tagged.length > 0 ? [...named, ...tagged] : [entry(created)];
}

function platformOf({ os, architecture, variant }: ImageConfig): NonNullable<Descriptor['platform']> {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The index with new entries: an older entry that a reader would find under one of the new names is gone, all others stay. */
export function mergeEntries(index: ImageIndex, entries: readonly Descriptor[]): ImageIndex {
  const added = new Set(entries.map(refName));
  const isReplaced = (other: Descriptor): boolean => {
    const name = refName(other);
    // Without a name nothing is found but by its digest.
    return name === '' ? entries.some((entry) => refName(entry) === '' && entry.digest === other.digest) : added.has(name);
  };
  return { ...index, manifests: [...index.manifests.filter((other) => !isReplaced(other)), ...entries] };
}

export function newIndex(entries: readonly Descriptor[]): ImageIndex {
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: entries };
}

/** Names in docker's short form, without those that differ in nothing. */
export function familiarNames(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => familiarName(parseReference(name))))];
}

/** A blob of an output. */
export interface OutputBlob {
  readonly descriptor: Descriptor;
  /** Of one that the store does not have. */
  readonly bytes?: Buffer;
}

/** An image or index as an output holds it. */
export interface OutputContent extends Listed {
  /** Everything below the descriptor and itself, what refers to others behind them. */
  readonly blobs: readonly OutputBlob[];
}

/** @param annotations of the output alone: they make other manifests of the image's, and with them another index */
export function toContent(image: ImageOrIndex, annotations: Annotations = {}): OutputContent {
  const manifests = toManifests(image, annotations);
  const blobs = [...image.images.flatMap(contentOf).map((blob) => ({ descriptor: blob })), ...manifests];
  const root = manifests.at(-1)?.descriptor ?? image.descriptor;
  return { descriptor: root, config: image.images[0]?.config, isIndex: image.index !== undefined, blobs };
}

/** The manifests alone, the root last. */
export function toManifests({ descriptor, images, index }: ImageOrIndex, annotations: Annotations): OutputBlob[] {
  const manifests = images.map((image) => annotate(image, annotations));
  if (index === undefined) return manifests;
  return [...manifests, Object.keys(annotations).length === 0 ? { descriptor } : encodeIndexOf(index, images, manifests)];
}

function annotate({ descriptor, manifest }: Image, annotations: Annotations): OutputBlob {
  if (Object.keys(annotations).length === 0) return { descriptor };
  const annotated: Manifest = { ...manifest, annotations: { ...manifest.annotations, ...annotations } };
  const bytes = Buffer.from(JSON.stringify(annotated));
  return { descriptor: { mediaType: descriptor.mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** The index with other manifests in place of its images' own. @param manifests one for each image, in their order; entries may have another */
export function encodeIndexOf(
  index: ImageIndex,
  images: readonly Image[],
  manifests: readonly Pick<OutputBlob, 'descriptor'>[],
): Required<OutputBlob> {
  const newOf = new Map(images.map((image, position) => [image.descriptor.digest, manifests[position]?.descriptor]));
  return encodeIndex({ ...index, manifests: index.manifests.map((entry) => ({ ...entry, ...newOf.get(entry.digest) })) });
}

/** Config and layers, each once: the blobs of the image besides its manifest. */
export function contentOf(image: Image): Descriptor[] {
  const byDigest = new Map([image.manifest.config, ...image.manifest.layers].map((descriptor) => [descriptor.digest, descriptor]));
  return [...byDigest.values()];
}

function refName(descriptor: Descriptor): string {
  return descriptor.annotations?.[REF_NAME] ?? '';
}
