import type { Bases } from './bases.js';
import type { StageDemand } from './demand.js';
import type { OutputSpec } from './output/output.js';
import type { Plan } from './plan/plan.js';
import { imagesReadBy } from './plan/step-sources.js';
import type { PushDestination } from './push-destinations.js';

export interface BaseNeedsRequest {
  readonly plan: Plan;
  readonly demands: ReadonlyMap<number, StageDemand>;
  readonly bases: Bases;
  readonly outputs: readonly OutputSpec[];
  readonly destinations: readonly PushDestination[];
}

/**
 * Begins to download, behind what the first steps need at once, the layers of images that will be wanted in the store: those that later steps
 * copy from or mount, and those that the built image begins with.
 * @returns settles when they are there; rejects as `Bases.ensureBlobs` does
 */
export async function bringBases(request: BaseNeedsRequest): Promise<void> {
  const { plan, demands, bases } = request;
  const read = plan.stages.flatMap(({ steps }) => steps.flatMap(imagesReadBy));
  const run = plan.stages.flatMap(({ index, base }) =>
    base.kind === 'image' && (demands.get(index)?.diskSteps ?? 0) > 0 ? [base.key] : [],
  );
  bases.announce([...read, ...run]);
  const keys = new Set([...read, ...outputBases(request)]);
  await Promise.all([...keys].map((key) => bases.bringLater(key)));
}

/**
 * Settles when the outputs find the layers of base images in the store, as far as they need them.
 * @throws BuildError as `Bases.ensureBlobs`
 */
export async function ensureBases(request: BaseNeedsRequest): Promise<void> {
  await request.bases.settle();
  await Promise.all(outputBases(request).map((key) => request.bases.ensureBlobs(key)));
}

/** Images whose layers the built ones begin with and some output needs. */
function outputBases(request: BaseNeedsRequest): string[] {
  const { plan, demands } = request;
  return plan.stages.flatMap(({ index, base }) =>
    base.kind === 'image' && demands.get(index)?.layers === true && wantsBlobs(base.key, request) ? [base.key] : [],
  );
}

/** A registry borrows those that it has in another repository; a file tree is made of what is extracted. */
function wantsBlobs(key: string, { bases, outputs, destinations }: BaseNeedsRequest): boolean {
  if (outputs.some(({ type }) => type === 'image' || type === 'oci' || type === 'docker')) return true;
  const home = bases.domainOf(key);
  return destinations.some(({ targets }) => targets.some(({ domain }) => domain !== home));
}
