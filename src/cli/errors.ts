import { constants } from 'node:os';
import { BuildError, errnoOf, type ErrorKind } from '../base/errors.js';
import { formatFrame, formatPosition } from '../base/source.js';
import { toVisible } from './progress/width.js';
import { redact } from './redact.js';

const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  step: 1,
  input: 1,
  environment: 1,
  usage: 2,
  dockerfile: 2,
  unsupported: 2,
  registry: 3,
  credentials: 4,
  privilege: 5,
  internal: 125,
  cancelled: 130,
};

/** The status that the process ends with; `signal` is what stopped it. */
export function exitCodeOf(error: unknown, signal?: NodeJS.Signals): number {
  const kind = error instanceof BuildError ? error.kind : 'internal';
  if (kind === 'cancelled' && signal !== undefined) return signalExitCode(signal);
  return isFullDisk(error) ? EXIT_CODES.environment : EXIT_CODES[kind];
}

/** As a shell reports a process that a signal ended. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** What the user reads on standard error: what failed, where, why, and what to do. Ends with a line end. */
export function renderError(error: unknown, options: { readonly debug: boolean }): string {
  if (error instanceof BuildError && error.kind !== 'internal') return redact(renderBuildError(error));
  if (isFullDisk(error)) return `ERROR: ${redact((error as Error).message)}\nhint: free some space on that file system\n`;
  return redact(renderInternal(error, options.debug));
}

function renderBuildError(error: BuildError): string {
  const position = error.range === undefined ? '' : `${formatPosition(error.range)}: `;
  const lines = [`ERROR: ${position}${error.message}`];
  if (error.lastLines !== undefined && error.lastLines.length > 0) {
    lines.push('last lines of its output:', ...error.lastLines.map((line) => `  | ${toVisible(line)}`));
  }
  if (error.range !== undefined) lines.push(formatFrame(error.range));
  if (error.hint !== undefined) lines.push(`hint: ${error.hint}`);
  return `${lines.join('\n')}\n`;
}

function renderInternal(error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const stack = debug && error instanceof Error ? `${error.stack ?? ''}\n${causes(error)}` : '';
  const request = debug ? 'please report it with the lines above' : 'please report it, with the output of the same command with --debug';
  return `${stack}ERROR: internal error: ${message}\nhint: this is a fault of tsbuild: ${request}\n`;
}

function causes(error: Error): string {
  return error.cause instanceof Error ? `caused by: ${error.cause.stack ?? error.cause.message}\n${causes(error.cause)}` : '';
}

function isFullDisk(error: unknown): boolean {
  const code = errnoOf(error);
  return !(error instanceof BuildError) && (code === 'ENOSPC' || code === 'EDQUOT');
}
