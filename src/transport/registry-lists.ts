import { BuildError } from '../base/errors.js';
import { Slots } from '../base/slots.js';
import { isImageConfig, readConfig, rootFor } from '../image/graph.js';
import { openRegistrySource } from './image-sources.js';
import type { Digest } from '../oci/digest.js';
import { familiarName, familiarRepository, formatReference, parseReference, type Reference } from '../oci/reference.js';
import { parseRegistryName } from '../oci/transports.js';
import { parseIndex, parseManifest } from '../oci/validate.js';
import type { Repository } from '../registry/repository.js';
import { isIndex } from '../store/import.js';
import type { DeletedImage, DeleteOptions, HostOptions, InspectOptions, RemoteDocuments, RepositoryOptions } from './options.js';
import { tagOrDigest, TransportSession } from './session.js';

/** Tags that are looked up before a deletion, to tell which go along; a repository may have thousands. */
const MAX_LOOKED_UP = 200;
const LOOK_UPS_AT_ONCE = 6;

/**
 * The tags of a repository, as the registry orders them, page after page.
 * @throws BuildError
 */
export async function* listTags(options: RepositoryOptions): AsyncGenerator<string, void, void> {
  const text = options.repository.replace(/^docker:\/\//, '');
  const reference = parseRegistryName(text);
  if (reference.digest !== undefined || /:[^/]*$/.test(text.replace(/^[^/]*\//, ''))) {
    const name = familiarRepository(reference);
    throw new BuildError('usage', `"${text}" names one image, want a repository`, {
      hint: `its tags: tsbuild ls ${name}; its documents: tsbuild inspect docker://${text}`,
    });
  }
  await using session = new TransportSession(options);
  yield* (await session.repository(reference)).tags(session.signal);
}

/**
 * The repositories of a registry that tells them: many do not.
 * @throws BuildError
 */
export async function* listRepositories(options: HostOptions): AsyncGenerator<string, void, void> {
  await using session = new TransportSession(options);
  yield* (await session.registries.get()).catalog(options.host, session.signal);
}

/**
 * Deletes images by their digests, and with them every other tag of the same digest. Nothing is deleted when one of the names leads nowhere.
 * @throws BuildError
 */
export async function deleteImages(options: DeleteOptions): Promise<DeletedImage[]> {
  const references = options.references.map(parseRegistryName);
  await using session = new TransportSession(options);
  const found: { reference: Reference; repository: Repository; digest: Digest }[] = [];
  for (const reference of references) {
    const repository = await session.repository(reference);
    const descriptor = await repository.resolve(tagOrDigest(reference), session.signal);
    if (descriptor === undefined)
      throw new BuildError('registry', `"${familiarName(reference)}" does not exist`, {
        hint: `tsbuild ls ${familiarRepository(reference)} lists what does`,
      });
    found.push({ reference, repository, digest: descriptor.digest });
  }
  const deleted: DeletedImage[] = [];
  for (const { reference, repository, digest } of found) {
    const name = formatReference(reference);
    if (deleted.some((other) => other.digest === digest && sameRepository(other.name, reference))) {
      deleted.push({ name, digest, otherTags: [] });
      continue;
    }
    const otherTags = await tagsOf(digest, { repository, reference, session });
    if (otherTags.length > 0)
      session.progress.warn(`${familiarName(reference)}: the same image has the tags ${otherTags.join(', ')}, which go with it`);
    await repository.deleteManifest(digest, session.signal).catch((error: unknown) => {
      throw explainRefusal(error, reference);
    });
    deleted.push({ name, digest, otherTags });
  }
  return deleted;
}

function sameRepository(name: string, { domain, path }: Reference): boolean {
  const other = parseReference(name);
  return other.domain === domain && other.path === path;
}

interface TagSearch {
  readonly repository: Repository;
  readonly reference: Reference;
  readonly session: TransportSession;
}

/** The other tags of a digest, as far as that is told: who may delete need not be allowed to list. */
async function tagsOf(digest: Digest, { repository, reference, session }: TagSearch): Promise<string[]> {
  const { signal } = session;
  try {
    const tags: string[] = [];
    for await (const tag of repository.tags(signal)) {
      if (tag !== reference.tag) tags.push(tag);
      if (tags.length > MAX_LOOKED_UP) return [];
    }
    const slots = new Slots(LOOK_UPS_AT_ONCE);
    const resolved = await Promise.all(tags.map((tag) => slots.run(() => repository.resolve(tag, signal))));
    return tags.filter((_tag, at) => resolved[at]?.digest === digest);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BuildError) return [];
    throw error;
  }
}

/** distribution-spec, "Deleting manifests": 405, or 400 with UNSUPPORTED, is a registry that has deletion switched off. */
function explainRefusal(error: unknown, reference: Reference): unknown {
  if (!(error instanceof BuildError)) return error;
  const status = 'status' in error ? error.status : undefined;
  if (status !== 405 && !/\bunsupported\b/i.test(error.message)) return error;
  return new BuildError('registry', `cannot delete "${familiarName(reference)}": the registry does not allow deletion`, {
    cause: error,
    hint: 'whoever runs it can allow it; registries of vendors have pages or commands of their own for that',
  });
}

/**
 * The documents of an image in a registry; no layer is fetched.
 * @throws BuildError
 */
export async function inspectRemote(options: InspectOptions): Promise<RemoteDocuments> {
  const reference = parseRegistryName(options.reference);
  await using session = new TransportSession(options);
  const source = await openRegistrySource(reference, session);
  const root = options.platform === undefined ? source.root : await rootFor(source, [options.platform]);
  if (isIndex(root.descriptor)) return { ...root, index: parseIndex(root.bytes) };
  const manifest = parseManifest(root.bytes);
  return { ...root, manifest, ...(isImageConfig(manifest.config) ? { config: await readConfig(source, manifest) } : {}) };
}
