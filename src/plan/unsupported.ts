import { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { Instruction, RunInstruction } from '../parse/instruction.js';

/** The one way in which a build says that it does not do something yet. */
export function notSupportedYet(what: string, { range, hint }: { range: SourceRange | undefined; hint: string }): BuildError {
  return new BuildError('unsupported', `not supported yet: ${what}`, range === undefined ? { hint } : { range, hint });
}

interface Refusal {
  readonly what: string;
  readonly isAsked: boolean;
  readonly hint: string;
}

/**
 * Refuses the flags that nothing implements. Called for stages that the target reaches, before any image is asked for.
 * @throws BuildError `unsupported`
 */
export function refuseUnsupported(instruction: Instruction): void {
  const refusals = refusalsOf(instruction);
  const refused = refusals.find(({ isAsked }) => isAsked);
  if (refused !== undefined) throw notSupportedYet(refused.what, { range: instruction.range, hint: refused.hint });
}

function refusalsOf(instruction: Instruction): Refusal[] {
  return instruction.kind === 'run' ? runRefusals(instruction) : [];
}

function runRefusals({ devices }: RunInstruction): Refusal[] {
  return [{ what: 'RUN --device', isAsked: devices.length > 0, hint: 'No device of this machine is handed to steps: leave --device out.' }];
}
