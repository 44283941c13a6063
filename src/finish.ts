import { assembleImage } from './image/assemble.js';
import type { Image } from './image/image.js';
import { MediaType, type Annotations, type HistoryEntry } from './oci/types.js';
import type { Plan } from './plan/plan.js';
import type { StageResult } from './stages.js';
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
  const epoch = epochSeconds === undefined ? undefined : toTime(epochSeconds * 1000);
  const { image, configBytes, manifestBytes } = assembleImage({
    ...(target.base === undefined ? {} : { base: target.base.config }),
    baseLayers: target.base?.layers ?? [],
    layers,
    history: toHistory(target, epoch),
    config: stage.config,
    platform: stage.platform,
    ...(stage.author === undefined ? {} : { author: stage.author }),
    ...(epoch === undefined ? {} : { created: epoch }),
    annotations,
  });
  await Promise.all([store.putBlob(configBytes, MediaType.ociConfig), store.putBlob(manifestBytes, MediaType.ociManifest)]);
  return image;
}

/**
 * Rows with a layer have the time at which it was made. As BuildKit has it, the other rows share one of those: the first of them and its
 * neighbours that of the next layer, later ones that of the layer before; without new layers all have that of the base's last row, so
 * that building the same again gives the same image.
 */
function toHistory({ base, history: rows }: StageResult, epoch: string | undefined): HistoryEntry[] {
  const firstEmpty = rows.findIndex(({ layer }) => layer === undefined);
  const next = rows.slice(firstEmpty).find(({ layer }) => layer !== undefined) ?? rows.findLast(({ layer }) => layer !== undefined);
  let known = next === undefined ? lastTime(base) : toTime(next.createdMs);
  return rows.map(({ step, createdMs, layer }, index) => {
    if (layer !== undefined && index > firstEmpty) known = toTime(createdMs);
    const own = layer === undefined && known !== undefined ? known : toTime(createdMs);
    return { created: epoch ?? own, ...step.history };
  });
}

function lastTime(base: Image | undefined): string | undefined {
  return base?.config.history?.findLast(({ created }) => created !== undefined)?.created ?? base?.config.created;
}

function toTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
