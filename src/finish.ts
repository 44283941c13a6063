import { assembleImage } from './image/assemble.js';
import type { Image } from './image/image.js';
import { assembleIndex, oneImage, type ImageOrIndex } from './image/index.js';
import { MediaType, type Annotations, type HistoryEntry } from './oci/types.js';
import type { Plan } from './plan/plan.js';
import type { StageResult, TargetResult } from './stages.js';
import type { Store } from './store/store.js';

export interface FinishRequest {
  readonly store: Store;
  readonly plan: Plan;
  /** For the manifests. */
  readonly annotations: Annotations;
  readonly epochSeconds: number | undefined;
}

/**
 * The image of each target and, where wanted, the index of them, in the store.
 * @param isIndex always true for several targets
 */
export async function finishImages(targets: readonly TargetResult[], request: FinishRequest & { isIndex: boolean }): Promise<ImageOrIndex> {
  const images = await Promise.all(
    targets.map(async (made) => ({ platform: made.target.platform, image: await finishImage(made, request) })),
  );
  const [only] = images;
  if (!request.isIndex && only !== undefined) return oneImage(only.image);
  const { made, indexBytes } = assembleIndex(images);
  await request.store.putBlob(indexBytes, made.descriptor.mediaType);
  return made;
}

/** Waits for the layers of the target and puts config and manifest beside them in the store. */
export async function finishImage(made: TargetResult, { store, plan, annotations, epochSeconds }: FinishRequest): Promise<Image> {
  const { target, base } = made;
  const stage = plan.stages.find((candidate) => candidate.index === target.stage);
  if (stage === undefined) throw new Error('the plan lacks its target');
  const layers = await Promise.all(made.history.flatMap(({ layer }) => (layer === undefined ? [] : [layer])));
  const epoch = epochSeconds === undefined ? undefined : toTime(epochSeconds * 1000);
  const { image, configBytes, manifestBytes } = assembleImage({
    ...(base === undefined ? {} : { base: base.config }),
    baseLayers: base?.layers ?? [],
    layers,
    history: toHistory(made, epoch),
    config: stage.config,
    platform: target.platform,
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
