import { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { ArgInstruction } from '../parse/instruction.js';
import type { PlanInput } from './plan.js';
import type { StageSource } from './stages.js';
import { notSupportedYet } from './unsupported.js';

const NAME = 'SOURCE_DATE_EPOCH';

export interface EpochSources {
  readonly input: PlanInput;
  readonly globals: ReadonlyMap<string, string>;
  readonly globalArgs: readonly ArgInstruction[];
  readonly sources: readonly StageSource[];
}

/**
 * Seconds since 1970 from the build argument SOURCE_DATE_EPOCH or the global ARG of that name; an empty value is none.
 * @throws BuildError `usage` or `dockerfile`, whichever of them is wrong; `unsupported` for the name of a context or a stage
 */
export function sourceDateEpoch({ input, globals, globalArgs, sources }: EpochSources): number | undefined {
  const fromFlag = input.buildArgs.get(NAME);
  const value = fromFlag ?? globals.get(NAME) ?? '';
  if (value === '') return undefined;
  const seconds = Number(value);
  if (/^[-+]?[0-9]+$/.test(value) && Number.isSafeInteger(seconds)) return seconds;
  const range = fromFlag === undefined ? rangeOf(globalArgs) : undefined;
  const isName = value === 'context' || input.directoryContexts.has(value) || sources.some(({ from }) => from.name === value.toLowerCase());
  if (isName) {
    throw notSupportedYet(`${NAME}=${value}`, { hint: 'Give seconds since 1970, for example of "git log -1 --pretty=%ct".', range });
  }
  throw new BuildError(range === undefined ? 'usage' : 'dockerfile', `invalid ${NAME}: ${value}`, {
    hint: 'Give seconds since 1970.',
    ...(range === undefined ? {} : { range }),
  });
}

function rangeOf(globalArgs: readonly ArgInstruction[]): SourceRange | undefined {
  return globalArgs.findLast(({ args }) => args.some(({ name }) => name === NAME))?.range;
}
