import type { ByteString } from '../base/bytes.js';
import { toText } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import type { EntryType, TarEntry } from './entry.js';
import { BLOCK_BYTES, decodeHeader, inRange, isZeroBlock, readNumber, readText, type HeaderBlock } from './header.js';
import { toEntryPath } from './names.js';
import { parsePax, type PaxAttributes } from './pax.js';
import { GnuMap, LeadingMap, SparseLayout, type LongMap } from './sparse.js';
import { paddingBytes } from './write.js';

export interface TarHandler {
  /** A member, before its content. It has no `content`: that comes through the other calls. */
  entry(entry: TarEntry): void;
  /** The next bytes of a file; the buffer is the caller's own again afterwards. */
  data(chunk: Buffer): void;
  /** The next bytes of a sparse file, all of them 0. */
  hole(sizeBytes: number): void;
  /** Behind the content of a file, be it empty. Not called for other types. */
  entryEnd(): void;
}

export interface TarReaderOptions {
  /** What errors call the archive: `archive "x.tar"`. */
  readonly name?: string;
}

type Draft = { -readonly [K in keyof TarEntry]: TarEntry[K] };

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  // "Contiguous": a file like any other to everyone since the seventies.
  '7': 'file',
  // A sparse file of old GNU tar.
  S: 'file',
};

const MAX_PAX_BYTES = 1024 * 1024;
/** `PATH_MAX` of the kernel. */
const MAX_PATH_BYTES = 4096;

/** A member whose content says something about the next one. */
interface Extension {
  readonly typeFlag: 'x' | 'L' | 'K';
  readonly payload: Buffer;
  filledBytes: number;
}

/** A file whose parts are not all known yet. */
interface PendingSparse {
  readonly entry: Draft;
  readonly storedBytes: number;
  readonly map: LongMap;
}

