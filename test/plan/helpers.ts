import type { BuildError } from '../../src/base/errors.js';
import type { Platform, ContainerConfig, ImageConfig } from '../../src/oci/types.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import type { Plan, PlannedStage, PlanInput, Step } from '../../src/plan/plan.js';
import { planBuild, type PlanResult } from '../../src/plan/planner.js';

export const HOST: Platform = { os: 'linux', architecture: 'amd64' };

export interface PlanOptions {
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly images?: Readonly<Record<string, ContainerConfig>>;
  /** Whole configs, where `images` does not suffice. */
  readonly bases?: Readonly<Record<string, ImageConfig>>;
  readonly directories?: readonly string[];
  readonly imageContexts?: readonly string[];
  readonly network?: PlanInput['network'];
  readonly host?: Platform;
}

export function image(config: ContainerConfig, more: Partial<ImageConfig> = {}): ImageConfig {
  return { ...HOST, config, rootfs: { type: 'layers', diff_ids: [] }, ...more };
}

export function toInput(options: PlanOptions): PlanInput {
  const images = Object.entries(options.images ?? {}).map(([key, config]) => [key, image(config)] as const);
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    buildArgs: new Map(Object.entries(options.buildArgs ?? {})),
    labels: new Map(Object.entries(options.labels ?? {})),
    directoryContexts: new Set(options.directories),
    imageContexts: new Set(options.imageContexts),
    hostPlatform: options.host ?? HOST,
    bases: new Map([...images, ...Object.entries(options.bases ?? {})]),
    network: options.network ?? 'host',
  };
}

export function tryPlan(text: string, options: PlanOptions = {}): PlanResult {
  return planBuild(parseDockerfile(text), toInput(options));
}

/** Plans a file whose images are all given. */
export function plan(text: string, options: PlanOptions = {}): Plan {
  const result = tryPlan(text, options);
  if (result.kind !== 'plan') throw new Error(`images are missing: ${result.bases.map(({ key }) => key).join(', ')}`);
  return result.plan;
}

/** The stage that the plan is about. */
export function planTarget(text: string, options: PlanOptions = {}): PlannedStage {
  const made = plan(text, options);
  const target = made.stages.find(({ index }) => index === made.target);
  if (target === undefined) throw new Error('the plan lacks its target');
  return target;
}

export function lastStep(stage: PlannedStage): Step {
  const step = stage.steps.at(-1);
  if (step === undefined) throw new Error('the stage has no steps');
  return step;
}

/** The last step of a stage `FROM scratch` with these lines. */
export function stepOf(lines: string, options: PlanOptions = {}): Step {
  return lastStep(planTarget(`FROM scratch\n${lines}`, options));
}

export function configOf(lines: string, options: PlanOptions = {}): ContainerConfig {
  return planTarget(`FROM scratch\n${lines}`, options).config;
}

/** `created_by` of every step. */
export function historyOf(stage: PlannedStage): (string | undefined)[] {
  return stage.steps.map(({ history }) => history.created_by);
}

/** The variables of the last RUN, PATH left out. */
export function envOf(text: string, options: PlanOptions = {}): string[] {
  const run = planTarget(text, options).steps.findLast((step) => step.kind === 'run');
  if (run === undefined) throw new Error('there is no RUN');
  return run.env.filter((entry) => !entry.startsWith('PATH='));
}

/** The error that planning ends with. */
export function planError(text: string, options: PlanOptions = {}): BuildError {
  try {
    tryPlan(text, options);
  } catch (error) {
    return error as BuildError;
  }
  throw new Error('planning did not fail');
}
