import type { ByteString } from '../base/bytes.js';
import { resolveLinks } from '../base/links.js';
import { baseOf, parentOf } from '../base/paths.js';
import type { Xattrs } from '../tar/entry.js';
import { openLayerIndex } from './layer-index.js';
import { openLayerDir, type LayerReader } from './layer-reader.js';
import type { RootView, ViewLayer, ViewStat } from './root-view.js';

/**
 * The union of layers, as overlayfs would merge them: a whiteout hides the name in the layers below, an opaque directory and anything that is
 * not a directory end the merging.
 *
 * `layers` goes from the topmost down. The first may be written to while the view is in use: it is asked anew at each call. The others must
 * be sealed: their directories are remembered. No directory of a layer is reached through a symlink, since every component is
 * checked in every layer. An opaque root counts, although the kernel does not heed it: whoever mounts the layers mounts `visibleLayers` of them.
 */
export function openRootView(layers: readonly ViewLayer[]): RootView {
  return new LayeredView(visible(layers.map(openLayer)));
}

/** The layers from the topmost down to the first with an opaque root. */
export function visibleLayers<Layer extends ViewLayer>(layers: readonly Layer[]): readonly Layer[] {
  return layers.slice(0, visible(layers.map(openLayer)).length);
}

function openLayer(layer: ViewLayer): LayerReader {
  return 'path' in layer ? openLayerDir(layer) : openLayerIndex(layer);
}

function visible(layers: readonly LayerReader[]): readonly LayerReader[] {
  const opaque = layers.findIndex((layer, index) => index < layers.length - 1 && !layer.mergesRoot && layer.isOpaque(''));
  return opaque === -1 ? layers : layers.slice(0, opaque + 1);
}

/** Where a lookup can go on from: the layers that merge into a directory. None for anything else. */
interface Place {
  readonly path: ByteString;
  readonly top: LayerReader | undefined;
  readonly below: readonly LayerReader[];
}

/** What the union has at a path. */
interface Node extends Place {
  readonly stat: ViewStat;
  /** The layer that the metadata and a file's bytes come from. */
  readonly source: LayerReader;
}

class LayeredView implements RootView {
  readonly #root: Place;
  /** Directories of the sealed layers' union. They cannot change, and every lookup below them asks for them. */
  readonly #sealedDirectories = new Map<ByteString, Node>();

  constructor(layers: readonly LayerReader[]) {
    this.#root = { path: '', top: layers[0], below: layers.slice(1) };
  }

