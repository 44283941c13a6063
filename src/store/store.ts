import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rename, writeFile } from '../base/async-files.js';
import type { ByteString } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { hexOf, type Digest } from '../oci/digest.js';
import type { Descriptor, ImageIndex } from '../oci/types.js';
import { tryLock } from '../os/native.js';
import { sweepTemporaryFiles, temporaryName, toWriteError } from './files.js';
import { collectGarbage, type GarbageOptions, type GarbageReport } from './garbage.js';
import { findByHexPrefix } from './ids.js';
import * as layout from './layout.js';
import { prepareRoot } from './root.js';
import { makeTempDir, sweepTempDirs, type TempDir } from './temp.js';

export type { TempDir } from './temp.js';
export type { GarbageOptions, GarbageReport } from './garbage.js';

/** Annotation that names an image in full (`docker.io/library/app:1`); containerd, BuildKit and nerdctl write and read it. */
const IMAGE_NAME = 'io.containerd.image.name';
/** image-spec, annotations.md: skopeo, umoci and podman look images up by it. */
const REF_NAME = 'org.opencontainers.image.ref.name';
const LEASE_FILE = 'lease';
const LEASE_TIMEOUT_MS = 5_000;

/** An image of the store under all of its names; one without names was built without `-t`. */
export interface StoredImage {
  readonly descriptor: Descriptor;
  readonly references: readonly string[];
}

/** What is known of an extracted layer besides its files. */
export interface LayerFacts {
  /** Directories that the layer implied without an entry of their own. */
  readonly implied: readonly ByteString[];
}

/** Has the shape of snapshot's `LayerDir`. */
export interface StoredLayerDir extends LayerFacts {
  readonly path: string;
}

/**
 * The local store: an OCI image layout with extracted layers, cache records and work in progress beside it. Any number of processes
 * use one store at the same time: blobs and layer directories appear by rename, whole, and the index is changed under a lock.
 */
export class Store {
  readonly root: string;
  /** Settles when the leftovers of killed builds are gone. Never rejects; a build does not wait for it. */
  readonly swept: Promise<void>;

  private constructor(root: string) {
    this.root = root;
    this.swept = sweep(root);
  }

  /**
   * Opens the store, made when there is none.
   * @throws BuildError `environment` when the directory cannot be used, or holds something else
   */
  static async open(root: string): Promise<Store> {
    // Programs that get its paths run in other directories.
    const absolute = resolve(root);
    prepareRoot(absolute);
    return new Store(absolute);
  }

  blobPath(digest: Digest): string {
    return layout.blobPath(this.root, digest);
  }

  /** By digest and size; the bytes are checked by those who read them. */
  hasBlob(descriptor: Descriptor): boolean {
    return layout.hasBlob(this.root, descriptor);
  }

  /** Verified. @throws BuildError `input` when it is missing, larger than `maxBytes` or damaged */
  async readBlob(descriptor: Descriptor, maxBytes: number): Promise<Buffer> {
    return layout.readBlob(this.root, descriptor, { maxBytes });
  }

  putBlob(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    return layout.putBlob(this.root, bytes, mediaType);
  }

  /** Moves a finished file among the blobs; the caller computed the descriptor while writing it. */
  adoptBlob(tempFile: string, descriptor: Descriptor): Promise<void> {
    return layout.adoptBlob(this.root, tempFile, descriptor.digest, descriptor.size);
  }

  /** In the order in which they were tagged. */
  async images(): Promise<StoredImage[]> {
    const index = layout.readLayout(this.root);
    const byDigest = new Map<Digest, { descriptor: Descriptor; references: string[] }>();
    for (const descriptor of index.manifests) {
      const image = byDigest.get(descriptor.digest) ?? { descriptor, references: [] };
      byDigest.set(descriptor.digest, image);
      const name = nameOf(descriptor);
      if (name !== undefined) image.references.push(name);
    }
    return [...byDigest.values()];
  }

  /** By full name: `docker.io/library/app:1`, or `docker.io/library/app@sha256:…` for one that was tagged in that repository. */
  async find(reference: string): Promise<Descriptor | undefined> {
    const { manifests } = layout.readLayout(this.root);
    const named = manifests.find((descriptor) => nameOf(descriptor) === reference);
    if (named !== undefined) return named;
    const [repository, digest] = splitDigest(reference);
    if (digest === undefined) return undefined;
    return manifests.find((descriptor) => descriptor.digest === digest && repositoryOf(nameOf(descriptor)) === repository);
  }

  /**
   * By the first hex digits of the digest of its manifest or of its config, which is what docker calls the image id.
   * @throws BuildError `input` when several images begin so
   */
  async findById(hexPrefix: string): Promise<Descriptor | undefined> {
    const { manifests } = layout.readLayout(this.root);
    return findByHexPrefix(this.root, manifests, hexPrefix);
  }

  /** Names an image; another that had one of the names loses it. Without names it is kept as an image that has none. */
  tag(descriptor: Descriptor, references: readonly string[]): Promise<void> {
    return layout.updateIndex(this.root, (index) => withTags(index, descriptor, references));
  }

  /** Whether there was such a name. The image's blobs stay until garbage is collected. */
  async untag(reference: string): Promise<boolean> {
    let found = false;
    await layout.updateIndex(this.root, (index) => {
      const manifests = index.manifests.filter((descriptor) => nameOf(descriptor) !== reference);
      found = manifests.length < index.manifests.length;
      return found ? { ...index, manifests } : index;
    });
    return found;
  }

