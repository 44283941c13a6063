import type { Dockerfile, FromInstruction, Instruction } from '../parse/instruction.js';
import type { Linter } from './linter.js';
import { DETAILS, RULES } from './rules.js';

const BLANKS = /[\t\v\f\r ]+/;
const RESERVED_STAGES = new Set(['context', 'scratch']);

/** The keyword as the file has it. */
export function writtenKeyword({ text }: Instruction): string {
  return text.split(BLANKS, 1)[0] ?? '';
}

/** The rules for which an instruction alone is enough, in the order of the file; blank lines first, as BuildKit's parser comes first. */
export function lintInstructions(instructions: readonly Instruction[], linter: Linter): void {
  for (const instruction of instructions) lintContinuation(instruction, linter);
  for (const instruction of instructions) {
    if (instruction.kind === 'maintainer') linter.warn(RULES.maintainerDeprecated, instruction, DETAILS.maintainerDeprecated());
    if (instruction.kind === 'from') lintFrom(instruction, linter);
    if (instruction.kind === 'arg') {
      const names = instruction.args.map(({ name }) => name);
      lintDescription('ARG', instruction, { names, linter });
    }
  }
}

/** One warning however many blank lines there are, and it points to the line where the continuation ends: BuildKit knows it only there. */
function lintContinuation(instruction: Instruction, linter: Linter): void {
  if (instruction.emptyLines.length === 0) return;
  const { range } = instruction;
  const line = Math.max(range.startLine, range.endLine - heredocLines(instruction));
  linter.warn(RULES.noEmptyContinuation, { range: { ...range, startLine: line, endLine: line } }, DETAILS.noEmptyContinuation());
}

function heredocLines(instruction: Instruction): number {
  const countLines = (text: string): number => text.split('\n').length - 1;
  if (instruction.kind === 'onbuild') return countLines(instruction.trigger);
  if (instruction.kind !== 'run' && instruction.kind !== 'copy') return 0;
  return instruction.heredocs.reduce((sum, { rawBody }) => sum + countLines(rawBody) + 1, 0);
}

function lintFrom(instruction: FromInstruction, linter: Linter): void {
  if (instruction.name === undefined) return;
  const [as = '', name = ''] = instruction.text.split(BLANKS).slice(-2);
  if (name !== name.toLowerCase()) linter.warn(RULES.stageNameCasing, instruction, DETAILS.stageNameCasing(name));
  const from = writtenKeyword(instruction);
  // A FROM in mixed case is ConsistentInstructionCasing's.
  const wanted = from === from.toLowerCase() ? as.toLowerCase() : from === from.toUpperCase() ? as.toUpperCase() : as;
  if (as !== wanted) linter.warn(RULES.fromAsCasing, instruction, DETAILS.fromAsCasing(from, as));
  lintDescription('FROM', instruction, { names: [instruction.name], linter });
}

interface DescribedNames {
  readonly names: readonly string[];
  readonly linter: Linter;
}

function lintDescription(keyword: 'ARG' | 'FROM', instruction: Instruction, { names, linter }: DescribedNames): void {
  const first = instruction.comments.at(-1)?.split(' ', 1)[0];
  const [name = '', ...others] = names;
  if (first === undefined || names.includes(first)) return;
  const example = others.length > 0 ? '<arg_key>' : name;
  linter.warn(RULES.invalidDefinitionDescription, instruction, DETAILS.invalidDefinitionDescription(keyword, example));
}

/** Of the stages as they are written; the last of several with one name is the one that counts, and every one but the first is told. */
export function lintStageNames({ instructions }: Dockerfile, linter: Linter): void {
  const seen = new Set<string>();
  for (const instruction of instructions) {
    if (instruction.kind !== 'from' || instruction.name === undefined) continue;
    const { name, range } = instruction;
    if (RESERVED_STAGES.has(name)) linter.warn(RULES.reservedStageName, { range }, DETAILS.reservedStageName(name));
    if (seen.has(name)) linter.warn(RULES.duplicateStageName, { range }, DETAILS.duplicateStageName(name));
    seen.add(name);
  }
}

/** The majority decides, upper case when there is none. What stands before the first FROM neither counts nor is asked. */
export function lintCasing({ instructions }: Dockerfile, linter: Linter): void {
  const counted = instructions.slice(instructions.findIndex(({ kind }) => kind === 'from'));
  const keywords = counted.map(writtenKeyword);
  const lower = keywords.filter((keyword) => keyword === keyword.toLowerCase()).length;
  const upper = keywords.filter((keyword) => keyword === keyword.toUpperCase()).length;
  const casing = lower > upper ? 'lowercase' : 'uppercase';
  for (const [index, { range }] of counted.entries()) {
    const keyword = keywords[index] ?? '';
    const wanted = casing === 'lowercase' ? keyword.toLowerCase() : keyword.toUpperCase();
    if (keyword !== wanted) {
      linter.warn(RULES.consistentInstructionCasing, { range }, DETAILS.consistentInstructionCasing(keyword, casing));
    }
  }
}
