import type { SourceRange } from './base/source.js';
import type { LintWarning } from './lint/warning.js';
import type { Digest } from './oci/digest.js';
import type { Descriptor } from './oci/types.js';

/** A step as progress names it. */
export interface StepInfo {
  /** Unique in the build. */
  readonly id: string;
  /** Name of the stage, or `stage-N`. */
  readonly stage: string;
  /** 1-based position of the step among those of its stage, `FROM` included, and their number. */
  readonly index: number;
  readonly total: number;
  /** The instruction as shown: `RUN npm ci`. Heredocs show their first line. */
  readonly text: string;
  readonly range?: SourceRange;
}

/** Something on its way to or from a registry. */
export interface TransferInfo {
  /** Unique in the command. */
  readonly id: string;
  readonly direction: 'pull' | 'push';
  /** `layer sha256:0123456789ab`, `config`, `manifest` */
  readonly what: string;
  /** Short name of the image: `registry.example/app:1`. */
  readonly reference: string;
  /** When it is known. */
  readonly totalBytes?: number;
}

/**
 * Everything that progress can show. Events are plain values in the order in which things happened; a renderer is a function of them.
 * Times are milliseconds since the build began.
 */
export type BuildEvent =
  | { readonly type: 'build-started'; readonly timeMs: number; readonly steps: number; readonly stages: readonly string[] }
  | { readonly type: 'step-started'; readonly timeMs: number; readonly step: StepInfo }
  /** One line of a step's output, without its line end. */
  | { readonly type: 'step-output'; readonly timeMs: number; readonly stepId: string; readonly line: string }
  | { readonly type: 'step-finished'; readonly timeMs: number; readonly stepId: string; readonly durationMs: number }
  | { readonly type: 'step-failed'; readonly timeMs: number; readonly stepId: string; readonly durationMs: number }
  /** A layer is whole: hashed, compressed and in the store. */
  | {
      readonly type: 'layer-finished';
      readonly timeMs: number;
      readonly stepId: string;
      readonly diffId: Digest;
      readonly descriptor: Descriptor;
      readonly durationMs: number;
    }
  | { readonly type: 'warning'; readonly timeMs: number; readonly message: string; readonly range?: SourceRange }
  /** What a check of the Dockerfile has to say: not wrong, but worth a look. */
  | { readonly type: 'check'; readonly timeMs: number; readonly warning: LintWarning }
  /** A blob or manifest begins to move between a registry and this machine, or from registry to registry. */
  | { readonly type: 'transfer-started'; readonly timeMs: number; readonly transfer: TransferInfo }
  /** At most ten times a second for each transfer. */
  | { readonly type: 'transfer-progress'; readonly timeMs: number; readonly transferId: string; readonly bytes: number }
  | {
      readonly type: 'transfer-finished';
      readonly timeMs: number;
      readonly transferId: string;
      /** `exists` and `mounted` moved nothing; `failed` is told by the error of the build. */
      readonly outcome: 'done' | 'exists' | 'mounted' | 'failed';
      /** What went over the wire. */
      readonly bytes: number;
      readonly durationMs: number;
    }
  /** An output was written: `what` says what and where, `oci layout out/app`. */
  | { readonly type: 'output-written'; readonly timeMs: number; readonly what: string; readonly durationMs: number }
  | { readonly type: 'build-finished'; readonly timeMs: number; readonly manifestDigest: Digest | undefined };

export type EventSink = (event: BuildEvent) => void;
