import { atRange, BuildError } from '../base/errors.js';
import type { IgnoreMatcher } from '../context/dockerignore.js';
import type { ContainerConfig } from '../oci/types.js';
import type { Dockerfile, Instruction } from '../parse/instruction.js';
import { mountFrom } from '../parse/mount.js';
import { parseTrigger } from '../parse/parser.js';
import { lineRange } from '../parse/source.js';
import type { PlanInput } from '../plan/plan.js';
import { reachFrom } from '../plan/reach.js';
import { findCopyOrigin, findMountOrigin, findTarget, readStages, splitStages, type Origin, type Stage } from '../plan/stages.js';
import { lintDefaults, lintFromWords, platformMismatch, readGlobals, type Globals } from './from.js';
import { Linter, type Place } from './linter.js';
import { fileOptions } from './options.js';
import { DETAILS, RULES } from './rules.js';
import { StageWalk, type StageListener } from './stage.js';
import { lintCasing, lintInstructions, lintStageNames } from './syntax.js';
import type { LintWarning } from './warning.js';

export interface LintInput {
  /** As the planner gets it. Images that are missing among its bases are taken as they are: nothing is said about their variables. */
  readonly plan: PlanInput;
  /** Whose instructions are checked: what the target needs, as a build does, or every stage, as `--check` does without a target. */
  readonly stages: 'target' | 'all';
  /** Of the build's context, if it has an ignore file. */
  readonly ignore?: IgnoreMatcher;
}

export interface LintResult {
  /** In BuildKit's order: of the text, of the FROMs, then stage by stage. */
  readonly warnings: readonly LintWarning[];
  /** `error=true`, and there are warnings. */
  readonly failure?: BuildError;
}

/**
 * Checks a Dockerfile by the rules of BuildKit. Reads nothing but its arguments. What makes the file wrong rather than doubtful ends the check
 * early and is not told here: planning tells it.
 * @throws BuildError `dockerfile` for a malformed `# check=` or BUILDKIT_DOCKERFILE_CHECK
 */
export function lintDockerfile(dockerfile: Dockerfile, input: LintInput): LintResult {
  const linter = newLinter(dockerfile, input.plan);
  untilWrong(() => {
    lintInstructions(dockerfile.instructions, linter);
    lintStageNames(dockerfile, linter);
    lintCasing(dockerfile, linter);
    walkStages(dockerfile, input, { linter });
  });
  const failure = linter.failure();
  return { warnings: linter.warnings, ...(failure === undefined ? {} : { failure }) };
}

/** What can be said of instructions alone: of those above a line that cannot be parsed. */
export function checkInstructions(dockerfile: Dockerfile, input: Pick<PlanInput, 'buildArgs'>): readonly LintWarning[] {
  const linter = newLinter(dockerfile, input);
  lintInstructions(dockerfile.instructions, linter);
  return linter.warnings;
}

function newLinter({ file, directives }: Dockerfile, { buildArgs }: Pick<PlanInput, 'buildArgs'>): Linter {
  const given = buildArgs.get('BUILDKIT_DOCKERFILE_CHECK');
  try {
    return new Linter(fileOptions(directives.check, given));
  } catch (error) {
    const line = file.lines.findIndex((text) => /^#\s*check\s*=/i.test(text)) + 1;
    throw given === undefined && line > 0 ? atRange(error, lineRange(file, line)) : error;
  }
}

function untilWrong(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof BuildError) || error.kind === 'internal') throw error;
  }
}

/** A stage that was gone through. */
export interface WalkedStage {
  readonly stage: Stage;
  /** With the triggers that its base brings, which stand at its FROM. */
  readonly instructions: readonly Instruction[];
}

export interface WalkOptions {
  readonly linter: Linter;
  /** For each stage, who is told of what it takes. */
  readonly listen?: (stage: Stage) => StageListener;
}

/**
 * Reads the FROMs, then goes through the stages in the order of the file.
 * @throws BuildError as soon as something is wrong
 */