  /** A fresh directory of mode 0700 on the file system of the store. */
  tempDir(): Promise<TempDir> {
    return Promise.resolve(makeTempDir(join(this.root, 'tmp')));
  }

  /** Where the extracted layer lies or would lie. */
  layerDir(diffId: Digest): string {
    return join(this.root, 'layers', hexOf(diffId));
  }

  /** Where what can be looked up in the layer lies or would lie: for those who make it to write and to read. */
  layerIndexPath(diffId: Digest): string {
    return `${this.layerDir(diffId)}.index`;
  }

  hasLayerDir(diffId: Digest): boolean {
    const path = this.layerDir(diffId);
    return existsSync(path) && existsSync(factsPath(path));
  }

  /** The directory of an extracted layer; `undefined` when it is not there. */
  findLayerDir(diffId: Digest): StoredLayerDir | undefined {
    const path = this.layerDir(diffId);
    if (!existsSync(path)) return undefined;
    try {
      const { implied } = JSON.parse(readFileSync(factsPath(path), 'utf8')) as LayerFacts;
      return { path, implied };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw new BuildError('input', `cannot read "${factsPath(path)}"`, { cause: error, hint: `remove it and "${path}"` });
    }
  }

  /**
   * Moves a finished directory of this store's `tmp` to its place. When another build was first, its directory stays and `tempDir` is left
   * where it is. Files are not synced: what a power cut tears are directories that can be extracted again.
   * @throws BuildError `environment`
   */
  async publishLayerDir(tempDir: string, diffId: Digest, facts: LayerFacts): Promise<StoredLayerDir> {
    const path = this.layerDir(diffId);
    if (this.hasLayerDir(diffId)) return { path, implied: facts.implied };
    const temporaryPath = join(this.root, 'layers', temporaryName());
    try {
      await writeFile(temporaryPath, JSON.stringify({ implied: facts.implied }), { flag: 'wx', mode: 0o600 });
      await rename(temporaryPath, factsPath(path));
      await rename(tempDir, path);
    } catch (error) {
      // Both of several builds made the same directory: it is named by its content.
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw toWriteError(error, path);
    }
    return { path, implied: facts.implied };
  }

  /**
   * Keeps garbage collection away until disposed: what a build has written is not referred to before its end.
   * @throws BuildError `environment` when a collection does not end in time; it holds the lock for moments only
   */
  lease(): Disposable {
    const fd = openSync(join(this.root, LEASE_FILE), constants.O_CREAT | constants.O_RDWR, 0o600);
    const deadlineMs = Date.now() + LEASE_TIMEOUT_MS;
    while (!tryLock(fd, 'shared')) {
      if (Date.now() > deadlineMs) {
        closeSync(fd);
        throw new BuildError('environment', `"${this.root}" is being cleaned by another process`, { hint: 'try again when it has ended' });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
    return { [Symbol.dispose]: () => closeSync(fd) };
  }

  /**
   * Removes blobs and layer directories that no image refers to.
   * @throws BuildError `environment` when a build holds a lease
   */
  async collectGarbage(options: GarbageOptions = {}): Promise<GarbageReport> {
    await using trash = await this.tempDir();
    const fd = openSync(join(this.root, LEASE_FILE), constants.O_CREAT | constants.O_RDWR, 0o600);
    try {
      if (!tryLock(fd, 'exclusive')) {
        throw new BuildError('environment', `"${this.root}" is in use by a build`, { hint: 'try again when it has ended' });
      }
      return await collectGarbage(this.root, trash.path, options);
    } finally {
      closeSync(fd);
    }
  }
}

async function sweep(root: string): Promise<void> {
  await sweepTempDirs(join(root, 'tmp'));
  await layout.sweepLayout(root);
  await sweepTemporaryFiles(join(root, 'layers'));
}

function factsPath(layerDir: string): string {
  return `${layerDir}.json`;
}

function nameOf(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[IMAGE_NAME];
}

function repositoryOf(name: string | undefined): string | undefined {
  return name?.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
}

function splitDigest(reference: string): [repository: string | undefined, digest: string | undefined] {
  const at = reference.indexOf('@');
  return at === -1 ? [undefined, undefined] : [repositoryOf(reference.slice(0, at)), reference.slice(at + 1)];
}

function withTags(index: ImageIndex, descriptor: Descriptor, references: readonly string[]): ImageIndex {
  const taken = new Set(references);
  const kept = index.manifests.filter((other) => {
    const name = nameOf(other);
    // An image that gets a name needs its nameless entry no longer.
    return name === undefined ? other.digest !== descriptor.digest : !taken.has(name);
  });
  const named = [...taken].map((reference) => withName(descriptor, reference));
  const isKept = kept.some((other) => other.digest === descriptor.digest);
  const added = named.length > 0 ? named : isKept ? [] : [descriptor];
  return { ...index, manifests: [...kept, ...added] };
}

function withName(descriptor: Descriptor, reference: string): Descriptor {
  // The whole name for other tools too: many images of a store have the same tag.
  const names = { [IMAGE_NAME]: reference, [REF_NAME]: reference };
  return { ...descriptor, annotations: { ...descriptor.annotations, ...names } };
}
