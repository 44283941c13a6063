import type { ByteString } from '../base/bytes.js';
import { toText } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { EntryType, TarEntry } from './entry.js';

/**
 * Encodes headers as POSIX ustar, with a PAX extended header in front only where ustar cannot say it: the choice that Go's archive/tar makes
 * too, so that most members cost 512 bytes and every reader knows the rest. All fields are set on purpose and depend on the entry alone;
 * user and group names stay empty, for they are those of the building machine.
 */

const BLOCK = 512;

/** Two blocks of zeros. */
export const END_OF_ARCHIVE: Buffer = Buffer.alloc(2 * BLOCK);

/** Offsets and lengths of the ustar fields (POSIX.1, pax, "ustar Interchange Format"). */
const NAME = 0;
const NAME_BYTES = 100;
const MODE = 100;
const UID = 108;
const GID = 116;
const SIZE = 124;
const MTIME = 136;
const CHECKSUM = 148;
const TYPE = 156;
const LINK = 157;
const MAGIC = 257;
const DEV_MAJOR = 329;
const DEV_MINOR = 337;
const PREFIX = 345;
const PREFIX_BYTES = 155;

/** Digits of the short and the long octal fields, each followed by a NUL, and the largest numbers that fit. */
const SHORT_DIGITS = 7;
const LONG_DIGITS = 11;
const MAX_SHORT = 8 ** SHORT_DIGITS - 1;
const MAX_LONG = 8 ** LONG_DIGITS - 1;

const TYPE_FLAGS: Readonly<Record<EntryType, number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
};
const PAX_TYPE_FLAG = 0x78;

const NON_ASCII = /[\u0080-\u00ff]/;
const ZERO = 0x30;

/** A header of which all numbers are 0, the checksum field still blank as its own sum wants it. */
const TEMPLATE = makeTemplate();

function makeTemplate(): Buffer {
  const template = Buffer.alloc(BLOCK);
  for (const field of [MODE, UID, GID, DEV_MAJOR, DEV_MINOR]) template.write('0'.repeat(SHORT_DIGITS), field, 'latin1');
  for (const field of [SIZE, MTIME]) template.write('0'.repeat(LONG_DIGITS), field, 'latin1');
  template.write(' '.repeat(8), CHECKSUM, 'latin1');
  template.write('ustar\x0000', MAGIC, 'latin1');
  return template;
}

