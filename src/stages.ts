import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Bases } from './bases.js';
import { mkdir } from './base/async-files.js';
import { atRange } from './base/errors.js';
import { copyFiles, type MadeStep, type StepDemand } from './copy-steps.js';
import type { StageDemand } from './demand.js';
import type { StepInfo } from './events.js';
import { workdirEntries } from './execute/make-directory.js';
import type { RunRequest } from './execute/run.js';
import type { FetchInputs } from './fetch-inputs.js';
import type { Image, Layer } from './image/image.js';
import type { LayerOptions } from './image/layer.js';
import { entriesToLayer, isSmallDirectory, type CopySource, type WrittenStep } from './jobs.js';
import type { CopyFrom, CopyStep, Plan, PlannedStage, PlanTarget, RunStep, Step, WorkdirStep } from './plan/plan.js';
import { stagesReadBy } from './plan/step-sources.js';
import type { JobPool } from './pool.js';
import type { Progress } from './progress.js';
import { RunSteps, type StepDirectories } from './run-steps.js';
import type { ContextCopies } from './step-mounts.js';
import { applyEntries, makeUpper } from './snapshot/apply.js';
import type { ViewLayer } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';
import type { Secrets } from './secrets.js';
import type { SshAgents } from './ssh.js';
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

/** A stage that becomes an image. */
export interface TargetResult extends StageResult {
  readonly target: PlanTarget;
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
  readonly contextOf: (name: string | undefined) => Promise<CopySource>;
  /** What ADD takes from elsewhere. */
  readonly inputs: FetchInputs;
  readonly layerOptions: Omit<LayerOptions, 'tempFile'>;
  /** Takes every layer of the images, as soon as it is in the store. */
  readonly onLayer: (layer: Layer) => void;
  readonly secrets: Secrets;
  readonly agents: SshAgents;
  /** SOURCE_DATE_EPOCH: the time of what the build itself makes. */
  readonly epochSeconds: number | undefined;
  /** Of one archive that ADD unpacks. */
  readonly maxArchiveBytes: number | undefined;
  readonly run: Pick<RunRequest, 'addHosts' | 'shmSizeBytes' | 'ulimits'> & { readonly runtime: string };
  /** Ends the build: by the first thing that fails, or by the caller. */
  readonly stop: AbortController;
}

/**
 * Runs every stage of the plan, each as soon as what it needs is there: a stage waits for its base at once, and for a stage that it copies from
 * only at that COPY.
 *
 * @returns one for each target, in their order
 */
export async function runStages(context: StageContext): Promise<TargetResult[]> {
  const results = new Map<number, Promise<StageResult>>();
  const resultOf = (index: number): Promise<StageResult> => {
    const result = results.get(index);
    if (result === undefined) throw new Error(`stage ${index} is used before it is planned`);
    return result;
  };
  const layers: Promise<Layer>[] = [];
  const copies: ContextCopies = new Map();
  for (const stage of context.plan.stages) {
    const result = new StageRun({ context, stage, resultOf, layers, copies }).run();
    result.catch((error: unknown) => context.stop.abort(error));
    results.set(stage.index, result);
  }
  // Nothing may go on in the background when this returns: what it uses is removed then.
  await Promise.allSettled(results.values());
  await Promise.allSettled(layers);
  context.stop.signal.throwIfAborted();
  return Promise.all(context.plan.targets.map(async (target) => ({ target, ...(await resultOf(target.stage)) })));
}

/** Steps that make files. */
type FileStep = RunStep | CopyStep | WorkdirStep;

interface StageRunRequest {
  readonly context: StageContext;
  readonly stage: PlannedStage;
  readonly resultOf: (index: number) => Promise<StageResult>;
  /** Takes every layer that is written in the background. */
  readonly layers: Promise<Layer>[];
  readonly copies: ContextCopies;
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
  readonly #runs: RunSteps;

