import type { Bases } from './bases.js';
import { parseBool } from './base/csv.js';
import { atRange } from './base/errors.js';
import { hostPlatform } from './oci/platform.js';
import type { ImageConfig, Platform } from './oci/types.js';
import type { BuildOptions } from './options.js';
import type { Dockerfile } from './parse/instruction.js';
import type { BaseRequest, EpochRequest, EpochSource, Plan } from './plan/plan.js';
import { planBuild } from './plan/planner.js';
import { toPlanInput } from './plan-input.js';

export interface PlanningRequest {
  readonly bases: Bases;
  readonly options: BuildOptions;
  /** Gets the configs of the images that are asked for, by key. */
  readonly configs: Map<string, ImageConfig>;
  /** Seconds since 1970 of something that SOURCE_DATE_EPOCH names; `undefined` when it has no time. */
  readonly readEpoch: (source: EpochSource) => Promise<number | undefined>;
}

/** What has been asked for so far, for all platforms: by key, and by value. */
interface Answers {
  readonly configs: Map<string, ImageConfig>;
  readonly epochs: Map<string, number | undefined>;
}

/** As buildx has it: of several platforms always, of one when BUILDKIT_MULTI_PLATFORM says so. */
export function wantsIndex({ platforms = [], buildArgs }: BuildOptions): boolean {
  return platforms.length > 1 || parseBool(buildArgs?.['BUILDKIT_MULTI_PLATFORM'] ?? '') === true;
}

/** One plan for all platforms of the build. */
export async function planPlatforms(dockerfile: Dockerfile, request: PlanningRequest): Promise<Plan> {
  const { options } = request;
  const answers: Answers = { configs: request.configs, epochs: new Map() };
  const [platform = hostPlatform(), ...others] = options.platforms ?? [];
  const plan = await planPlatform(dockerfile, request, { platform, answers });
  if (!wantsIndex(options)) return plan;
  const plans = [plan];
  for (const other of others) plans.push(await planPlatform(dockerfile, request, { platform: other, answers }));
  return (await import('./plan/merge.js')).mergePlans(plans);
}

/** ONBUILD triggers of a base can ask for further images, so that planning and finding take turns until nothing is missing. */
async function planPlatform(
  dockerfile: Dockerfile,
  { bases, options, readEpoch }: PlanningRequest,
  { platform, answers }: { readonly platform: Platform; readonly answers: Answers },
): Promise<Plan> {
  for (;;) {
    const outcome = planBuild(dockerfile, toPlanInput(options, { platform, ...answers }));
    if (outcome.kind === 'plan') return outcome.plan;
    if (outcome.kind === 'needs-epoch') await answerEpoch(outcome.request, readEpoch, answers);
    else await answerBases(outcome.bases, bases, answers);
  }
}

/** All at once: each may be a question to a registry. */
async function answerBases(requests: readonly BaseRequest[], bases: Bases, { configs }: Answers): Promise<void> {
  const found = await Promise.all(requests.map(async (request) => [request.key, await bases.find(request)] as const));
  for (const [key, config] of found) configs.set(key, config);
}

async function answerEpoch(
  { value, source, range }: EpochRequest,
  readEpoch: PlanningRequest['readEpoch'],
  { epochs }: Answers,
): Promise<void> {
  try {
    epochs.set(value, await readEpoch(source));
  } catch (error) {
    throw range === undefined ? error : atRange(error, range);
  }
}
