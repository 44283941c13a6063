import { digestOf } from '../oci/digest.js';
import {
  MediaType,
  type Annotations,
  type ContainerConfig,
  type Descriptor,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  type Manifest,
  type Platform,
} from '../oci/types.js';
import type { Image, Layer } from './image.js';

export interface ImageParts {
  /** Config of the image that the last stage is from; nothing for scratch. */
  readonly base?: ImageConfig;
  readonly baseLayers: readonly Layer[];
  /** Of this build, in order. */
  readonly layers: readonly Layer[];
  /** Of this build, with times; as many rows without `empty_layer` as there are layers. */
  readonly history: readonly HistoryEntry[];
  readonly config: ContainerConfig;
  readonly platform: Platform;
  /** The default is the base's. */
  readonly author?: string;
  /** RFC 3339, UTC. The default is the time of the last row of history. */
  readonly created?: string;
  /** For the manifest. */
  readonly annotations?: Annotations;
}

export interface AssembledImage {
  readonly image: Image;
  /** The blobs that `image` refers to and the store does not have yet. */
  readonly configBytes: Buffer;
  readonly manifestBytes: Buffer;
}

/** Config and manifest of an image. The same parts make the same bytes: fields in the order of the image-spec, maps sorted, nothing empty. */
export function assembleImage(parts: ImageParts): AssembledImage {
  const layers = [...parts.baseLayers, ...parts.layers];
  const config = toImageConfig(parts, layers);
  const configBytes = Buffer.from(JSON.stringify(config));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: describe(configBytes, MediaType.ociConfig),
    layers: layers.map((layer) => toOciLayer(layer.descriptor)),
    ...compact<Pick<Manifest, 'annotations'>>({ annotations: sorted(parts.annotations) }),
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  return { image: { descriptor: describe(manifestBytes, MediaType.ociManifest), manifest, config, layers }, configBytes, manifestBytes };
}

function describe(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

const OCI_LAYER_TYPES: Readonly<Record<string, string>> = {
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip,
  [MediaType.dockerLayerZstd]: MediaType.ociLayerZstd,
};

/** Layers of a base with docker's media types are the same bytes: an OCI manifest calls them by OCI's names. */
function toOciLayer({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: OCI_LAYER_TYPES[mediaType] ?? mediaType, digest, size };
}

function toImageConfig(parts: ImageParts, layers: readonly Layer[]): ImageConfig {
  const history = [...baseHistory(parts), ...newHistory(parts)];
  const { os, architecture, variant } = parts.platform;
  return compact<ImageConfig>({
    created: parts.created ?? history.at(-1)?.created,
    author: parts.author ?? parts.base?.author,
    architecture,
    os,
    'os.version': parts.platform['os.version'] ?? parts.base?.['os.version'],
    variant,
    config: toContainerConfig(parts.config),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history,
  });
}

/**
 * Readers pair the rows that are not empty with the layers. Images that were squashed or not made by a Dockerfile have fewer rows or more:
 * missing ones are added, and what has no layer is called empty.
 */
function baseHistory({ base, baseLayers }: ImageParts): HistoryEntry[] {
  let layersLeft = baseLayers.length;
  const rows = (base?.history ?? []).map((row) => {
    if (row.empty_layer === true) return toRow(row);
    return toRow(layersLeft-- > 0 ? row : { ...row, empty_layer: true });
  });
  const created = base?.created;
  while (layersLeft-- > 0)
    rows.push(toRow({ ...(created === undefined ? {} : { created }), comment: 'imported from an image without history' }));
  return rows;
}

function newHistory({ history, layers }: ImageParts): HistoryEntry[] {
  const filled = history.filter((row) => row.empty_layer !== true).length;
  if (filled !== layers.length) throw new Error(`history has ${filled} rows with a layer, want ${layers.length}`);
  return history.map(toRow);
}

function toRow({ created, created_by, author, comment, empty_layer }: HistoryEntry): HistoryEntry {
  return compact<HistoryEntry>({ created, created_by, author, comment, empty_layer: empty_layer === true ? true : undefined });
}

function toContainerConfig(config: ContainerConfig): ContainerConfig {
  return compact<ContainerConfig>({
    User: config.User,
    ExposedPorts: sorted(config.ExposedPorts),
    Env: config.Env,
    Entrypoint: config.Entrypoint,
    Cmd: config.Cmd,
    Volumes: sorted(config.Volumes),
    WorkingDir: config.WorkingDir,
    Labels: sorted(config.Labels),
    StopSignal: config.StopSignal,
    ArgsEscaped: config.ArgsEscaped === true ? true : undefined,
    Healthcheck: config.Healthcheck === undefined ? undefined : toHealthcheck(config.Healthcheck),
    OnBuild: config.OnBuild,
    Shell: config.Shell,
  });
}

function toHealthcheck(check: Healthcheck): Healthcheck {
  return compact<Healthcheck>({
    Test: check.Test,
    Interval: check.Interval,
    Timeout: check.Timeout,
    StartPeriod: check.StartPeriod,
    StartInterval: check.StartInterval,
    Retries: check.Retries,
  });
}

/** Without the fields that Go's `omitempty` leaves out: absent, null, `''`, 0, and lists and maps without elements. Order is kept. */
function compact<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value))) as T;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0) return true;
  if (typeof value !== 'object') return false;
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
}

function sorted<V>(map: Readonly<Record<string, V>> | undefined): Readonly<Record<string, V>> | undefined {
  if (map === undefined) return undefined;
  return Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
