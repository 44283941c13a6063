import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { EntryType, TarEntry, Xattrs } from '../tar/entry.js';
import type { LayerIndex } from './root-view.js';

/** What a file begins with; another version is another text. Then come the sha256 of what follows, and deflated JSON. */
const MAGIC = Buffer.from('tsbuild layer index 1\n');
const HASH_BYTES = 32;
const HEAD_BYTES = MAGIC.length + HASH_BYTES;
/** Of the JSON: 4 million entries, as many as a layer may have, of 250 bytes. */
const MAX_JSON_BYTES = 1_000_000_000;
const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'hardlink', 'fifo', 'char', 'block'];

/** What few entries have. Bytes are base64. */
interface Rest {
  readonly link?: string;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: readonly (readonly [name: string, value: string])[];
  readonly bytes?: string;
}

/** Numbers alone for nearly all entries. The path is that of the row before as far as the first number says. */
type Row = readonly [
  shared: number,
  path: string,
  type: number,
  mode: number,
  uid: number,
  gid: number,
  sizeBytes: number,
  mtimeSeconds: number,
  rest?: Rest,
];

interface Document {
  readonly name?: string;
  readonly rows: readonly Row[];
}

/** A layer's index as a file: about 15 bytes for an entry. */
export function encodeLayerIndex({ name, entries }: LayerIndex): Buffer {
  let before = '';
  const rows = entries.map((entry) => {
    const row = toRow(entry, before);
    before = entry.path;
    return row;
  });
  const document: Document = { ...(name === undefined ? {} : { name }), rows };
  const body = deflateRawSync(JSON.stringify(document), { level: 1 });
  return Buffer.concat([MAGIC, createHash('sha256').update(body).digest(), body]);
}

/** `undefined` for anything that `encodeLayerIndex` did not write, such as what another version wrote, or a damaged disk has left. */
export function decodeLayerIndex(bytes: Buffer): LayerIndex | undefined {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const body = bytes.subarray(HEAD_BYTES);
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(MAGIC.length, HEAD_BYTES))) return undefined;
  const json = inflateRawSync(body, { maxOutputLength: MAX_JSON_BYTES }).toString('utf8');
  // The digest above holds for its shape as well.
  const { name, rows } = JSON.parse(json) as Document;
  let before = '';
  const entries = rows.map((row) => {
    const entry = toEntry(row, before);
    before = entry.path;
    return entry;
  });
  return { ...(name === undefined ? {} : { name }), entries };
}

function toRow(entry: TarEntry, before: string): Row {
  const { path, type, mode, uid, gid, sizeBytes, mtimeSeconds } = entry;
  const shared = sharedLength(path, before);
  const row = [shared, path.slice(shared), TYPES.indexOf(type), mode, uid, gid, sizeBytes, mtimeSeconds] as const;
  const rest = toRest(entry);
  return rest === undefined ? row : [...row, rest];
}

function toRest({ linkTarget, devMajor, devMinor, xattrs, content }: TarEntry): Rest | undefined {
  const bytes = content?.kind === 'bytes' ? content.bytes : undefined;
  const hasDevice = devMajor !== undefined || devMinor !== undefined;
  if (linkTarget === undefined && !hasDevice && xattrs === undefined && bytes === undefined) return undefined;
  return {
    ...(linkTarget === undefined ? {} : { link: linkTarget }),
    ...(hasDevice ? { device: [devMajor ?? 0, devMinor ?? 0] } : {}),
    ...(xattrs === undefined ? {} : { xattrs: xattrs.map(([name, value]) => [name, Buffer.from(value).toString('base64')] as const) }),
    ...(bytes === undefined ? {} : { bytes: Buffer.from(bytes).toString('base64') }),
  };
}

function toEntry([shared, end, type, mode, uid, gid, sizeBytes, mtimeSeconds, rest]: Row, before: string): TarEntry {
  const common = { path: before.slice(0, shared) + end, type: TYPES[type] ?? 'file', mode, uid, gid, sizeBytes, mtimeSeconds };
  if (rest === undefined) return common;
  const { link, device, xattrs, bytes } = rest;
  return {
    ...common,
    ...(link === undefined ? {} : { linkTarget: link }),
    ...(device === undefined ? {} : { devMajor: device[0], devMinor: device[1] }),
    ...(xattrs === undefined
      ? {}
      : { xattrs: xattrs.map(([name, value]) => [name, Buffer.from(value, 'base64')] as const) satisfies Xattrs }),
    ...(bytes === undefined ? {} : { content: { kind: 'bytes', bytes: Buffer.from(bytes, 'base64') } }),
  };
}

function sharedLength(path: string, before: string): number {
  const limit = Math.min(path.length, before.length);
  let length = 0;
  while (length < limit && path.charCodeAt(length) === before.charCodeAt(length)) length++;
  return length;
}
