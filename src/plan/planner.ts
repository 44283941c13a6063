import { formatPlatform, samePlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { Dockerfile } from '../parse/instruction.js';
import { inheritConfig, withLabels } from './config.js';
import { sourceDateEpoch } from './epoch.js';
import type { BaseRequest, Plan, PlannedStage, PlanInput } from './plan.js';
import { checkCopies, reachFrom, type ReachedStage } from './reach.js';
import { globalScope } from './scope.js';
import { StagePlanner, type PlanContext, type StageStart } from './stage-planner.js';
import { findTarget, readStages, splitStages, type Stage } from './stages.js';
import { notSupportedYet } from './unsupported.js';

export type PlanResult =
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** Look these up, add their configs to the input and call again: their triggers can ask for more. */
  | { readonly kind: 'needs-bases'; readonly bases: readonly BaseRequest[] };

/**
 * From instructions to the steps of the stages that the target needs, every word expanded. Reads nothing but its arguments.
 * @throws BuildError `dockerfile` or `unsupported` with a range, `usage` for a target or build argument that is wrong
 */
export function planBuild(dockerfile: Dockerfile, input: PlanInput): PlanResult {
  const { escape } = dockerfile.directives;
  const { globalArgs, sources } = splitStages(dockerfile.instructions);
  const targetName = input.target ?? sources.at(-1)?.from.name ?? 'default';
  const globals = globalScope(globalArgs, { buildArgs: input.buildArgs, platform: input.hostPlatform, targetName, escape });
  const epoch = sourceDateEpoch({ input, globals, globalArgs, sources });
  const stages = readStages(sources, { input, lookup: (name) => globals.get(name), escape });
  const target = findTarget(input.target, stages);
  checkCopies(stages, input);
  const { reached, requests } = reachFrom(target, stages, input);
  if (requests.length > 0) return { kind: 'needs-bases', bases: requests };
  const context: PlanContext = { input, globals, escape, stages, warnings: [] };
  const planned = planStages(reached, context).map((stage) => (stage.index === target.index ? addLabels(stage, input) : stage));
  return {
    kind: 'plan',
    plan: { stages: planned, target: target.index, warnings: context.warnings, ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }) },
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

function startOf(stage: Stage, planners: ReadonlyMap<number, StagePlanner>, { input, warnings }: PlanContext): StageStart {
  const { base } = stage;
  if (base.kind === 'stage') return startFromStage(base.stage, planners);
  if (base.kind === 'image') return startFromImage(stage, { key: base.key, input, warnings });
  if (base.kind === 'scratch') return { base, platform: input.hostPlatform, config: inheritConfig({ WorkingDir: '/' }) };
  throw new Error('a directory as a base was refused before');
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
  readonly key: string;
  readonly input: PlanInput;
  readonly warnings: PlanContext['warnings'];
}

function startFromImage({ platform, baseName, from }: Stage, { key, input, warnings }: ImageStart): StageStart {
  const image = input.bases.get(key);
  if (image === undefined) throw new Error(`base ${key} was not asked for`);
  if (image.os === 'windows') throw notSupportedYet('images of Windows', { range: from.range, hint: 'Start from an image of Linux.' });
  const own = platformOf(image);
  const wanted = platform ?? input.hostPlatform;
  if (own !== undefined && !samePlatform(own, wanted)) {
    const message = `base image ${baseName} has platform "${formatPlatform(own)}", expected "${formatPlatform(wanted)}"`;
    warnings.push({ message, range: from.range });
  }
  return {
    base: { kind: 'image', key },
    platform: platform ?? own ?? input.hostPlatform,
    config: inheritConfig(image.config ?? {}),
    ...(image.author === undefined || image.author === '' ? {} : { author: image.author }),
  };
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
