import { BuildError } from '../base/errors.js';
import { pushGraph, targetOf } from './copy-image.js';
import { readGraph } from '../image/graph.js';
import { checkBlobs, openStoreSource } from './image-sources.js';
import { familiarName, familiarRepository, formatReference, parseReference, type Reference } from '../oci/reference.js';
import { parseRegistryName } from '../oci/transports.js';
import type { Store } from '../store/store.js';
import type { MovedImage, PushOptions } from './options.js';
import { TransportSession } from './session.js';

/**
 * Pushes an image of the store under its own name or another, or everything that a repository has in the store. What the registry has already is
 * not sent.
 * @throws BuildError `input` when the image is not there, or not whole; `registry` and `credentials`
 */
export async function pushImages(options: PushOptions): Promise<MovedImage[]> {
  await using session = new TransportSession(options);
  const store = await session.store();
  // Nothing may be collected as garbage while it is read.
  using _lease = store.lease();
  const pushed: MovedImage[] = [];
  for (const pair of await toPairs(options, store)) pushed.push(await push(pair, { session, store, options }));
  return pushed;
}

/** An image of the store, and where it goes. */
interface Pair {
  readonly source: string;
  readonly target: Reference;
}

interface Push {
  readonly session: TransportSession;
  readonly store: Store;
  readonly options: PushOptions;
}

async function push({ source: text, target }: Pair, { session, store, options }: Push): Promise<MovedImage> {
  const source = await openStoreSource(text, store);
  const graph = await readGraph(source, options.platforms);
  await checkBlobs(store, graph, text);
  await pushGraph({ source, graph, session, targets: [targetOf(target, graph)] });
  return { name: formatReference(target), descriptor: graph.root };
}

async function toPairs({ source, destination, allTags }: PushOptions, store: Store): Promise<Pair[]> {
  const text = source.replace(/^store:/, '');
  if (allTags === true) return allTagsOf(text, destination, store);
  if (destination !== undefined) return [{ source: text, target: parseRegistryName(destination) }];
  const isId = /^(?:sha256:)?[0-9a-f]{12,64}$/.test(text);
  if (!isId) return [{ source: text, target: parseReference(text) }];
  throw new BuildError('usage', `"${text}" is an id: where to push it is not said`, {
    hint: `name the destination: tsbuild push ${text} registry.example/app:1`,
  });
}

/** Every name of the store in that repository, with its tag. */
async function allTagsOf(text: string, destination: string | undefined, store: Store): Promise<Pair[]> {
  if (/:[^/]*$|@/.test(text.replace(/^[^/]*\//, ''))) {
    throw new BuildError('usage', `--all-tags takes a name without a tag, got "${text}"`, { hint: 'leave out the tag, or --all-tags' });
  }
  const { domain, path } = parseReference(text);
  const to = destination === undefined ? { domain, path } : repositoryOf(destination);
  const names = (await store.images()).flatMap(({ references }) => references.map(parseReference));
  const found = names.filter((name) => name.domain === domain && name.path === path && name.tag !== undefined && name.digest === undefined);
  if (found.length > 0) return found.map((name) => ({ source: formatReference(name), target: { ...name, ...to } }));
  throw new BuildError('input', `no image of "${familiarRepository({ domain, path })}" in the store`, {
    hint: '"tsbuild images" lists what is there',
  });
}

function repositoryOf(text: string): Pick<Reference, 'domain' | 'path'> {
  const reference = parseRegistryName(text);
  const { domain, path } = reference;
  const isBare = reference.digest === undefined && familiarName(reference).endsWith(':latest') && !text.endsWith(':latest');
  if (isBare) return { domain, path };
  throw new BuildError('usage', `with --all-tags the destination has no tag, got "${text}"`, { hint: 'the tags are those of the images' });
}
