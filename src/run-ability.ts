import type { Bases } from './bases.js';
import { hostPlatform } from './oci/platform.js';
import type { ImageConfig } from './oci/types.js';
import type { Plan } from './plan/plan.js';
import type { Progress } from './progress.js';

export interface RunAbilityRequest {
  readonly plan: Plan;
  /** Name or path of the OCI runtime. */
  readonly runtime: string;
  readonly bases: Bases;
  /** Of the base images, by key. */
  readonly configs: ReadonlyMap<string, ImageConfig>;
  readonly tempDir: string;
  readonly progress: Progress;
}

/**
 * Refuses RUN steps that this machine cannot run before anything has run: no runtime, no privilege, another architecture. The runtime's own word on its version
 * takes a process, so it is awaited at the end.
 * @throws BuildError `environment` or `privilege`
 * @returns what settles when a warning about a vulnerable runtime has been given
 */
export async function checkRunSteps(request: RunAbilityRequest): Promise<{ readonly checked: Promise<void> }> {
  if (!request.plan.stages.some((stage) => stage.steps.some((step) => step.kind === 'run'))) return { checked: Promise.resolve() };
  const prepared = await prepareRuntime(request.runtime, request.progress);
  await checkForeignSteps(request);
  return prepared;
}

async function prepareRuntime(name: string, progress: Progress): Promise<{ readonly checked: Promise<void> }> {
  const { checkRunAbility } = await import('./os/privilege.js');
  const { runtimeVersion, vulnerabilityWarning } = await import('./os/runtime.js');
  const version = runtimeVersion(checkRunAbility(name));
  const warn = (text: string | undefined): void => {
    const warning = text === undefined ? undefined : vulnerabilityWarning(text);
    if (warning !== undefined) progress.warn(warning);
  };
  // A runtime that cannot even tell its version fails in the first step, with more to say.
  return { checked: version.then(warn, () => undefined) };
}

/** A step whose programs this machine cannot run, and nothing else that differs from its platform. */
async function checkForeignSteps({ plan, bases, configs, tempDir }: RunAbilityRequest): Promise<void> {
  const { architecture } = hostPlatform();
  const platforms = [...plan.stages.map(({ platform }) => platform), ...configs.values()];
  if (platforms.every((platform) => platform.os === 'linux' && platform.architecture === architecture)) return;
  await (await import('./foreign-steps.js')).checkForeignSteps({ plan, bases, tempDir });
}
