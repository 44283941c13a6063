import type { BuildEvent, StepInfo, TransferInfo } from '../../src/events.js';
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

/** A layer of 10 MB of `app:1` unless `info` says otherwise. */
export function moving(id: string, timeMs: number, info: Partial<TransferInfo> = {}): BuildEvent {
  const what = `layer sha256:${id.padEnd(12, '0')}`;
  return {
    type: 'transfer-started',
    timeMs,
    transfer: { id, direction: 'pull', what, reference: 'app:1', totalBytes: 10_000_000, ...info },
  };
}

export function moved(transferId: string, timeMs: number, bytes: number): BuildEvent {
  return { type: 'transfer-progress', timeMs, transferId, bytes };
}

type TransferEnd = Extract<BuildEvent, { readonly type: 'transfer-finished' }>;

export function arrived(
  transferId: string,
  timeMs: number,
  end: Pick<TransferEnd, 'bytes' | 'durationMs'>,
  outcome: TransferEnd['outcome'] = 'done',
): BuildEvent {
  return { type: 'transfer-finished', timeMs, transferId, outcome, ...end };
}

/** Nothing had to be moved. */
export const NOTHING = { bytes: 0, durationMs: 20 };
