import { setMaxListeners } from 'node:events';
import { BuildError } from './base/errors.js';
import { beginAnew } from './pull/begin-anew.js';
import { Slots } from './base/slots.js';
import { shortDigest, type Digest } from './oci/digest.js';
import { familiarName, type Reference } from './oci/reference.js';
import { MediaType, type Descriptor } from './oci/types.js';
import { RegistryError } from './registry/errors.js';
import type { Repository, UploadOutcome } from './registry/repository.js';
import type { TransferOutcome, Transfers } from './transfers.js';

/** A repository, whatever the tag. */
export type RepositoryName = Pick<Reference, 'domain' | 'path'>;

export interface PushBlob {
  readonly descriptor: Descriptor;
  /** The blob's bytes from `offset` on; called again when an upload is resumed, and for each registry. Not called for what is there already. */
  readonly open: (offset: number) => AsyncIterable<Buffer>;
  /** Repositories that have the blob; those of other registries are passed over. */
  readonly mountFrom?: readonly RepositoryName[];
}

/** The bytes that a descriptor stands for. */
export interface PushManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export interface PushContent {
  /** What the tags will lead to. */
  readonly descriptor: Descriptor;
  /** Children before parents, the root last. */
  readonly manifests: readonly PushManifest[];
  /** Configs and layers. */
  readonly blobs: readonly PushBlob[];
}

export interface PusherRequest {
  readonly registries: { repository(reference: RepositoryName): Repository };
  /** Where to, and under which tags. A target without a tag is pushed by digest alone. */
  readonly targets: readonly Reference[];
  readonly transfers: Pick<Transfers, 'start'>;
  readonly signal: AbortSignal;
  /** Blobs on their way to one registry at once; the default is 4. */
  readonly jobs?: number;
}

const DEFAULT_JOBS = 4;
const OUTCOMES: Readonly<Record<UploadOutcome, TransferOutcome>> = { exists: 'exists', mounted: 'mounted', uploaded: 'done' };

/** One repository that is pushed to. */
interface Place {
  readonly repository: Repository;
  /** Of its first target, for progress. */
  readonly shownName: string;
  /** Of its registry. */
  readonly slots: Slots;
}

/**
 * Pushes images to any number of repositories. Blobs move in the background from the moment they are offered; manifests follow by digest when
 * all blobs have arrived everywhere, and tags when all manifests have: no tag moves unless everything has arrived.
 */
export class Pusher implements AsyncDisposable {
  readonly #targets: readonly Reference[];
  readonly #transfers: Pick<Transfers, 'start'>;
  readonly #caller: AbortSignal;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** By domain: repositories of one registry lend each other their blobs. */
  readonly #places: ReadonlyMap<string, readonly Place[]>;
  readonly #background = new Map<Digest, Promise<void>>();
  readonly #moved: string[] = [];
  /** Nothing comes after it that failures could wait for. */
  #isEnding = false;
  #failure: { readonly error: unknown } | undefined;

