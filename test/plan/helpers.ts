import type { BuildError } from '../../src/base/errors.js';
import type { Platform, ContainerConfig, ImageConfig } from '../../src/oci/types.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import type { ImageOrigin, Plan, PlannedStage, PlanInput, Step } from '../../src/plan/plan.js';
import { planBuild, type PlanResult } from '../../src/plan/planner.js';
import { baseKey } from '../../src/plan/stages.js';

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
  /** `--allow` */
  readonly allowed?: readonly string[];
  readonly host?: Platform;
  readonly epochs?: ReadonlyMap<string, number | undefined>;
  /** `--platform` */
  readonly platform?: Platform;
}

export function image(config: ContainerConfig, more: Partial<ImageConfig> = {}): ImageConfig {
  return { ...HOST, config, rootfs: { type: 'layers', diff_ids: [] }, ...more };
}

/** What a stage or a copy is from. */
export function fromImage(name: string, platform = HOST): ImageOrigin {
  return { kind: 'image', key: baseKey(name, platform), name, platform };
}

/** A name without a platform is there for all of them. */
function keysOf(name: string, platforms: readonly Platform[]): string[] {
  return name.includes(' ') ? [name] : platforms.map((platform) => baseKey(name, platform));
}

export function toInput(options: PlanOptions): PlanInput {
  const images = Object.entries(options.images ?? {}).map(([name, config]) => [name, image(config)] as const);
  const build = options.host ?? HOST;
  const target = options.platform ?? build;
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    buildArgs: new Map(Object.entries(options.buildArgs ?? {})),
    labels: new Map(Object.entries(options.labels ?? {})),
    directoryContexts: new Set(options.directories),
    imageContexts: new Set(options.imageContexts),
    ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
    buildPlatform: build,
    targetPlatform: target,
    isPlatformGiven: options.platform !== undefined,
    bases: new Map(
      [...images, ...Object.entries(options.bases ?? {})].flatMap(([name, config]) =>
        keysOf(name, [build, target]).map((key) => [key, config]),
      ),
    ),
    network: options.network ?? 'host',
    allowed: new Set(options.allowed),
  };
}

export function tryPlan(text: string, options: PlanOptions = {}): PlanResult {
  return planBuild(parseDockerfile(text), toInput(options));
}

/** Plans a file whose images are all given. */
export function plan(text: string, options: PlanOptions = {}): Plan {
  const result = tryPlan(text, options);
  if (result.kind === 'needs-epoch') throw new Error(`a time is missing: ${result.request.value}`);
  if (result.kind !== 'plan') throw new Error(`images are missing: ${result.bases.map(({ name }) => name).join(', ')}`);
  return result.plan;
}

/** The stage that the plan is about. */
export function planTarget(text: string, options: PlanOptions = {}): PlannedStage {
  const made = plan(text, options);
  const target = made.stages.find(({ index }) => index === made.targets[0].stage);
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
