import { tmpdir } from 'node:os';
import { BuildError } from './base/errors.js';
import { parseIgnore } from './context/dockerignore.js';
import { Contexts, type MainContext } from './contexts.js';
import { pushedDomains, restrictCredentials } from './credential-hosts.js';
import { readImage } from './image/read.js';
import { warningsAbove } from './lint/above.js';
import { lintDockerfile } from './lint/lint.js';
import { outlineDockerfile as outlineFile, type Outline } from './lint/outline.js';
import { listTargets as targetsOf, type Target } from './lint/targets.js';
import type { LintWarning } from './lint/warning.js';
import { hostPlatform } from './oci/platform.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { ImageConfig, Platform } from './oci/types.js';
import type { BuildOptions, NamedContext } from './options.js';
import type { Dockerfile, Instruction } from './parse/instruction.js';
import { parseDockerfile } from './parse/parser.js';
import { toPlanInput } from './plan-input.js';
import type { BaseRequest, PlanInput } from './plan/plan.js';
import { planBuild } from './plan/planner.js';
import { splitStages } from './plan/stages.js';
import { checkSyntax } from './plan/syntax.js';
import { RemoteConfigs } from './pull/remote-configs.js';
import { openSecrets } from './secrets.js';
import { findInLayout } from './store/import.js';
import { isLayout } from './store/layout.js';
import { defaultRoot } from './store/root.js';
import { Store } from './store/store.js';
import { makeTempDir, type TempDir } from './store/temp.js';

/** A Dockerfile as it was read. */
export interface DockerfileText {
  /** As messages name it. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface CheckResult {
  /** In BuildKit's order: of the text, of the FROMs, then stage by stage. */
  readonly warnings: readonly LintWarning[];
  /** What a build would fail with before its first step, `error=true` included. */
  readonly error?: BuildError;
  readonly source: DockerfileText;
}

/**
 * Checks the Dockerfile of a build: by BuildKit's rules, and for errors. Every stage is checked, or what the target needs when there is one.
 * Nothing is built, and nothing downloaded but a context that is not on this machine, and the configs of images of registries. Images that are
 * not to be had are taken as they are: what depends on them is not checked.
 * @throws BuildError when there is no Dockerfile to be read
 */
export async function checkDockerfile(options: BuildOptions): Promise<CheckResult> {
  return withContext(options, async (main) => {
    const source = { name: main.name, bytes: main.bytes };
    let dockerfile: Dockerfile;
    try {
      dockerfile = read(main, options);
    } catch (error) {
      return { warnings: warningsAbove(error, planInput(options, new Map())), error: expected(error), source };
    }
    try {
      const { bases, error } = await planAll(dockerfile, options);
      const ignore = main.ignore === undefined ? {} : { ignore: parseIgnore(main.ignore.text, main.ignore.fileName) };
      const stages = options.target === undefined ? 'all' : 'target';
      const { warnings, failure } = lintDockerfile(dockerfile, { plan: planInput(options, bases), stages, ...ignore });
      const wrong = error ?? failure;
      return { warnings, source, ...(wrong === undefined ? {} : { error: wrong }) };
    } catch (error) {
      return { warnings: [], error: expected(error), source };
    }
  });
}

/**
 * What the target can be given: arguments, secrets, agents.
 * @throws BuildError when the Dockerfile is wrong or cannot be read
 */
export async function outlineDockerfile(options: BuildOptions): Promise<Outline & { readonly source: DockerfileText }> {
  return withContext(options, async (main) => {
    const dockerfile = read(main, options);
    const { bases } = await planAll(dockerfile, options);
    return { ...outlineFile(dockerfile, planInput(options, bases)), source: { name: main.name, bytes: main.bytes } };
  });
}

/**
 * What can be built: the stages.
 * @throws BuildError when the Dockerfile cannot be parsed or read
 */
export async function listTargets(
  options: BuildOptions,
): Promise<{ readonly targets: readonly Target[]; readonly source: DockerfileText }> {
  return withContext(options, (main) => ({
    targets: targetsOf(read(main, options)),
    source: { name: main.name, bytes: main.bytes },
  }));
}

/** Brings a context that is elsewhere to where temporary files are: no store is made for a look at a file. */
async function withContext<Result>(options: BuildOptions, use: (main: MainContext) => Promise<Result> | Result): Promise<Result> {
  const signal = options.signal ?? new AbortController().signal;
  const tempDir = (): Promise<TempDir> => Promise.resolve(makeTempDir(tmpdir()));
  await using contexts = new Contexts({ options, secrets: openSecrets(options.secrets ?? []), tempDir, signal });
  return await use(await contexts.main());
}

function read({ name, bytes }: MainContext, options: BuildOptions): Dockerfile {
  checkSyntax(bytes, { name, buildArgs: options.buildArgs ?? {} });
  return parseDockerfile(bytes, { name });
}

/** @throws what is a fault of our own */
function expected(error: unknown): BuildError {
  if (error instanceof BuildError && error.kind !== 'internal') return error;
  throw error;
}

