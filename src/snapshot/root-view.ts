import type { ByteString } from '../base/bytes.js';
import type { NodeStat } from '../os/stat.js';
import type { TarEntry, Xattrs } from '../tar/entry.js';

/**
 * One layer of a root file system: a directory in the kernel's overlay format (whiteout = character device 0/0, opaque = xattr
 * `trusted.overlay.opaque`). A chain of them is ordered from the topmost down.
 */
export interface LayerDir {
  readonly path: string;
  /** Directories that a foreign layer implied without an entry of their own: their metadata is that of the layers below. */
  readonly implied?: readonly ByteString[];
  /** The root is known not to be opaque, as that of any layer that a step made: with hundreds of steps, looking would take most of a build's time. */
  readonly mergesRoot?: boolean;
}

/** One layer of which only the entries of its tar are known. Files whose bytes a lookup may want (`etc/passwd`, `etc/group`) carry them. */
export interface LayerIndex {
  /** What errors call the layer. */
  readonly name?: string;
  readonly entries: readonly TarEntry[];
}

export type ViewLayer = LayerDir | LayerIndex;

/** What a view has at a path; `fsPath` is where the bytes lie. */
export type ViewStat = NodeStat;

/**
 * The union of a chain of layers, read without a mount. Paths are relative to the root (`''` is the root) and are looked up as they stand: no
 * method but `resolve` follows a symlink, in any component.
 */
export interface RootView {
  /** `undefined` when the path does not exist or a component is not a directory. */
  lstat(path: ByteString): ViewStat | undefined;
  /** Names in byte order. Empty for anything but a directory. */
  list(path: ByteString): readonly ByteString[];
  xattrs(path: ByteString): Xattrs;
  /**
   * Follows symlinks in every component, always inside the root (`..` above the root stays at the root), and returns the path found, which
   * exists up to the last component that could be resolved: missing components are kept as they are.
   * @throws BuildError `input` after 40 links
   */
  resolve(path: ByteString, options?: { readonly followLast?: boolean }): ByteString;
  /**
   * The bytes of a regular file, symlinks followed inside the root; `undefined` when there is none.
   * @throws BuildError `input` when it is larger than `maxBytes`
   */
  readFile(path: ByteString, maxBytes: number): Buffer | undefined;
  /**
   * Everything below a directory, depth first, the children of each in byte order: each directory before its contents. Optional: `list` and
   * `lstat` do the same, a few times slower.
   */
  walk?(path: ByteString, visit: (path: ByteString, stat: ViewStat) => void): void;
}
