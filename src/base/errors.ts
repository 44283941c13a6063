import { getSystemErrorMap } from 'node:util';
import type { SourceRange } from './source.js';

/**
 * The class of a failure. It decides the exit status of the CLI and is part of the public API:
 *
 * - `usage`: a flag or an argument is wrong
 * - `dockerfile`: the Dockerfile is wrong; the error carries a range
 * - `input`: something that the build reads is missing, unreadable or malformed (context, archive, base image, store)
 * - `registry`: an image is not to be had (not in the store, not in a registry), or a registry or the network between fails
 * - `credentials`: a registry refuses these credentials, or wants some
 * - `step`: a RUN step ended with a status other than 0
 * - `unsupported`: the Dockerfile asks for something that tsbuild does not do yet
 * - `privilege`: the machine does not allow what the build needs
 * - `environment`: a program is missing, a disk is full
 * - `cancelled`: the build was told to stop
 * - `internal`: a fault of tsbuild's own
 */
export type ErrorKind =
  | 'usage'
  | 'dockerfile'
  | 'input'
  | 'registry'
  | 'credentials'
  | 'step'
  | 'unsupported'
  | 'privilege'
  | 'environment'
  | 'cancelled'
  | 'internal';

export interface BuildErrorDetails {
  /** Where in a Dockerfile; shown as a frame. */
  readonly range?: SourceRange;
  /** What the user can do about it: one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Exit status of the failed process, for kind `step`. */
  readonly exitCode?: number;
  /** Last lines of the failed process, for kind `step`. */
  readonly lastLines?: readonly string[];
}

/** The one error type that tsbuild throws on purpose. Anything else that surfaces is a fault of tsbuild's own. */
export class BuildError extends Error {
  readonly kind: ErrorKind;
  readonly range: SourceRange | undefined;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;
  readonly lastLines: readonly string[] | undefined;

  constructor(kind: ErrorKind, message: string, details: BuildErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BuildError';
    this.kind = kind;
    this.range = details.range;
    this.hint = details.hint;
    this.exitCode = details.exitCode;
    this.lastLines = details.lastLines;
  }
}

/** The same failure, with the place in the Dockerfile added where the thrower could not know it. */
export function atRange(error: unknown, range: SourceRange): unknown {
  if (!(error instanceof BuildError) || error.range !== undefined) return error;
  return new BuildError(error.kind, error.message, {
    range,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    ...(error.lastLines === undefined ? {} : { lastLines: error.lastLines }),
  });
}

/** What a failed system call says, in words and by its name: `no space left on device (ENOSPC)`. */
export function systemErrorText(error: unknown): string {
  const code = errnoOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  for (const [name, words] of getSystemErrorMap().values()) if (name === code) return `${words} (${code})`;
  return code;
}

/** The errno name (`ENOENT`, `EACCES`, …) of a failed system call. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