/**
 * Reads a tar archive that is pushed in chunks of any size: v7, ustar, GNU (long names, base-256 numbers, sparse files) and PAX (with
 * the three sparse forms). What a reader could be made to hold is bounded, however large the numbers in the archive.
 *
 * As Go's archive/tar, and hence docker, does: two blocks of zeros end the archive and what follows them is ignored, their absence is
 * forgiven, global PAX headers are skipped, and links, directories and devices have no content whatever their size field says.
 *
 * All errors of its own are BuildError `input`; those of the handler pass through.
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #name: string;
  /** Holds a block that straddles chunks. */
  readonly #scratch = Buffer.alloc(BLOCK_BYTES);
  #scratchBytes = 0;
  /** Where in the archive the current block starts. */
  #blockStart = 0;
  #zeroBlocks = 0;
  #dataLeft = 0;
  #skipLeft = 0;
  #paddingAfterData = 0;

  #extension: Extension | undefined;
  #pax: PaxAttributes | undefined;
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;

  #pendingSparse: PendingSparse | undefined;
  #layout: SparseLayout | undefined;
  #entry: TarEntry | undefined;

  constructor(handler: TarHandler, options: TarReaderOptions = {}) {
    this.#handler = handler;
    this.#name = options.name ?? 'tar archive';
  }

  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#dataLeft > 0) position = this.#passData(chunk, position);
      else if (this.#skipLeft > 0) {
        const skipped = Math.min(this.#skipLeft, chunk.length - position);
        this.#skipLeft -= skipped;
        this.#blockStart += skipped;
        position += skipped;
      } else if (this.#zeroBlocks === 2) return;
      else position = this.#passBlock(chunk, position);
    }
  }

  /** @throws BuildError `input` when the archive broke off */
  end(): void {
    const open = this.#dataLeft > 0 || this.#skipLeft > 0 || this.#scratchBytes > 0;
    const expecting = this.#extension ?? this.#pax ?? this.#longName ?? this.#longLink ?? this.#pendingSparse;
    if (!open && expecting === undefined) return;
    const where = this.#dataLeft > 0 && this.#entry !== undefined ? ` within entry "${toText(this.#entry.path)}"` : '';
    throw new BuildError('input', `${this.#name} is truncated${where} after ${this.#blockStart + this.#scratchBytes} bytes`);
  }

  #passBlock(chunk: Buffer, position: number): number {
    if (this.#scratchBytes === 0 && chunk.length - position >= BLOCK_BYTES) {
      this.#onBlock(chunk, position);
      return position + BLOCK_BYTES;
    }
    const taken = Math.min(BLOCK_BYTES - this.#scratchBytes, chunk.length - position);
    chunk.copy(this.#scratch, this.#scratchBytes, position, position + taken);
    this.#scratchBytes += taken;
    if (this.#scratchBytes === BLOCK_BYTES) {
      this.#scratchBytes = 0;
      this.#onBlock(this.#scratch, 0);
    }
    return position + taken;
  }

  #onBlock(buffer: Buffer, offset: number): void {
    let entry: Draft | undefined;
    try {
      entry = this.#decodeBlock(buffer, offset);
    } catch (error) {
      throw this.#locate(error);
    }
    this.#blockStart += BLOCK_BYTES;
    if (entry !== undefined) this.#begin(entry);
  }

  #decodeBlock(buffer: Buffer, offset: number): Draft | undefined {
    if (this.#extension !== undefined) return this.#extend(this.#extension, buffer, offset);
    if (this.#pendingSparse !== undefined) return this.#extendSparse(this.#pendingSparse, buffer, offset);
    if (isZeroBlock(buffer, offset)) {
      this.#zeroBlocks++;
      return undefined;
    }
    if (this.#zeroBlocks > 0) throw new BuildError('input', 'a block of zeros amid the members');
    const header = decodeHeader(buffer, offset);
    switch (header.typeFlag) {
      case 'x':
      case 'L':
      case 'K':
        this.#extension = this.#openExtension(header.typeFlag, header.sizeBytes);
        return undefined;
      case 'g':
        this.#skipLeft = header.sizeBytes + paddingBytes(header.sizeBytes);
        return undefined;
      default:
        return this.#decodeMember(header, buffer, offset);
    }
  }

  #openExtension(typeFlag: Extension['typeFlag'], sizeBytes: number): Extension | undefined {
    // The NUL at the end of a GNU name counts.
    const limit = typeFlag === 'x' ? MAX_PAX_BYTES : MAX_PATH_BYTES + 1;
    if (sizeBytes > limit) throw new BuildError('input', `extended header of ${sizeBytes} bytes, at most ${limit} are read`);
    return sizeBytes === 0 ? undefined : { typeFlag, payload: Buffer.alloc(sizeBytes), filledBytes: 0 };
  }

  #extend(extension: Extension, buffer: Buffer, offset: number): undefined {
    const { payload, typeFlag } = extension;
    extension.filledBytes += buffer.copy(payload, extension.filledBytes, offset, offset + BLOCK_BYTES);
    if (extension.filledBytes < payload.length) return;
    this.#extension = undefined;
    if (typeFlag === 'x') this.#pax = parsePax(payload);
    else if (typeFlag === 'L') this.#longName = readText(payload, 0, payload.length);
    else this.#longLink = readText(payload, 0, payload.length);
  }

  #decodeMember(header: HeaderBlock, buffer: Buffer, offset: number): Draft | undefined {
    const pax = this.#pax ?? {};
    const name = this.#longName ?? pax.sparse?.name ?? pax.path ?? header.name;
    const link = this.#longLink ?? pax.linkPath ?? header.linkName;
    this.#pax = this.#longName = this.#longLink = undefined;
    if (name.length > MAX_PATH_BYTES) throw new BuildError('input', `path of ${name.length} bytes, at most ${MAX_PATH_BYTES} are possible`);
    const type = TYPES[header.typeFlag];
    if (type === undefined) throw new BuildError('input', `entry "${toText(name)}" has unknown type "${toText(header.typeFlag)}"`);
    const entry: Draft = {
      path: toEntryPath(name),
      type,
      mode: header.mode,
      uid: pax.uid ?? header.uid,
      gid: pax.gid ?? header.gid,
      sizeBytes: type === 'file' ? (pax.sizeBytes ?? header.sizeBytes) : 0,
      mtimeSeconds: pax.mtimeSeconds ?? header.mtimeSeconds,
    };
    if (type === 'symlink') entry.linkTarget = link;
    else if (type === 'hardlink') entry.linkTarget = toEntryPath(link);
    else if (type === 'char' || type === 'block') {
      entry.devMajor = header.devMajor;
      entry.devMinor = header.devMinor;
    }
    if (pax.xattrs !== undefined) entry.xattrs = pax.xattrs;
    if (header.typeFlag === 'S') return this.#openGnuSparse(entry, buffer, offset);
    return pax.sparse === undefined || type !== 'file' ? this.#whole(entry) : this.#openPaxSparse(entry, pax.sparse);
  }

  #whole(entry: Draft): Draft {
    this.#layout = undefined;
    this.#dataLeft = entry.sizeBytes;
    return entry;
  }

  #openGnuSparse(entry: Draft, buffer: Buffer, offset: number): Draft | undefined {
    const storedBytes = entry.sizeBytes;
    entry.sizeBytes = inRange(readNumber(buffer, offset + 483, 12, 'size'), Number.MAX_SAFE_INTEGER, 'size');
    const map = new GnuMap();
    if (map.addHeader(buffer, offset)) return this.#sparse(entry, map.numbers, storedBytes);
    this.#pendingSparse = { entry, storedBytes, map };
    return undefined;
  }

  #openPaxSparse(entry: Draft, sparse: NonNullable<PaxAttributes['sparse']>): Draft | undefined {
    const { major = 0, minor = 0, map, realSizeBytes } = sparse;
    if (major > 1 || (major === 1 && minor > 0)) throw new BuildError('input', `sparse file of unknown version ${major}.${minor}`);
    if (realSizeBytes === undefined) throw new BuildError('input', 'sparse file without a size');
    const storedBytes = entry.sizeBytes;
    entry.sizeBytes = realSizeBytes;
    if (major === 0) return this.#sparse(entry, map ?? [], storedBytes);
    this.#pendingSparse = { entry, storedBytes, map: new LeadingMap() };
    return undefined;
  }

  #extendSparse(pending: PendingSparse, buffer: Buffer, offset: number): Draft | undefined {
    const { entry, map, storedBytes } = pending;
    if (!map.addBlock(buffer, offset)) return undefined;
    this.#pendingSparse = undefined;
    return this.#sparse(entry, map.numbers, storedBytes - map.contentBlocks * BLOCK_BYTES);
  }

  #sparse(entry: Draft, numbers: readonly number[], storedBytes: number): Draft {
    this.#layout = new SparseLayout(numbers, entry.sizeBytes, storedBytes);
    this.#dataLeft = storedBytes;
    return entry;
  }

  #begin(entry: TarEntry): void {
    this.#entry = entry;
    this.#paddingAfterData = paddingBytes(this.#dataLeft);
    this.#handler.entry(entry);
    if (this.#dataLeft === 0 && entry.type === 'file') this.#finish();
  }

  #finish(): void {
    this.#passHole();
    this.#skipLeft = this.#paddingAfterData;
    this.#handler.entryEnd();
  }

  #passData(chunk: Buffer, position: number): number {
    this.#passHole();
    const available = Math.min(this.#dataLeft, chunk.length - position);
    const taken = this.#layout?.passData(available) ?? available;
    this.#dataLeft -= taken;
    this.#blockStart += taken;
    const isWhole = position === 0 && taken === chunk.length;
    this.#handler.data(isWhole ? chunk : chunk.subarray(position, position + taken));
    if (this.#dataLeft === 0) this.#finish();
    return position + taken;
  }

  #passHole(): void {
    const holeBytes = this.#layout?.passHole() ?? 0;
    if (holeBytes > 0) this.#handler.hole(holeBytes);
  }

  /** Says in which archive and where. */
  #locate(error: unknown): unknown {
    if (!(error instanceof BuildError)) return error;
    return new BuildError('input', `${this.#name}: ${error.message} (at byte ${this.#blockStart})`, { cause: error });
  }
}
