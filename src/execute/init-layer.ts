import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { fromText, toFsPath, type ByteString, type FsPath } from '../base/bytes.js';
import { setTimes, setXattr } from '../os/native.js';
import type { LayerDir, RootView, ViewStat } from '../snapshot/root-view.js';
import { ancestry } from './make-directory.js';

/**
 * A layer above those of the image and below the one that a step writes to. It has what the runtime mounts over where the image lacks it, so
 * that the runtime makes nothing in the step's own layer and follows no symlink of the image: real directories dev, proc and sys
 * (CVE-2026-41579 was an image whose /dev was a symlink), regular files for hosts and resolv.conf. And it repeats the directories that
 * foreign layers only implied, with the metadata that counts.
 */
export interface InitLayer {
  readonly empty: boolean;
  /** Where the two files stand inside the root, without symlinks. */
  readonly hosts: ByteString;
  readonly resolvConf: ByteString;
}

const MOUNT_POINTS = ['dev', 'proc', 'sys'];

/** @param dir an empty directory that becomes the layer */
export function writeInitLayer(dir: string, layers: readonly LayerDir[], root: RootView): InitLayer {
  const writer = new InitLayerWriter(dir, root);
  for (const path of MOUNT_POINTS) writer.directory(path);
  // `etc` may be a symlink to a directory, which keeps working; a link to nowhere is hidden.
  const resolved = root.resolve('etc');
  const etc = root.lstat(resolved)?.type === 'directory' && !MOUNT_POINTS.includes(resolved.split('/', 1)[0] ?? '') ? resolved : 'etc';
  const hosts = etc === '' ? 'hosts' : `${etc}/hosts`;
  const resolvConf = etc === '' ? 'resolv.conf' : `${etc}/resolv.conf`;
  writer.file(hosts);
  writer.file(resolvConf);
  for (const layer of layers) for (const path of layer.implied ?? []) writer.repeat(path);
  writer.finish();
  return { empty: writer.isEmpty(), hosts, resolvConf };
}

class InitLayerWriter {
  readonly #dir: ByteString;
  readonly #root: RootView;
  /** The directories made, each after its parent, with what the view has there. */
  readonly #made = new Map<ByteString, ViewStat | undefined>();
  #files = 0;

  constructor(dir: string, root: RootView) {
    this.#dir = fromText(dir);
    this.#root = root;
  }

  isEmpty(): boolean {
    return this.#made.size + this.#files === 0;
  }

  /** A directory where the view has none. */
  directory(path: ByteString): void {
    if (this.#root.lstat(path)?.type !== 'directory') this.#make(path);
  }

  /** An empty file where the view has no regular one. */
  file(path: ByteString): void {
    if (this.#root.lstat(path)?.type === 'file') return;
    this.#makeParents(path);
    this.#files++;
    writeFileSync(this.#fsPath(path), '', { mode: 0o644 });
  }

  /** A directory that the view has. */
  repeat(path: ByteString): void {
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
    this.#made.set(path, this.#root.lstat(path));
    const fsPath = this.#fsPath(path);
    mkdirSync(fsPath);
    chmodSync(fsPath, 0o755);
  }

  #fsPath(path: ByteString): FsPath {
    return toFsPath(`${this.#dir}/${path}`);
  }
}
