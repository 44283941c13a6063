import { BuildError } from '../base/errors.js';
import { formatPlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { CopyFrom, Plan, PlannedStage, PlanTarget, Step, StepMount } from './plan.js';

/** A stage of the merged plan and the platforms that need it. */
interface Place {
  readonly stage: PlannedStage;
  readonly users: Platform[];
}

/**
 * The plans of one Dockerfile for several platforms as one. Stages that come out equal, as those `FROM --platform=$BUILDPLATFORM` do, are one
 * stage and run once. Each is numbered anew, and named with its platform for progress.
 *
 * @param plans at least one, each with one target
 * @throws BuildError `usage` when SOURCE_DATE_EPOCH depends on the platform
 */
export function mergePlans(plans: readonly Plan[]): Plan {
  const [first] = plans;
  if (first === undefined) throw new Error('there is no plan');
  const places: Place[] = [];
  const placeOf = new Map<string, number>();
  const targets = plans.flatMap((plan) => addPlan(plan, places, placeOf));
  const differing = plans.find(({ sourceDateEpoch }) => sourceDateEpoch !== first.sourceDateEpoch);
  if (differing !== undefined) {
    const [one, other] = [first, differing].map(({ sourceDateEpoch }) => sourceDateEpoch ?? 'none');
    throw new BuildError('usage', `SOURCE_DATE_EPOCH depends on the platform: ${one} and ${other}`, { hint: 'Give it as a --build-arg.' });
  }
  const isSingleStage = plans.every(({ stages }) => stages.length === 1);
  return {
    ...first,
    stages: places.map((place) => ({ ...place.stage, name: nameOf(place, isSingleStage) })),
    targets: [targets[0] ?? first.targets[0], ...targets.slice(1)],
    warnings: plans.flatMap(({ warnings }) => warnings),
  };
}

function addPlan(plan: Plan, places: Place[], placeOf: Map<string, number>): PlanTarget[] {
  const moved = new Map<number, number>();
  const move = (index: number): number => {
    const place = moved.get(index);
    if (place === undefined) throw new Error(`stage ${index} is used before it is planned`);
    return place;
  };
  for (const stage of plan.stages) {
    // The number of a stage is no part of what it does: equal ones shall be found, and get the number of the first.
    const content = JSON.stringify(moveStage(stage, -1, move), withoutFile);
    const index = placeOf.get(content) ?? places.length;
    if (index === places.length) places.push({ stage: moveStage(stage, index, move), users: [] });
    placeOf.set(content, index);
    places[index]?.users.push(plan.targets[0].platform);
    moved.set(stage.index, index);
  }
  return plan.targets.map(({ platform, stage }) => ({ platform, stage: move(stage) }));
}

/** Every range refers to the whole text of the Dockerfile, which is one. */
function withoutFile(key: string, value: unknown): unknown {
  return key === 'file' ? undefined : value;
}

type Move = (index: number) => number;

function moveStage(stage: PlannedStage, index: number, move: Move): PlannedStage {
  const { base } = stage;
  return {
    ...stage,
    index,
    base: base.kind === 'stage' ? { ...base, stage: move(base.stage) } : base,
    needs: stage.needs.map(move).toSorted((a, b) => a - b),
    steps: stage.steps.map((step, position) => ({ ...moveStep(step, move), id: `${index}.${position + 1}` })),
  };
}

function moveStep(step: Step, move: Move): Step {
  if (step.kind === 'copy') return { ...step, from: moveFrom(step.from, move) };
  return step.kind === 'run' ? { ...step, mounts: step.mounts.map((mount) => moveMount(mount, move)) } : step;
}

function moveMount(mount: StepMount, move: Move): StepMount {
  if (mount.kind === 'bind') return { ...mount, from: moveFrom(mount.from, move) };
  return mount.kind === 'cache' && mount.from !== undefined ? { ...mount, from: moveFrom(mount.from, move) } : mount;
}

function moveFrom(from: CopyFrom, move: Move): CopyFrom {
  return from.kind === 'stage' ? { ...from, stage: move(from.stage) } : from;
}

/**
 * As BuildKit shows it: `linux/arm64 build`; `linux/amd64->arm64 build` for a stage that runs on one platform for another. The only stage of
 * a Dockerfile needs no number beside its platform.
 */
function nameOf({ stage, users }: Place, isSingleStage: boolean): string {
  const [user] = users;
  const isCross = users.length === 1 && user !== undefined && user.architecture !== stage.platform.architecture;
  const platform = `${formatPlatform(stage.platform)}${isCross ? `->${formatPlatform(user).replace(/^linux\//, '')}` : ''}`;
  return isSingleStage && stage.name === 'stage-0' ? platform : `${platform} ${stage.name}`;
}