export function walkStages({ directives, instructions }: Dockerfile, input: LintInput, { linter, listen }: WalkOptions): WalkedStage[] {
  const { escape } = directives;
  const { globalArgs, sources } = splitStages(instructions);
  const targetName = input.plan.target ?? sources.at(-1)?.from.name ?? 'default';
  const settings = { globalArgs, input: input.plan, targetName, escape };
  lintDefaults(sources, settings, linter);
  const globals = readGlobals(settings);
  for (const { from } of sources) lintFromWords(from, globals, linter);
  const stages = readStages(sources, { input: input.plan, lookup: (name) => globals.values.get(name), escape });
  const checked = checkedStages(stages, input).map((stage) => ({ stage, instructions: instructionsOf(stage, stages, input.plan) }));
  for (const { stage, instructions: own } of checked) lintPlatforms(stage, own, { stages, input: input.plan, linter });
  walkEach(checked, { globals, input, linter, ...(listen === undefined ? {} : { listen }) });
  return checked;
}

function checkedStages(stages: readonly Stage[], { plan, stages: which }: LintInput): readonly Stage[] {
  if (which === 'all') return stages;
  return reachFrom(findTarget(plan.target, stages), stages, plan).reached.map(({ stage }) => stage);
}

function instructionsOf(stage: Stage, stages: readonly Stage[], { bases }: PlanInput): readonly Instruction[] {
  const { base, from } = stage;
  const below = base.kind === 'stage' ? (stages[base.stage]?.instructions ?? []) : [];
  const triggers =
    base.kind === 'image'
      ? (bases.get(base.key)?.config?.OnBuild ?? [])
      : below.flatMap((instruction) => (instruction.kind === 'onbuild' ? [instruction.trigger] : []));
  return [...triggers.flatMap((trigger) => parseTrigger(trigger, from.range)), ...stage.instructions];
}

interface PlatformContext {
  readonly stages: readonly Stage[];
  readonly input: PlanInput;
  readonly linter: Linter;
}

/** Of the base, and of the images that steps copy or mount from. */
function lintPlatforms({ base, baseName, from }: Stage, instructions: readonly Instruction[], context: PlatformContext): void {
  const { stages, input } = context;
  lintPlatform(base, { name: baseName, place: from, ...context });
  for (const instruction of instructions) {
    if (instruction.kind === 'copy' && instruction.from !== undefined) {
      lintPlatform(findCopyOrigin(instruction.from, stages, input), { name: instruction.from, place: instruction, ...context });
    }
    if (instruction.kind !== 'run') continue;
    for (const name of instruction.mounts.map(mountFrom)) {
      if (name !== undefined) lintPlatform(findMountOrigin(name, stages, input), { name, place: instruction, ...context });
    }
  }
}

function lintPlatform(origin: Origin, { name, place, input, linter }: PlatformContext & { name: string; place: Place }): void {
  const image = origin.kind === 'image' ? input.bases.get(origin.key) : undefined;
  if (origin.kind !== 'image' || image === undefined || image.rootfs.diff_ids.length === 0) return;
  const mismatch = platformMismatch(origin.platform, image);
  if (mismatch === undefined) return;
  linter.warn(RULES.invalidBaseImagePlatform, { range: place.range }, DETAILS.invalidBaseImagePlatform(name, mismatch));
}

interface EachContext {
  readonly globals: Globals;
  readonly input: LintInput;
  readonly linter: Linter;
  readonly listen?: (stage: Stage) => StageListener;
}

function walkEach(stages: readonly WalkedStage[], { globals, input, linter, listen }: EachContext): void {
  const { buildArgs, bases } = input.plan;
  const ignore = input.ignore === undefined ? {} : { ignore: input.ignore };
  const settings = { buildArgs, globals: globals.values, escape: globals.escape, linter, ...ignore };
  const walks = new Map<number, StageWalk>();
  for (const { stage, instructions } of stages) {
    const walk = new StageWalk(startOf(stage, walks, bases), settings, listen?.(stage));
    walks.set(stage.index, walk);
    for (const instruction of instructions) walk.take(instruction);
  }
}

function startOf(
  { base }: Stage,
  walks: ReadonlyMap<number, StageWalk>,
  bases: PlanInput['bases'],
): StageWalk | ContainerConfig | undefined {
  if (base.kind === 'stage') return walks.get(base.stage);
  if (base.kind !== 'image') return {};
  const image = bases.get(base.key);
  return image === undefined ? undefined : (image.config ?? {});
}
