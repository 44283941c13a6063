import { normalizePlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { Dockerfile } from '../parse/instruction.js';
import { inheritConfig, withLabels } from './config.js';
import { sourceDateEpoch, withEpoch } from './epoch.js';
import type { BaseRequest, EpochRequest, ImageOrigin, Plan, PlannedStage, PlanInput } from './plan.js';
import { checkCopies, reachFrom, type ReachedStage } from './reach.js';
import { globalScope } from './scope.js';
import { StagePlanner, type PlanContext, type StageStart } from './stage-planner.js';
import { findTarget, readStages, splitStages, type Stage } from './stages.js';
import { notSupportedYet } from './unsupported.js';

export type PlanResult =
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** Look these up, add their configs to the input and call again: their triggers can ask for more. */
  | { readonly kind: 'needs-bases'; readonly bases: readonly BaseRequest[] }
  /** The same with the time of something. */
  | { readonly kind: 'needs-epoch'; readonly request: EpochRequest };

/**
 * From instructions to the steps of the stages that the target needs, every word expanded. Reads nothing but its arguments.
 * @throws BuildError `dockerfile` or `unsupported` with a range, `usage` for a target or build argument that is wrong
 */
export function planBuild(dockerfile: Dockerfile, given: PlanInput): PlanResult {
  const { escape } = dockerfile.directives;
  const { globalArgs, sources } = splitStages(dockerfile.instructions);
  const targetName = given.target ?? sources.at(-1)?.from.name ?? 'default';
  const globalsGiven = globalScope(globalArgs, { ...given, targetName, escape });
  const epoch = sourceDateEpoch({ input: given, globals: globalsGiven, globalArgs, sources, escape });
  if (epoch.kind === 'asked') return { kind: 'needs-epoch', request: epoch.request };
  const input = { ...given, buildArgs: withEpoch(given.buildArgs, epoch.seconds) };
  const globals = withEpoch(globalsGiven, epoch.seconds);
  const stages = readStages(sources, { input, lookup: (name) => globals.get(name), escape });
  const target = findTarget(input.target, stages);
  checkCopies(stages, input);
  const { reached, requests } = reachFrom(target, stages, input);
  if (requests.length > 0) return { kind: 'needs-bases', bases: requests };
  const context: PlanContext = { input, globals, escape, stages, warnings: [] };
  const planned = planStages(reached, context).map((stage) => (stage.index === target.index ? addLabels(stage, input) : stage));
  return {
    kind: 'plan',
    plan: {
      stages: planned,
      targets: [{ platform: imagePlatform(target, { stages, planned, input }), stage: target.index }],
      warnings: context.warnings,
      ...(epoch.seconds === undefined ? {} : { sourceDateEpoch: epoch.seconds }),
    },
  };
}

/** In the order of the file, in which every stage stands after those that it needs. */
function planStages(reached: readonly ReachedStage[], context: PlanContext): PlannedStage[] {
  const planners = new Map<number, StagePlanner>();
  return reached.map(({ stage, instructions }) => {
    const planner = new StagePlanner(stage, startOf(stage, planners, context), context);
    planners.set(stage.index, planner);
    for (const instruction of instructions) planner.apply(instruction);
    return planner.finish();
  });
}

function startOf(stage: Stage, planners: ReadonlyMap<number, StagePlanner>, context: PlanContext): StageStart {
  const start = startFrom(stage, planners, context);
  if (start.platform.os !== 'windows') return start;
  throw notSupportedYet('images of Windows', { range: stage.from.range, hint: 'Start from an image of Linux.' });
}

function startFrom(stage: Stage, planners: ReadonlyMap<number, StagePlanner>, { input }: PlanContext): StageStart {
  const { base } = stage;
  if (base.kind === 'stage') return startFromStage(base.stage, planners);
  if (base.kind === 'image') return startFromImage(stage, { base, input });
  // What programs come to lie in it, the Dockerfile knows.
  if (base.kind === 'scratch')
    return { base, platform: stage.platform ?? input.targetPlatform, config: inheritConfig({ WorkingDir: '/' }) };
  // Everything in it is what the stage begins with: one layer, as of a COPY.
  const platform = stage.platform ?? input.targetPlatform;
  return { base: { kind: 'scratch' }, platform, config: inheritConfig({ WorkingDir: '/' }), context: base.name };
}

function startFromStage(index: number, planners: ReadonlyMap<number, StagePlanner>): StageStart {
  const parent = planners.get(index);
  if (parent === undefined) throw new Error(`stage ${index} is not planned yet`);
  return {
    base: { kind: 'stage', stage: index },
    platform: parent.platform,
    config: inheritConfig(parent.config),
    scope: parent.scope,
    ...(parent.author === undefined ? {} : { author: parent.author }),
  };
}

interface ImageStart {
  readonly base: ImageOrigin;
  readonly input: PlanInput;
}

/** An image for another platform is used as it is; the linter tells of it. */
function startFromImage({ platform }: Stage, { base, input }: ImageStart): StageStart {
  const image = input.bases.get(base.key);
  if (image === undefined) throw new Error(`base ${base.key} was not asked for`);
  const own = platformOf(image);
  return {
    base,
    platform: platform ?? own ?? input.targetPlatform,
    config: inheritConfig(image.config ?? {}),
    ...(image.author === undefined || image.author === '' ? {} : { author: image.author }),
  };
}

interface PlannedTarget {
  readonly stages: readonly Stage[];
  readonly planned: readonly PlannedStage[];
  readonly input: PlanInput;
}

/**
 * A platform that was asked for goes over what the base says; of the same machine the base says more at times. An image from scratch is for the
 * target, whatever FROM says.
 */
function imagePlatform(target: Stage, { stages, planned, input: { isPlatformGiven, targetPlatform } }: PlannedTarget): Platform {
  let root: Stage | undefined = target;
  while (root?.base.kind === 'stage') root = stages[root.base.stage];
  if (root?.base.kind === 'scratch') return targetPlatform;
  const own = planned.find((stage) => stage.index === target.index)?.platform ?? targetPlatform;
  if (isPlatformGiven !== true) return normalizePlatform(own);
  const isSameMachine = own.os === targetPlatform.os && own.architecture === targetPlatform.architecture;
  return normalizePlatform(isSameMachine ? { ...own, ...targetPlatform } : targetPlatform);
}

/** `undefined` when the image does not say. */
function platformOf({ os, architecture, variant, 'os.version': version }: Platform): Platform | undefined {
  if (!os || !architecture) return undefined;
  return { os, architecture, ...(variant ? { variant } : {}), ...(version ? { 'os.version': version } : {}) };
}

/** `--label` goes over what the Dockerfile says, and leaves no history. */
function addLabels(stage: PlannedStage, { labels }: PlanInput): PlannedStage {
  if (labels.size === 0) return stage;
  return {
    ...stage,
    config: withLabels(
      stage.config,
      [...labels].map(([name, value]) => ({ name, value })),
    ),
  };
}
