import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { fromText, isText, toFsPath, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { setTimes, setXattr } from '../os/native.js';
import type { LayerDir, RootView, ViewStat } from '../snapshot/root-view.js';
import { ancestry } from './make-directory.js';
import type { PlacedMount } from './mounts.js';

/**
 * A layer above those of the image and below the one that a step writes to. It has what the runtime mounts over where the image lacks it, so
 * that the runtime makes nothing in the step's own layer and follows no symlink of the image: real directories dev, proc and sys
 * (CVE-2026-41579 was an image whose /dev was a symlink), regular files for hosts and resolv.conf, the targets of the step's mounts. And it repeats the directories that
 * foreign layers only implied, with the metadata that counts.
 */
export interface InitLayer {
  readonly empty: boolean;
  /** Where the two files stand inside the root, without symlinks. */
  readonly hosts: ByteString;
  readonly resolvConf: ByteString;
}

const MOUNT_POINTS = ['dev', 'proc', 'sys'];

export interface InitLayerRequest {
  readonly layers: readonly LayerDir[];
  /** The same as a view. */
  readonly root: RootView;
  readonly mounts: readonly PlacedMount[];
}

/** @param dir an empty directory that becomes the layer */
export function writeInitLayer(dir: string, { layers, root, mounts }: InitLayerRequest): InitLayer {
  const writer = new InitLayerWriter(dir, root);
  for (const path of MOUNT_POINTS) writer.directory(path);
  // `etc` may be a symlink to a directory, which keeps working; a link to nowhere is hidden.
  const resolved = root.resolve('etc');
  const isUsable =
    root.lstat(resolved)?.type === 'directory' && isText(resolved) && !MOUNT_POINTS.includes(resolved.split('/', 1)[0] ?? '');
  const etc = isUsable ? resolved : 'etc';
  const hosts = etc === '' ? 'hosts' : `${etc}/hosts`;
  const resolvConf = etc === '' ? 'resolv.conf' : `${etc}/resolv.conf`;
  writer.file(hosts);
  writer.file(resolvConf);
  for (const target of mounts) if (target.inRoot) makeTarget(writer, target);
  writer.repeatImplied(layers);
  writer.finish();
  return { empty: writer.isEmpty(), hosts, resolvConf };
}

/** @throws BuildError `dockerfile` for a name that no file system takes */
function makeTarget(writer: InitLayerWriter, placed: PlacedMount): void {
  try {
    writer.target(placed);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENAMETOOLONG') throw cause;
    throw new BuildError('dockerfile', `cannot mount at "${placed.mount.target.slice(0, 200)}…": the path is too long`, { cause });
  }
}

/**
 * A layer above others that repeats the directories that they only implied, and nothing else.
 * @param dir a directory that becomes the layer, with the metadata of the root
 */
export function writeImplied(dir: string, layers: readonly LayerDir[], root: RootView): void {
  const writer = new InitLayerWriter(dir, root);
  writer.repeatImplied(layers);
  writer.finish();
}

class InitLayerWriter {
  readonly #dir: ByteString;
  readonly #root: RootView;
  /** The directories made, each after its parent, with what the view has there. */
  readonly #made = new Map<ByteString, ViewStat | undefined>();
  readonly #files = new Set<ByteString>();

  constructor(dir: string, root: RootView) {
    this.#dir = fromText(dir);
    this.#root = root;
  }

  isEmpty(): boolean {
    return this.#made.size + this.#files.size === 0;
  }

  /** A directory where the view has none. */
  directory(path: ByteString): void {
    if (this.#root.lstat(path)?.type !== 'directory') this.#make(path);
  }

  /** An empty file where the view has no regular one. */
  file(path: ByteString): void {
    if (this.#root.lstat(path)?.type === 'file') return;
    this.#makeParents(path);
    if (this.#made.has(path)) throw notBoth(path);
    this.#files.add(path);
    writeFileSync(this.#fsPath(path), '', { mode: 0o644 });
  }

  /** For a mount: of what the view has there, the kind is right. */
  target({ path, mount, mode }: PlacedMount): void {
    if (mount.isFile) {
      this.file(path);
      return;
    }
    if (this.#root.lstat(path) !== undefined) return;
    this.#makeParents(path);
    this.#make(path);
    chmodSync(this.#fsPath(path), mode);
  }

  repeatImplied(layers: readonly LayerDir[]): void {
    for (const layer of layers) for (const path of layer.implied ?? []) this.#repeat(path);
  }

  /** A directory that the view has. */
  #repeat(path: ByteString): void {
    // The root's metadata are those of the layer that the step writes to.
    if (path === '' || this.#root.lstat(path)?.type !== 'directory') return;
    this.#makeParents(path);
    this.#make(path);
  }

  /** Metadata last, children before parents: making a child changes its parent's time. */
  finish(): void {
    for (const [path, stat] of [...this.#made].toReversed()) {
      if (stat?.type !== 'directory') continue;
      const fsPath = this.#fsPath(path);
      chownSync(fsPath, stat.uid, stat.gid);
      chmodSync(fsPath, stat.mode);
      for (const [name, value] of this.#root.xattrs(path)) setXattr(fsPath, name, value);
      setTimes(fsPath, stat.mtimeSeconds);
    }
  }

  #makeParents(path: ByteString): void {
    for (const parent of ancestry(path).slice(0, -1)) this.#make(parent);
  }

  #make(path: ByteString): void {
    if (this.#made.has(path)) return;
    if (this.#files.has(path)) throw notBoth(path);
    this.#made.set(path, this.#root.lstat(path));
    const fsPath = this.#fsPath(path);
    mkdirSync(fsPath);
    chmodSync(fsPath, 0o755);
  }

  #fsPath(path: ByteString): FsPath {
    return toFsPath(`${this.#dir}/${path}`);
  }
}

/** The image has nothing there, and two mounts want different things. */
function notBoth(path: ByteString): BuildError {
  return new BuildError('dockerfile', `a mount needs a directory and another one a file at "/${toText(path)}"`);
}
