import { toText } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { BLOCK_BYTES, inRange, readNumber } from './header.js';

interface Part {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Far more than file systems make of real files, and few enough to hold. */
const MAX_PARTS = 100_000;
const MAX_DIGITS = 16;

/** Where the stored bytes of a sparse file belong: parts in order, between which are holes. */
export class SparseLayout {
  readonly #parts: readonly Part[];
  readonly #sizeBytes: number;
  #part = 0;
  /** Where in the file the next byte belongs. */
  #position = 0;

  /**
   * `numbers` are pairs of offset and length.
   * @throws BuildError `input` unless the parts are in order, lie inside the file and make up what is stored
   */
  constructor(numbers: readonly number[], sizeBytes: number, storedBytes: number) {
    this.#parts = toParts(numbers, sizeBytes, storedBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** How large a hole lies between here and the next stored byte, or the end of the file; counts as passed. */
  passHole(): number {
    let part = this.#parts[this.#part];
    if (part !== undefined && this.#position === part.offset + part.sizeBytes) part = this.#parts[++this.#part];
    const next = part?.offset ?? this.#sizeBytes;
    const holeBytes = Math.max(0, next - this.#position);
    this.#position += holeBytes;
    return holeBytes;
  }

  /** How many of the next stored bytes belong here without a hole between them; count as passed. */
  passData(availableBytes: number): number {
    const part = this.#parts[this.#part];
    if (part === undefined) return availableBytes;
    const taken = Math.min(availableBytes, part.offset + part.sizeBytes - this.#position);
    this.#position += taken;
    return taken;
  }
}

function toParts(numbers: readonly number[], sizeBytes: number, storedBytes: number): Part[] {
  if (numbers.length % 2 !== 0) throw malformed('a part has no length');
  if (numbers.length > 2 * MAX_PARTS) throw malformed(`more than ${MAX_PARTS} parts`);
  const parts: Part[] = [];
  let position = 0;
  let stored = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const part = { offset: numbers[index] as number, sizeBytes: numbers[index + 1] as number };
    if (part.offset < position || part.offset + part.sizeBytes > sizeBytes)
      throw malformed('a part overlaps another or the end of the file');
    position = part.offset + part.sizeBytes;
    stored += part.sizeBytes;
    // GNU tar marks the end of the file by an empty part.
    if (part.sizeBytes > 0) parts.push(part);
  }
  if (stored !== storedBytes) throw malformed(`parts of ${stored} bytes, but ${storedBytes} are stored`);
  return parts;
}

/** The map of a sparse file that continues in blocks behind its header. */
export interface LongMap {
  readonly numbers: readonly number[];
  /** How many of the blocks belong to the content, as the header's size counts it. */
  readonly contentBlocks: number;
  /** Takes the next block; `true` when it was the last one of the map. */
  addBlock(buffer: Buffer, offset: number): boolean;
}

/** Of old GNU headers: 4 parts in the header at 386, then 21 in each extension block. */
export class GnuMap implements LongMap {
  readonly numbers: number[] = [];
  readonly contentBlocks = 0;

  /** Takes the parts in the header; `true` when there are no others. */
  addHeader(buffer: Buffer, offset: number): boolean {
    this.#addParts(buffer, offset + 386, 4);
    return buffer[offset + 482] === 0;
  }

  addBlock(buffer: Buffer, offset: number): boolean {
    this.#addParts(buffer, offset, 21);
    if (this.numbers.length > 2 * MAX_PARTS) throw malformed('the map does not end');
    return buffer[offset + 504] === 0;
  }

  #addParts(buffer: Buffer, offset: number, count: number): void {
    for (let at = offset; at < offset + count * 24 && buffer[at] !== 0; at += 24) {
      for (const field of [at, at + 12])
        this.numbers.push(inRange(readNumber(buffer, field, 12, 'sparse map'), Number.MAX_SAFE_INTEGER, 'sparse map'));
    }
  }
}

/** Of PAX version 1.0: decimal lines in front of the data, the first of which counts the parts, padded to a block. */
export class LeadingMap implements LongMap {
  readonly numbers: number[] = [];
  contentBlocks = 0;
  #count: number | undefined;
  #rest = '';

  addBlock(buffer: Buffer, offset: number): boolean {
    this.contentBlocks++;
    const lines = (this.#rest + buffer.toString('latin1', offset, offset + BLOCK_BYTES)).split('\n');
    // What follows the last newline is not a line yet.
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const number = parseLine(line);
      if (this.#count === undefined) this.#count = number;
      else this.numbers.push(number);
      if (this.numbers.length === 2 * this.#count) return true;
    }
    if ((this.#count ?? 0) > MAX_PARTS || this.#rest.length > MAX_DIGITS) throw malformed('the map does not end');
    return false;
  }
}

function parseLine(line: string): number {
  const value = /^[0-9]+$/.test(line) && line.length <= MAX_DIGITS ? Number(line) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed(`"${toText(line.slice(0, 40))}" is not a number`);
  return value;
}

function malformed(what: string): BuildError {
  return new BuildError('input', `malformed sparse file: ${what}`);
}
