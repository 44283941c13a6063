import type { CliContext } from '../context.js';
import { toBuildRequest, type RawBuildFlags } from '../flags.js';
import { startProgress } from '../progress/progress.js';
import { redact } from '../redact.js';
import { checkResultFiles, resultId, summarize, writeResultFiles } from '../results.js';

export interface BuildCommand {
  readonly path: string | undefined;
  readonly flags: RawBuildFlags;
  /** Flags of other builders that were given and change nothing. */
  readonly ignored: readonly string[];
}

/** `tsbuild build` */
export async function runBuild({ path, flags, ignored }: BuildCommand, context: CliContext): Promise<void> {
  const request = toBuildRequest(path, flags, context.env);
  checkResultFiles(request);
  if (ignored.length > 0) context.stderr.write(`WARNING: no effect in tsbuild: ${ignored.join(', ')}\n`);
  const debug = (message: string): unknown => context.stderr.write(`debug: ${redact(message)}\n`);
  // A terminal's picture is drawn over what stands below it.
  const mode = request.debug && request.progress === 'auto' ? 'plain' : request.progress;
  const progress = startProgress(mode, context.stderr, context.env);
  const silent = request.progress === 'quiet' ? { checks: false } : {};
  const told = { onEvent: progress.sink, ...(request.debug ? { onDebug: debug } : {}) };
  const options = { ...request.options, ...silent, ...told, signal: context.signal };
  const result = await context.build(options).finally(() => progress.stop());
  writeResultFiles(request, result);
  if (request.progress !== 'quiet') context.stderr.write(summarize(request, result));
  const id = resultId(result);
  if (request.printId && id !== undefined) context.stdout.write(`${id}\n`);
}
