import type { CopyFrom, Step } from './plan.js';

/** What a step reads besides the files of its own stage: the source of a copy, or what is mounted. */
function sourcesOf(step: Step): readonly CopyFrom[] {
  if (step.kind === 'copy') return [step.from];
  if (step.kind !== 'run') return [];
  return step.mounts.flatMap((mount) =>
    (mount.kind === 'bind' || mount.kind === 'cache') && mount.from !== undefined ? [mount.from] : [],
  );
}

/** Stages among them. */
export function stagesReadBy(step: Step): readonly number[] {
  return sourcesOf(step).flatMap((from) => (from.kind === 'stage' ? [from.stage] : []));
}

/** Images among them, by the key of their base. */
export function imagesReadBy(step: Step): readonly string[] {
  return sourcesOf(step).flatMap((from) => (from.kind === 'image' ? [from.key] : []));
}
