import { atRange, BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import { parseArguments } from './arguments.js';
import { narrowRange } from './ast.js';
import { trimBlanks, trimBlanksStart } from './blanks.js';
import { detectDirectives, DirectiveZone } from './directives.js';
import { Fault } from './fault.js';
import { splitFlags } from './flags.js';
import { findHeredocs, type HeredocToken, type RawHeredoc } from './heredoc.js';
import type { Directives } from './instruction.js';
import { LineCursor, lineRange, trimLineEnd, type Source } from './source.js';

/**
 * An instruction as BuildKit's own tree has it: split, but not yet asked whether it makes sense. Unknown keywords and unknown flags are fine here.
 */
export interface InstructionNode {
  /** As written. */
  readonly keyword: string;
  /** Words with `--`, quotes removed. */
  readonly flags: readonly string[];
  readonly args: readonly string[];
  /** The arguments were a JSON array. */
  readonly json: boolean;
  /** What follows keyword and flags, both ends trimmed. */
  readonly rest: string;
  /** The instruction inside ONBUILD. */
  readonly child?: InstructionNode;
}

/** A node and where it came from. */
export interface LocatedNode {
  readonly node: InstructionNode;
  /** The logical line, not trimmed at its end. */
  readonly line: string;
  readonly heredocs: readonly RawHeredoc[];
  readonly range: SourceRange;
  /** The range without heredoc bodies. */
  readonly headRange: SourceRange;
  readonly comments: readonly string[];
  readonly emptyLines: readonly number[];
}

export interface NodeTree {
  readonly directives: Directives;
  readonly nodes: readonly LocatedNode[];
}

const NO_INSTRUCTIONS = 'a Dockerfile begins with FROM: FROM scratch, or FROM and the name of an image';

const NUL_HINT = 'a Dockerfile is text in UTF-8; some editors save UTF-16, which has NULs';

const ARITHMETIC =
  'A "<<" behind a blank begins a heredoc, in arithmetic too: write $((1<<3)) without blanks, or put it into double quotes.';

const HEREDOC_KEYWORDS = new Set(['run', 'copy', 'add']);

/** @throws BuildError `dockerfile` */
export function parseNodes(source: Source): NodeTree {
  if (source.rawLines.length === 0)
    throw new BuildError('dockerfile', 'the Dockerfile cannot be empty', { range: lineRange(source.file, 1), hint: NO_INSTRUCTIONS });
  const zone = new DirectiveZone();
  const cursor = new LineCursor(source);
  const nodes: LocatedNode[] = [];
  let comments: string[] = [];
  for (let raw = cursor.next(); raw !== undefined; raw = cursor.next()) {
    const startLine = cursor.line;
    const text = trimBlanksStart(trimLineEnd(raw));
    if (locateFaults(lineRange(source.file, startLine), zone.escape, () => zone.read(text))) continue;
    if (isComment(text)) {
      const comment = trimBlanks(text.slice(1));
      // BuildKit forgets the comments above a bare `#`, and only there: a blank line does not part them.
      if (comment === '') comments = [];
      else comments.push(comment);
    }
    if (text === '' || isComment(text)) continue;
    const { line, emptyLines } = joinContinuations(text, zone.escape, cursor);
    const headRange = lineRange(source.file, startLine, cursor.line);
    if (line.includes('\0')) throw new BuildError('dockerfile', 'the line has a NUL character', { range: headRange, hint: NUL_HINT });
    const { node, heredocs } = locateFaults(headRange, zone.escape, () => parseLine(line, zone.escape, cursor));
    nodes.push({ node, line, heredocs, range: lineRange(source.file, startLine, cursor.line), headRange, comments, emptyLines });
    comments = [];
  }
  if (nodes.length === 0)
    throw new BuildError('dockerfile', 'file with no instructions', {
      range: lineRange(source.file, 1, cursor.line),
      hint: NO_INSTRUCTIONS,
    });
  return { directives: { escape: zone.escape, ...detectDirectives(source.rawLines) }, nodes };
}

/** Runs `parse`; its faults become errors that point at their word or, where that is not to be found, at the whole range. */
export function locateFaults<Result>(range: SourceRange, escape: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Fault)) throw atRange(error, range);
    const { message, word, hint } = error;
    throw new BuildError('dockerfile', message, {
      range: word === undefined ? range : narrowRange(range, word, escape),
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
}

function isComment(text: string): boolean {
  return text.startsWith('#');
}

/** Nothing comes between the pieces; comments and blank lines among them are dropped and end nothing. */
function joinContinuations(first: string, escape: string, cursor: LineCursor): { line: string; emptyLines: number[] } {
  const emptyLines: number[] = [];
  let piece = cutContinuation(first, escape);
  if (piece === undefined) return { line: first, emptyLines };
  let line = piece;
  for (let raw = cursor.next(); raw !== undefined; raw = cursor.next()) {
    const text = trimLineEnd(raw);
    const content = trimBlanksStart(text);
    if (content === '') emptyLines.push(cursor.line);
    if (content === '' || isComment(content)) continue;
    piece = cutContinuation(text, escape);
    line += piece ?? text;
    if (piece === undefined) break;
  }
  return { line, emptyLines };
}

/** The line without its continuation character; `undefined` when it does not end in one. Two of them in a row continue nothing. */
function cutContinuation(text: string, escape: string): string | undefined {
  let end = text.length;
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end--;
  if (text[end - 1] !== escape || text[end - 2] === escape) return undefined;
  return text.slice(0, end - 1);
}

function parseLine(line: string, escape: string, cursor: LineCursor): { node: InstructionNode; heredocs: RawHeredoc[] } {
  const node = parseNode(line, escape, 0);
  const carrier = node.child ?? node;
  if (carrier.json || !HEREDOC_KEYWORDS.has(carrier.keyword.toLowerCase())) return { node, heredocs: [] };
  return { node, heredocs: findHeredocs(line).map((token) => ({ ...token, rawBody: readBody(token, cursor, line) })) };
}

function parseNode(line: string, escape: string, depth: number): InstructionNode {
  const trimmed = trimBlanks(line);
  const keyword = /^[^\t\v\f\r ]*/.exec(trimmed)?.[0] ?? '';
  const { flags, rest: untrimmed } = splitFlags(trimmed.slice(keyword.length), escape);
  const rest = trimBlanks(untrimmed);
  const name = keyword.toLowerCase();
  // ONBUILD ONBUILD is refused later; here it only must not recurse.
  if (name === 'onbuild' && rest !== '' && depth === 0) {
    return { keyword, flags, args: [], json: false, rest, child: parseNode(rest, escape, depth + 1) };
  }
  const { args, json } = parseArguments(name, rest, escape);
  return { keyword, flags, args, json, rest };
}

function isInArithmetic(line: string, at: number): boolean {
  return line.lastIndexOf('((', at) > line.lastIndexOf('))', at);
}

function readBody({ name, stripTabs }: HeredocToken, cursor: LineCursor, line: string): string {
  let body = '';
  for (let raw = cursor.next(); raw !== undefined; raw = cursor.next()) {
    const text = trimLineEnd(raw);
    if ((stripTabs ? text.replace(/^\t+/, '') : text) === name) return body;
    body += `${raw}\n`;
  }
  const hint = isInArithmetic(line, line.indexOf('<<')) ? ARITHMETIC : `A heredoc ends at a line that is "${name}" and nothing else.`;
  throw new Fault('unterminated heredoc', { word: `<<${stripTabs ? '-' : ''}${name}`, hint });
}
