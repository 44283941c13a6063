import { nowMs } from './base/clock.js';
import type { SourceRange } from './base/source.js';
import type { BuildEvent, EventSink, StepInfo } from './events.js';
import type { LintWarning } from './lint/warning.js';
import type { StepTiming } from './options.js';

/** An event before anyone has said when it happened. */
export type Untimed<E> = E extends BuildEvent ? Omit<E, 'timeMs'> : never;

/** Turns what happens in a build into timed events, and keeps what the result reports of them. */
export class Progress {
  readonly #sink: EventSink;
  readonly #onSinkError: (error: unknown) => void;
  readonly #startedAt = nowMs();
  readonly steps: StepTiming[] = [];
  readonly warnings: string[] = [];
  readonly checks: LintWarning[] = [];

  /** @param onSinkError since an event may happen where nobody would catch what its sink throws */
  constructor(sink: EventSink | undefined, onSinkError: (error: unknown) => void) {
    this.#sink = sink ?? (() => {});
    this.#onSinkError = onSinkError;
  }

  elapsedMs(): number {
    return nowMs() - this.#startedAt;
  }

  emit(event: Untimed<BuildEvent>): void {
    try {
      this.#sink({ ...event, timeMs: this.elapsedMs() });
    } catch (error) {
      this.#onSinkError(error);
    }
  }

  warn(message: string, range?: SourceRange): void {
    if (this.warnings.includes(message)) return;
    this.warnings.push(message);
    this.emit({ type: 'warning', message, ...(range === undefined ? {} : { range }) });
  }

  /** Of several platforms, what is the same is told once. */
  check(warning: LintWarning): void {
    const isSame = ({ ruleName, detail, range }: LintWarning): boolean =>
      ruleName === warning.ruleName && detail === warning.detail && range.startLine === warning.range.startLine;
    if (this.checks.some(isSame)) return;
    this.checks.push(warning);
    this.emit({ type: 'check', warning });
  }

  /** Runs one step between its start and its end. */
  async step<T>(step: StepInfo, run: () => Promise<T>): Promise<T> {
    const startedMs = this.elapsedMs();
    this.emit({ type: 'step-started', step });
    try {
      const result = await run();
      const durationMs = this.elapsedMs() - startedMs;
      this.steps.push({ stepId: step.id, text: step.text, durationMs });
      this.emit({ type: 'step-finished', stepId: step.id, durationMs });
      return result;
    } catch (error) {
      this.emit({ type: 'step-failed', stepId: step.id, durationMs: this.elapsedMs() - startedMs });
      throw error;
    }
  }
}
