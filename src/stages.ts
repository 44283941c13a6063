import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bases } from './bases.js';
import { atRange } from './base/errors.js';
import type { StageDemand } from './demand.js';
import type { StepInfo } from './events.js';
import { workdirEntries } from './execute/make-directory.js';
import type { RunRequest } from './execute/run.js';
import type { PreparedContainer } from './os/container.js';
import type { Image, Layer } from './image/image.js';
import type { LayerOptions } from './image/layer.js';
import { entriesToLayer, isSmallCopy, isSmallDirectory, unpacksArchive, type CopyJob, type CopySource, type WrittenStep } from './jobs.js';
import type { CopyFrom, CopyStep, Plan, PlannedStage, RunStep, Step, WorkdirStep } from './plan/plan.js';
import type { JobPool } from './pool.js';
import type { Progress } from './progress.js';
import { applyEntries, makeUpper } from './snapshot/apply.js';
import type { LayerDir, ViewLayer } from './snapshot/root-view.js';
import { openRootView, visibleLayers } from './snapshot/view.js';
import type { Store } from './store/store.js';

/** One row of the image's history, with the layer it made, if any. */
export interface HistoryLayer {
  readonly step: Step;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly layer?: Promise<Layer>;
}

/** What a stage leaves: the view of its files, topmost layer first, and what the image is made of, in order. */
export interface StageResult {
  readonly view: readonly ViewLayer[];
  readonly base: Image | undefined;
  readonly history: readonly HistoryLayer[];
}

export interface StageContext {
  readonly plan: Plan;
  readonly demands: ReadonlyMap<number, StageDemand>;
  readonly bases: Bases;
  readonly store: Store;
  readonly pool: JobPool;
  readonly progress: Progress;
  /** Private directory of this build, on the file system of the store. */
  readonly tempDir: string;
  /** The build context, or the directory that `--build-context` gives the name of. */
  readonly contextOf: (name: string | undefined) => CopySource;
  readonly layerOptions: Omit<LayerOptions, 'tempFile'>;
  readonly run: Pick<RunRequest, 'addHosts' | 'shmSizeBytes' | 'ulimits'> & { readonly runtime: string };
  /** Ends the build: by the first thing that fails, or by the caller. */
  readonly stop: AbortController;
}

/**
 * Runs every stage of the plan, each as soon as what it needs is there: a stage waits for its base at once, and for a stage that it copies from
 * only at that COPY.
 */
export async function runStages(context: StageContext): Promise<StageResult> {
  const results = new Map<number, Promise<StageResult>>();
  const resultOf = (index: number): Promise<StageResult> => {
    const result = results.get(index);
    if (result === undefined) throw new Error(`stage ${index} is used before it is planned`);
    return result;
  };
  const layers: Promise<Layer>[] = [];
  for (const stage of context.plan.stages) {
    const result = new StageRun({ context, stage, resultOf, layers }).run();
    result.catch((error: unknown) => context.stop.abort(error));
    results.set(stage.index, result);
  }
  // Nothing may go on in the background when this returns: what it uses is removed then.
  await Promise.allSettled(results.values());
  await Promise.allSettled(layers);
  context.stop.signal.throwIfAborted();
  return resultOf(context.plan.target);
}

/** Steps that make files. */
type FileStep = RunStep | CopyStep | WorkdirStep;

interface StageRunRequest {
  readonly context: StageContext;
  readonly stage: PlannedStage;
  readonly resultOf: (index: number) => Promise<StageResult>;
  /** Takes every layer that is written in the background. */
  readonly layers: Promise<Layer>[];
}

/** The state of one stage on its way from FROM to its last instruction. */
class StageRun {
  readonly #context: StageContext;
  readonly #stage: PlannedStage;
  readonly #demand: StageDemand;
  readonly #resultOf: StageRunRequest['resultOf'];
  readonly #layers: StageRunRequest['layers'];
  readonly #history: HistoryLayer[] = [];
  #view: readonly ViewLayer[] = [];
  #base: Image | undefined;
  /** For the next RUN step. */
  #container: Promise<PreparedContainer> | undefined;

  constructor({ context, stage, resultOf, layers }: StageRunRequest) {
    this.#context = context;
    this.#stage = stage;
    this.#resultOf = resultOf;
    this.#layers = layers;
    const demand = context.demands.get(stage.index);
    if (demand === undefined) throw new Error(`stage ${stage.index} has no demand`);
    this.#demand = demand;
  }

