import { isDirectoryContext } from './contexts.js';
import { hostPlatform } from './oci/platform.js';
import type { ImageConfig, Platform } from './oci/types.js';
import type { BuildOptions, NamedContext } from './options.js';
import type { PlanInput } from './plan/plan.js';

export interface PlanFacts {
  readonly platform: Platform;
  /** Of the images found so far, by key. */
  readonly configs: ReadonlyMap<string, ImageConfig>;
  readonly epochs?: ReadonlyMap<string, number | undefined>;
}

/** What planning takes of the options of a build. */
export function toPlanInput(options: BuildOptions, { platform, configs, epochs }: PlanFacts): PlanInput {
  const contexts = Object.entries(options.buildContexts ?? {});
  const namesOf = (isDirectory: boolean): ReadonlySet<string> =>
    new Set(contexts.flatMap(([name, context]) => (isDirectoryContext(context) === isDirectory ? [name] : [])));
  const isScratch = (context: NamedContext): boolean => context.kind === 'image' && context.reference === 'scratch';
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    buildArgs: new Map(Object.entries(options.buildArgs ?? {})),
    labels: new Map(Object.entries(options.labels ?? {})),
    directoryContexts: namesOf(true),
    imageContexts: namesOf(false),
    scratchContexts: new Set(contexts.flatMap(([name, context]) => (isScratch(context) ? [name] : []))),
    buildPlatform: hostPlatform(),
    targetPlatform: platform,
    isPlatformGiven: options.platforms !== undefined && options.platforms.length > 0,
    bases: configs,
    ...(epochs === undefined ? {} : { epochs }),
    network: options.network ?? 'host',
    allowed: new Set(options.allow),
  };
}
