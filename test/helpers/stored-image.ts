import { join } from 'node:path';
import { assembleImage } from '../../src/image/assemble.js';
import type { Compression, Image, Layer } from '../../src/image/image.js';
import { writeLayer } from '../../src/image/layer.js';
import type { ContainerConfig } from '../../src/oci/types.js';
import { hostPlatform } from '../../src/oci/platform.js';
import type { Store } from '../../src/store/store.js';
import { compareEntryPaths } from '../../src/tar/order.js';
import type { TarEntry } from '../../src/tar/entry.js';

/** Paths to texts; a path that ends with a slash is a directory, and `undefined` a whiteout of it. */
export type LayerFiles = Readonly<Record<string, string | undefined>>;

export interface StoredImageOptions {
  readonly layers: readonly LayerFiles[];
  readonly compression?: Compression;
  readonly config?: ContainerConfig;
}

const CREATED = '2024-05-06T07:08:09Z';
const COMMON = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1_700_000_000 } as const;

/** Puts an image into the store, as a build would, without a name. */
export async function storeImage(store: Store, { layers: files, compression = 'gzip', config = {} }: StoredImageOptions): Promise<Image> {
  const layers: Layer[] = [];
  for (const layer of files) layers.push(await storeLayer(store, layer, compression));
  const { image, configBytes, manifestBytes } = assembleImage({
    baseLayers: [],
    layers,
    history: layers.map((_, index) => ({ created: CREATED, created_by: `COPY ${index} / # buildkit`, comment: 'buildkit.dockerfile.v0' })),
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/true'], WorkingDir: '/', ...config },
    platform: hostPlatform(),
  });
  await store.putBlob(configBytes, image.manifest.config.mediaType);
  await store.putBlob(manifestBytes, image.descriptor.mediaType);
  return image;
}

async function storeLayer(store: Store, files: LayerFiles, compression: Compression): Promise<Layer> {
  await using temp = await store.tempDir();
  const tempFile = join(temp.path, 'layer');
  const entries = Object.entries(files).map(([path, text]) => toEntry(path, text));
  const written = await writeLayer(
    entries.toSorted((a, b) => compareEntryPaths(a.path, b.path)),
    { tempFile, compression },
  );
  const descriptor = { mediaType: written.mediaType, digest: written.digest, size: written.sizeBytes };
  await store.adoptBlob(tempFile, descriptor);
  return { diffId: written.diffId, descriptor };
}

function toEntry(path: string, text: string | undefined): TarEntry {
  if (path.endsWith('/')) return { ...COMMON, path: path.slice(0, -1), type: 'directory', mode: 0o755 };
  const slash = path.lastIndexOf('/') + 1;
  if (text === undefined) return { ...COMMON, path: `${path.slice(0, slash)}.wh.${path.slice(slash)}`, type: 'file', mode: 0 };
  const bytes = Buffer.from(text);
  return { ...COMMON, path, type: 'file', sizeBytes: bytes.length, ...(bytes.length === 0 ? {} : { content: { kind: 'bytes', bytes } }) };
}
