import { formatBytes, formatDuration } from '../../base/format.js';
import type { BuildEvent, StepInfo } from '../../events.js';
import { shortDigest } from '../../oci/digest.js';
import type { LintWarning } from '../../lint/warning.js';
import { redact } from '../redact.js';
import { formatChecks } from './checks.js';
import { formatWarning } from './quiet.js';
import { stepTitle, type Renderer } from './renderer.js';
import { transferRows } from './transfer-rows.js';
import { TransferBoard } from './transfers.js';
import { clip, displayWidth, justify, toVisible } from './width.js';

const REDRAW_MS = 100;
const TAIL_LINES = 5;

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
}

export interface TtyOptions {
  /** What is being done, when it is not a build: `Pulling app:1`. */
  readonly title?: string;
  /** Asked at every redraw: a window changes its size. */
  readonly size: () => Terminal;
  readonly color: boolean;
}

interface Row {
  readonly title: string;
  readonly startMs: number;
  durationMs: number | undefined;
  failed: boolean;
  tail: string[];
}

/** Everything that a frame shows; changed by events only. */
interface TtyState {
  readonly title: string;
  readonly rows: Map<string, Row>;
  readonly transfers: TransferBoard;
  readonly exports: string[];
  readonly checks: LintWarning[];
  steps: number;
  finished: boolean;
}

/** Progress in place: finished steps with their times, running ones with their last lines, redrawn at most ten times a second. */
export function ttyRenderer(options: TtyOptions): Renderer {
  const state: TtyState = {
    title: toVisible(redact(options.title ?? 'Building')),
    rows: new Map(),
    transfers: new TransferBoard(),
    exports: [],
    checks: [],
    steps: 0,
    finished: false,
  };
  let drawn: readonly string[] = [];
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let nowMs = 0;

  const draw = (final: boolean): string => {
    const size = options.size();
    const erased = erase(drawn, size.columns);
    const lines = frame(state, nowMs, final ? { ...size, rows: Number.POSITIVE_INFINITY } : size);
    drawn = lines;
    drawnAtMs = nowMs;
    return erased + lines.map((line) => `${options.color ? paint(line) : line}\n`).join('');
  };
  return {
    event(event) {
      nowMs = event.timeMs;
      if (event.type === 'warning') {
        const erased = erase(drawn, options.size().columns);
        drawn = [];
        return erased + formatWarning(event) + draw(false);
      }
      apply(state, event);
      return nowMs - drawnAtMs >= REDRAW_MS ? draw(false) : '';
    },
    tick(timeMs) {
      nowMs = timeMs;
      return draw(false);
    },
    end: () => draw(true) + (state.checks.length === 0 ? '' : `\n${formatChecks(state.checks, options)}`),
  };
}

function apply(state: TtyState, event: BuildEvent): void {
  switch (event.type) {
    case 'build-started':
      state.steps = event.steps;
      return;
    case 'step-started':
      state.rows.set(event.step.id, newRow(event.step, event.timeMs));
      return;
    case 'step-output':
      keepLine(state.rows.get(event.stepId), event.line);
      return;
    case 'step-finished':
    case 'step-failed':
      finish(state.rows.get(event.stepId), event);
      return;
    case 'layer-finished':
      state.exports.push(
        `layer ${shortDigest(event.descriptor.digest)} ${formatBytes(event.descriptor.size)}\t${formatDuration(event.durationMs)}`,
      );
      return;
    case 'output-written':
      state.exports.push(`${redact(event.what)}\t${formatDuration(event.durationMs)}`);
      return;
    case 'build-finished':
      state.finished = true;
      return;
    case 'check':
      state.checks.push(event.warning);
      return;
    case 'transfer-started':
    case 'transfer-progress':
    case 'transfer-finished':
      state.transfers.apply(event, Number.POSITIVE_INFINITY);
      return;
    case 'warning':
      return;
  }
}

function newRow(step: StepInfo, timeMs: number): Row {
  return { title: toVisible(redact(stepTitle(step))), startMs: timeMs, durationMs: undefined, failed: false, tail: [] };
}

function keepLine(row: Row | undefined, line: string): void {
  if (row === undefined) return;
  row.tail.push(toVisible(redact(line)));
  if (row.tail.length > TAIL_LINES) row.tail.shift();
}

function finish(row: Row | undefined, event: { readonly type: string; readonly durationMs: number }): void {
  if (row === undefined) return;
  row.durationMs = event.durationMs;
  row.failed = event.type === 'step-failed';
  row.tail = [];
}

/** The lines of one picture, none wider than the terminal, and no more than fit: the oldest finished steps make room first. */
function frame(state: TtyState, nowMs: number, { columns, rows }: Terminal): string[] {
  const done: string[] = [];
  const open: string[] = [];
  for (const row of state.rows.values()) {
    const time = formatDuration(row.durationMs ?? Math.max(0, nowMs - row.startMs));
    const line = justify(` => ${row.failed ? 'ERROR ' : ''}${row.title}`, time, columns);
    (row.durationMs === undefined ? open : done).push(line);
    if (row.durationMs === undefined) open.push(...row.tail.map((text) => clip(` => => ${text}`, columns)));
  }
  const exports = state.exports.map((text) => justify(` => ${text.split('\t')[0] ?? ''}`, text.split('\t')[1] ?? '', columns));
  const pulls = transferRows(state.transfers, 'pull', { nowMs, columns });
  const pushes = transferRows(state.transfers, 'push', { nowMs, columns });
  const lines = fit([...pulls.done, ...done, ...exports, ...pushes.done], [...pulls.open, ...open, ...pushes.open], rows - 2);
  return [clip(headerText(state, nowMs), columns), ...lines];
}

/** Counts the steps of a build, and for a command without steps the blobs. */
function headerText(state: TtyState, nowMs: number): string {
  const { started, ended } = state.transfers.count();
  const finished = [...state.rows.values()].filter((row) => row.durationMs !== undefined).length;
  const total = Math.max(state.steps, state.rows.size);
  const counts = total > 0 || started === 0 ? `${finished}/${total}` : `${ended}/${started}`;
  return `[+] ${state.title} ${formatDuration(nowMs)} (${counts})${state.finished ? ' FINISHED' : ''}`;
}

function fit(done: readonly string[], open: readonly string[], room: number): string[] {
  if (done.length + open.length <= room) return [...done, ...open];
  const shownOpen = open.slice(0, Math.max(1, room - 1));
  const shownDone = done.slice(Math.max(0, done.length - Math.max(0, room - 1 - shownOpen.length)));
  return [` => … ${done.length - shownDone.length} more done`, ...shownDone, ...shownOpen];
}

/** Back to the first line of the last picture; a window that became narrower has broken its lines into more. */
function erase(drawn: readonly string[], columns: number): string {
  let height = 0;
  for (const line of drawn) height += Math.max(1, Math.ceil(displayWidth(line) / Math.max(1, columns)));
  return height === 0 ? '' : `\x1b[${height}A\r\x1b[J`;
}

function paint(line: string): string {
  if (line.startsWith(' => => ')) return `\x1b[2m${line}\x1b[0m`;
  if (line.startsWith(' => ERROR')) return `\x1b[31m${line}\x1b[0m`;
  if (line.startsWith(' => ')) return `\x1b[34m${line}\x1b[0m`;
  return line;
}
