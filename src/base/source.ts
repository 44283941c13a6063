/** A text that a user wrote, kept so that errors can show its lines. */
export interface SourceFile {
  /** As the user named it: a path, or `-` for standard input. */
  readonly name: string;
  /** Physical lines without their line ends. */
  readonly lines: readonly string[];
}

/** A place in a Dockerfile. Lines and columns are 1-based; `endColumn` is the column after the last character. */
export interface SourceRange {
  readonly file: SourceFile;
  readonly startLine: number;
  readonly startColumn: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** `Dockerfile:3:1` */
export function formatPosition(range: SourceRange): string {
  return `${range.file.name}:${range.startLine}:${range.startColumn}`;
}

const CONTEXT_LINES = 2;
const MAX_RANGE_LINES = 12;
/** Enough to recognise a line by; the position says the rest. */
const MAX_LINE_CHARS = 240;

/** The lines around a range, each with its number, those of the range marked with `>>>`. */
export function formatFrame(range: SourceRange): string {
  const first = Math.max(1, range.startLine - CONTEXT_LINES);
  const lastMarked = Math.min(range.endLine, range.startLine + MAX_RANGE_LINES - 1);
  const last = Math.min(range.file.lines.length, lastMarked + (lastMarked === range.endLine ? CONTEXT_LINES : 0));
  const width = String(last).length;
  const rows: string[] = [];
  for (let line = first; line <= last; line++) {
    const marked = line >= range.startLine && line <= lastMarked;
    const text = clip(range.file.lines[line - 1] ?? '');
    rows.push(`${marked ? '>>>' : '   '} ${String(line).padStart(width)} | ${text}`.trimEnd());
  }
  if (lastMarked < range.endLine) rows.push(`    ${' '.repeat(width)} | … (up to line ${range.endLine})`);
  return rows.join('\n');
}

function clip(text: string): string {
  return text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}… (${text.length} characters)` : text;
}
