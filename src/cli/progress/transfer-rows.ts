import { formatBytes, formatDuration } from '../../base/format.js';
import { amountText, currentRate, isShown, totalText, type RunningTransfer, type TransferBoard, type TransferGroup } from './transfers.js';
import { displayWidth, justify, toVisible } from './width.js';

const MAX_BAR = 20;
const MIN_BAR = 5;

interface View {
  readonly nowMs: number;
  readonly columns: number;
}

/** The rows of a terminal for the images of one direction: one for each that is done; for each other one, and one for each large blob on its way. */
export function transferRows(
  board: TransferBoard,
  direction: 'pull' | 'push',
  view: View,
): { readonly done: string[]; readonly open: string[] } {
  const done: string[] = [];
  const open: string[] = [];
  for (const group of board.groups.values()) {
    if (group.direction !== direction) continue;
    if (group.running.size === 0) done.push(doneRow(group, view));
    else open.push(openRow(group, view), ...[...group.running.values()].flatMap((one) => (isShown(one.info) ? [blobRow(one, view)] : [])));
  }
  return { done, open };
}

function doneRow(group: TransferGroup, { columns }: View): string {
  return justify(` => ${group.failed > 0 ? 'ERROR ' : ''}${group.title}`, totalText(group), columns);
}

function openRow(group: TransferGroup, { nowMs, columns }: View): string {
  return justify(` => ${group.title}`, formatDuration(Math.max(0, nowMs - group.startMs)), columns);
}

/** As much of bar, amount and rate as stands beside the blob's name. */
function blobRow(transfer: RunningTransfer, { nowMs, columns }: View): string {
  const left = ` => => ${toVisible(transfer.info.what)}`;
  const amount = amountText(transfer);
  const withRate = `${amount} ${formatBytes(currentRate(transfer, nowMs))}/s`;
  const room = columns - displayWidth(left) - 1;
  const barWidth = Math.min(MAX_BAR, room - withRate.length - 3);
  if (transfer.info.totalBytes !== undefined && barWidth >= MIN_BAR) {
    return justify(left, `${bar(transfer.bytes / transfer.info.totalBytes, barWidth)} ${withRate}`, columns);
  }
  return justify(left, withRate.length <= room ? withRate : amount, columns);
}

/** `[====>     ]`; more than all, when something was sent twice, is all. */
function bar(share: number, width: number): string {
  const filled = Math.min(width, Math.floor(share * width));
  const line = filled === width ? '='.repeat(width) : `${'='.repeat(filled)}>`;
  return `[${line.padEnd(width)}]`;
}
