import { BuildError } from './base/errors.js';
import type { Bases } from './bases.js';
import type { Layer } from './image/image.js';
import type { ImageOrIndex } from './image/index.js';
import type { LazyRegistries } from './pull/lazy-registries.js';
import { shortDigest } from './oci/digest.js';
import { familiarName, formatReference, parseReference } from './oci/reference.js';
import type { Descriptor } from './oci/types.js';
import type { PushedImage } from './options.js';
import { toRegistryContent } from './output/registry-content.js';
import type { ImageOrigin, Plan, PlanTarget } from './plan/plan.js';
import type { Progress } from './progress.js';
import type { PushDestination } from './push-destinations.js';
import { Pusher, type PushBlob, type PushContent, type RepositoryName } from './push.js';
import type { RemoteBlobs } from './pull/remote-blobs.js';
import type { Store } from './store/store.js';
import type { Transfers } from './transfers.js';

export interface BuildPushRequest {
  readonly destinations: readonly PushDestination[];
  readonly registries: LazyRegistries;
  /** Blobs of one registry on their way at once. */
  readonly jobs?: number | undefined;
  readonly store: Store;
  readonly remote: Pick<RemoteBlobs, 'open' | 'originOf'>;
  readonly transfers: Transfers;
  readonly progress: Progress;
  /** Stops the build, and is stopped by this when a registry would not take the image. */
  readonly stop: AbortController;
}

/** The registry outputs of a build: layers leave as soon as they are known or finished, the rest at its end. */
export class BuildPush implements AsyncDisposable {
  readonly #request: BuildPushRequest;
  readonly #pusher: Pusher;
  /** Never rejects: it stops the build. */
  readonly #access: Promise<void>;

  private constructor(request: BuildPushRequest, pusher: Pusher) {
    this.#request = request;
    this.#pusher = pusher;
    this.#access = pusher.checkAccess().catch((error: unknown) => request.stop.abort(explainAccess(error, request.destinations)));
  }

  /** Begins to ask the registries whether they would take the image: an hour of building is not to end in a refusal. */
  static async open(request: BuildPushRequest): Promise<BuildPush> {
    const { destinations, registries, transfers, stop, jobs } = request;
    const pusher = new Pusher({
      registries: await registries.get(),
      targets: destinations.flatMap(({ targets }) => targets),
      transfers,
      signal: stop.signal,
      ...(jobs === undefined ? {} : { jobs }),
    });
    return new BuildPush(request, pusher);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pusher[Symbol.asyncDispose]();
    await this.#access;
  }

  /** The layers that the targets begin with: borrowed from the base's own repository where that is on the same registry. */
  offerBases({ stages, targets }: Plan, bases: Bases): void {
    for (const target of targets) {
      const base = baseOf(target, stages);
      if (base === undefined) continue;
      for (const { descriptor } of bases.get(base.key).layers) this.#pusher.offer(this.#toBlob(descriptor, repositoryOf(base.name)));
    }
  }

  /** A layer of the image, in the store. */
  offerLayer({ descriptor }: Layer): void {
    this.#pusher.offer(this.#toBlob(descriptor));
  }

  /**
   * Pushes what is left, the tags last of all.
   * @throws BuildError `registry` or `credentials` that says what has happened so far and how to go on
   */
  async finish(image: ImageOrIndex): Promise<readonly PushedImage[]> {
    const { destinations, stop } = this.#request;
    await this.#access;
    stop.signal.throwIfAborted();
    try {
      const contents: (PushDestination & { readonly content: PushContent })[] = [];
      for (const destination of destinations) {
        const content = await this.#contentOf(image, destination);
        await this.#pusher.deliver(content, destination.targets);
        contents.push({ ...destination, content });
      }
      for (const { content, targets } of contents) await this.#pusher.tag(content, targets);
      return contents.flatMap(({ content: { descriptor }, targets }) =>
        targets.map((target) => ({ reference: formatReference(target), descriptor })),
      );
    } catch (error) {
      throw stop.signal.aborted ? error : await this.#keep(error, image);
    }
  }

  async #contentOf(image: ImageOrIndex, { output }: PushDestination): Promise<PushContent> {
    const { store, progress } = this.#request;
    const content = await toRegistryContent({ store, image, spec: output, warn: (message) => progress.warn(message) });
    return { ...content, blobs: content.blobs.map((descriptor) => this.#toBlob(descriptor)) };
  }

  #toBlob(descriptor: Descriptor, known: readonly RepositoryName[] = []): PushBlob {
    const { remote } = this.#request;
    const origin = remote.originOf(descriptor.digest)?.repository;
    return {
      descriptor,
      open: (offset) => remote.open(descriptor, offset),
      mountFrom: [...(origin === undefined ? [] : [origin]), ...known],
    };
  }

  /** What was built is not lost: without a name that somebody could take for success, but kept. */
  async #keep(error: unknown, image: ImageOrIndex): Promise<unknown> {
    const { store, destinations } = this.#request;
    if (!(error instanceof BuildError) || !isWhole(image, store)) return error;
    await store.tag(image.descriptor, []);
    const [first = 'NAME', ...others] = destinations.flatMap(({ targets }) =>
      targets.filter(({ tag }) => tag !== undefined).map(familiarName),
    );
    const likewise = others.length === 0 ? '' : `, and likewise to ${others.join(', ')}`;
    // In place of the advice to run the same again.
    const reason = error.cause instanceof BuildError ? error.cause.hint : undefined;
    const command = `tsbuild push ${shortDigest(image.descriptor.digest)} ${first}${likewise}`;
    return new BuildError(error.kind, error.message, {
      cause: error,
      hint: `${reason === undefined ? '' : `${reason}; `}the image is kept in the store without a name, to be pushed with: ${command}`,
    });
  }
}

/** The image that a target's layers begin with; nothing for scratch. */
function baseOf(target: PlanTarget, stages: Plan['stages']): ImageOrigin | undefined {
  let base = stages.find(({ index }) => index === target.stage)?.base;
  while (base?.kind === 'stage') {
    const { stage } = base;
    base = stages.find(({ index }) => index === stage)?.base;
  }
  return base?.kind === 'image' ? base : undefined;
}

/** An image that the store had may have come from where its name says; a registry that is asked in vain to lend a blob takes its bytes. */
function repositoryOf(name: string): readonly RepositoryName[] {
  try {
    return [parseReference(name)];
  } catch {
    // The name of a `--build-context`.
    return [];
  }
}

function isWhole({ descriptor, images }: ImageOrIndex, store: Store): boolean {
  const blobs = images.flatMap((image) => [image.descriptor, image.manifest.config, ...image.manifest.layers]);
  return [descriptor, ...blobs].every((blob) => store.hasBlob(blob));
}

/** `-t app --push` is nearly always a registry forgotten. */
function explainAccess(error: unknown, destinations: readonly PushDestination[]): unknown {
  const official = destinations
    .flatMap(({ targets }) => targets)
    .find(({ domain, path }) => domain === 'docker.io' && path.startsWith('library/'));
  if (!(error instanceof BuildError) || error.kind !== 'credentials' || official === undefined) return error;
  return new BuildError(error.kind, error.message, {
    cause: error,
    hint: `${JSON.stringify(familiarName(official))} is the name of an official image of docker.io: give --tag the host of your registry in front of it`,
  });
}
