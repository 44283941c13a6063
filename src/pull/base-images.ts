import { BuildError } from '../base/errors.js';
import { chooseManifest, readImage } from '../image/read.js';
import type { LazyRegistries } from './lazy-registries.js';
import { matchesPlatform } from '../oci/platform.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import type { Descriptor, Platform } from '../oci/types.js';
import type { NamedContext } from '../options.js';
import type { BaseRequest } from '../plan/plan.js';
import type { PullPolicy } from '../registry/options.js';
import type { RemotePlace, RemoteRoot } from './remote-images.js';
import { findInLayout, importFromLayout, isIndex } from '../store/import.js';
import { isWhole } from './whole-images.js';

/** The manifest or index that a name stands for. */
export interface LocatedImage {
  readonly descriptor: Descriptor;
  /** It was found in a registry, whence its layers come: the name that it gets in the store when all of them are there. */
  readonly remoteName?: string;
}

export interface BaseImagesRequest extends RemotePlace {
  /** `--build-context` */
  readonly contexts: Readonly<Record<string, NamedContext>>;
  readonly policy: PullPolicy;
  readonly registries: LazyRegistries;
  readonly warn: (message: string) => void;
}

/** Finds images by the names that a Dockerfile gives: in the layouts of `--build-context`, the store, and registries as the pull policy has it. */
export class BaseImages {
  readonly #request: BaseImagesRequest;
  readonly #contexts: ReadonlyMap<string, NamedContext>;
  /** By full name: one question to a registry for each, whatever the platforms. */
  readonly #roots = new Map<string, Promise<RemoteRoot>>();

  constructor(request: BaseImagesRequest) {
    this.#request = request;
    this.#contexts = new Map(Object.entries(request.contexts).map(([name, context]) => [fullName(name), context]));
  }

  /**
   * The manifest or index of an image, in the store with the manifest and config for the platform. Of an image from a registry the layers may be
   * anywhere (`RemoteBlobs`).
   * @throws BuildError that says where it was looked for
   */
  async locate(request: BaseRequest): Promise<LocatedImage> {
    const { store, signal, policy } = this.#request;
    const { name, platform } = request;
    const context = this.#contexts.get(fullName(name));
    if (context?.kind === 'oci-layout') {
      // Of an index, nothing but what this build uses.
      const descriptor = await chooseManifest({ root: context.path }, await findInLayout({ ...context, platform }), platform);
      await importFromLayout(store, { dir: context.path, descriptor, signal });
      return { descriptor };
    }
    const given = context?.kind === 'image' ? context.reference : name;
    const stored = await store.find(fullName(given));
    if (stored !== undefined && (policy === 'never' || (policy === 'missing' && (await this.#fits(stored, platform))))) {
      return { descriptor: stored };
    }
    const reference = toReference(given, context);
    const asked = { ...request, name: given };
    if (policy === 'never') throw neverAsked(asked);
    return this.#locateRemote(asked, { reference, stored });
  }

  async #locateRemote(
    request: BaseRequest,
    { reference, stored }: { readonly reference: Reference; readonly stored: Descriptor | undefined },
  ): Promise<LocatedImage> {
    const { policy, warn, signal } = this.#request;
    const { fetchImage } = await import('./remote-images.js');
    try {
      const root = await this.#rootOf(reference, stored);
      await fetchImage(this.#request, root, request.platform);
      return { descriptor: root.descriptor, remoteName: storeName(reference) };
    } catch (error) {
      // What stops the whole build, such as a registry that would not take its image, is not about this one.
      if (!isRefusal(error) || error === signal.reason) throw error;
      if (stored === undefined) throw policy === 'missing' ? notFound(request, error) : withHint(error, request);
      // An image of one platform only, such as one built here, serves for all while there is no better one.
      if (policy !== 'newer' && (policy !== 'missing' || isIndex(stored))) throw withHint(error, request);
      warn(`image "${request.name}": the one in the store is used: ${error.message}`);
      return { descriptor: stored };
    }
  }

  #rootOf(reference: Reference, stored: Descriptor | undefined): Promise<RemoteRoot> {
    const name = formatReference(reference);
    const root = this.#roots.get(name) ?? this.#fetchRoot(reference, stored);
    this.#roots.set(name, root);
    return root;
  }

  async #fetchRoot(reference: Reference, stored: Descriptor | undefined): Promise<RemoteRoot> {
    const { registries, policy, store } = this.#request;
    const { fetchRoot, findStoredRoot } = await import('./remote-images.js');
    const repository = await registries.repository(reference);
    if (reference.digest !== undefined && policy !== 'always') {
      const descriptor = findStoredRoot(store, reference.digest);
      if (descriptor !== undefined) return { reference, repository, descriptor };
    }
    return fetchRoot(this.#request, { reference, repository, known: stored });
  }

  /** Whether what the store has is for the platform. What is wrong with it otherwise shows when it is read. */
  async #fits(descriptor: Descriptor, platform: Platform): Promise<boolean> {
    const { store } = this.#request;
    if (isIndex(descriptor)) {
      const child = await chooseManifest(store, descriptor, platform).catch(() => undefined);
      // A build that the registry lent the layers to, or that was killed, has left no more than the manifest and config.
      return child !== undefined && store.hasBlob(child) && isWhole(store, child);
    }
    const { config } = await readImage(store, descriptor, platform);
    return config.os === '' || config.architecture === '' || matchesPlatform(config, platform);
  }
}

/** A registry cannot be reached, does not have it, or does not give it. */
function isRefusal(error: unknown): error is BuildError {
  return error instanceof BuildError && (error.kind === 'registry' || error.kind === 'credentials');
}

function neverAsked(request: BaseRequest): BuildError {
  return new BuildError('registry', `image "${request.name}" is not in the store, and no registry is asked (--pull=never)`, {
    hint: stageHint(request, `build it first (tsbuild -t ${request.name} …), load or pull it, or leave out --pull=never`),
  });
}

function notFound(request: BaseRequest, error: BuildError): BuildError {
  const { name } = request;
  const otherwise = `build it first (tsbuild -t ${name} …), load it (tsbuild load FILE), or name a layout: --build-context ${name}=oci-layout://DIR`;
  return new BuildError(error.kind, `image "${name}" is not in the store, and ${error.message}`, {
    cause: error,
    hint: stageHint(request, error.hint === undefined ? otherwise : `${error.hint}${error.hint.endsWith('?') ? '' : '.'} Or ${otherwise}`),
  });
}

function withHint(error: BuildError, request: BaseRequest): BuildError {
  const { similarStage } = request;
  if (similarStage === undefined) return error;
  return new BuildError(error.kind, error.message, { cause: error, hint: stageHint(request, error.hint ?? 'check its name') });
}

/** A stage whose name is misspelt is asked for as an image. */
function stageHint({ similarStage }: BaseRequest, hint: string): string {
  return similarStage === undefined ? hint : `did you mean the stage "${similarStage}"? For an image: ${hint}`;
}

/** What was asked for by digest has no tag in the store: it may be another by now. */
function storeName(reference: Reference): string {
  const { domain, path, digest } = reference;
  return formatReference(digest === undefined ? reference : { domain, path, digest });
}

function toReference(given: string, context: NamedContext | undefined): Reference {
  try {
    return parseReference(given);
  } catch (error) {
    if (!(error instanceof BuildError) || context !== undefined) throw error;
    throw new BuildError('dockerfile', error.message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}

/** `busybox` and `docker.io/library/busybox:latest` are one name. Names that are no references (of a directory, say) stay as they are. */
function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
