import { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { Dockerfile, Instruction } from './instruction.js';
import { locateFaults, type NodeTree, parseNodes } from './nodes.js';
import { readSource } from './source.js';
import { toInstruction } from './typed.js';

/**
 * Parses a Dockerfile by BuildKit's rules: every instruction of every stage is checked, whether it will be built or not; nothing is expanded.
 * @throws BuildError `dockerfile`, always with a range
 */
export function parseDockerfile(text: string | Buffer, { name = 'Dockerfile' }: { name?: string } = {}): Dockerfile {
  const source = readSource(text, name);
  const tree = parseNodes(source);
  const instructions: Instruction[] = [];
  let inStage = false;
  for (const instruction of typedInstructions(tree)) {
    inStage ||= instruction.kind === 'from';
    if (!inStage && instruction.kind !== 'arg') {
      const hint = 'Only ARG may stand before the first FROM.';
      throw new BuildError('dockerfile', 'no build stage in current context', { range: instruction.range, hint });
    }
    instructions.push(instruction);
  }
  const last = instructions.at(-1);
  if (!inStage && last !== undefined) throw new BuildError('dockerfile', 'dockerfile contains no stages to build', { range: last.range });
  return { file: source.file, directives: tree.directives, instructions };
}

/**
 * Parses an ONBUILD trigger as an image config holds it, heredoc bodies included.
 * @param range where the trigger takes effect, the FROM of the child: instructions and errors carry it
 * @throws BuildError `dockerfile`
 */
export function parseTrigger(trigger: string, range: SourceRange): Instruction[] {
  try {
    const instructions = [...typedInstructions(parseNodes(readSource(trigger, 'ONBUILD')))];
    if (instructions.length !== 1) throw new BuildError('dockerfile', 'onbuild trigger should be a single expression');
    if (instructions[0]?.kind === 'from') throw new BuildError('dockerfile', "FROM isn't allowed as an ONBUILD trigger");
    return instructions.map((instruction) => ({ ...instruction, range, comments: [], emptyLines: [] }));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const hint = `The base image carries the trigger "ONBUILD ${trigger.split('\n', 1)[0] ?? ''}".`;
    throw new BuildError('dockerfile', error.message, { range, hint, cause: error });
  }
}

function* typedInstructions({ nodes, directives }: NodeTree): Generator<Instruction> {
  for (const node of nodes) yield locateFaults(node.headRange, directives.escape, () => toInstruction(node));
}
