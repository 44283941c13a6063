import { readFileSync } from 'node:fs';
import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { TarEntry, Xattrs } from '../tar/entry.js';
import { TarReader, type TarHandler } from '../tar/read.js';
import { IndexTree, type IndexNode } from './index-tree.js';
import { keepsBytes, linkedFiles, MAX_KEPT_BYTES } from './kept-files.js';
import type { LayerChild, LayerReader } from './layer-reader.js';
import type { LayerIndex, ViewStat } from './root-view.js';
import { imageXattrs } from './xattrs.js';

/** Of all files of a layer. */
const MAX_KEPT_BYTES_ALL = 4 * MAX_KEPT_BYTES;
/** No honest layer comes near, and so many would fill the memory of a thread. */
const MAX_ENTRIES = 4_000_000;

/** What lookups need of a layer that is made of files here: its entries, with the bytes of the files that lookups read. */
export function toLayerIndex(entries: readonly TarEntry[]): LayerIndex {
  const linked = linkedFiles(entries);
  return { entries: entries.map((entry) => toIndexed(entry, linked)) };
}

function toIndexed(entry: TarEntry, linked: ReadonlySet<ByteString>): TarEntry {
  const { content, ...metadata } = entry;
  if (content?.kind !== 'path') return entry;
  return keepsBytes(entry, linked) ? { ...metadata, content: { kind: 'bytes', bytes: readFileSync(content.path) } } : metadata;
}

/**
 * Reads a layer's tar for what can be looked up in it.
 * @param read gives the tar; called again when files are needed that only what comes behind them in the tar tells of
 * @param name what errors call the layer
 * @throws BuildError `input` when it is malformed
 */
export async function readLayerIndex(read: () => AsyncIterable<Buffer>, name = 'layer'): Promise<LayerIndex> {
  const index = await readOnce(read(), name, new Set());
  const linked = linkedFiles(index.entries);
  const isComplete = index.entries.every((entry) => !linked.has(entry.path) || entry.content !== undefined || !keepsBytes(entry, linked));
  return isComplete ? index : readOnce(read(), name, linked);
}

async function readOnce(chunks: AsyncIterable<Buffer>, name: string, linked: ReadonlySet<ByteString>): Promise<LayerIndex> {
  const entries: TarEntry[] = [];
  let kept: Buffer[] | undefined;
  let keepableBytes = MAX_KEPT_BYTES_ALL;
  const handler: TarHandler = {
    entry(entry) {
      if (entries.push(entry) > MAX_ENTRIES) throw new BuildError('input', `${name}: more than ${MAX_ENTRIES} entries`);
      kept = keepsBytes(entry, linked) && entry.sizeBytes <= keepableBytes ? [] : undefined;
      if (kept !== undefined) keepableBytes -= entry.sizeBytes;
    },
    data: (chunk) => void kept?.push(Buffer.from(chunk)),
    hole: (sizeBytes) => void kept?.push(Buffer.alloc(sizeBytes)),
    entryEnd() {
      const entry = entries.at(-1);
      if (kept !== undefined && entry !== undefined)
        entries[entries.length - 1] = { ...entry, content: { kind: 'bytes', bytes: Buffer.concat(kept) } };
      kept = undefined;
    },
  };
  const reader = new TarReader(handler, { name });
  for await (const chunk of chunks) reader.push(chunk);
  reader.end();
  return { name, entries };
}

/**
 * Reads a layer of which only the entries of its tar are known: enough to find where a COPY goes and who owns what, without writing a base image
 * to disk.
 * @throws BuildError `input` when the entries make no layer
 */
export function openLayerIndex(index: LayerIndex): LayerReader {
  const known = readers.get(index);
  if (known !== undefined) return known;
  const reader = readerOf(makeTree(index));
  readers.set(index, reader);
  return reader;
}

/** Every step opens the layers below it again: 30 ms for 30,000 entries. */
const readers = new WeakMap<LayerIndex, LayerReader>();

function makeTree({ entries, name }: LayerIndex): IndexTree {
  try {
    return new IndexTree(entries);
  } catch (error) {
    if (!(error instanceof BuildError) || name === undefined) throw error;
    throw new BuildError(error.kind, `${name}: ${error.message}`, { cause: error });
  }
}

function readerOf(tree: IndexTree): LayerReader {
  const entryAt = (path: ByteString): TarEntry | undefined => {
    const node = tree.get(path);
    return typeof node === 'object' ? node : undefined;
  };
  return {
    mergesRoot: false,
    lstat(path) {
      const node = tree.get(path);
      if (node === undefined || node === 'whiteout') return node;
      return toStat(node === 'implied' ? { ...IMPLIED_DIRECTORY, path } : node);
    },
    isOpaque: (path) => tree.isOpaque(path),
    isImplied: (path) => tree.get(path) === 'implied',
    list: (path) => Array.from(tree.list(path), (name) => toChild(name, tree.get(path === '' ? name : `${path}/${name}`))),
    xattrs: (path) => toImageXattrs(entryAt(path)?.xattrs),
    readFile: (path, maxBytes) => readKept(entryAt(path), maxBytes),
  };
}

/** Where the index came from another thread, structured clone has made plain arrays of the Buffers. */
function toImageXattrs(xattrs: Xattrs = []): Xattrs {
  const found = imageXattrs(xattrs).map(([name, value]) => [name, Buffer.from(value)] as const);
  return found.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function toChild(name: ByteString, node: IndexNode | undefined): LayerChild {
  return { name, isWhiteout: node === 'whiteout' };
}

function readKept(entry: TarEntry | undefined, maxBytes: number): Buffer | undefined {
  if (entry?.type !== 'file') return undefined;
  const { sizeBytes, content } = entry;
  if (sizeBytes === 0) return Buffer.alloc(0);
  if (sizeBytes <= maxBytes && content?.kind === 'bytes') return Buffer.from(content.bytes);
  const limit = Math.min(maxBytes, MAX_KEPT_BYTES);
  const name = `file "${toText(entry.path)}" of the image`;
  if (sizeBytes > limit) throw new BuildError('input', `${name} is too large: got ${sizeBytes} bytes, want at most ${limit}`);
  throw new BuildError('unsupported', `${name} cannot be read for names: a link from another layer leads to it`, {
    hint: 'Give numbers instead of names.',
  });
}

const IMPLIED_DIRECTORY: TarEntry = { path: '', type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 0 };

/** Reading it fails, whoever tries. */
const NOT_ON_DISK = '/dev/null/indexed-layer';

function toStat(entry: TarEntry): ViewStat {
  return {
    type: entry.type === 'hardlink' ? 'file' : entry.type,
    // A symlink has no mode of its own.
    mode: entry.type === 'symlink' ? 0o777 : entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    mtimeSeconds: entry.mtimeSeconds,
    devMajor: entry.devMajor ?? 0,
    devMinor: entry.devMinor ?? 0,
    inode: `index:${entry.path}`,
    linkCount: 1,
    ...(entry.type === 'symlink' && entry.linkTarget !== undefined ? { linkTarget: entry.linkTarget } : {}),
    fsPath: NOT_ON_DISK,
  };
}