  lstat(path: ByteString): ViewStat | undefined {
    if (path === '' && this.#root.top === undefined) return EMPTY_ROOT;
    return this.#find(path)?.stat;
  }

  list(path: ByteString): readonly ByteString[] {
    const place = path === '' ? this.#root : this.#find(path);
    return place === undefined ? [] : listMerged(place);
  }

  xattrs(path: ByteString): Xattrs {
    return this.#find(path)?.source.xattrs(path) ?? [];
  }

  walk(path: ByteString, visit: (path: ByteString, stat: ViewStat) => void): void {
    const place = path === '' ? this.#root : this.#find(path);
    if (place !== undefined) this.#walk(place, visit);
  }

  resolve(path: ByteString, { followLast = true }: { readonly followLast?: boolean } = {}): ByteString {
    // `undefined` from where on nothing exists.
    const places = new Map<ByteString, Place | undefined>([['', this.#root]]);
    const readLink = (here: ByteString): ByteString | undefined => {
      const parent = places.get(parentOf(here));
      const node = parent === undefined ? undefined : this.#child(parent, baseOf(here));
      places.set(here, node);
      return node?.stat.linkTarget;
    };
    return resolveLinks(path, readLink, { followLast });
  }

  readFile(path: ByteString, maxBytes: number): Buffer | undefined {
    const node = this.#find(this.resolve(path));
    return node?.stat.type === 'file' ? node.source.readFile(node.path, maxBytes) : undefined;
  }

  #walk(place: Place, visit: (path: ByteString, stat: ViewStat) => void): void {
    for (const name of listMerged(place)) {
      const node = this.#child(place, name);
      if (node === undefined) continue;
      visit(node.path, node.stat);
      if (node.stat.type === 'directory') this.#walk(node, visit);
    }
  }

  #find(path: ByteString): Node | undefined {
    if (path === '') return this.#rootNode();
    let place: Place = this.#root;
    let node: Node | undefined;
    for (const name of path.split('/')) {
      node = this.#child(place, name);
      if (node === undefined) return undefined;
      place = node;
    }
    return node;
  }

  /** Every step asks for it, of more and more layers: those below the first that has metadata of its own are not looked at. */
  #rootNode(): Node | undefined {
    let topmost: Node | undefined;
    for (const source of layersOf(this.#root)) {
      const stat = source.lstat('');
      if (stat === undefined || stat === 'whiteout') continue;
      const node = { ...this.#root, stat, source };
      if (!source.isImplied('')) return node;
      topmost ??= node;
    }
    return topmost;
  }

  #child(parent: Place, name: ByteString): Node | undefined {
    if (name === '' || name === '.' || name === '..' || name.includes('\0')) return undefined;
    const path = parent.path === '' ? name : `${parent.path}/${name}`;
    const { top } = parent;
    const stat = top?.lstat(path);
    if (top === undefined || stat === undefined) return this.#sealedChild(parent, path);
    if (stat === 'whiteout') return undefined;
    if (stat.type !== 'directory') return { path, stat, source: top, top: undefined, below: [] };
    const lower = this.#sealedChild(parent, path);
    if (lower?.stat.type !== 'directory') return { path, stat, source: top, top, below: [] };
    const metadata = top.isImplied(path) ? lower : { stat, source: top };
    return { path, stat: metadata.stat, source: metadata.source, top, below: top.isOpaque(path) ? [] : lower.below };
  }

  /** What the sealed layers have there. Of what they merge into the parent's path, a parent merges either all or nothing. */
  #sealedChild(parent: Place, path: ByteString): Node | undefined {
    if (parent.below.length === 0) return undefined;
    const known = this.#sealedDirectories.get(path);
    if (known !== undefined) return known;
    const node = mergeAt(path, parent.below);
    if (node?.stat.type === 'directory') this.#sealedDirectories.set(path, node);
    return node;
  }
}

/** The root of an image without layers. */
const EMPTY_ROOT: ViewStat = {
  type: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 0,
  devMajor: 0,
  devMinor: 0,
  inode: '0:0',
  linkCount: 1,
  fsPath: '/dev/null/no-layer',
};

function layersOf({ top, below }: Place): readonly LayerReader[] {
  return top === undefined ? below : [top, ...below];
}

/** Merges what layers, all of which have the parent directory, have at a path. */
function mergeAt(path: ByteString, layers: readonly LayerReader[]): Node | undefined {
  const merged: LayerReader[] = [];
  let topmost: Pick<Node, 'stat' | 'source'> | undefined;
  let own: typeof topmost;
  let isMerging = true;
  for (const source of layers) {
    const stat = source.lstat(path);
    if (stat === undefined) continue;
    if (stat === 'whiteout') break;
    if (stat.type !== 'directory') {
      if (topmost === undefined) return { path, stat, source, top: undefined, below: [] };
      break;
    }
    if (isMerging) merged.push(source);
    topmost ??= { stat, source };
    if (!source.isImplied(path)) own ??= { stat, source };
    // An opaque directory without metadata of its own still has them from below: its marker clears the directory, it does not replace it.
    if (isMerging && source !== layers.at(-1) && source.isOpaque(path)) isMerging = false;
    if (!isMerging && own !== undefined) break;
  }
  const found = own ?? topmost;
  return found === undefined ? undefined : { path, stat: found.stat, source: found.source, top: undefined, below: merged };
}

function listMerged(place: Place): ByteString[] {
  const layers = layersOf(place);
  const seen = new Set<ByteString>();
  const names: ByteString[] = [];
  for (const layer of layers) {
    for (const { name, isWhiteout } of layer.list(place.path)) {
      if (seen.has(name)) continue;
      seen.add(name);
      if (!isWhiteout) names.push(name);
    }
  }
  return names.toSorted();
}
