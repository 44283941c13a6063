import { StringDecoder } from 'node:string_decoder';

/** A line without end would fill the memory. */
const MAX_LINE_LENGTH = 64 * 1024;

/**
 * Cuts the output of a process into lines, without their ends (`\n` or `\r\n`). Where a line was redrawn with `\r`, as progress bars do, what
 * was drawn last counts. Bytes that are not UTF-8 become U+FFFD; lines longer than 64 Ki characters are cut.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    while (this.#rest.length > MAX_LINE_LENGTH) {
      this.#emit(this.#rest.slice(0, MAX_LINE_LENGTH));
      this.#rest = this.#rest.slice(MAX_LINE_LENGTH);
    }
  }

  /** A last line without an end counts as one. */
  end(): void {
    const last = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (last !== '') this.#emit(last);
  }

  #emit(line: string): void {
    const drawn = line.replace(/\r+$/, '');
    this.#onLine(drawn.slice(drawn.lastIndexOf('\r') + 1));
  }
}
