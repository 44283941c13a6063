import type { BuildEvent, StepInfo } from '../../src/events.js';
import { parseDigest } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';

/** Shorthands for the events of a build. */
export function started(id: string, timeMs: number, info: Partial<StepInfo> = {}): BuildEvent {
  return { type: 'step-started', timeMs, step: { id, stage: id, index: 1, total: 1, text: `RUN ${id}`, ...info } };
}

export function line(stepId: string, timeMs: number, text: string): BuildEvent {
  return { type: 'step-output', timeMs, stepId, line: text };
}

export function finished(stepId: string, timeMs: number, durationMs: number): BuildEvent {
  return { type: 'step-finished', timeMs, stepId, durationMs };
}

export function failed(stepId: string, timeMs: number, durationMs: number): BuildEvent {
  return { type: 'step-failed', timeMs, stepId, durationMs };
}

export function layer(stepId: string, timeMs: number, size: number): BuildEvent {
  const digest = parseDigest(`sha256:${'1'.repeat(64)}`);
  return {
    type: 'layer-finished',
    timeMs,
    stepId,
    diffId: digest,
    descriptor: { mediaType: MediaType.ociLayerGzip, digest, size },
    durationMs: 50,
  };
}