/** Several platforms have one check, of the first. */
function planInput(options: BuildOptions, configs: ReadonlyMap<string, ImageConfig>): PlanInput {
  return toPlanInput(options, { configs, platform: options.platforms?.[0] ?? hostPlatform() });
}

interface PlannedAll {
  /** Of the images that are at hand. */
  readonly bases: ReadonlyMap<string, ImageConfig>;
  readonly error?: BuildError;
}

/** Plans what is to be checked. Images that are not at hand are empty for that. */
async function planAll(dockerfile: Dockerfile, options: BuildOptions): Promise<PlannedAll> {
  const known = new Map<string, ImageConfig>();
  const all = new Map<string, ImageConfig>();
  const reach = restrictCredentials(options.registry ?? {}, pushedDomains(options));
  await using remote = new RemoteConfigs(reach, options.signal ?? new AbortController().signal);
  try {
    await plan(options.target === undefined ? withNeedOfAll(dockerfile) : dockerfile, { options, remote, known, all });
    return { bases: known };
  } catch (error) {
    const wrong = expected(error);
    return known.size < all.size && couldDepend(wrong) ? { bases: known } : { bases: known, error: wrong };
  }
}

/** With a last stage that needs every other, so that all are planned at once. */
function withNeedOfAll(dockerfile: Dockerfile): Dockerfile {
  const { sources } = splitStages(dockerfile.instructions);
  const { range } = sources.at(-1)?.from ?? {};
  if (range === undefined) return dockerfile;
  const common = { text: '', range, comments: [], emptyLines: [] };
  const from: Instruction = { ...common, kind: 'from', keyword: 'FROM', image: 'scratch' };
  const copies = sources.map(({ index }): Instruction => {
    const flags = { from: String(index), link: false, parents: false, exclude: [] };
    return { ...common, kind: 'copy', keyword: 'COPY', op: 'COPY', sources: ['/'], heredocs: [], dest: '/', ...flags };
  });
  return { ...dockerfile, instructions: [...dockerfile.instructions, from, ...copies] };
}

interface PlanRequest {
  readonly options: BuildOptions;
  readonly remote: RemoteConfigs;
  readonly known: Map<string, ImageConfig>;
  /** With the empty ones. */
  readonly all: Map<string, ImageConfig>;
}

/** @throws BuildError what planning a build would throw */
async function plan(dockerfile: Dockerfile, request: PlanRequest): Promise<void> {
  const epochs = new Map<string, number | undefined>();
  for (;;) {
    const outcome = planBuild(dockerfile, { ...planInput(request.options, request.all), epochs });
    if (outcome.kind === 'plan') return;
    if (outcome.kind === 'needs-epoch') epochs.set(outcome.request.value, undefined);
    else await Promise.all(outcome.bases.map((base) => find(base, request)));
  }
}

async function find(request: BaseRequest, { options, remote, known, all }: PlanRequest): Promise<void> {
  const config = await findConfig(request, options, remote);
  if (config !== undefined) known.set(request.key, config);
  all.set(request.key, config ?? { ...request.platform, config: {}, rootfs: { type: 'layers', diff_ids: [] } });
}

/** Whether the variables of an image that is not at hand could put it right. */
function couldDepend({ range }: BuildError): boolean {
  return range !== undefined && range.file.lines.slice(range.startLine - 1, range.endLine).some((line) => line.includes('$'));
}

/** The config of an image, if it is to be had. One that is damaged counts as missing: a build says more. */
async function findConfig({ name, platform }: BaseRequest, options: BuildOptions, remote: RemoteConfigs): Promise<ImageConfig | undefined> {
  const { pull = 'missing' } = options;
  try {
    const context = contextOf(name, options.buildContexts ?? {});
    if (context?.kind === 'oci-layout') return (await readImage({ root: context.path }, await findInLayout(context), platform)).config;
    const given = context?.kind === 'image' ? context.reference : name;
    const fetch = (): Promise<ImageConfig | undefined> => remote.find(parseReference(given), platform);
    const isAskedFirst = pull === 'always' || pull === 'newer';
    const first = isAskedFirst ? await fetch() : undefined;
    const found = first ?? (await findStored(fullName(given), platform, options));
    return found ?? (isAskedFirst || pull === 'never' ? undefined : await fetch());
  } catch (error) {
    if (error instanceof BuildError && error.kind !== 'cancelled') return undefined;
    throw error;
  }
}

async function findStored(name: string, platform: Platform, options: BuildOptions): Promise<ImageConfig | undefined> {
  const root = options.root ?? defaultRoot();
  if (!isLayout(root)) return undefined;
  const store = await Store.open(root);
  const descriptor = await store.find(name);
  if (descriptor === undefined) return undefined;
  try {
    return (await readImage(store, descriptor, platform)).config;
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

function contextOf(name: string, contexts: Readonly<Record<string, NamedContext>>): NamedContext | undefined {
  return Object.entries(contexts).find(([given]) => given === name || fullName(given) === fullName(name))?.[1];
}

function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
