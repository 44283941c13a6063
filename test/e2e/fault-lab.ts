import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from '../../src/base/errors.js';
import { hexOf } from '../../src/oci/digest.js';
import { parseReference } from '../../src/oci/reference.js';
import type { Descriptor, ImageIndex } from '../../src/oci/types.js';
import type { Image } from '../../src/image/image.js';
import { pullImages } from '../../src/transport/pull-images.js';
import { Pusher, type PushContent } from '../../src/push.js';
import type { RegistryOptions } from '../../src/registry/options.js';
import { Registries } from '../../src/registry/registries.js';
import { Store } from '../../src/store/store.js';
import { Transfers } from '../../src/transfers.js';
import { layoutFaults } from '../helpers/leftovers.js';
import { randomFrom } from '../helpers/random.js';
import type { TestRegistry } from '../helpers/registry.js';
import type { Change } from '../helpers/registry-traffic.js';
import { storeImage } from '../helpers/stored-image.js';

/** What came of a pull or a push. */
export type Outcome = { readonly kind: 'done' } | { readonly kind: 'refused'; readonly error: BuildError };

const LAYER_BYTES = [2000, 200_000, 2_000_000];

export interface MadeImage {
  readonly store: Store;
  readonly image: Image;
  readonly content: PushContent;
}

/** An image of layers that do not compress: by default a small, a middling and a large one. */
export async function makeImage(root: string, seed: number, layerBytes = LAYER_BYTES): Promise<MadeImage> {
  mkdirSync(root, { recursive: true });
  const store = await Store.open(root);
  const random = randomFrom(seed);
  const noise = (sizeBytes: number): string => {
    const bytes = Buffer.alloc(sizeBytes);
    for (let index = 0; index < sizeBytes; index++) bytes[index] = random() * 256;
    return bytes.toString('base64');
  };
  const image = await storeImage(store, { layers: layerBytes.map((size) => ({ file: noise(size) })) });
  const descriptors = [image.manifest.config, ...image.manifest.layers];
  const content = {
    descriptor: image.descriptor,
    manifests: [{ descriptor: image.descriptor, bytes: readFileSync(store.blobPath(image.descriptor.digest)) }],
    blobs: descriptors.map((descriptor) => ({
      descriptor,
      open: (offset: number) => createReadStream(store.blobPath(descriptor.digest), { start: offset }) as AsyncIterable<Buffer>,
    })),
  };
  return { store, image, content };
}

/** Puts an image of one repository into another, without any client of ours. */
export async function lend({ origin }: TestRegistry, from: string, to: string, image: Image): Promise<void> {
  const expectStatus = async (url: string, init: RequestInit, status: number): Promise<string> => {
    const response = await fetch(url, init);
    if (response.status !== status) throw new Error(`${init.method ?? 'GET'} ${url}: ${response.status}`);
    return response.text();
  };
  for (const { digest } of [image.manifest.config, ...image.manifest.layers]) {
    await expectStatus(`${origin}/v2/${to}/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' }, 201);
  }
  const { mediaType } = image.descriptor;
  const body = await expectStatus(`${origin}/v2/${from}/manifests/${image.descriptor.digest}`, { headers: { accept: mediaType } }, 200);
  await expectStatus(`${origin}/v2/${to}/manifests/1`, { method: 'PUT', headers: { 'content-type': mediaType }, body }, 201);
}

/** @throws what is no clear answer to the user */
async function outcomeOf(task: () => Promise<unknown>): Promise<Outcome> {
  try {
    await task();
    return { kind: 'done' };
  } catch (error) {
    if (error instanceof BuildError && (error.kind === 'registry' || error.kind === 'credentials')) return { kind: 'refused', error };
    throw error;
  }
}

export function pull(name: string, root: string, registry: RegistryOptions): Promise<Outcome> {
  return outcomeOf(() => pullImages({ references: [name], root, registry }));
}

export function push(names: readonly string[], content: PushContent, options: RegistryOptions): Promise<Outcome> {
  return outcomeOf(async () => {
    const { signal } = new AbortController();
    await using registries = new Registries({ options, warn: () => undefined, signal });
    const transfers = new Transfers(() => undefined);
    await using pusher = new Pusher({ registries, targets: names.map(parseReference), transfers, signal });
    await pusher.finish(content);
  });
}

/** What is wrong with a store into which `image` was pulled; a pull that failed names nothing. */
export function storeFaults(root: string, image: Descriptor, isDone: boolean): string[] {
  if (!existsSync(join(root, 'index.json'))) return isDone ? ['there is no store'] : [];
  const { manifests } = JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as ImageIndex;
  const named = manifests.map(({ digest }) => digest).join();
  return [...layoutFaults(root), ...(named === (isDone ? image.digest : '') ? [] : [`it has the images ${named}`])];
}

/** What is wrong with an image in a registry, as its files say. */
export function pushedFaults({ storageDir }: TestRegistry, names: readonly string[], { manifest, descriptor }: Image): string[] {
  const root = join(storageDir, 'docker/registry/v2');
  const linkOf = (...path: string[]): string => {
    const file = join(root, 'repositories', ...path, 'link');
    return existsSync(file) ? readFileSync(file, 'utf8') : 'nothing';
  };
  const want = (what: string, got: string, wanted: string): string[] => (got === wanted ? [] : [`${what} is ${got}, want ${wanted}`]);
  return names.flatMap((name) => {
    const { path, tag = '' } = parseReference(name);
    const layers = [manifest.config, ...manifest.layers].flatMap(({ digest }) =>
      want(`${path}: blob`, linkOf(path, '_layers/sha256', hexOf(digest)), digest),
    );
    const revision = linkOf(path, '_manifests/revisions/sha256', hexOf(descriptor.digest));
    return [
      ...layers,
      ...want(`${path}: manifest`, revision, descriptor.digest),
      ...want(name, linkOf(path, '_manifests/tags', tag, 'current'), descriptor.digest),
    ];
  });
}

/** Tags that began to move before every blob and manifest was in every repository. */
export function earlyTags(changes: readonly Change[], repositories: readonly string[], { manifest, descriptor }: Image): string[] {
  const own = changes.filter(({ repository }) => repositories.includes(repository));
  const first = own.findIndex(({ what }) => what === 'tag');
  if (first === -1) return [];
  const before = new Set(own.slice(0, first).flatMap(({ phase, repository, name }) => (phase === 'done' ? [`${repository} ${name}`] : [])));
  const needed = [manifest.config, ...manifest.layers, descriptor].map(({ digest }) => digest);
  return repositories.flatMap((repository) =>
    needed.flatMap((digest) => (before.has(`${repository} ${digest}`) ? [] : [`a tag moved before ${digest} was in ${repository}`])),
  );
}

/** Calls `task` with 0, 1, … `count` − 1, several at once. */
export async function eachOf(count: number, task: (index: number) => Promise<void>, atOnce = 4): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