/**
 * All blocks in front of an entry's content.
 * @throws BuildError `input` for an extended attribute whose name has a `=`: no PAX record can hold it
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' ? (entry.path === '' ? './' : `${entry.path}/`) : entry.path;
  const split = splitName(name);
  const records = paxRecords(entry, name, split);
  if (records === '') return encodeBlock(Buffer.allocUnsafe(BLOCK), entry, split ?? { prefix: '', name });
  const recordBytes = records.length;
  const buffer = Buffer.alloc(BLOCK + recordBytes + paddingBytes(recordBytes) + BLOCK);
  encodePaxBlock(buffer, recordBytes);
  buffer.write(records, BLOCK, 'latin1');
  encodeBlock(buffer.subarray(buffer.length - BLOCK), entry, split ?? { prefix: '', name: name.slice(0, NAME_BYTES) });
  return buffer;
}

/** How many zeros follow a content of this size. */
export function paddingBytes(sizeBytes: number): number {
  return (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
}

interface SplitName {
  readonly prefix: ByteString;
  readonly name: ByteString;
}

/** The two fields of ustar, cut at a slash that neither holds; `undefined` when the name needs a PAX record: too long, or not ASCII. */
function splitName(name: ByteString): SplitName | undefined {
  if (NON_ASCII.test(name)) return undefined;
  if (name.length <= NAME_BYTES) return { prefix: '', name };
  const slash = name.lastIndexOf('/', Math.min(PREFIX_BYTES, name.length - 2));
  if (slash <= 0 || name.length - slash - 1 > NAME_BYTES) return undefined;
  return { prefix: name.slice(0, slash), name: name.slice(slash + 1) };
}

function encodeBlock(block: Buffer, entry: TarEntry, name: SplitName): Buffer {
  block.set(TEMPLATE);
  block.write(name.name, NAME, 'latin1');
  writeOctal(block, MODE, SHORT_DIGITS, entry.mode);
  if (entry.uid <= MAX_SHORT) writeOctal(block, UID, SHORT_DIGITS, entry.uid);
  if (entry.gid <= MAX_SHORT) writeOctal(block, GID, SHORT_DIGITS, entry.gid);
  if (entry.sizeBytes <= MAX_LONG) writeOctal(block, SIZE, LONG_DIGITS, entry.sizeBytes);
  if (fitsMtime(entry.mtimeSeconds)) writeOctal(block, MTIME, LONG_DIGITS, entry.mtimeSeconds);
  block[TYPE] = TYPE_FLAGS[entry.type];
  if (entry.linkTarget !== undefined) block.write(entry.linkTarget, LINK, NAME_BYTES, 'latin1');
  if (entry.devMajor !== undefined) writeOctal(block, DEV_MAJOR, SHORT_DIGITS, entry.devMajor);
  if (entry.devMinor !== undefined) writeOctal(block, DEV_MINOR, SHORT_DIGITS, entry.devMinor);
  if (name.prefix !== '') block.write(name.prefix, PREFIX, 'latin1');
  return writeChecksum(block);
}

function encodePaxBlock(buffer: Buffer, recordBytes: number): void {
  const block = buffer.subarray(0, BLOCK);
  block.set(TEMPLATE);
  block.write('PaxHeader', NAME, 'latin1');
  writeOctal(block, SIZE, LONG_DIGITS, recordBytes);
  block[TYPE] = PAX_TYPE_FLAG;
  writeChecksum(block);
}

/** Digits from the right; the field holds zeros already. By hand, since numbers to strings to bytes took half of the time of a header. */
function writeOctal(block: Buffer, field: number, digits: number, value: number): void {
  let rest = value;
  for (let index = field + digits - 1; rest > 0; index--) {
    block[index] = ZERO + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function writeChecksum(block: Buffer): Buffer {
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += block[index] as number;
  for (let index = CHECKSUM + 5; index >= CHECKSUM; index--) {
    block[index] = ZERO + (sum & 7);
    sum >>= 3;
  }
  block[CHECKSUM + 6] = 0;
  return block;
}

function fitsMtime(mtimeSeconds: number): boolean {
  return mtimeSeconds >= 0 && mtimeSeconds <= MAX_LONG;
}

/** What the block cannot hold, in the byte order of the keywords. Names go in as raw bytes: Go and GNU tar read them as such. */
function paxRecords(entry: TarEntry, name: ByteString, split: SplitName | undefined): ByteString {
  let records = '';
  if (entry.xattrs !== undefined) records = xattrRecords(entry);
  if (entry.gid > MAX_SHORT) records += paxRecord('gid', String(entry.gid));
  const link = entry.linkTarget;
  if (link !== undefined && (link.length > NAME_BYTES || NON_ASCII.test(link))) records += paxRecord('linkpath', link);
  if (!fitsMtime(entry.mtimeSeconds)) records += paxRecord('mtime', String(entry.mtimeSeconds));
  if (split === undefined) records += paxRecord('path', name);
  if (entry.sizeBytes > MAX_LONG) records += paxRecord('size', String(entry.sizeBytes));
  if (entry.uid > MAX_SHORT) records += paxRecord('uid', String(entry.uid));
  return records;
}

/** An attribute with an empty value is left out: to a reader of PAX an empty value means that there is no such record. */
function xattrRecords(entry: TarEntry): ByteString {
  let records = '';
  for (const [name, value] of entry.xattrs ?? []) {
    if (value.length === 0) continue;
    if (name.includes('=')) {
      throw new BuildError('input', `a layer cannot hold extended attribute "${toText(name)}" of "/${toText(entry.path)}"`, {
        hint: 'Remove the attribute: its name has a "=", which ends a name in tar archives.',
      });
    }
    records += paxRecord(`SCHILY.xattr.${name}`, value.toString('latin1'));
  }
  return records;
}

/** `18 path=some/name\n`: the length counts its own digits. */
function paxRecord(keyword: string, value: ByteString): ByteString {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length + 1;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
}
