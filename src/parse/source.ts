import { BuildError } from '../base/errors.js';
import type { SourceFile, SourceRange } from '../base/source.js';

const MAX_LINE_BYTES = 65_535;
const MAX_UTF8_BYTES_PER_UNIT = 3;

/** Physical lines without `\n`, but with `\r` where the file has it: heredoc bodies are raw. */
export interface Source {
  readonly file: SourceFile;
  readonly rawLines: readonly string[];
}

export function readSource(text: string | Buffer, name: string): Source {
  const decoded = typeof text === 'string' ? text : text.toString('utf8');
  const rawLines = decoded.replace(/^\uFEFF/, '').split('\n');
  if (rawLines.at(-1) === '') rawLines.pop();
  return { file: { name, lines: rawLines.map(trimLineEnd) }, rawLines };
}

export function trimLineEnd(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\r') end--;
  return line.slice(0, end);
}

/** Whole lines, both ends 1-based and included; the columns leave out the indentation of the first line. */
export function lineRange(file: SourceFile, startLine: number, endLine: number = startLine): SourceRange {
  const startColumn = (file.lines[startLine - 1] ?? '').search(/\S|$/) + 1;
  return { file, startLine, startColumn, endLine, endColumn: (file.lines[endLine - 1] ?? '').length + 1 };
}

/** Walks the physical lines of a file. */
export class LineCursor {
  readonly #source: Source;
  /** The 1-based number of the line read last, 0 before the first. */
  line = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** @throws BuildError `dockerfile` when the line is longer than BuildKit's scanner takes */
  next(): string | undefined {
    const text = this.#source.rawLines[this.line];
    if (text === undefined) return undefined;
    this.line++;
    if (text.length * MAX_UTF8_BYTES_PER_UNIT > MAX_LINE_BYTES && Buffer.byteLength(text) > MAX_LINE_BYTES) {
      const range = lineRange(this.#source.file, this.line);
      throw new BuildError('dockerfile', `dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`, {
        range,
        hint: 'break the line with a backslash, or put the text into a file and COPY it',
      });
    }
    return text;
  }
}
