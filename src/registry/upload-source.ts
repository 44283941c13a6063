import { BuildError } from '../base/errors.js';
import type { BlobUpload } from './repository.js';

/** The bytes of a blob as request bodies, held to the size that its descriptor promises. */
export class UploadSource {
  /** Why the bytes could not be had: our side's failure, that no repetition of the request will mend. */
  failure: unknown;
  readonly #upload: BlobUpload;
  /** How much of the blob was sent at least once. */
  #sentBytes = 0;

  constructor(upload: BlobUpload) {
    this.#upload = upload;
  }

  /** @throws BuildError `input` when the blob has fewer bytes than its descriptor says, or (read to its end) more; what its source throws */
  async *read(offset: number, lengthBytes: number): AsyncGenerator<Buffer, void, void> {
    const { open } = this.#upload;
    const endAt = offset + lengthBytes;
    let missing = lengthBytes;
    // What is thrown into a generator while its chunk is being sent is the connection's failure.
    let isSending = false;
    try {
      for await (const chunk of open(offset)) {
        if (chunk.length > missing) {
          if (this.#isEnd(offset, lengthBytes)) throw this.#otherSize('more');
          if (missing > 0) {
            this.#count(endAt);
            isSending = true;
            yield chunk.subarray(0, missing);
          }
          return;
        }
        missing -= chunk.length;
        this.#count(endAt - missing);
        isSending = true;
        yield chunk;
        isSending = false;
        if (missing === 0 && !this.#isEnd(offset, lengthBytes)) return;
      }
      if (missing > 0) throw this.#otherSize('less');
    } catch (error) {
      if (!isSending) this.failure = error;
      throw error;
    }
  }

  /** What is sent again is no progress. */
  #count(endAt: number): void {
    if (endAt <= this.#sentBytes) return;
    this.#upload.onBytes?.(endAt - this.#sentBytes);
    this.#sentBytes = endAt;
  }

  #isEnd(offset: number, lengthBytes: number): boolean {
    return offset + lengthBytes === this.#upload.descriptor.size;
  }

  #otherSize(amount: 'more' | 'less'): BuildError {
    const { digest, size } = this.#upload.descriptor;
    return new BuildError('input', `could not upload blob ${digest}: it has ${amount} than ${size} bytes`);
  }
}