  constructor({ context, stage, resultOf, layers, copies }: StageRunRequest) {
    this.#context = context;
    this.#stage = stage;
    this.#resultOf = resultOf;
    this.#layers = layers;
    const demand = context.demands.get(stage.index);
    if (demand === undefined) throw new Error(`stage ${stage.index} has no demand`);
    this.#demand = demand;
    this.#runs = new RunSteps(context, stage, {
      newDirectories: (step) => this.#newDirectories(step),
      copies,
      sourceOf: (from) => this.#sourceOf(from),
    });
  }

  async run(): Promise<StageResult> {
    await using _runs = this.#runs;
    return await this.#runSteps();
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
      for (const read of stagesReadBy(step)) await this.#resultOf(read);
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
      if (step.kind === 'run') this.#commitDirectory(step, await this.#runs.run(step, { position, view: this.#view }));
      else if (step.kind === 'copy') this.#commit(step, await this.#copy(step, { onDisk, wantsIndex }));
      else this.#commit(step, await this.#makeWorkdir(step, { onDisk, wantsIndex }));
    } catch (error) {
      throw atRange(error, step.range);
    }
  }

  async #copy(step: CopyStep, demand: StepDemand): Promise<MadeStep> {
    const { pool, progress } = this.#context;
    const source = await this.#sourceOf(step.from);
    return copyFiles({
      step,
      demand,
      source,
      fetched: await this.#context.inputs.take(step),
      view: this.#view,
      maxArchiveBytes: this.#context.maxArchiveBytes,
      pool,
      warn: (message) => progress.warn(message, step.range),
      newDirectory: () => this.#upperOf(step),
      layer: this.#newLayerOptions(),
    });
  }

  async #makeWorkdir(step: WorkdirStep, { onDisk, wantsIndex }: StepDemand): Promise<MadeStep> {
    const root = openRootView(this.#view);
    const entries = workdirEntries(
      { path: step.path, user: step.user, nowSeconds: this.#context.epochSeconds ?? Math.floor(Date.now() / 1000) },
      root,
    );
    if (onDisk) {
      const dir = this.#upperOf(step);
      makeUpper(dir, root);
      applyEntries(entries, dir);
      return { kind: 'directory', dir };
    }
    const layer = this.#newLayerOptions();
    return { kind: 'layer', written: await entriesToLayer({ entries, layer, wantsIndex }), layer };
  }

  #commit(step: Step, made: MadeStep): void {
    if (made.kind === 'directory') this.#commitDirectory(step, made.dir);
    else this.#commitWritten(step, made.written, made.layer);
  }

  /** The step's files lie in `dir`: the next step sees them at once, the layer is written behind its back. */
  #commitDirectory(step: Step, dir: string): void {
    const below = this.#view;
    this.#view = [{ path: dir, mergesRoot: true }, ...below];
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
    if (this.#demand.layers) this.#context.onLayer(layer);
    return layer;
  }

  async #sourceOf(from: CopyFrom): Promise<CopySource> {
    if (from.kind === 'context') return this.#context.contextOf(from.name);
    if (from.kind === 'image') return { kind: 'layers', layers: await this.#context.bases.extract(from.key), name: `image "${from.name}"` };
    const stage = this.#context.plan.stages.find((candidate) => candidate.index === from.stage);
    return { kind: 'layers', layers: (await this.#resultOf(from.stage)).view, name: `stage "${stage?.name ?? from.stage}"` };
  }

  async #newDirectories(step: Step): Promise<StepDirectories> {
    const dir = this.#upperOf(step);
    const made = { dir, work: join(dir, '../work'), temp: join(dir, '../run') };
    for (const path of Object.values(made)) await mkdir(path, { recursive: true });
    return made;
  }

  /** Where the files of a step go: `makeUpper` makes it. */
  #upperOf(step: Step): string {
    return join(this.#context.tempDir, step.id, 'fs');
  }

  #newLayerOptions(): LayerOptions {
    return { ...this.#context.layerOptions, tempFile: join(this.#context.tempDir, `layer-${randomUUID()}`) };
  }

  #info(text: string, id: string, index: number, range = this.#stage.range): StepInfo {
    return { id, stage: this.#stage.name, index, total: this.#stage.steps.length + 1, text, range };
  }
}
