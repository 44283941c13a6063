import type { BuildOptions, BuildResult } from '../options.js';
import type { CheckReport, ReportSource } from '../lint/report.js';
import type { Outline } from '../lint/outline.js';
import type { Target } from '../lint/targets.js';
import type * as transport from '../transport/options.js';
import type { ProgressStream } from './progress/progress.js';

/** What the commands need of the world. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results. */
  readonly stdout: ResultStream;
  /** Progress, warnings, errors. */
  readonly stderr: ProgressStream;
  readonly signal: AbortSignal;
  /** Loads the pipeline when called first. */
  readonly build: (options: BuildOptions) => Promise<BuildResult>;
  /** The same, for what looks at a Dockerfile and builds nothing. */
  readonly inspection: () => Promise<Inspection>;
  /** The same, for what moves images about. */
  readonly transport: () => Promise<Transport>;
}

/** Also for what is no text. */
export interface ResultStream extends ProgressStream {
  write(content: string | Uint8Array): unknown;
}

export interface Inspection {
  checkDockerfile(options: BuildOptions): Promise<CheckReport>;
  outlineDockerfile(options: BuildOptions): Promise<Outline & { readonly source: ReportSource }>;
  listTargets(options: BuildOptions): Promise<{ readonly targets: readonly Target[]; readonly source: ReportSource }>;
}

export interface Transport {
  pull(options: transport.PullOptions): Promise<readonly transport.MovedImage[]>;
  push(options: transport.PushOptions): Promise<readonly transport.MovedImage[]>;
  copy(options: transport.CopyOptions): Promise<transport.MovedImage>;
  listTags(options: transport.RepositoryOptions): AsyncIterable<string>;
  listRepositories(options: transport.HostOptions): AsyncIterable<string>;
  deleteImages(options: transport.DeleteOptions): Promise<readonly transport.DeletedImage[]>;
  createIndex(options: transport.IndexOptions): Promise<readonly transport.MovedImage[]>;
  inspectRemote(options: transport.InspectOptions): Promise<transport.RemoteDocuments>;
}
