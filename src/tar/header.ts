import type { ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';

export const BLOCK_BYTES = 512;

/** The fields of one header block as they stand, before any PAX or GNU extension is applied. */
export interface HeaderBlock {
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  /** `0` for the NUL of archives older than ustar. */
  readonly typeFlag: string;
  readonly linkName: ByteString;
  /** Of devices only: other members have garbage there in some archives. */
  readonly devMajor: number;
  readonly devMinor: number;
}

/** -1 means "do not change" to chown. */
export const MAX_ID = 2 ** 32 - 2;
/** What `makeNode` can make. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

const CHECKSUM = 148;
const CHECKSUM_END = 156;
const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

export function isZeroBlock(buffer: Buffer, offset: number): boolean {
  for (let index = offset; index < offset + BLOCK_BYTES; index++) if (buffer[index] !== 0) return false;
  return true;
}

/**
 * Decodes the block at `offset`: ustar, GNU and the older form alike.
 * @throws BuildError `input` when the checksum is wrong or a number is malformed or out of range
 */
export function decodeHeader(buffer: Buffer, offset: number): HeaderBlock {
  verifyChecksum(buffer, offset);
  const flag = buffer[offset + 156] ?? 0;
  const typeFlag = flag === 0 ? '0' : String.fromCharCode(flag);
  const isDevice = typeFlag === '3' || typeFlag === '4';
  const name = readName(buffer, offset);
  return {
    name,
    mode: readNumber(buffer, offset + 100, 8, 'mode') & 0o7777,
    uid: inRange(readNumber(buffer, offset + 108, 8, 'uid'), MAX_ID, 'uid'),
    gid: inRange(readNumber(buffer, offset + 116, 8, 'gid'), MAX_ID, 'gid'),
    sizeBytes: inRange(readNumber(buffer, offset + 124, 12, 'size'), Number.MAX_SAFE_INTEGER, 'size'),
    mtimeSeconds: readNumber(buffer, offset + 136, 12, 'mtime'),
    // Archives older than ustar have no flag for directories.
    typeFlag: flag === 0 && name.endsWith('/') ? '5' : typeFlag,
    linkName: readText(buffer, offset + 157, 100),
    devMajor: isDevice ? inRange(readNumber(buffer, offset + 329, 8, 'device number'), MAX_MAJOR, 'device number') : 0,
    devMinor: isDevice ? inRange(readNumber(buffer, offset + 337, 8, 'device number'), MAX_MINOR, 'device number') : 0,
  };
}

/** @throws BuildError `input` when the number is negative or above `max` */
export function inRange(value: number, max: number, field: string): number {
  if (value < 0 || value > max) throw new BuildError('input', `${field} out of range: ${value}`);
  return value;
}

/** Up to a NUL, or all `length` bytes. */
export function readText(buffer: Buffer, offset: number, length: number): ByteString {
  let end = offset;
  while (end < offset + length && buffer[end] !== 0) end++;
  return end === offset ? '' : buffer.toString('latin1', offset, end);
}

/** The prefix exists in ustar proper only; GNU archives have times at its place, star ones do so at its end. */
function readName(buffer: Buffer, offset: number): ByteString {
  const name = readText(buffer, offset, 100);
  const isUstar = buffer[offset + 345] !== 0 && buffer.toString('latin1', offset + 257, offset + 263) === 'ustar\0';
  if (!isUstar) return name;
  const isStar = buffer.toString('latin1', offset + 508, offset + 512) === 'tar\0';
  return `${readText(buffer, offset + 345, isStar ? 131 : 155)}/${name}`;
}

/**
 * Octal digits, or base-256 when the first bit is set (a GNU extension that all tools took over).
 * @throws BuildError `input` when it is neither, or not exact in a double
 */
export function readNumber(buffer: Buffer, offset: number, length: number, field: string): number {
  const first = buffer[offset] ?? 0;
  if (first >= 0x80) return readBase256(buffer, offset, length, field);
  const end = offset + length;
  let index = offset;
  while (index < end && buffer[index] === SPACE) index++;
  let value = 0;
  for (; index < end; index++) {
    const digit = buffer[index] ?? 0;
    if (digit < ZERO || digit > SEVEN) break;
    value = value * 8 + digit - ZERO;
  }
  // What follows the digits is a space or a NUL, and then whatever the writer had left there.
  const after = index < end ? buffer[index] : 0;
  if (after !== 0 && after !== SPACE) throw new BuildError('input', `malformed ${field} in a header`);
  return value;
}

function readBase256(buffer: Buffer, offset: number, length: number, field: string): number {
  const first = buffer[offset] ?? 0;
  const isNegative = (first & 0x40) !== 0;
  let value = BigInt(isNegative ? first | ~0xff : first & 0x7f);
  for (let index = offset + 1; index < offset + length; index++) value = value * 256n + BigInt(buffer[index] ?? 0);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new BuildError('input', `${field} out of range: ${value}`);
  return number;
}

/** The sum of all bytes, the checksum's own taken as spaces. Some old writers summed signed bytes. */
function verifyChecksum(buffer: Buffer, offset: number): void {
  const want = readNumber(buffer, offset + CHECKSUM, CHECKSUM_END - CHECKSUM, 'checksum');
  let sum = 0;
  const end = offset + BLOCK_BYTES;
  for (let index = offset; index < end; index++) sum += buffer[index] as number;
  for (let index = offset + CHECKSUM; index < offset + CHECKSUM_END; index++) sum += SPACE - (buffer[index] as number);
  if (sum !== want && signedSum(buffer, offset) !== want)
    throw new BuildError('input', `not a tar header: got checksum ${sum}, want ${want}`);
}

function signedSum(buffer: Buffer, offset: number): number {
  let sum = 8 * SPACE;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    if (index < CHECKSUM || index >= CHECKSUM_END) sum += buffer.readInt8(offset + index);
  }
  return sum;
}
