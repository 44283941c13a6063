import { formatBytes, formatDuration } from '../../base/format.js';
import type { BuildEvent } from '../../events.js';
import { shortDigest } from '../../oci/digest.js';
import type { LintWarning } from '../../lint/warning.js';
import { redact } from '../redact.js';
import { formatChecks } from './checks.js';
import { formatWarning } from './quiet.js';
import { stepTitle, type Renderer } from './renderer.js';
import { totalText, TransferBoard, type TransferEvent, type TransferGroup } from './transfers.js';

/** How long the output of a step may wait for another step's block to end. */
const MAX_HOLD_MS = 5000;
/** So long nothing must move for an image, for its block to end: a layer may follow its manifest, or the next step's layer this one's. */
const TRANSFER_IDLE_MS = 1000;
/** A log that says nothing looks like a build that hangs. */
const TRANSFER_LINE_MS = 30_000;

interface Block {
  readonly number: number;
  readonly title: string;
  readonly startMs: number;
  /** Lines not written yet, and since when the first of them waits. */
  pending: string[];
  waitingSinceMs: number | undefined;
  finished: boolean;
}

/**
 * BuildKit's plain progress: every line carries the number of its step, and the lines of one step stand together. When steps run side by side, one of them has the
 * word; the lines of the others wait until it ends, or until they have waited for `MAX_HOLD_MS`. No line is dropped or shortened.
 */
export function plainRenderer(): Renderer {
  const state = new PlainState();
  return {
    event: (event) => state.apply(event) + state.schedule(event.timeMs),
    tick: (timeMs) => state.schedule(timeMs),
    end: () => state.flush() + formatChecks(state.checks, { color: false }),
  };
}

class PlainState {
  readonly #blocks = new Map<string, Block>();
  readonly #numbers = new Map<string, number>();
  #current: Block | undefined;
  #lastNumber = 0;
  #exports: string[] = [];
  #heldWarnings = '';
  readonly #transfers = new TransferBoard();
  readonly #openGroups = new Set<TransferGroup>();
  readonly checks: LintWarning[] = [];

  /** Takes in what happened; returns what is not part of a step's block. */
  apply(event: BuildEvent): string {
    switch (event.type) {
      case 'step-started':
        this.#open(event.step.id, redact(stepTitle(event.step)), event.timeMs);
        return '';
      case 'step-output':
        this.#add(event.stepId, event.timeMs, redact(event.line));
        return '';
      case 'step-finished':
        this.#close(event.stepId, event.timeMs, `DONE ${formatDuration(event.durationMs)}`);
        return '';
      case 'step-failed':
        this.#close(event.stepId, event.timeMs, `ERROR after ${formatDuration(event.durationMs)}`);
        return '';
      case 'layer-finished': {
        const layer = `${shortDigest(event.descriptor.digest)} ${formatBytes(event.descriptor.size)}`;
        this.#exports.push(`layer ${layer} of ${this.#nameOf(event.stepId)} ${formatDuration(event.durationMs)}`);
        return '';
      }
      case 'output-written':
        this.#exports.push(`${redact(event.what)} ${formatDuration(event.durationMs)}`);
        return '';
      case 'warning':
        this.#heldWarnings += formatWarning(event);
        return '';
      case 'check':
        this.checks.push(event.warning);
        return '';
      case 'transfer-started':
      case 'transfer-progress':
      case 'transfer-finished':
        this.#transfer(event);
        return '';
      case 'build-finished':
        return this.flush();
      default:
        return '';
    }
  }

  /** Writes what the step that has the word has to say, and hands the word on when it is time. */
  schedule(timeMs: number): string {
    this.#closeGroups(timeMs);
    let text = '';
    for (;;) {
      if (this.#current === undefined) {
        text += this.#takeWarnings();
        const next = this.#next();
        if (next === undefined) return text;
        text += this.#begin(next);
      }
      const current = this.#current;
      if (current === undefined) return text;
      text += this.#drain(current);
      if (current.finished) {
        text += '\n';
        this.#forget(current);
      } else if (this.#someoneWaits(current, timeMs)) {
        text += `#${current.number} ...\n\n`;
        this.#current = undefined;
      } else {
        return text;
      }
    }
  }

