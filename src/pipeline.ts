import { bringBases, ensureBases } from './base-needs.js';
import { Bases } from './bases.js';
import { BuildError } from './base/errors.js';
import { parseChecked, planChecked } from './build-checks.js';
import { Contexts, DEFAULT_MAX_BYTES } from './contexts.js';
import { demandOf } from './demand.js';
import { FetchInputs } from './fetch-inputs.js';
import { finishImages } from './finish.js';
import { LazyRegistries } from './lazy-registries.js';
import { hostPlatform } from './oci/platform.js';
import { COMPRESSION_LEVELS } from './image/image.js';
import type { ImageOrIndex } from './image/index.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { ImageConfig } from './oci/types.js';
import type { BuildOptions, BuildResult } from './options.js';
import { checkOutputs } from './output/check.js';
import { outputDemand, writeOutputs } from './outputs.js';
import type { EpochSource, Plan } from './plan/plan.js';
import { checkSyntax } from './plan/syntax.js';
import { planPlatforms, wantsIndex } from './planning.js';
import { JobPool } from './pool.js';
import { Progress } from './progress.js';
import { pushDestinations, withInsecureHosts } from './push-destinations.js';
import { checkSecrets, openSecrets } from './secrets.js';
import { RemoteBlobs } from './remote-blobs.js';
import { runStages } from './stages.js';
import { defaultRoot } from './store/root.js';
import { checkAgents, openSshAgents } from './ssh.js';
import { Store } from './store/store.js';
import type { TempDir } from './store/temp.js';
import { buildTimes } from './times.js';
import { Transfers } from './transfers.js';

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
  const references = (options.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const outputs = options.outputs ?? [{ type: 'image' as const, names: [] }];
  const isIndex = wantsIndex(options);
  checkOutputs(outputs, { isIndex });
  const destinations = pushDestinations(outputs, references);

  const store = await openStore();
  using _lease = store.lease();
  await using temp = await store.tempDir();
  await using agents = openSshAgents(options.ssh ?? [], temp.path);
  using pool = new JobPool();
  closeOnStop(pool, stop.signal);
  await using inputs = new FetchInputs({
    tempDir: temp.path,
    secrets,
    agents,
    maxBytes: options.maxArchiveBytes ?? DEFAULT_MAX_BYTES,
    warn: (message, step) => progress.warn(message, step.range),
    stop,
  });

  const transfers = new Transfers((event) => progress.emit(event));
  const registryOptions = withInsecureHosts(options.registry ?? {}, destinations);
  await using registries = new LazyRegistries({
    options: registryOptions,
    warn: (message) => progress.warn(message),
    ...(options.onDebug === undefined ? {} : { debug: options.onDebug }),
    signal: stop.signal,
  });
  const { jobs } = registryOptions;
  await using remote = new RemoteBlobs({ store, transfers, signal: stop.signal, ...(jobs === undefined ? {} : { jobs }) });
  await using bases = new Bases({
    store,
    contexts: options.buildContexts ?? {},
    policy: options.pull ?? 'missing',
    registries,
    blobs: remote,
    pool,
    warn: (message) => progress.warn(message),
    signal: stop.signal,
  });
  await using push =
    destinations.length === 0
      ? undefined
      : await (
          await import('./build-push.js')
        ).BuildPush.open({ destinations, registries, jobs, store, remote, transfers, progress, stop });
  const configs = new Map<string, ImageConfig>();
  const plan = await planChecked(
    () => planPlatforms(dockerfile, { bases, options, configs, readEpoch: (source) => readEpoch(source, contexts, inputs) }),
    { dockerfile, options, configs, ignore: main.ignore, progress },
  );
  for (const { message, range } of plan.warnings) progress.warn(message, range);
  checkSecrets(plan, secrets);
  await checkAgents(plan, agents);
  const runtime = options.runtime ?? 'runc';
  let runtimeChecked: Promise<void> | undefined;
  if (plan.stages.some((stage) => stage.steps.some((step) => step.kind === 'run'))) {
    ({ checked: runtimeChecked } = await prepareRuntime(runtime, progress));
    await checkForeignSteps(plan, { bases, configs, tempDir: temp.path });
  }

  const { epochSeconds, imageSeconds, clampSeconds } = buildTimes(options, plan.sourceDateEpoch);
  const compression = compressionOf(options);
  inputs.begin(plan);
  const demands = demandOf(plan, outputDemand(outputs));
  const needs = { plan, demands, bases, outputs, destinations };
  // Before they are offered to registries, so that they move once.
  bringBases(needs).catch((error: unknown) => stop.abort(error));
  push?.offerBases(plan, bases);
  progress.emit({ type: 'build-started', stages: plan.stages.map((stage) => stage.name), steps: countSteps(plan) });
  const made = await runStages({
    plan,
    demands,
    bases,
    store,
    pool,
    progress,
    tempDir: temp.path,
    contextOf: (name) => contexts.sourceOf(name),
    inputs,
    secrets,
    agents,
    layerOptions: { ...compression, ...(clampSeconds === undefined ? {} : { clampSeconds }) },
    onLayer: (layer) => push?.offerLayer(layer),
    epochSeconds,
    maxArchiveBytes: options.maxArchiveBytes,
    run: {
      runtime,
      addHosts: options.addHosts ?? [],
      shmSizeBytes: options.shmSizeBytes ?? DEFAULT_SHM_BYTES,
      ulimits: options.ulimits ?? [],
    },
    stop,
  });
  await runtimeChecked;
  if (main.isLocal) await warnOfIgnored(plan, main.dir, progress);
  const annotations = options.annotations ?? {};
  const wantsImage = outputDemand(outputs).image;
  const image = wantsImage ? await finishImages(made, { store, plan, annotations, epochSeconds: imageSeconds, isIndex }) : undefined;
  const trees = made.map(({ target, view }) => ({ platform: target.platform, view }));
  await ensureBases(needs);
  const pushed = await writeOutputs({
    outputs,
    store,
    image,
    references,
    trees,
    isIndex,
    epochSeconds,
    progress,
    signal: stop.signal,
    push,
  });
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

/** Before anything runs: a step whose programs this machine cannot run, and nothing else that differs from its platform. */
async function checkForeignSteps(
  plan: Plan,
  { bases, configs, tempDir }: { readonly bases: Bases; readonly configs: ReadonlyMap<string, ImageConfig>; readonly tempDir: string },
): Promise<void> {
  const { architecture } = hostPlatform();
  const platforms = [...plan.stages.map(({ platform }) => platform), ...configs.values()];
  if (platforms.every((platform) => platform.os === 'linux' && platform.architecture === architecture)) return;
  await (await import('./foreign-steps.js')).checkForeignSteps({ plan, bases, tempDir });
}

/** A directory on this machine has no time of its own: the epoch then is unset. */
async function readEpoch(source: EpochSource, contexts: Contexts, inputs: FetchInputs): Promise<number | undefined> {
  if (source.kind === 'remote') return (await inputs.fetch(source.remote)).seconds;
  return contexts.epochOf(source.kind === 'named-context' ? source.name : undefined);
}

/**
 * Refuses what cannot run before anything has. The runtime's own word on its version takes a process, so it is awaited at the end.
 * @throws BuildError `environment` or `privilege`
 * @returns settles when a warning about a vulnerable runtime has been given
 */
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

/** A build that stops, for whatever reason, stops its threads. */
function closeOnStop(pool: JobPool, signal: AbortSignal): void {
  const close = (): void => pool.close(signal.reason as Error);
  signal.addEventListener('abort', close);
  if (signal.aborted) close();
}
