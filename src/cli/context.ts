import type { BuildOptions, BuildResult } from '../options.js';
import type { CheckReport, ReportSource } from '../lint/report.js';
import type { Outline } from '../lint/outline.js';
import type { Target } from '../lint/targets.js';
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
  /** The same, for what looks at a Dockerfile and builds nothing. */
  readonly inspection: () => Promise<Inspection>;
}

export interface Inspection {
  checkDockerfile(options: BuildOptions): Promise<CheckReport>;
  outlineDockerfile(options: BuildOptions): Promise<Outline & { readonly source: ReportSource }>;
  listTargets(options: BuildOptions): Promise<{ readonly targets: readonly Target[]; readonly source: ReportSource }>;
}
