import { nowMs } from './base/clock.js';
import type { BuildEvent, TransferInfo } from './events.js';
import type { Untimed } from './progress.js';

export type TransferOutcome = Extract<BuildEvent, { readonly type: 'transfer-finished' }>['outcome'];

/** One thing on its way; of its methods nothing happens any more after the first `finish`. */
export interface Transfer {
  /** Counts bytes that went over the wire; what was sent again after a broken connection counts again. */
  onBytes(count: number): void;
  finish(outcome: TransferOutcome): void;
}

/** A terminal is redrawn as often. */
const PROGRESS_EVERY_MS = 100;

/** What moves between registries and this machine, as events. One for each build or command, so that no id comes twice. */
export class Transfers {
  readonly #emit: (event: Untimed<BuildEvent>) => void;
  readonly #clock: () => number;
  #lastId = 0;

  /**
   * @param emit `Progress.emit`, which adds the time
   * @param clock milliseconds that only go forward
   */
  constructor(emit: (event: Untimed<BuildEvent>) => void, clock: () => number = nowMs) {
    this.#emit = emit;
    this.#clock = clock;
  }

  start(info: Omit<TransferInfo, 'id'>): Transfer {
    const id = `transfer-${++this.#lastId}`;
    const startedMs = this.#clock();
    let toldMs = startedMs;
    let bytes = 0;
    let isFinished = false;
    this.#emit({ type: 'transfer-started', transfer: { ...info, id } });
    return {
      onBytes: (count) => {
        if (isFinished) return;
        bytes += count;
        const timeMs = this.#clock();
        if (timeMs - toldMs < PROGRESS_EVERY_MS) return;
        toldMs = timeMs;
        this.#emit({ type: 'transfer-progress', transferId: id, bytes });
      },
      finish: (outcome) => {
        if (isFinished) return;
        isFinished = true;
        this.#emit({ type: 'transfer-finished', transferId: id, outcome, bytes, durationMs: this.#clock() - startedMs });
      },
    };
  }
}
