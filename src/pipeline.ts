import { bringBases, ensureBases, type BaseNeedsRequest } from './base-needs.js';
import { BuildError } from './base/errors.js';
import { parseChecked, planChecked } from './build-checks.js';
import { openBuildTools, type BuildTools } from './build-tools.js';
import { Contexts, type MainContext } from './contexts.js';
import { demandOf } from './demand.js';
import type { FetchInputs } from './fetch-inputs.js';
import { finishImages } from './finish.js';
import { COMPRESSION_LEVELS } from './image/image.js';
import type { ImageOrIndex } from './image/index.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { ImageConfig } from './oci/types.js';
import type { BuildOptions, BuildResult } from './options.js';
import { checkOutputs } from './output/check.js';
import type { OutputSpec } from './output/output.js';
import { outputDemand, writeOutputs } from './outputs.js';
import type { Dockerfile } from './parse/instruction.js';
import type { EpochSource, Plan } from './plan/plan.js';
import { checkSyntax } from './plan/syntax.js';
import { planPlatforms, wantsIndex } from './planning.js';
import { Progress } from './progress.js';
import { pushDestinations, type PushDestination } from './push-destinations.js';
import { checkRunSteps } from './run-ability.js';
import { checkSecrets, openSecrets, type Secrets } from './secrets.js';
import { runStages, type TargetResult } from './stages.js';
import { defaultRoot } from './store/root.js';
import { checkAgents } from './ssh.js';
import { Store } from './store/store.js';
import type { TempDir } from './store/temp.js';
import { buildTimes } from './times.js';

const DEFAULT_RUNTIME = 'runc';
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/**
 * Builds one image, or one for each platform: text → instructions → plan → steps → layers → image → outputs.
 *
 * @throws BuildError for everything that is not a fault of tsbuild's own; nothing half-written is left behind
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  const stop = new AbortController();
  const progress = new Progress(options.onEvent, (error) => stop.abort(error));
  using _link = linkSignals(options.signal, stop);
  const secrets = openSecrets(options.secrets ?? []);
  let opened: Promise<Store> | undefined;
  const openStore = (): Promise<Store> => (opened ??= Store.open(options.root ?? defaultRoot()));
  const tempDir = async (): Promise<TempDir> => (await openStore()).tempDir();
  await using contexts = new Contexts({ options, secrets, tempDir, signal: stop.signal, progress });
  const main = await contexts.main();
  checkSyntax(main.bytes, { name: main.name, buildArgs: options.buildArgs ?? {} });
  const dockerfile = await parseChecked(main, options, progress);
  const wanted = toWanted(options);

  const { destinations } = wanted;
  await using tools = await openBuildTools({ options, store: await openStore(), destinations, secrets, progress, stop });
  const work: Work = { options, wanted, tools, contexts, main, secrets, progress, stop };
  const { plan, configs } = await makePlan(dockerfile, work);
  const { bases, tempDir: temp } = tools;
  const runtime = await checkRunSteps({ plan, runtime: options.runtime ?? DEFAULT_RUNTIME, bases, configs, tempDir: temp, progress });
  const { made, needs } = await runPlan(plan, work);
  await runtime.checked;
  if (main.isLocal) await warnOfIgnored(plan, main.dir, progress);
  await ensureBases(needs);
  // Awaited here: what the build works with goes when the function returns.
  return await deliver(made, plan, work);
}

/** What is to come out of a build, and under which names. */
interface Wanted {
  /** Full names. */
  readonly references: readonly string[];
  readonly outputs: readonly OutputSpec[];
  /** An index of several platforms. */
  readonly isIndex: boolean;
  readonly destinations: readonly PushDestination[];
}

/** One build on its way through the line. */
interface Work {
  readonly options: BuildOptions;
  readonly wanted: Wanted;
  readonly tools: BuildTools;
  readonly contexts: Contexts;
  readonly main: MainContext;
  readonly secrets: Secrets;
  readonly progress: Progress;
  readonly stop: AbortController;
}

