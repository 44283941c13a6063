import type { BuildOptions, BuildResult } from '../options.js';
import type { ProgressStream } from './progress/progress.js';

/** What the commands need of the world. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results. */
  readonly stdout: ProgressStream;
  /** Progress, warnings, errors. */
  readonly stderr: ProgressStream;
  readonly signal: AbortSignal;
  /** Loads the pipeline when called first. */
  readonly build: (options: BuildOptions) => Promise<BuildResult>;
}
