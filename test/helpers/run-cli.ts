import { runCli } from '../../src/cli/program.js';
import type { BuildOptions } from '../../src/options.js';

export interface CliRun {
  /** What a build was asked for; `undefined` when none was. */
  readonly options: BuildOptions | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly error: unknown;
}

/** The command line in this process, with a build that makes nothing. */
export async function runFlags(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> {
  let options: BuildOptions | undefined;
  let stdout = '';
  let stderr = '';
  const error: unknown = await runCli(args, {
    env,
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    signal: new AbortController().signal,
    build: ({ onEvent: _sink, signal: _signal, ...asked }) => {
      options = asked;
      return Promise.resolve({
        image: undefined,
        images: [],
        index: undefined,
        timings: { totalMs: 0, steps: [] },
        warnings: [],
        checks: [],
        pushed: [],
      });
    },
    inspection: () => Promise.reject(new Error('no inspection')),
    transport: () => Promise.reject(new Error('no transport')),
  }).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return { options, stdout, stderr, error };
}
