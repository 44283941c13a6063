import { assembleImage } from './image/assemble.js';
import type { Image } from './image/image.js';
import { MediaType, type Annotations, type HistoryEntry } from './oci/types.js';
import type { Plan } from './plan/plan.js';
import type { HistoryLayer, StageResult } from './stages.js';
import type { Store } from './store/store.js';

export interface FinishRequest {
  readonly store: Store;
  readonly plan: Plan;
  readonly target: StageResult;
  /** For the manifest. */
  readonly annotations: Annotations;
  readonly epochSeconds: number | undefined;
}

/** Waits for the layers of the target and puts config and manifest beside them in the store. */
export async function finishImage({ store, plan, target, annotations, epochSeconds }: FinishRequest): Promise<Image> {
  const stage = plan.stages.find((candidate) => candidate.index === plan.target);
  if (stage === undefined) throw new Error('the plan lacks its target');
  const layers = await Promise.all(target.history.flatMap(({ layer }) => (layer === undefined ? [] : [layer])));
  const created = epochSeconds === undefined ? undefined : toTime(epochSeconds * 1000);
  const { image, configBytes, manifestBytes } = assembleImage({
    ...(target.base === undefined ? {} : { base: target.base.config }),
    baseLayers: target.base?.layers ?? [],
    layers,
    history: toHistory(target.history, created),
    config: stage.config,
    platform: stage.platform,
    ...(stage.author === undefined ? {} : { author: stage.author }),
    created: created ?? toTime(target.history.at(-1)?.createdMs ?? Date.now()),
    annotations,
  });
  await store.putBlob(configBytes, MediaType.ociConfig);
  await store.putBlob(manifestBytes, MediaType.ociManifest);
  return image;
}

/** Rows without a layer take the time of the layer before them, as BuildKit writes it. */
function toHistory(rows: readonly HistoryLayer[], epoch: string | undefined): HistoryEntry[] {
  let lastLayerMs: number | undefined;
  return rows.map(({ step, createdMs, layer }) => {
    if (layer !== undefined) lastLayerMs = createdMs;
    return { created: epoch ?? toTime(lastLayerMs ?? createdMs), ...step.history };
  });
}

function toTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
