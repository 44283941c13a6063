import { resolve } from 'node:path';
import { Bases } from './bases.js';
import { BuildError } from './base/errors.js';
import { findDockerfile, readIgnoreText } from './context/context.js';
import { demandOf } from './demand.js';
import { finishImage } from './finish.js';
import type { CopySource } from './jobs.js';
import { hostPlatform } from './oci/platform.js';
import { COMPRESSION_LEVELS } from './image/image.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { ImageConfig } from './oci/types.js';
import type { BuildOptions, BuildResult } from './options.js';
import { checkOutputs } from './output/check.js';
import { outputDemand, writeOutputs } from './outputs.js';
import type { Dockerfile } from './parse/instruction.js';
import { parseDockerfile } from './parse/parser.js';
import type { Plan } from './plan/plan.js';
import { planBuild } from './plan/planner.js';
import { JobPool } from './pool.js';
import { Progress } from './progress.js';
import { runStages } from './stages.js';
import { defaultRoot } from './store/root.js';
import { Store } from './store/store.js';

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/**
 * Builds one image: text → instructions → plan → steps → layers → image → outputs.
 *
 * @throws BuildError for everything that is not a fault of tsbuild's own; nothing half-written is left behind
 */
export async function build(options: BuildOptions): Promise<BuildResult> {
  const stop = new AbortController();
  const progress = new Progress(options.onEvent, (error) => stop.abort(error));
  const contextDir = directoryOf(options.context);
  const found = findDockerfile(contextDir, options.file);
  const dockerfile = parseDockerfile(found.bytes, { name: found.name });
  const references = (options.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const outputs = options.outputs ?? [{ type: 'image' as const, names: [] }];
  checkOutputs(outputs);

  const store = await Store.open(options.root ?? defaultRoot());
  using _lease = store.lease();
  await using temp = await store.tempDir();
  using pool = new JobPool();
  using _link = linkSignals({ from: options.signal, to: stop, pool });

  await using bases = new Bases({ store, contexts: options.buildContexts ?? {}, pool, progress, signal: stop.signal });
  const plan = await planWithBases(dockerfile, bases, options);
  for (const { message, range } of [...dockerfile.warnings, ...plan.warnings]) progress.warn(message, range);
  const runtime = options.runtime ?? 'runc';
  let runtimeChecked: Promise<void> | undefined;
  if (plan.stages.some((stage) => stage.steps.some((step) => step.kind === 'run'))) {
    ({ checked: runtimeChecked } = await prepareRuntime(runtime, progress));
  }

  const epochSeconds = checkEpoch(options.sourceDateEpoch ?? plan.sourceDateEpoch);
  const compression = compressionOf(options);
  progress.emit({ type: 'build-started', stages: plan.stages.map((stage) => stage.name), steps: countSteps(plan) });
  const target = await runStages({
    plan,
    demands: demandOf(plan, outputDemand(outputs)),
    bases,
    store,
    pool,
    progress,
    tempDir: temp.path,
    contextOf: (name) => contextSource(options, name, found.path),
    layerOptions: { ...compression, ...(epochSeconds === undefined ? {} : { clampSeconds: epochSeconds }) },
    run: {
      runtime,
      addHosts: options.addHosts ?? [],
      shmSizeBytes: options.shmSizeBytes ?? DEFAULT_SHM_BYTES,
      ulimits: options.ulimits ?? [],
    },
    stop,
  });
  await runtimeChecked;
  await warnOfIgnored(plan, contextDir, progress);
  const annotations = options.annotations ?? {};
  const image = outputDemand(outputs).image ? await finishImage({ store, plan, target, annotations, epochSeconds }) : undefined;
  await writeOutputs({ outputs, store, image, references, view: target.view, epochSeconds, progress, signal: stop.signal });
  progress.emit({ type: 'build-finished', manifestDigest: image?.descriptor.digest });
  return { image, timings: { totalMs: progress.elapsedMs(), steps: progress.steps }, warnings: progress.warnings };
}

/** ONBUILD triggers of a base can ask for further images, so that planning and finding take turns until nothing is missing. */
async function planWithBases(dockerfile: Dockerfile, bases: Bases, options: BuildOptions): Promise<Plan> {
  const configs = new Map<string, ImageConfig>();
  const contexts = Object.entries(options.buildContexts ?? {});
  const namesOf = (isDirectory: boolean): ReadonlySet<string> =>
    new Set(contexts.flatMap(([name, { kind }]) => ((kind === 'directory') === isDirectory ? [name] : [])));
  for (;;) {
    const outcome = planBuild(dockerfile, {
      ...(options.target === undefined ? {} : { target: options.target }),
      buildArgs: new Map(Object.entries(options.buildArgs ?? {})),
      labels: new Map(Object.entries(options.labels ?? {})),
      directoryContexts: namesOf(true),
      imageContexts: namesOf(false),
      hostPlatform: hostPlatform(),
      bases: configs,
      network: options.network ?? 'host',
    });
    if (outcome.kind === 'plan') return outcome.plan;
    for (const request of outcome.bases) configs.set(request.key, await bases.find(request));
  }
}

function directoryOf(context: BuildOptions['context']): string {
  if (typeof context === 'string') return resolve(context);
  if (context.kind === 'directory') return resolve(context.path);
  throw new BuildError('unsupported', `not supported yet: a context from ${context.kind}`);
}

/** @param name of a `--build-context` directory, which has an ignore file of its own */
function contextSource(options: BuildOptions, name: string | undefined, dockerfilePath: string): CopySource {
  const named = name === undefined ? undefined : options.buildContexts?.[name];
  const dir = resolve(named?.kind === 'directory' ? named.path : directoryOf(options.context));
  const ignore = readIgnoreText(dir, named === undefined ? dockerfilePath : undefined);
  return { kind: 'context', dir, ...(ignore === undefined ? {} : { ignore }) };
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

/** The last second of 9999: RFC 3339 has four digits for a year, and begins with 0000. */
const MAX_EPOCH_SECONDS = 253_402_300_799;
const MIN_EPOCH_SECONDS = -62_167_219_200;

/** @throws BuildError `usage` for a time that the config of an image cannot say */
function checkEpoch(seconds: number | undefined): number | undefined {
  if (seconds === undefined || (Number.isInteger(seconds) && seconds >= MIN_EPOCH_SECONDS && seconds <= MAX_EPOCH_SECONDS)) return seconds;
  throw new BuildError('usage', `invalid SOURCE_DATE_EPOCH ${seconds}: want whole seconds since 1970, before the year 10000`);
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

interface SignalLink {
  readonly from: AbortSignal | undefined;
  readonly to: AbortController;
  readonly pool: JobPool;
}

/** The caller's signal stops the build; a build that stops, for whatever reason, stops its threads. */
function linkSignals({ from, to, pool }: SignalLink): Disposable {
  const cancel = (): void => to.abort(new BuildError('cancelled', 'the build was cancelled', { cause: from?.reason }));
  to.signal.addEventListener('abort', () => pool.close(to.signal.reason as Error));
  from?.addEventListener('abort', cancel);
  if (from?.aborted === true) cancel();
  return { [Symbol.dispose]: () => from?.removeEventListener('abort', cancel) };
}
