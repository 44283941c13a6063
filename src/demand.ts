import type { Plan, PlannedStage, Step } from './plan/plan.js';
import { stagesReadBy } from './plan/step-sources.js';

/** What the build must do for one stage beyond running its RUN steps: decided before anything runs, from the plan and the outputs alone. */
export interface StageDemand {
  /** The stage's steps become layers of the image. */
  readonly layers: boolean;
  /**
   * Steps before this position need a directory on disk, and so does the base when it is above 0; later ones are written as layers straight
   * from their sources. `Infinity` when the whole file system of the stage is needed (something copies from it or is based on it).
   */
  readonly diskSteps: number;
  /**
   * Position of the last step that looks into the file system that the ones before it left: `Infinity` when a stage based on this one does, -1
   * when none does.
   */
  readonly lastView: number;
}

export interface OutputDemand {
  readonly image: boolean;
  /** The flattened file system of the target is written somewhere. */
  readonly files: boolean;
}

/** Nothing is done that the output does not need: builder stages never become tars, and what no RUN or copy reads is never extracted. */
export function demandOf(plan: Plan, output: OutputDemand): ReadonlyMap<number, StageDemand> {
  const byIndex = new Map(plan.stages.map((stage) => [stage.index, stage]));
  const targets = plan.targets.map(({ stage }) => stage);
  const layerStages = output.image ? chainOf(targets, byIndex) : new Set<number>();
  const wholeStages = new Set(output.files ? targets : []);
  const viewedStages = new Set<number>();
  const demands = new Map<number, StageDemand>();
  // Stages stand after all that they need: read from the end, every user of a stage has spoken before the stage itself.
  for (const stage of plan.stages.toReversed()) {
    for (const step of stage.steps) {
      for (const read of stagesReadBy(step)) wholeStages.add(read);
    }
    const diskSteps = wholeStages.has(stage.index) ? Infinity : positionOfLastRun(stage);
    if (diskSteps > 0 && stage.base.kind === 'stage') wholeStages.add(stage.base.stage);
    const lastView = viewedStages.has(stage.index) || wholeStages.has(stage.index) ? Infinity : stage.steps.findLastIndex(looksBelow);
    if (lastView >= 0 && stage.base.kind === 'stage') viewedStages.add(stage.base.stage);
    demands.set(stage.index, { layers: layerStages.has(stage.index), diskSteps, lastView });
  }
  return demands;
}

/** The stages whose layers the targets' images are made of. */
function chainOf(targets: readonly number[], stages: ReadonlyMap<number, PlannedStage>): Set<number> {
  const chain = new Set<number>();
  for (const target of targets) {
    let stage = stages.get(target);
    while (stage !== undefined && !chain.has(stage.index)) {
      chain.add(stage.index);
      stage = stage.base.kind === 'stage' ? stages.get(stage.base.stage) : undefined;
    }
  }
  return chain;
}

/** The files of `--link` are the same whatever is below. */
function looksBelow(step: Step): boolean {
  return step.kind !== 'config' && !(step.kind === 'copy' && step.link);
}

/** 1-based among the steps; 0 when there is none. */
function positionOfLastRun(stage: PlannedStage): number {
  return stage.steps.findLastIndex((step) => step.kind === 'run') + 1;
}
