import { BuildError } from '../base/errors.js';
import { parseDockerfile } from '../parse/parser.js';
import type { PlanInput } from '../plan/plan.js';
import { checkInstructions } from './lint.js';
import type { LintWarning } from './warning.js';

/**
 * BuildKit checks one instruction after the other as it reads them: of a file that it cannot read it tells what is above the line in question.
 * @param error of the parser
 */
export function warningsAbove(error: unknown, input: Pick<PlanInput, 'buildArgs'>): readonly LintWarning[] {
  if (!(error instanceof BuildError) || error.kind !== 'dockerfile' || error.range === undefined) return [];
  const { file, startLine } = error.range;
  try {
    const above = parseDockerfile(file.lines.slice(0, startLine - 1).join('\n'), { name: file.name });
    return checkInstructions({ ...above, file }, input);
  } catch (other) {
    if (other instanceof BuildError) return [];
    throw other;
  }
}
