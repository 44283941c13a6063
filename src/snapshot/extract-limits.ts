import { toText } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { formatBytes } from '../base/format.js';
import type { TarEntry } from '../tar/entry.js';

/** Bounds on what an archive may make us write. No honest image comes near. */
export interface ExtractLimits {
  /** Default 10 million. */
  readonly maxEntries?: number;
  /** Sum of the files' sizes, holes too. Default 64 GiB. */
  readonly maxUnpackedBytes?: number;
}

const DEFAULT_MAX_ENTRIES = 10_000_000;
const DEFAULT_MAX_UNPACKED_BYTES = 64 * 2 ** 30;
/** Headers of the tar: long names and attributes of an entry come to a few KiB. */
const MAX_OVERHEAD_BYTES = 64 * 2 ** 20;
const MAX_ENTRY_OVERHEAD_BYTES = 64 * 2 ** 10;

/** Counts what comes out of an archive, before it is written. */
export class ExtractMeter {
  readonly #maxEntries: number;
  readonly #maxUnpackedBytes: number;
  readonly #hint: { readonly hint?: string };
  #entries = 0;
  #unpackedBytes = 0;
  #tarBytes = 0;

  /** @param hint what can be done about an archive that is too large */
  constructor({ maxEntries, maxUnpackedBytes }: ExtractLimits, hint?: string) {
    this.#maxEntries = maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#maxUnpackedBytes = maxUnpackedBytes ?? DEFAULT_MAX_UNPACKED_BYTES;
    this.#hint = hint === undefined ? {} : { hint };
  }

  /** @throws BuildError `input` when it is one too many, or too large: by what its header says */
  addEntry(entry: TarEntry): void {
    if (++this.#entries > this.#maxEntries) throw new BuildError('input', `more than ${this.#maxEntries} entries`);
    this.#unpackedBytes += entry.sizeBytes;
    if (this.#unpackedBytes > this.#maxUnpackedBytes) throw this.#tooLarge(`"/${toText(entry.path)}": `);
  }

  /**
   * Bytes of the tar itself: compressed, endless headers without a file are small too.
   * @throws BuildError `input` when they are more than files and headers can come to
   */
  addBytes(count: number): void {
    this.#tarBytes += count;
    const overheadBytes = MAX_OVERHEAD_BYTES + this.#entries * MAX_ENTRY_OVERHEAD_BYTES;
    if (this.#tarBytes > this.#maxUnpackedBytes + overheadBytes) throw this.#tooLarge('');
  }

  #tooLarge(place: string): BuildError {
    return new BuildError('input', `${place}more than ${formatBytes(this.#maxUnpackedBytes)} when unpacked`, this.#hint);
  }
}
