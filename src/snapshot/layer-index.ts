import { readFileSync } from 'node:fs';
import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { baseOf, parentOf } from '../base/paths.js';
import type { TarEntry } from '../tar/entry.js';
import { TarReader } from '../tar/read.js';
import type { LayerChild, LayerReader } from './layer-reader.js';
import type { LayerIndex, ViewStat } from './root-view.js';
import { isWhiteoutName, OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from './whiteout.js';

/** Files that the owner of a COPY is looked up in: an index keeps their bytes, up to a size that no honest image reaches. */
const KEPT_FILES: ReadonlySet<ByteString> = new Set(['etc/passwd', 'etc/group']);
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** Whether the index of a layer must carry the bytes of an entry. */
function keepsBytes(entry: TarEntry): boolean {
  return entry.type === 'file' && entry.sizeBytes > 0 && entry.sizeBytes <= MAX_KEPT_BYTES && KEPT_FILES.has(entry.path);
}

/** What lookups need of a layer that is made of files here: its entries, with the bytes of the files that lookups read. */
export function toLayerIndex(entries: readonly TarEntry[]): LayerIndex {
  return { entries: entries.map(toIndexed) };
}

function toIndexed(entry: TarEntry): TarEntry {
  const { content, ...metadata } = entry;
  if (content?.kind !== 'path') return entry;
  return keepsBytes(entry) ? { ...metadata, content: { kind: 'bytes', bytes: readFileSync(content.path) } } : metadata;
}

/**
 * Reads a layer's tar for what can be looked up in it.
 * @throws BuildError `input` when it is malformed
 */
export async function readLayerIndex(chunks: AsyncIterable<Buffer>): Promise<LayerIndex> {
  const entries: TarEntry[] = [];
  let kept: Buffer[] | undefined;
  const reader = new TarReader({
    entry(entry) {
      if (isOverlayWhiteout(entry)) return;
      entries.push(entry);
      kept = keepsBytes(entry) ? [] : undefined;
    },
    data: (chunk) => void kept?.push(Buffer.from(chunk)),
    hole: (sizeBytes) => void kept?.push(Buffer.alloc(sizeBytes)),
    entryEnd() {
      const entry = entries.at(-1);
      if (kept !== undefined && entry !== undefined)
        entries[entries.length - 1] = { ...entry, content: { kind: 'bytes', bytes: Buffer.concat(kept) } };
      kept = undefined;
    },
  });
  for await (const chunk of chunks) reader.push(chunk);
  reader.end();
  return { entries };
}

/** The kernel's own form of a whiteout means nothing in a tar: extraction leaves such a device out as well. */
function isOverlayWhiteout(entry: TarEntry): boolean {
  return entry.type === 'char' && entry.devMajor === 0 && entry.devMinor === 0;
}

/**
 * Reads a layer of which only the entries of its tar are known: enough to find where a COPY goes and who owns what, without writing a base image
 * to disk.
 */
export function openLayerIndex({ entries }: LayerIndex): LayerReader {
  const nodes = new Map<ByteString, TarEntry | 'whiteout' | 'implied'>([['', 'implied']]);
  const opaque = new Set<ByteString>();
  const children = new Map<ByteString, Set<ByteString>>();
  const add = (path: ByteString, node: TarEntry | 'whiteout' | 'implied'): void => {
    if (path !== '') {
      const parent = parentOf(path);
      // Entries may come in any order: a missing parent is implied until its own entry comes, and a file on the way gives place to a directory.
      const above = nodes.get(parent);
      if (above === undefined || above === 'whiteout' || !isDirectory(above)) add(parent, 'implied');
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, new Set([baseOf(path)]));
      else siblings.add(baseOf(path));
    }
    nodes.set(path, node);
  };
  for (const entry of entries) {
    const name = baseOf(entry.path);
    if (name === OPAQUE_WHITEOUT) opaque.add(parentOf(entry.path));
    else if (!isWhiteoutName(name)) add(entry.path, entry);
  }
  for (const { path } of entries) {
    const name = baseOf(path);
    if (!isWhiteoutName(name) || name === OPAQUE_WHITEOUT) continue;
    const parent = parentOf(path);
    const target = `${parent === '' ? '' : `${parent}/`}${name.slice(WHITEOUT_PREFIX.length)}`;
    // Entries of the same layer survive its whiteouts; a directory among them no longer merges with what lay there.
    if (nodes.has(target)) opaque.add(target);
    else add(target, 'whiteout');
  }
  const fileAt = (path: ByteString): TarEntry | undefined => {
    const node = nodes.get(path);
    if (node === undefined || typeof node === 'string') return undefined;
    if (node.type !== 'hardlink') return node;
    const target = nodes.get(node.linkTarget ?? '');
    return target === undefined || typeof target === 'string' ? node : { ...target, path };
  };
  return {
    lstat(path) {
      const node = nodes.get(path);
      if (node === undefined || node === 'whiteout') return node;
      return toStat(node === 'implied' ? { ...IMPLIED_DIRECTORY, path } : (fileAt(path) ?? node));
    },
    isOpaque: (path) => opaque.has(path),
    isImplied: (path) => nodes.get(path) === 'implied',
    list: (path) => [...(children.get(path) ?? [])].map((name) => toChild(name, nodes.get(path === '' ? name : `${path}/${name}`))),
    xattrs: (path) => fileAt(path)?.xattrs ?? [],
    readFile: (path, maxBytes) => readKept(fileAt(path), maxBytes),
  };
}

function isDirectory(node: TarEntry | 'implied'): boolean {
  return node === 'implied' || node.type === 'directory';
}

function toChild(name: ByteString, node: TarEntry | 'whiteout' | 'implied' | undefined): LayerChild {
  return { name, isWhiteout: node === 'whiteout' };
}

function readKept(entry: TarEntry | undefined, maxBytes: number): Buffer | undefined {
  if (entry?.type !== 'file') return undefined;
  const { sizeBytes, content } = entry;
  if (sizeBytes === 0) return Buffer.alloc(0);
  if (sizeBytes <= maxBytes && content?.kind === 'bytes') return Buffer.from(content.bytes);
  throw new BuildError(
    'input',
    `file "${toText(entry.path)}" of the image is too large: got ${sizeBytes} bytes, want at most ${Math.min(maxBytes, MAX_KEPT_BYTES)}`,
  );
}

const IMPLIED_DIRECTORY: TarEntry = { path: '', type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 0 };

/** Reading it fails, whoever tries. */
const NOT_ON_DISK = '/dev/null/indexed-layer';

function toStat(entry: TarEntry): ViewStat {
  return {
    type: entry.type === 'hardlink' ? 'file' : entry.type,
    mode: entry.mode,
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
