import { checkJson, checkText, outlineJson, outlineText, targetsJson, targetsText } from '../../lint/report.js';
import type { Call } from '../call.js';
import type { CliContext } from '../context.js';
import { toBuildRequest, type RawBuildFlags } from '../flags.js';
import { redact } from '../redact.js';

export interface CallCommand {
  readonly path: string | undefined;
  readonly flags: RawBuildFlags;
  readonly call: Call;
}

/**
 * `tsbuild --check` and `tsbuild --call`: the answer on standard output.
 * @returns the exit status: 1 when there is a warning
 * @throws BuildError what a build would fail with, the answer written
 */
export async function runCall({ path, flags, call }: CallCommand, context: CliContext): Promise<number> {
  const { options } = toBuildRequest(path, flags, context.env);
  const inspection = await context.inspection();
  const isJson = call.format === 'json';
  const write = (text: string): unknown => context.stdout.write(isJson ? text : redact(text));
  switch (call.method) {
    case 'outline': {
      const { source, ...outline } = await inspection.outlineDockerfile(options);
      write(isJson ? outlineJson(outline, source) : outlineText(outline));
      return 0;
    }
    case 'targets': {
      const { source, targets } = await inspection.listTargets(options);
      write(isJson ? targetsJson(targets, source) : targetsText(targets));
      return 0;
    }
    default: {
      const result = await inspection.checkDockerfile(options);
      write(isJson ? checkJson(result) : checkText(result));
      if (result.error !== undefined) throw result.error;
      return result.warnings.length === 0 || call.ignoresStatus ? 0 : 1;
    }
  }
}
