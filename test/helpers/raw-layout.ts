import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export type Json = Record<string, unknown>;

/** A one-image OCI layout in which anything can be wrong. What is changed comes before the digests that name it, so that only that is wrong. */
export interface RawLayout {
  /** Tars, lowest first. */
  readonly layers?: readonly Buffer[];
  /** Compressed forms of the layers, instead of gzip's. */
  readonly blobs?: readonly Buffer[];
  /** The `config` object of the image config. */
  readonly container?: Json;
  readonly changeConfig?: (config: Json) => unknown;
  readonly changeManifest?: (manifest: Json) => unknown;
  readonly changeIndex?: (index: Json) => unknown;
  /** The bytes of the blobs, last of all: their names stay as they were. */
  readonly changeBlob?: (kind: 'layer' | 'config' | 'manifest', bytes: Buffer) => Buffer;
}

export function writeRawLayout(dir: string, raw: RawLayout): string {
  const tars = raw.layers ?? [];
  mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
  const put = (kind: 'layer' | 'config' | 'manifest', mediaType: string, bytes: Buffer): Json => {
    const digest = sha256(bytes);
    writeFileSync(blobPath(dir, digest), raw.changeBlob?.(kind, bytes) ?? bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers = tars.map((tar, index) =>
    put('layer', 'application/vnd.oci.image.layer.v1.tar+gzip', raw.blobs?.[index] ?? compressed(tar)),
  );
  const config: Json = {
    architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: raw.container ?? {},
    rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
  };
  const manifest: Json = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: put('config', 'application/vnd.oci.image.config.v1+json', encode(raw.changeConfig?.(config) ?? config)),
    layers,
  };
  const descriptor = put('manifest', 'application/vnd.oci.image.manifest.v1+json', encode(raw.changeManifest?.(manifest) ?? manifest));
  const index: Json = { schemaVersion: 2, manifests: [descriptor] };
  writeFileSync(join(dir, 'index.json'), encode(raw.changeIndex?.(index) ?? index));
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return dir;
}

/** Puts a JSON document among the blobs, for indexes and manifests that name others. @returns its descriptor */
export function putJson(dir: string, mediaType: string, document: unknown): Json {
  const bytes = encode(document);
  const digest = sha256(bytes);
  writeFileSync(blobPath(dir, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function blobPath(dir: string, digest: string): string {
  return join(dir, 'blobs', digest.replace(':', '/'));
}

const cache = new WeakMap<Buffer, Buffer>();

/** Many images have the same lower layer. */
function compressed(tar: Buffer): Buffer {
  const known = cache.get(tar);
  if (known !== undefined) return known;
  const bytes = gzipSync(tar, { level: 1 });
  cache.set(tar, bytes);
  return bytes;
}

/** A string or bytes stand for themselves: JSON that is none. */
function encode(document: unknown): Buffer {
  if (Buffer.isBuffer(document)) return document;
  return Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
}
