import { familiarName, parseReference } from '../oci/reference.js';
import { MediaType, type Annotations, type Descriptor, type ImageConfig, type ImageIndex, type Manifest } from '../oci/types.js';
import type { Image } from '../image/image.js';

/** Full name; containerd, BuildKit and nerdctl read it. */
const IMAGE_NAME = 'io.containerd.image.name';
/** image-spec, annotations.md: the tag; skopeo, umoci and podman look images up by it. */
const REF_NAME = 'org.opencontainers.image.ref.name';
const CREATED = 'org.opencontainers.image.created';

/** What stands in `index.json` for one image: an entry for each name, or a single one that has `tag` or no name at all. */
export function toIndexEntries(
  image: { readonly descriptor: Descriptor; readonly config: ImageConfig },
  names: readonly string[],
  tag: string | undefined,
): Descriptor[] {
  const { descriptor, config } = image;
  const platform = {
    os: config.os,
    architecture: config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
  };
  const created = config.created === undefined ? {} : { [CREATED]: config.created };
  const entry = (annotations: Annotations): Descriptor => ({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    platform,
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

/** The manifest of an output that has annotations of its own; the same one when it has none. */
export function annotate(manifest: Manifest, annotations: Annotations): Manifest {
  return Object.keys(annotations).length === 0 ? manifest : { ...manifest, annotations: { ...manifest.annotations, ...annotations } };
}

/** Config and layers, each once: the blobs of the image besides its manifest. */
export function contentOf(image: Image): Descriptor[] {
  const byDigest = new Map([image.manifest.config, ...image.manifest.layers].map((descriptor) => [descriptor.digest, descriptor]));
  return [...byDigest.values()];
}

function refName(descriptor: Descriptor): string {
  return descriptor.annotations?.[REF_NAME] ?? '';
}
