import type { BuildEvent } from '../../events.js';

/** A way to show a build: text for the terminal from events and from the passing of time. */
export interface Renderer {
  /** What to write for an event. Times in it are the only clock. */
  event(event: BuildEvent): string;
  /** What to write now that `timeMs` since the build began have passed without an event. */
  tick(timeMs: number): string;
  /** What to write at the end, whether the build succeeded or not. */
  end(): string;
}

/** `[build 2/5] RUN npm ci` */
export function stepTitle(step: { readonly stage: string; readonly index: number; readonly total: number; readonly text: string }): string {
  return `[${step.stage} ${step.index}/${step.total}] ${step.text}`;
}
