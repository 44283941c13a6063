import { createRequire } from 'node:module';
import type * as DockerfileAst from 'dockerfile-ast';
import type { SourceRange } from '../base/source.js';

/*
 * The one file that knows dockerfile-ast. It is made for editors, and what it is best at is used here: the exact place of a flag or an argument,
 * across continued lines. It does not split the file into instructions, because it is lenient where a build must not be (heredocs in JSON forms
 * and in lines that no shell could read, `\\` at the end of a line, unknown flags), and because loading it (40 ms) and parsing 1000 instructions
 * with it (over 100 ms) would cost more than the rest of planning together. So only a Dockerfile with an error in it pays.
 */

type Place = ReturnType<DockerfileAst.Argument['getRange']>;

/** The place of `word` (or of the flag `--word` with its value) in an instruction; the instruction's where the library does not see the word. */
export function narrowRange(range: SourceRange, word: string, escape: string): SourceRange {
  const text = range.file.lines.slice(range.startLine - 1, range.endLine).join('\n');
  try {
    const place = word.startsWith('<<') ? findHeredocWord(text, word) : findPlace(text, word, escape);
    if (place === undefined) return range;
    return {
      file: range.file,
      startLine: range.startLine + place.start.line,
      startColumn: place.start.character + 1,
      endLine: range.startLine + place.end.line,
      endColumn: place.end.character + 1,
    };
  } catch {
    // A finer place is a courtesy: the error that is under way matters more than a failure of the library.
    return range;
  }
}

/** A heredoc's word with its quotes, and with the blanks that may stand behind `<<`: the library takes those for the end of an argument. */
function findHeredocWord(text: string, word: string): Place | undefined {
  for (const { 0: found, index } of text.matchAll(/<<-?[ \t]*[^\s<]+/g)) {
    if (found.replaceAll(/[\s'"\\]/g, '') === word) return { start: positionOf(text, index), end: positionOf(text, index + found.length) };
  }
  return undefined;
}

function positionOf(text: string, index: number): Place['start'] {
  const lines = text.slice(0, index).split('\n');
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

function findPlace(text: string, word: string, escape: string): Place | undefined {
  const library = createRequire(import.meta.url)('dockerfile-ast') as typeof DockerfileAst;
  // The directive has a line to itself, which is taken off the numbers again.
  const addedLines = escape === '`' ? 1 : 0;
  const [instruction] = library.DockerfileParser.parse('# escape=`\n'.repeat(addedLines) + text).getInstructions();
  if (instruction === undefined) return undefined;
  const { start, end } = wordsOf(instruction).find((item) => isWord(item.text, word))?.range ?? {};
  if (start === undefined || end === undefined) return undefined;
  return { start: { ...start, line: start.line - addedLines }, end: { ...end, line: end.line - addedLines } };
}

function wordsOf(instruction: DockerfileAst.Instruction): { text: string; range: Place }[] {
  const flags = 'getFlags' in instruction ? (instruction as DockerfileAst.ModifiableInstruction).getFlags() : [];
  return [
    { text: instruction.getInstruction(), range: instruction.getInstructionRange() },
    ...[...flags, ...instruction.getArguments()].map((item) => ({ text: item.toString(), range: item.getRange() })),
  ];
}

function isWord(text: string, word: string): boolean {
  return text === word || (word.startsWith('--') && text.startsWith(`${word}=`));
}
