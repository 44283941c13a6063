import { formatBytes, formatDuration } from '../../base/format.js';
import type { BuildEvent, TransferInfo } from '../../events.js';
import { redact } from '../redact.js';
import { toVisible } from './width.js';

export type TransferEvent = Extract<BuildEvent, { readonly type: `transfer-${string}` }>;
type TransferEnd = Extract<BuildEvent, { readonly type: 'transfer-finished' }>;

/** What is smaller has no line of its own: it is there before anybody has read it. */
const MIN_SHOWN_BYTES = 65_536;
/** Over so long a time the rate is that of now. */
const RATE_MS = 3000;

/** One transfer that is on its way. */
export interface RunningTransfer {
  readonly info: TransferInfo;
  bytes: number;
  /** When a line last told of it. */
  toldMs: number;
  /** Of the last `RATE_MS`, oldest first; the first of them may be older. */
  readonly samples: { readonly timeMs: number; readonly bytes: number }[];
}

/** Everything that goes to or comes from one image. */
export interface TransferGroup {
  /** `pull registry.example/app:1` */
  readonly title: string;
  readonly direction: TransferInfo['direction'];
  readonly startMs: number;
  readonly running: Map<string, RunningTransfer>;
  /** When the last of them ended; of no meaning while there are running ones. */
  endMs: number;
  /** Of all kinds of transfers. */
  bytes: number;
  /** Blobs that were moved, were there, or were mounted; manifests are not counted. */
  done: number;
  exists: number;
  mounted: number;
  failed: number;
}

/** The transfers of a build or a command, image by image, in the order of their beginnings. */
export class TransferBoard {
  readonly groups = new Map<string, TransferGroup>();
  readonly #groupOf = new Map<string, TransferGroup>();

  /**
   * Takes in what happened.
   * @returns the image that it belongs to and, for something worth a line of a log, that line without the image: how a large blob came to its
   *   end, or how far it is after `everyMs` without a line. `undefined` for a transfer that never began.
   */
  apply(event: TransferEvent, everyMs: number): { readonly group: TransferGroup; readonly line: string | undefined } | undefined {
    if (event.type === 'transfer-started') return { group: this.#start(event.transfer, event.timeMs), line: undefined };
    const group = this.#groupOf.get(event.transferId);
    const transfer = group?.running.get(event.transferId);
    if (group === undefined || transfer === undefined) return undefined;
    if (event.type === 'transfer-finished') {
      finish(group, transfer.info, event);
      return { group, line: isShown(transfer.info) ? endText(transfer.info, event) : undefined };
    }
    transfer.bytes = event.bytes;
    const { samples } = transfer;
    samples.push({ timeMs: event.timeMs, bytes: event.bytes });
    while (samples[1] !== undefined && event.timeMs - samples[1].timeMs >= RATE_MS) samples.shift();
    if (event.timeMs - transfer.toldMs < everyMs || !isShown(transfer.info)) return { group, line: undefined };
    transfer.toldMs = event.timeMs;
    return { group, line: `${transfer.info.what} ${amountText(transfer)}` };
  }

  /** How many blobs have begun, and how many of them have come to their end. */
  count(): { readonly started: number; readonly ended: number } {
    let started = 0;
    let ended = 0;
    for (const group of this.groups.values()) {
      const groupEnded = group.done + group.exists + group.mounted + group.failed;
      ended += groupEnded;
      started += groupEnded + [...group.running.values()].filter(({ info }) => !isManifest(info)).length;
    }
    return { started, ended };
  }

  #start(info: TransferInfo, timeMs: number): TransferGroup {
    const title = toVisible(redact(`${info.direction} ${info.reference}`));
    let group = this.groups.get(title);
    if (group === undefined) {
      const counts = { bytes: 0, done: 0, exists: 0, mounted: 0, failed: 0 };
      group = { title, direction: info.direction, startMs: timeMs, running: new Map(), endMs: timeMs, ...counts };
      this.groups.set(title, group);
    }
    group.running.set(info.id, { info, bytes: 0, toldMs: timeMs, samples: [{ timeMs, bytes: 0 }] });
    this.#groupOf.set(info.id, group);
    return group;
  }
}

/** Whether it is large enough to be shown by itself. */
export function isShown(info: TransferInfo): boolean {
  return !isManifest(info) && (info.totalBytes ?? MIN_SHOWN_BYTES) >= MIN_SHOWN_BYTES;
}

/** `5 blobs, 123 MB in 4.56s (27.0 MB/s), 2 exist` */
export function totalText(group: TransferGroup): string {
  const durationMs = group.endMs - group.startMs;
  const parts = [`${blobsText(group)}${formatBytes(group.bytes)} in ${formatDuration(durationMs)}${rateText(group.bytes, durationMs)}`];
  if (group.exists > 0) parts.push(`${group.exists} ${group.exists === 1 ? 'exists' : 'exist'}`);
  if (group.mounted > 0) parts.push(`${group.mounted} mounted`);
  return parts.join(', ');
}

/** `12.3 MB of 45.6 MB` */
export function amountText({ bytes, info }: RunningTransfer): string {
  return info.totalBytes === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(info.totalBytes)}`;
}

/** Bytes a second over the last seconds; less and less while nothing moves. */
export function currentRate({ samples, bytes }: RunningTransfer, nowMs: number): number {
  const oldest = samples[0];
  if (oldest === undefined || nowMs <= oldest.timeMs) return 0;
  return ((bytes - oldest.bytes) / (nowMs - oldest.timeMs)) * 1000;
}

function finish(group: TransferGroup, info: TransferInfo, end: TransferEnd): void {
  group.running.delete(info.id);
  group.endMs = Math.max(group.endMs, end.timeMs);
  group.bytes += end.bytes;
  if (end.outcome === 'failed') group.failed++;
  else if (!isManifest(info)) group[end.outcome]++;
}

/** What failed has no line: the error of the build tells what and why, and what was stopped for it is no news. */
function endText(info: TransferInfo, { outcome, bytes, durationMs }: TransferEnd): string | undefined {
  switch (outcome) {
    case 'done':
      return `${info.what} ${formatBytes(bytes)} in ${formatDuration(durationMs)}${rateText(bytes, durationMs)}`;
    case 'exists':
    case 'mounted':
      return `${info.what} ${outcome}`;
    case 'failed':
      return undefined;
  }
}

function blobsText({ done }: TransferGroup): string {
  return done === 0 ? '' : done === 1 ? '1 blob, ' : `${done} blobs, `;
}

function rateText(bytes: number, durationMs: number): string {
  return bytes < MIN_SHOWN_BYTES || durationMs <= 0 ? '' : ` (${formatBytes((bytes / durationMs) * 1000)}/s)`;
}

function isManifest(info: TransferInfo): boolean {
  return info.what.startsWith('manifest');
}
