import type { ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { Xattrs } from './entry.js';
import { inRange, MAX_ID } from './header.js';

/** What the records of one PAX extended header say about the member that follows. */
export interface PaxAttributes {
  path?: ByteString;
  linkPath?: ByteString;
  uid?: number;
  gid?: number;
  sizeBytes?: number;
  /** Whole seconds, rounded down. */
  mtimeSeconds?: number;
  xattrs?: (readonly [name: ByteString, value: Buffer])[];
  sparse?: PaxSparse;
}

/** The keywords `GNU.sparse.*`, in the three ways that GNU tar has used them. */
export interface PaxSparse {
  major?: number;
  minor?: number;
  name?: ByteString;
  realSizeBytes?: number;
  /** Offset and length of each part in turn: versions 0.0 and 0.1; 1.0 has its map in front of the data. */
  map?: number[];
}

const XATTR_KEYWORD = 'SCHILY.xattr.';
const SPARSE_KEYWORD = 'GNU.sparse.';

/**
 * Reads `LENGTH KEYWORD=VALUE\n` records (POSIX.1, pax, "pax Extended Header"). The values stay bytes, whatever `hdrcharset` says. An empty
 * value takes back what a record before it said. Keywords that say nothing about a root file system (atime, uname, comment, …) are skipped.
 * @throws BuildError `input` when a record is malformed, a name holds NUL, or a number is out of range
 */
export function parsePax(payload: Buffer): PaxAttributes {
  const text = payload.toString('latin1');
  const attributes: PaxAttributes = {};
  const xattrs = new Map<ByteString, Buffer>();
  let start = 0;
  while (start < text.length) {
    const end = recordEnd(text, start);
    const equals = text.indexOf('=', start);
    const keywordStart = text.indexOf(' ', start) + 1;
    if (equals === -1 || equals >= end || equals <= keywordStart) throw malformed('a record has no keyword');
    const keyword = text.slice(keywordStart, equals);
    const value = text.slice(equals + 1, end - 1);
    if (keyword.startsWith(XATTR_KEYWORD)) setXattr(xattrs, keyword.slice(XATTR_KEYWORD.length), value);
    else if (keyword.startsWith(SPARSE_KEYWORD)) applySparse((attributes.sparse ??= {}), keyword.slice(SPARSE_KEYWORD.length), value);
    else applyRecord(attributes, keyword, value);
    start = end;
  }
  if (xattrs.size > 0) attributes.xattrs = sortedXattrs(xattrs);
  return attributes;
}

/** The offset behind the record's newline. */
function recordEnd(text: string, start: number): number {
  const space = text.indexOf(' ', start);
  const digits = space === -1 ? '' : text.slice(start, space);
  if (!/^[0-9]{1,7}$/.test(digits)) throw malformed('a record has no length');
  const end = start + Number(digits);
  if (end > text.length || end <= space + 1 || text[end - 1] !== '\n') throw malformed('the length of a record is wrong');
  return end;
}

function applyRecord(attributes: PaxAttributes, keyword: string, value: ByteString): void {
  switch (keyword) {
    case 'path':
      return set(attributes, 'path', value, parseName);
    case 'linkpath':
      return set(attributes, 'linkPath', value, parseName);
    case 'uid':
      return set(attributes, 'uid', value, (text) => inRange(parseInteger(text, keyword), MAX_ID, keyword));
    case 'gid':
      return set(attributes, 'gid', value, (text) => inRange(parseInteger(text, keyword), MAX_ID, keyword));
    case 'size':
      return set(attributes, 'sizeBytes', value, (text) => parseInteger(text, keyword));
    case 'mtime':
      return set(attributes, 'mtimeSeconds', value, parseSeconds);
    default:
  }
}

function applySparse(sparse: PaxSparse, keyword: string, value: ByteString): void {
  switch (keyword) {
    case 'major':
      return set(sparse, 'major', value, (text) => parseInteger(text, keyword));
    case 'minor':
      return set(sparse, 'minor', value, (text) => parseInteger(text, keyword));
    case 'name':
      return set(sparse, 'name', value, parseName);
    case 'size':
    case 'realsize':
      return set(sparse, 'realSizeBytes', value, (text) => parseInteger(text, keyword));
    case 'map':
      return set(sparse, 'map', value, (text) => text.split(',').map((number) => parseInteger(number, 'sparse map')));
    case 'offset':
    case 'numbytes':
      (sparse.map ??= []).push(parseInteger(value, 'sparse map'));
      return;
    default:
  }
}

function set<T extends object, K extends keyof T>(target: T, key: K, value: ByteString, parse: (value: ByteString) => T[K]): void {
  if (value === '') delete target[key];
  else target[key] = parse(value);
}

function setXattr(xattrs: Map<ByteString, Buffer>, name: ByteString, value: ByteString): void {
  if (name === '' || name.includes('\0')) throw malformed('an extended attribute has no proper name');
  if (value === '') xattrs.delete(name);
  else xattrs.set(name, Buffer.from(value, 'latin1'));
}

function sortedXattrs(xattrs: Map<ByteString, Buffer>): Xattrs[number][] {
  return [...xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function parseName(value: ByteString): ByteString {
  if (value.includes('\0')) throw malformed('a path holds a NUL');
  return value;
}

function parseInteger(text: string, field: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed(`${field} is not a number in range: "${text.slice(0, 40)}"`);
  return value;
}

function parseSeconds(text: string): number {
  const value = /^-?[0-9]{1,16}(?:\.[0-9]*)?$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed(`mtime is not a number in range: "${text.slice(0, 40)}"`);
  // Math.floor(-0) is -0, which is no different time.
  return value + 0;
}

function malformed(what: string): BuildError {
  return new BuildError('input', `malformed PAX header: ${what}`);
}