  /** Everything that is left; steps without an end were cancelled. */
  flush(): string {
    this.#closeGroups(Number.POSITIVE_INFINITY);
    for (const block of this.#blocks.values()) {
      if (block.finished) continue;
      block.pending.push(`#${block.number} CANCELED`);
      block.finished = true;
    }
    const text = this.schedule(Number.POSITIVE_INFINITY) + this.#takeWarnings();
    if (this.#exports.length === 0) return text;
    const number = ++this.#lastNumber;
    const lines = ['exporting', ...this.#exports, 'DONE'].map((line) => `#${number} ${line}\n`);
    this.#exports = [];
    return `${text}${lines.join('')}\n`;
  }

  /** A block that comes back keeps its number. */
  #open(id: string, title: string, timeMs: number): void {
    const number = this.#numbers.get(id) ?? ++this.#lastNumber;
    this.#numbers.set(id, number);
    this.#blocks.set(id, { number, title, startMs: timeMs, pending: [], waitingSinceMs: timeMs, finished: false });
  }

  #transfer(event: TransferEvent): void {
    const { group, line } = this.#transfers.apply(event, TRANSFER_LINE_MS) ?? {};
    if (group === undefined) return;
    this.#openGroups.add(group);
    if (!this.#blocks.has(group.title)) this.#open(group.title, group.title, event.timeMs);
    const block = this.#blocks.get(group.title);
    if (block === undefined) return;
    block.finished = false;
    if (line === undefined) return;
    block.waitingSinceMs ??= event.timeMs;
    block.pending.push(`#${block.number} ${line}`);
  }

  #closeGroups(timeMs: number): void {
    for (const group of this.#openGroups) {
      if (group.running.size > 0 || timeMs - group.endMs < TRANSFER_IDLE_MS) continue;
      this.#openGroups.delete(group);
      const text = totalText(group);
      this.#close(group.title, group.endMs, group.failed > 0 ? `ERROR after ${text}` : `DONE ${text}`);
    }
  }

  #add(stepId: string, timeMs: number, line: string): void {
    const block = this.#blocks.get(stepId);
    if (block === undefined) return;
    block.waitingSinceMs ??= timeMs;
    block.pending.push(`#${block.number} ${formatOffset(timeMs - block.startMs)} ${line}`);
  }

  #close(stepId: string, timeMs: number, line: string): void {
    const block = this.#blocks.get(stepId);
    if (block === undefined) return;
    block.waitingSinceMs ??= timeMs;
    block.pending.push(`#${block.number} ${line}`);
    block.finished = true;
  }

  /** Finished blocks first, so that they are out of the way; then the one whose lines have waited longest. */
  #next(): Block | undefined {
    const waiting = [...this.#blocks.values()].filter((block) => block.waitingSinceMs !== undefined);
    return waiting.find((block) => block.finished) ?? waiting.toSorted((a, b) => (a.waitingSinceMs ?? 0) - (b.waitingSinceMs ?? 0))[0];
  }

  #begin(block: Block): string {
    this.#current = block;
    return `#${block.number} ${block.title}\n`;
  }

  #drain(block: Block): string {
    const text = block.pending.map((line) => `${line}\n`).join('');
    block.pending = [];
    block.waitingSinceMs = undefined;
    return text;
  }

  #forget(block: Block): void {
    this.#current = undefined;
    for (const [id, candidate] of this.#blocks) if (candidate === block) this.#blocks.delete(id);
  }

  #someoneWaits(current: Block, timeMs: number): boolean {
    for (const block of this.#blocks.values()) {
      if (block !== current && block.waitingSinceMs !== undefined && timeMs - block.waitingSinceMs >= MAX_HOLD_MS) return true;
    }
    return false;
  }

  #takeWarnings(): string {
    const text = this.#heldWarnings;
    this.#heldWarnings = '';
    return text;
  }

  #nameOf(stepId: string): string {
    return `#${this.#numbers.get(stepId) ?? stepId}`;
  }
}

/** Seconds with four digits, as BuildKit has them: `0.123`, `12.34`, `123.4`. */
function formatOffset(offsetMs: number): string {
  const seconds = Math.max(0, offsetMs) / 1000;
  return seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1);
}
