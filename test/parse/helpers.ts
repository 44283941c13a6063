import { BuildError } from '../../src/base/errors.js';
import type { Dockerfile, Instruction } from '../../src/parse/instruction.js';
import { parseDockerfile } from '../../src/parse/parser.js';

export function errorOf(run: () => unknown): BuildError {
  try {
    run();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** `line:column-line:column` of an error's range. */
export function placeOf({ range }: BuildError): string {
  if (range === undefined) return 'nowhere';
  return `${range.startLine}:${range.startColumn}-${range.endLine}:${range.endColumn}`;
}

/** The instructions after `FROM scratch`. */
export function parseStage(text: string): readonly Instruction[] {
  return parse(`FROM scratch\n${text}`).instructions.slice(1);
}

type OfKind<Kind extends Instruction['kind'], Member = Instruction> = Member extends Instruction
  ? Kind extends Member['kind']
    ? Member
    : never
  : never;

/** The only instruction after `FROM scratch`, of the kind asked for. */
export function parseOne<Kind extends Instruction['kind']>(kind: Kind, text: string): OfKind<Kind> {
  const instructions = parseStage(text);
  const [instruction] = instructions;
  if (instructions.length !== 1 || instruction?.kind !== kind) throw new Error(`not one ${kind}: ${JSON.stringify(instructions)}`);
  return instruction as unknown as OfKind<Kind>;
}

/** What an instruction has that others have not, its kind aside. */
export function ownFields(instruction: Instruction): object {
  const { kind: _kind, keyword: _keyword, text: _text, range: _range, comments: _comments, emptyLines: _emptyLines, ...own } = instruction;
  return own;
}

export function parse(text: string): Dockerfile {
  return parseDockerfile(text);
}
