import type { Instruction } from '../parse/instruction.js';

/** An instruction on one line, as progress shows it: blanks collapsed, of a heredoc the first line. */
export function stepText(instruction: Instruction, { isTrigger }: { isTrigger: boolean }): string {
  const line = instruction.text.trim().replaceAll(/\s+/g, ' ');
  const heredocs = instruction.kind === 'run' || instruction.kind === 'copy' ? instruction.heredocs : [];
  const bodies = heredocs.slice(0, 1).map(({ body }) => ` (${firstLine(body)})`);
  return `${isTrigger ? 'ONBUILD ' : ''}${line}${bodies.join('')}`;
}

function firstLine(body: string): string {
  const [first = '', ...more] = body.trim().split('\n');
  return `${first.trimEnd()}${more.length > 0 ? '...' : ''}`;
}
