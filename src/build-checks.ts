import { BuildError } from './base/errors.js';
import type { IgnoreText } from './context/context.js';
import { parseIgnore } from './context/dockerignore.js';
import { hostPlatform } from './oci/platform.js';
import type { ImageConfig } from './oci/types.js';
import type { BuildOptions } from './options.js';
import type { Dockerfile } from './parse/instruction.js';
import { parseDockerfile } from './parse/parser.js';
import type { Plan } from './plan/plan.js';
import { toPlanInput } from './plan-input.js';
import type { Progress } from './progress.js';

/**
 * Parses the Dockerfile of a build. Of one that cannot be read, what is above the line in question is checked all the same.
 * @throws BuildError `dockerfile`
 */
export async function parseChecked(
  { name, bytes }: { name: string; bytes: Buffer },
  options: BuildOptions,
  progress: Progress,
): Promise<Dockerfile> {
  try {
    return parseDockerfile(bytes, { name });
  } catch (error) {
    const buildArgs = new Map(Object.entries(options.buildArgs ?? {}));
    const { warningsAbove } = await import('./lint/above.js');
    for (const warning of warningsAbove(error, { buildArgs })) progress.check(warning);
    throw error;
  }
}

export interface BuildChecks {
  readonly dockerfile: Dockerfile;
  readonly options: BuildOptions;
  /** Configs of the images that planning found, by key. */
  readonly configs: ReadonlyMap<string, ImageConfig>;
  /** The ignore file of the context. */
  readonly ignore: IgnoreText | undefined;
  readonly progress: Progress;
}

/**
 * Plans, and tells what the linter says of what is to be built; it has its say even when planning fails.
 * @throws BuildError as planning does; `dockerfile` when the file or the build asks for `error=true` and there is a warning, or when a
 * `# check=` is malformed
 */
export async function planChecked(plan: () => Promise<Plan>, checks: BuildChecks): Promise<Plan> {
  let failure: unknown;
  const planned = await plan().catch((error: unknown) => {
    failure = error;
    return undefined;
  });
  if (failure instanceof BuildError && failure.kind === 'cancelled') throw failure;
  try {
    if (isAsked(checks)) await tellChecks(checks);
  } catch (error) {
    failure ??= error;
  }
  if (planned === undefined || failure !== undefined) throw failure;
  return planned;
}

/** Nobody may want to hear of it; where warnings are errors, they count all the same. */
function isAsked({ dockerfile, options }: BuildChecks): boolean {
  return (
    options.checks !== false || dockerfile.directives.check !== undefined || options.buildArgs?.['BUILDKIT_DOCKERFILE_CHECK'] !== undefined
  );
}

/** Of several platforms, what is the same is told once. */
async function tellChecks({ dockerfile, options, configs, ignore: file, progress }: BuildChecks): Promise<void> {
  const { lintDockerfile } = await import('./lint/lint.js');
  const ignore = file === undefined ? {} : { ignore: parseIgnore(file.text, file.fileName) };
  for (const platform of options.platforms ?? [hostPlatform()]) {
    const plan = toPlanInput(options, { configs, platform });
    const { warnings, failure } = lintDockerfile(dockerfile, { plan, stages: 'target', ...ignore });
    for (const warning of warnings) progress.check(warning);
    if (failure !== undefined) throw failure;
  }
}
