import { BuildError } from '../base/errors.js';
import { digestOf } from './digest.js';
import { parseConfigShape } from './validate-config.js';
import {
  arrayAt,
  checkDescriptor,
  integerAt,
  malformed,
  optional,
  parseJsonObject,
  stringAt,
  stringMapAt,
  type JsonObject,
} from './shapes.js';
import { MediaType, type ImageConfig, type ImageIndex, type Manifest } from './types.js';

/** distribution-spec, spec.md#pushing-manifests: registries take at least 4 MiB, and none of note takes more. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
const MAX_LAYERS = 1000;

export interface ParseOptions {
  /** What messages call the document; the default is its kind and digest. */
  readonly name?: string;
  readonly maxBytes?: number;
}

/**
 * An image manifest from outside (image-spec manifest.md, and docker's schema 2). Unknown fields stay in the value.
 * @throws BuildError `input`: `manifest sha256:…: layers[2].digest: invalid digest …`
 */
export function parseManifest(bytes: Uint8Array, options: ParseOptions = {}): Manifest {
  return parse({ kind: 'manifest', maxBytes: MAX_MANIFEST_BYTES, ...options }, bytes, (document) => {
    checkSchema(document, [MediaType.ociManifest, MediaType.dockerManifest]);
    // CVE-2021-41190: a document that is a manifest to one reader and an index to another.
    if ('manifests' in document) throw malformed('manifests', 'a manifest must not have the field of an index');
    checkDescriptor(document['config'], 'config');
    const layers = arrayAt(document['layers'], 'layers', MAX_LAYERS);
    for (const [index, layer] of layers.entries()) checkDescriptor(layer, `layers[${index}]`);
    optional(document['annotations'], (value) => stringMapAt(value, 'annotations'));
    return document as unknown as Manifest;
  });
}

/**
 * An image index from outside (image-spec image-index.md, and docker's manifest list). Unknown fields stay in the value.
 * @throws BuildError `input`
 */
export function parseIndex(bytes: Uint8Array, options: ParseOptions = {}): ImageIndex {
  return parse({ kind: 'index', maxBytes: MAX_MANIFEST_BYTES, ...options }, bytes, (document) => {
    checkSchema(document, [MediaType.ociIndex, MediaType.dockerIndex]);
    for (const field of ['config', 'layers']) {
      if (field in document) throw malformed(field, 'an index must not have the field of a manifest');
    }
    const manifests = arrayAt(document['manifests'], 'manifests', 100_000);
    for (const [index, manifest] of manifests.entries()) checkDescriptor(manifest, `manifests[${index}]`);
    optional(document['annotations'], (value) => stringMapAt(value, 'annotations'));
    return document as unknown as ImageIndex;
  });
}

/**
 * An image config from outside (image-spec config.md, and docker's extensions). Only the fields of `ImageConfig` are taken over.
 * @throws BuildError `input`
 */
export function parseImageConfig(bytes: Uint8Array, options: ParseOptions = {}): ImageConfig {
  return parse({ kind: 'config', maxBytes: MAX_CONFIG_BYTES, ...options }, bytes, parseConfigShape);
}

/** @throws BuildError `input` when manifest and config do not have the same number of layers */
export function checkLayerCount(manifest: Manifest, config: ImageConfig): void {
  const want = config.rootfs.diff_ids.length;
  if (manifest.layers.length === want) return;
  throw new BuildError('input', `config ${manifest.config.digest} has ${want} diff_ids, its manifest ${manifest.layers.length} layers`);
}

function checkSchema(document: JsonObject, mediaTypes: readonly string[]): void {
  const version = integerAt(document['schemaVersion'], 'schemaVersion');
  if (version !== 2) throw malformed('schemaVersion', `want 2, got ${version}`);
  const mediaType = optional(document['mediaType'], (value) => stringAt(value, 'mediaType'));
  if (mediaType !== undefined && !mediaTypes.includes(mediaType)) {
    throw malformed('mediaType', `want ${mediaTypes.join(' or ')}, got ${JSON.stringify(mediaType)}`);
  }
}

type Named = Required<Pick<ParseOptions, 'maxBytes'>> & ParseOptions & { readonly kind: string };

function parse<T>({ kind, name, maxBytes }: Named, bytes: Uint8Array, check: (document: JsonObject) => T): T {
  const title = (): string => name ?? `${kind} ${digestOf(bytes)}`;
  if (bytes.byteLength > maxBytes) {
    throw new BuildError('input', `${title()}: has ${bytes.byteLength} bytes, want at most ${maxBytes}`);
  }
  try {
    return check(parseJsonObject(bytes));
  } catch (error) {
    if (error instanceof BuildError) throw new BuildError(error.kind, `${title()}: ${error.message}`, { cause: error });
    throw error;
  }
}