  async run(): Promise<StageResult> {
    this.#prepareRun(0);
    try {
      return await this.#runSteps();
    } finally {
      await this.#container?.then(
        (container) => container[Symbol.asyncDispose](),
        () => undefined,
      );
    }
  }

  async #runSteps(): Promise<StageResult> {
    const { progress, stop } = this.#context;
    const { base } = this.#stage;
    // Waiting for another stage is no part of a step: neither of its time nor of what is shown as running.
    const parent = base.kind === 'stage' ? await this.#resultOf(base.stage) : undefined;
    await progress.step(this.#info(this.#stage.text, `${this.#stage.index}.from`, 1), () => this.#takeBase(parent));
    for (const [position, step] of this.#stage.steps.entries()) {
      stop.signal.throwIfAborted();
      if (step.kind === 'config') {
        this.#history.push({ step, createdMs: Date.now() });
        continue;
      }
      if (step.kind === 'copy' && step.from.kind === 'stage') await this.#resultOf(step.from.stage);
      await progress.step(this.#info(step.text, step.id, step.index, step.range), () => this.#take(step, position));
    }
    return { view: this.#view, base: this.#base, history: this.#history };
  }

  async #takeBase(parent: StageResult | undefined): Promise<void> {
    const { base } = this.#stage;
    if (parent !== undefined) {
      this.#view = parent.view;
      this.#base = parent.base;
      this.#history.push(...parent.history);
    } else if (base.kind === 'image') {
      this.#base = this.#context.bases.get(base.key);
      this.#view = await this.#viewOf(base.key).catch((error: unknown) => {
        throw atRange(error, this.#stage.range);
      });
    }
  }

  async #viewOf(baseKey: string): Promise<readonly ViewLayer[]> {
    if (this.#demand.diskSteps > 0) return this.#context.bases.extract(baseKey);
    return this.#demand.lastView >= 0 ? this.#context.bases.index(baseKey) : [];
  }

  async #take(step: FileStep, position: number): Promise<void> {
    try {
      const onDisk = position < this.#demand.diskSteps;
      const wantsIndex = position < this.#demand.lastView;
      if (step.kind === 'run') await this.#run(step, position);
      else if (step.kind === 'copy') await this.#copy(step, { onDisk, wantsIndex });
      else await this.#makeWorkdir(step, { onDisk, wantsIndex });
    } catch (error) {
      throw atRange(error, step.range);
    }
  }

  /** Has the container of the first RUN step from `position` on made ready, while earlier steps take their time. */
  #prepareRun(position: number): void {
    const next = this.#stage.steps.slice(position).find((step) => step.kind === 'run');
    this.#container = next === undefined ? undefined : this.#prepareContainer(next);
    // Told by the step.
    this.#container?.catch(() => undefined);
  }

  async #prepareContainer(step: RunStep): Promise<PreparedContainer> {
    // Loaded by builds that have a RUN: the runtime's part is a third of the code.
    const { prepareStep } = await import('./execute/run.js');
    const { temp } = await this.#newDirectories(step);
    return prepareStep(temp, this.#context.run.runtime);
  }

  async #run(step: RunStep, position: number): Promise<void> {
    const { run, stop, progress } = this.#context;
    const { runStep } = await import('./execute/run.js');
    await using container = await (this.#container ?? this.#prepareContainer(step));
    this.#prepareRun(position + 1);
    // The kernel does not heed an opaque root: what lies below one is left out.
    const layers = visibleLayers(this.#view.map(toDirectory));
    const { dir, work } = await this.#newDirectories(step);
    const root = openRootView(layers);
    makeUpper(dir, root);
    applyEntries(workdirEntries({ path: step.cwd, user: step.user, nowSeconds: nowSeconds() }, root), dir);
    await runStep({
      step,
      layers,
      root,
      upper: dir,
      work,
      container,
      ...run,
      signal: stop.signal,
      onLine: (line) => progress.emit({ type: 'step-output', stepId: step.id, line }),
    });
    this.#commitDirectory(step, dir);
  }

  async #copy(step: CopyStep, { onDisk, wantsIndex }: StepDemand): Promise<void> {
    const copy: CopyJob = {
      op: step.op,
      sources: step.sources,
      dest: step.dest,
      ...(step.chown === undefined ? {} : { chown: step.chown }),
      ...(step.chmod === undefined ? {} : { chmod: step.chmod }),
      nowSeconds: nowSeconds(),
      source: await this.#sourceOf(step.from),
      below: this.#view,
    };
    const { pool, progress } = this.#context;
    const unpacks = await unpacksArchive(copy);
    // What an archive holds cannot be told from its size.
    const inline = !unpacks && isSmallCopy(copy);
    if (onDisk || unpacks) {
      const { dir } = await this.#newDirectories(step);
      makeUpper(dir, openRootView(this.#view));
      const { warnings } = await pool.run('copyToDirectory', { copy, dir }, { inline });
      for (const warning of warnings) progress.warn(warning, step.range);
      this.#commitDirectory(step, dir);
    } else {
      const layer = this.#newLayerOptions();
      this.#commitWritten(step, await pool.run('copyToLayer', { copy, layer, wantsIndex }, { inline }), layer);
    }
  }

  async #makeWorkdir(step: WorkdirStep, { onDisk, wantsIndex }: StepDemand): Promise<void> {
    const root = openRootView(this.#view);
    const entries = workdirEntries({ path: step.path, user: step.user, nowSeconds: nowSeconds() }, root);
    if (onDisk) {
      const { dir } = await this.#newDirectories(step);
      makeUpper(dir, root);
      applyEntries(entries, dir);
      this.#commitDirectory(step, dir);
    } else {
      const layer = this.#newLayerOptions();
      this.#commitWritten(step, await entriesToLayer({ entries, layer, wantsIndex }), layer);
    }
  }

  /** The step's files lie in `dir`: the next step sees them at once, the layer is written behind its back. */
  #commitDirectory(step: Step, dir: string): void {
    const below = this.#view;
    this.#view = [{ path: dir }, ...below];
    if (!this.#demand.layers) return;
    const job = this.#newLayerOptions();
    const layer = this.#context.pool
      .run('directoryToLayer', { dir, below, layer: job }, { inline: isSmallDirectory(dir) })
      .then(({ written }) => this.#adopt(step, written, job));
    this.#keep(step, layer);
  }

  #commitWritten(step: Step, { written, index }: WrittenStep, job: LayerOptions): void {
    if (index !== undefined) this.#view = [index, ...this.#view];
    this.#keep(step, this.#adopt(step, written, job));
  }

  #keep(step: Step, written: Promise<Layer>): void {
    const createdMs = Date.now();
    const layer = written.catch((error: unknown) => {
      throw atRange(error, step.range);
    });
    layer.catch((error: unknown) => this.#context.stop.abort(error));
    this.#layers.push(layer);
    this.#history.push({ step, createdMs, layer });
  }

  async #adopt(step: Step, written: WrittenStep['written'], job: LayerOptions): Promise<Layer> {
    const { diffId, digest, sizeBytes, mediaType } = written;
    const layer = { diffId, descriptor: { mediaType, digest, size: sizeBytes } };
    await this.#context.store.adoptBlob(job.tempFile, layer.descriptor);
    this.#context.progress.emit({ type: 'layer-finished', stepId: step.id, ...layer, durationMs: written.durationMs });
    return layer;
  }

  async #sourceOf(from: CopyFrom): Promise<CopySource> {
    if (from.kind === 'context') return this.#context.contextOf(from.name);
    if (from.kind === 'image') return { kind: 'layers', layers: await this.#context.bases.extract(from.key), name: `image "${from.key}"` };
    const stage = this.#context.plan.stages.find((candidate) => candidate.index === from.stage);
    return { kind: 'layers', layers: (await this.#resultOf(from.stage)).view, name: `stage "${stage?.name ?? from.stage}"` };
  }

  async #newDirectories(step: Step): Promise<{ dir: string; work: string; temp: string }> {
    const root = join(this.#context.tempDir, step.id);
    const made = { dir: join(root, 'fs'), work: join(root, 'work'), temp: join(root, 'run') };
    for (const path of Object.values(made)) await mkdir(path, { recursive: true });
    return made;
  }

  #newLayerOptions(): LayerOptions {
    return { ...this.#context.layerOptions, tempFile: join(this.#context.tempDir, `layer-${randomUUID()}`) };
  }

  #info(text: string, id: string, index: number, range = this.#stage.range): StepInfo {
    return { id, stage: this.#stage.name, index, total: this.#stage.steps.length + 1, text, range };
  }
}

interface StepDemand {
  readonly onDisk: boolean;
  /** A later step looks into what this one leaves. */
  readonly wantsIndex: boolean;
}

/** The steps before a RUN are on disk: `demandOf` saw to it. */
function toDirectory(layer: ViewLayer): LayerDir {
  if ('path' in layer) return layer;
  throw new Error('a layer below a RUN step is not on disk');
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