/** @throws BuildError `usage` for names and outputs that cannot be */
function toWanted(options: BuildOptions): Wanted {
  const references = (options.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const outputs = options.outputs ?? [{ type: 'image' as const, names: [] }];
  const isIndex = wantsIndex(options);
  checkOutputs(outputs, { isIndex });
  return { references, outputs, isIndex, destinations: pushDestinations(outputs, references) };
}

interface Planned {
  readonly plan: Plan;
  /** Of the base images, by key. */
  readonly configs: ReadonlyMap<string, ImageConfig>;
}

async function makePlan(dockerfile: Dockerfile, { options, tools, contexts, main, secrets, progress }: Work): Promise<Planned> {
  const { bases, inputs } = tools;
  const configs = new Map<string, ImageConfig>();
  const plan = await planChecked(
    () => planPlatforms(dockerfile, { bases, options, configs, readEpoch: (source) => readEpoch(source, contexts, inputs) }),
    { dockerfile, options, configs, ignore: main.ignore, progress },
  );
  for (const { message, range } of plan.warnings) progress.warn(message, range);
  checkSecrets(plan, secrets);
  await checkAgents(plan, tools.agents);
  return { plan, configs };
}

interface Made {
  readonly made: readonly TargetResult[];
  readonly needs: BaseNeedsRequest;
}

/** Runs the steps; layers of base images, layers that are pushed and remote sources of ADD are on their way meanwhile. */
async function runPlan(plan: Plan, { options, wanted, tools, contexts, secrets, progress, stop }: Work): Promise<Made> {
  const { bases, push, inputs } = tools;
  const { epochSeconds, clampSeconds } = buildTimes(options, plan.sourceDateEpoch);
  const layerOptions = { ...compressionOf(options), ...(clampSeconds === undefined ? {} : { clampSeconds }) };
  inputs.begin(plan);
  const demands = demandOf(plan, outputDemand(wanted.outputs));
  const needs = { plan, demands, bases, outputs: wanted.outputs, destinations: wanted.destinations };
  // Before they are offered to registries, so that they move once.
  bringBases(needs).catch((error: unknown) => stop.abort(error));
  push?.offerBases(plan, bases);
  progress.emit({ type: 'build-started', stages: plan.stages.map((stage) => stage.name), steps: countSteps(plan) });
  const made = await runStages({
    ...tools,
    plan,
    demands,
    progress,
    contextOf: (name) => contexts.sourceOf(name),
    secrets,
    layerOptions,
    onLayer: (layer) => push?.offerLayer(layer),
    epochSeconds,
    maxArchiveBytes: options.maxArchiveBytes,
    run: {
      runtime: options.runtime ?? DEFAULT_RUNTIME,
      addHosts: options.addHosts ?? [],
      shmSizeBytes: options.shmSizeBytes ?? DEFAULT_SHM_BYTES,
      ulimits: options.ulimits ?? [],
    },
    stop,
  });
  return { made, needs };
}

/** The image of what was made, and everything that is written of it. */
async function deliver(made: readonly TargetResult[], plan: Plan, { options, wanted, tools, progress, stop }: Work): Promise<BuildResult> {
  const { outputs, isIndex } = wanted;
  const { store, push } = tools;
  const { epochSeconds, imageSeconds } = buildTimes(options, plan.sourceDateEpoch);
  const annotations = options.annotations ?? {};
  const wantsImage = outputDemand(outputs).image;
  const image = wantsImage ? await finishImages(made, { store, plan, annotations, epochSeconds: imageSeconds, isIndex }) : undefined;
  const trees = made.map(({ target, view }) => ({ platform: target.platform, view }));
  const pushed = await writeOutputs({ ...wanted, store, image, trees, epochSeconds, progress, signal: stop.signal, push });
  progress.emit({ type: 'build-finished', manifestDigest: image?.descriptor.digest });
  return {
    ...toResult(image),
    pushed,
    timings: { totalMs: progress.elapsedMs(), steps: progress.steps },
    warnings: progress.warnings,
    checks: progress.checks,
  };
}

function toResult(made: ImageOrIndex | undefined): Pick<BuildResult, 'image' | 'images' | 'index'> {
  const images = made?.images ?? [];
  return { image: images.length === 1 ? images[0] : undefined, images, index: made?.index === undefined ? undefined : made.descriptor };
}

/** A directory on this machine has no time of its own: the epoch then is unset. */
async function readEpoch(source: EpochSource, contexts: Contexts, inputs: FetchInputs): Promise<number | undefined> {
  if (source.kind === 'remote') return (await inputs.fetch(source.remote)).seconds;
  return contexts.epochOf(source.kind === 'named-context' ? source.name : undefined);
}

/** Of the classic mistake: a COPY of the whole context that takes along what the user does not even keep in git. */
async function warnOfIgnored(plan: Plan, contextDir: string, progress: Progress): Promise<void> {
  const step = plan.stages
    .flatMap((stage) => stage.steps)
    .find(
      (candidate) =>
        candidate.kind === 'copy' && candidate.from.kind === 'context' && candidate.sources.some((source) => /^[./]+$/.test(source)),
    );
  if (step === undefined) return;
  const { gitIgnoredEntries } = await import('./context/hints.js');
  const ignored = await gitIgnoredEntries(contextDir);
  if (ignored.length === 0) return;
  const names = ignored.length > 5 ? `${ignored.slice(0, 5).join(', ')} and ${ignored.length - 5} more` : ignored.join(', ');
  progress.warn(`the context has no .dockerignore, so this step copies what git ignores: ${names}`, step.range);
}

/** One compression for all outputs: a layer is compressed once. */
function compressionOf(options: BuildOptions): { compression: 'gzip' | 'zstd' | 'none'; level?: number } {
  const general = options.compression ?? 'gzip';
  const wanted = (options.outputs ?? []).flatMap((output) => {
    if (output.type === 'local' || output.type === 'tar') return [];
    const compression = output.compression ?? general;
    const level = output.compressionLevel ?? (compression === general ? options.compressionLevel : undefined);
    return [{ compression, ...(level === undefined ? {} : { level }) }];
  });
  const { compression, level } = wanted[0] ?? { compression: general, level: options.compressionLevel };
  if (wanted.some((output) => output.compression !== compression || output.level !== level)) {
    throw new BuildError('unsupported', 'not supported yet: outputs of one build with different compressions');
  }
  const [lowest, highest] = COMPRESSION_LEVELS[compression];
  if (level !== undefined && (!Number.isInteger(level) || level < lowest || level > highest)) {
    throw new BuildError('usage', `invalid compression level ${level}: want ${lowest} to ${highest} for ${compression}`);
  }
  return { compression, ...(level === undefined ? {} : { level }) };
}

function countSteps(plan: Plan): number {
  return plan.stages.reduce((count, stage) => count + 1 + stage.steps.filter((step) => step.kind !== 'config').length, 0);
}

/** The caller's signal stops the build. */
function linkSignals(from: AbortSignal | undefined, to: AbortController): Disposable {
  const cancel = (): void => to.abort(new BuildError('cancelled', 'the build was cancelled', { cause: from?.reason }));
  from?.addEventListener('abort', cancel);
  if (from?.aborted === true) cancel();
  return { [Symbol.dispose]: () => from?.removeEventListener('abort', cancel) };
}
