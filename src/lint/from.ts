import { atRange } from '../base/errors.js';
import { suggest } from '../base/suggest.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import type { Platform } from '../oci/types.js';
import type { ArgInstruction, FromInstruction } from '../parse/instruction.js';
import type { PlanInput } from '../plan/plan.js';
import { globalScope } from '../plan/scope.js';
import type { StageSource } from '../plan/stages.js';
import type { Linter } from './linter.js';
import { DETAILS, RULES } from './rules.js';
import { expandTracked, type Expanded } from './words.js';

/** What FROM lines see. */
export interface Globals {
  readonly values: ReadonlyMap<string, string>;
  /** Every name that an ARG before the first FROM declares, with a value or without, and every predefined one. */
  readonly names: readonly string[];
  readonly escape: '\\' | '`';
}

export interface GlobalsInput {
  readonly globalArgs: readonly ArgInstruction[];
  readonly input: Pick<PlanInput, 'buildArgs' | 'buildPlatform' | 'targetPlatform'>;
  readonly targetName: string;
  readonly escape: '\\' | '`';
}

/** @throws BuildError `dockerfile` */
export function readGlobals({ globalArgs, input, ...rest }: GlobalsInput): Globals {
  const values = globalScope(globalArgs, { ...input, ...rest });
  const declared = globalArgs.flatMap(({ args }) => args.map(({ name }) => name));
  return { values, names: [...new Set([...declared, ...values.keys()])], escape: rest.escape };
}

/** Whether the bases have names when no build argument is given. Stops at the first thing that is wrong otherwise. */
export function lintDefaults(sources: readonly StageSource[], from: GlobalsInput, linter: Linter): void {
  try {
    const { values, escape } = readGlobals({ ...from, input: { ...from.input, buildArgs: new Map() } });
    for (const { from: instruction } of sources) {
      const { text, error } = expandTracked(instruction.image, (name) => values.get(name), { escape });
      if (error !== undefined) return;
      if (!isReference(text)) {
        linter.warn(RULES.invalidDefaultArgInFrom, { range: instruction.range }, DETAILS.invalidDefaultArgInFrom(instruction.image));
      }
    }
  } catch {
    // The arguments themselves are wrong: the plan says so.
  }
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The variables of one FROM.
 * @throws BuildError `dockerfile` when a word of it is malformed: BuildKit looks at no further stage then
 */
export function lintFromWords(instruction: FromInstruction, globals: Globals, linter: Linter): void {
  const lookup = (name: string): string | undefined => globals.values.get(name);
  const base = expandTracked(instruction.image, lookup, globals);
  lintUndeclared(base, instruction, { globals, linter });
  if (base.error !== undefined) throw atRange(base.error, instruction.range);
  if (instruction.platform === undefined) return;
  const platform = expandTracked(instruction.platform, lookup, globals);
  lintUndeclared(platform, instruction, { globals, linter });
  lintPlatform(platform, instruction, { globals, linter });
  if (platform.error !== undefined) throw atRange(platform.error, instruction.range);
}

interface FromContext {
  readonly globals: Globals;
  readonly linter: Linter;
}

function lintUndeclared({ unmatched }: Expanded, instruction: FromInstruction, { globals, linter }: FromContext): void {
  for (const name of unmatched) {
    if (globals.names.includes(name)) continue;
    const meant = suggest(name, globals.names, { caseSensitive: true });
    linter.warn(RULES.undefinedArgInFrom, instruction, DETAILS.undefinedArgInFrom(name, meant));
  }
}

function lintPlatform(
  { text, matched, unmatched }: Expanded,
  instruction: FromInstruction & { readonly platform?: string },
  { globals, linter }: FromContext,
): void {
  if (unmatched.size > 0) return;
  if (matched.size === 1 && matched.has('TARGETPLATFORM') && text === globals.values.get('TARGETPLATFORM')) {
    linter.warn(RULES.redundantTargetPlatform, instruction, DETAILS.redundantTargetPlatform(instruction.platform ?? ''));
  }
  const platform = matched.size === 0 ? readPlatform(text) : undefined;
  if (platform === undefined) return;
  // A stage that is named after its platform is meant to have that one.
  const name = instruction.name ?? '';
  if (name.includes(platform.os) || name.includes(platform.architecture)) return;
  linter.warn(RULES.fromPlatformFlagConstDisallowed, instruction, DETAILS.fromPlatformFlagConstDisallowed(text));
}

function readPlatform(text: string): Platform | undefined {
  try {
    return parsePlatform(text);
  } catch {
    return undefined;
  }
}

/** Two platforms are one here when system and architecture are. */
export function platformMismatch(expected: Platform, actual: Platform): { expected: string; actual: string } | undefined {
  if (!actual.os || !actual.architecture) return undefined;
  if (expected.os === actual.os && expected.architecture === actual.architecture) return undefined;
  return { expected: normalForm(expected), actual: normalForm(actual) };
}

/** `linux/arm64` for `linux/arm64/v8` */
function normalForm(platform: Platform): string {
  return formatPlatform(readPlatform(formatPlatform(platform)) ?? platform);
}
