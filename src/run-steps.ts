import { join } from 'node:path';
import { workdirEntries } from './execute/make-directory.js';
import type { PreparedContainer } from './os/container.js';
import type { PlannedStage, RunStep } from './plan/plan.js';
import { applyEntries, makeUpper } from './snapshot/apply.js';
import type { LayerDir, ViewLayer } from './snapshot/root-view.js';
import { openRootView, visibleLayers } from './snapshot/view.js';
import type { StageContext } from './stages.js';
import type { PreparedMounts, StepMountsHost } from './step-mounts.js';

/** Of one step, all empty: what it writes, overlayfs's own, everything else. */
export interface StepDirectories {
  readonly dir: string;
  readonly work: string;
  readonly temp: string;
}

export interface RunStepsHost extends Pick<StepMountsHost, 'copies' | 'sourceOf'> {
  readonly newDirectories: (step: RunStep) => Promise<StepDirectories>;
}

/** The RUN steps of one stage. The container of each is made ready while earlier steps take their time. */
export class RunSteps implements AsyncDisposable {
  readonly #context: StageContext;
  readonly #stage: PlannedStage;
  readonly #newDirectories: RunStepsHost['newDirectories'];
  readonly #mounts: Pick<StepMountsHost, 'copies' | 'sourceOf'>;
  /** For the next step. */
  #container: Promise<PreparedContainer> | undefined;

  constructor(context: StageContext, stage: PlannedStage, { newDirectories, ...mounts }: RunStepsHost) {
    this.#context = context;
    this.#stage = stage;
    this.#newDirectories = newDirectories;
    this.#mounts = mounts;
    this.#prepareFrom(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container?.then(
      (container) => container[Symbol.asyncDispose](),
      () => undefined,
    );
  }

  /**
   * @param at.view the files that it finds, topmost layer first
   * @returns the directory with what it wrote
   */
  async run(step: RunStep, at: { readonly position: number; readonly view: readonly ViewLayer[] }): Promise<string> {
    const { run, stop, progress } = this.#context;
    const { runStep } = await import('./execute/run.js');
    await using container = await (this.#container ?? this.#prepare(step));
    this.#prepareFrom(at.position + 1);
    // The kernel does not heed an opaque root: what lies below one is left out.
    const layers = visibleLayers(at.view.map(toDirectory));
    const { dir, work } = await this.#newDirectories(step);
    const root = openRootView(layers);
    makeUpper(dir, root);
    applyEntries(workdirEntries({ path: step.cwd, user: step.user, nowSeconds: Math.floor(Date.now() / 1000) }, root), dir);
    await using prepared = await this.#prepareMounts(step, container.dir);
    await runStep({
      step,
      mounts: prepared?.mounts ?? [],
      mountSources: prepared?.mountSources ?? [],
      readSecret: (id) => this.#context.secrets.read(id),
      agentSocketOf: (id) => this.#context.agents.socketOf(id),
      layers,
      root,
      upper: dir,
      work,
      container,
      ...run,
      signal: stop.signal,
      onLine: (line) => progress.emit({ type: 'step-output', stepId: step.id, line }),
    });
    return dir;
  }

  async #prepareMounts(step: RunStep, dir: string): Promise<PreparedMounts | undefined> {
    if (step.mounts.length === 0) return undefined;
    const { prepareMounts } = await import('./step-mounts.js');
    return prepareMounts(step, { context: this.#context, ...this.#mounts, dir: join(dir, 'mounts') });
  }

  #prepareFrom(position: number): void {
    const next = this.#stage.steps.slice(position).find((step) => step.kind === 'run');
    this.#container = next === undefined ? undefined : this.#prepare(next);
    // Told by the step.
    this.#container?.catch(() => undefined);
  }

  async #prepare(step: RunStep): Promise<PreparedContainer> {
    // Loaded by builds that have a RUN: the runtime's part is a third of the code.
    const { prepareStep } = await import('./execute/run.js');
    const { temp } = await this.#newDirectories(step);
    return prepareStep(temp, this.#context.run.runtime);
  }
}

/** The steps before a RUN are on disk: `demandOf` saw to it. */
function toDirectory(layer: ViewLayer): LayerDir {
  if ('path' in layer) return layer;
  throw new Error('a layer below a RUN step is not on disk');
}