  constructor({ registries, targets, transfers, signal, jobs = DEFAULT_JOBS }: PusherRequest) {
    this.#targets = targets;
    this.#transfers = transfers;
    this.#caller = signal;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    // One for each blob.
    setMaxListeners(0, this.#signal);
    this.#places = toPlaces(targets, { registries, jobs });
  }

  /** Stops what is under way, and returns when it has stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new BuildError('cancelled', 'the push has ended'));
    await Promise.allSettled(this.#background.values());
  }

  /**
   * Asks every registry whether it would take an upload.
   * @throws BuildError `credentials` or `registry`
   */
  async checkAccess(): Promise<void> {
    await Promise.all(this.#allPlaces().map(({ repository }) => repository.checkPush(this.#signal)));
  }

  /** Begins to push a blob to all repositories, once. A failure is told by `deliver` and `finish`. */
  offer(blob: PushBlob): void {
    const { digest } = blob.descriptor;
    if (this.#background.has(digest) || this.#failure !== undefined) return;
    const moved = all([...this.#places.values()].map((places) => this.#toRegistry(places, blob)));
    this.#background.set(
      digest,
      moved.catch(() => {
        if (this.#failure === undefined) this.#background.delete(digest);
      }),
    );
  }

  /**
   * Everything, and then all tags.
   * @throws BuildError that says what has happened so far
   */
  async finish(content: PushContent): Promise<void> {
    await this.deliver(content, this.#targets);
    await this.tag(content, this.#targets);
  }

  /**
   * Brings all blobs everywhere, and then the manifests to the repositories of these targets; no tag moves.
   * @throws the first failure, also of what was offered before
   */
  async deliver(content: PushContent, targets: readonly Reference[]): Promise<void> {
    this.#isEnding = true;
    for (const blob of content.blobs) this.offer(blob);
    await Promise.all(this.#background.values());
    this.#throwIfFailed();
    const places = new Set(targets.map((target) => this.#placeOf(target)));
    await Promise.all(
      [...places].map(({ repository }) => this.#putManifests(repository, content.manifests).catch((error: unknown) => this.#fail(error))),
    );
    this.#throwIfFailed();
  }

  /**
   * Moves tags, one after the other, to what has been delivered.
   * @throws BuildError that says which tags have moved
   */
  async tag({ descriptor, manifests }: PushContent, targets: readonly Reference[]): Promise<void> {
    const root = manifests.find((manifest) => manifest.descriptor.digest === descriptor.digest);
    if (root === undefined) throw new Error(`${descriptor.digest} is not among the manifests`);
    for (const target of targets) {
      if (target.tag === undefined) continue;
      const { repository } = this.#placeOf(target);
      await repository.putManifest(target.tag, toPut(root), this.#signal).catch((error: unknown) => this.#fail(error));
      this.#throwIfFailed();
      this.#moved.push(familiarName(target));
    }
  }

  /** The first repository of a registry gets the bytes, unless another lends them; the first lends them to its neighbours. */
  async #toRegistry([first, ...others]: readonly Place[], blob: PushBlob): Promise<void> {
    if (first === undefined) return;
    const { domain, path } = first.repository;
    const lenders = (blob.mountFrom ?? []).filter((lender) => lender.domain === domain).map((lender) => lender.path);
    await this.#upload(first, blob, lenders);
    await all(others.map((place) => this.#upload(place, blob, [path, ...lenders])));
  }

  #upload(place: Place, blob: PushBlob, lenders: readonly string[]): Promise<void> {
    return place.slots
      .run(() => beginAnew(() => this.#move(place, blob, lenders)))
      .catch((error: unknown) => {
        // A registry that is away for a while, longer than its client has patience, is asked again at the end.
        if (this.#isEnding || !(error instanceof RegistryError && error.isPassing)) this.#fail(error);
        throw error;
      });
  }

  async #move({ repository, shownName }: Place, { descriptor, open }: PushBlob, lenders: readonly string[]): Promise<void> {
    this.#signal.throwIfAborted();
    const mountFrom = [...new Set(lenders)].filter((path) => path !== repository.path);
    const info = { what: nameOf(descriptor), reference: shownName, totalBytes: descriptor.size };
    const transfer = this.#transfers.start({ direction: 'push', ...info });
    try {
      const onBytes = (count: number): void => transfer.onBytes(count);
      transfer.finish(OUTCOMES[await repository.upload({ descriptor, open, mountFrom, onBytes, signal: this.#signal })]);
    } finally {
      transfer.finish('failed');
    }
  }

  async #putManifests(repository: Repository, manifests: readonly PushManifest[]): Promise<void> {
    for (const manifest of manifests) await repository.putManifest(manifest.descriptor.digest, toPut(manifest), this.#signal);
  }

  /** What fails after the first failure was mostly stopped by it. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort(error);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#explain(this.#failure.error);
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof BuildError) || error === this.#caller.reason) return error;
    const hasTags = this.#targets.some(({ tag }) => tag !== undefined);
    const state = this.#moved.length > 0 ? `already moved: ${this.#moved.join(', ')}` : 'no tag was moved';
    const message = hasTags ? `${error.message} (${state})` : error.message;
    const mayPass = error instanceof RegistryError && error.isPassing;
    const hint = error.hint ?? (mayPass ? 'run the same command again: what has arrived is not sent again' : undefined);
    const details = { cause: error, ...(hint === undefined ? {} : { hint }) };
    return error instanceof RegistryError ? error.reworded(message, details) : new BuildError(error.kind, message, details);
  }

  #allPlaces(): readonly Place[] {
    return [...this.#places.values()].flat();
  }

  #placeOf({ domain, path }: RepositoryName): Place {
    const place = this.#places.get(domain)?.find(({ repository }) => repository.path === path);
    if (place === undefined) throw new Error(`${domain}/${path} is no target`);
    return place;
  }
}

function toPlaces(
  targets: readonly Reference[],
  { registries, jobs }: { readonly registries: PusherRequest['registries']; readonly jobs: number },
): ReadonlyMap<string, readonly Place[]> {
  const places = new Map<string, Place[]>();
  for (const target of targets) {
    const others = places.get(target.domain) ?? [];
    if (others.some(({ repository }) => repository.path === target.path)) continue;
    const repository = registries.repository({ domain: target.domain, path: target.path });
    places.set(target.domain, [...others, { repository, shownName: familiarName(target), slots: others[0]?.slots ?? new Slots(jobs) }]);
  }
  return places;
}

/** @throws the first failure, when nothing is under way any longer */
async function all(tasks: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(tasks);
  await Promise.all(tasks);
}

function nameOf({ mediaType, digest }: Descriptor): string {
  return mediaType === MediaType.ociConfig || mediaType === MediaType.dockerConfig ? 'config' : `layer ${shortDigest(digest)}`;
}

function toPut({ descriptor, bytes }: PushManifest): { bytes: Buffer; mediaType: string } {
  return { bytes, mediaType: descriptor.mediaType };
}
