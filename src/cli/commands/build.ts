import type { CliContext } from '../context.js';
import { toBuildRequest, type RawBuildFlags } from '../flags.js';
import { startProgress } from '../progress/progress.js';
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
  const progress = startProgress(request.progress, context.stderr, context.env);
  const silent = request.progress === 'quiet' ? { checks: false } : {};
  const options = { ...request.options, ...silent, onEvent: progress.sink, signal: context.signal };
  const result = await context.build(options).finally(() => progress.stop());
  writeResultFiles(request, result);
  if (request.progress !== 'quiet') context.stderr.write(summarize(request, result));
  const id = resultId(result);
  if (request.printId && id !== undefined) context.stdout.write(`${id}\n`);
}
