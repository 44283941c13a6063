import { BuildError, systemErrorText } from './base/errors.js';
import { exitCodeOf, renderError, signalExitCode } from './cli/errors.js';
import { tsbuildVersion } from './cli/version.js';

/** What stops the process; a second one ends it at once. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * The command line: composes the commands with the real world. Everything heavy is loaded by the command that needs it.
 * @param args without the names of node and script
 * @returns whether it built an image
 */
export async function main(args: readonly string[]): Promise<boolean> {
  let hasBuilt = false;
  if (args.length === 1 && args[0] === '--version') {
    process.stdout.write(`${tsbuildVersion()}\n`);
    return hasBuilt;
  }
  const debug = args.includes('-D') || args.includes('--debug');
  // A password in the arguments is in the list of processes, for every user, until the title takes their place.
  if (args.some((arg) => /^(?:--(?:src-|dest-)?creds|--password|-p)/.test(arg))) process.title = 'tsbuild';
  const stop = new AbortController();
  const caught = catchSignals(stop);
  const output = watchOutput(stop);
  try {
    const { runCli } = await import('./cli/program.js');
    const status = await runCli(args, {
      env: process.env,
      stdout: process.stdout,
      stderr: process.stderr,
      signal: stop.signal,
      build: async (options) => {
        const { build } = await import('./pipeline.js');
        const result = await build(options);
        hasBuilt = true;
        return result;
      },
      inspection: () => import('./check.js'),
      transport: () => import('./transport.js'),
    });
    if (status !== 0) process.exitCode = status;
  } catch (error) {
    // What broke first is what to tell: the rest was stopped by it.
    if (output.failure === undefined || output.isClosed) fail(output.failure ?? error, { debug, signal: caught.signal });
  } finally {
    caught.release();
  }
  return hasBuilt;
}

interface CaughtSignal {
  signal: NodeJS.Signals | undefined;
  release(): void;
}

/** The first signal asks the build to stop and clean up; a second one does not wait for that. */
function catchSignals(stop: AbortController): CaughtSignal {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (caught.signal !== undefined) process.exit(signalExitCode(signal));
    caught.signal = signal;
    stop.abort(new Error(`stopped by ${signal}`));
  };
  const caught: CaughtSignal = {
    signal: undefined,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return caught;
}

interface Output {
  failure: BuildError | undefined;
  /** Its reader went away. */
  isClosed: boolean;
}

/**
 * Standard output that takes no more ends a build that writes its image there, with everything cleaned up. `tsbuild images | head -1` closes
 * the pipe early as well, which is no failure. A build whose progress nobody reads any longer goes on.
 */
function watchOutput(stop: AbortController): Output {
  const output: Output = { failure: undefined, isClosed: false };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (output.failure !== undefined) return;
    output.failure = new BuildError('environment', `cannot write to standard output: ${systemErrorText(error)}`);
    output.isClosed = error.code === 'EPIPE';
    stop.abort(output.failure);
    // At once: the command may have ended already.
    if (!output.isClosed) fail(output.failure, { debug: false });
  });
  process.stderr.on('error', () => undefined);
  return output;
}

function fail(error: unknown, { debug, signal }: { readonly debug: boolean; readonly signal?: NodeJS.Signals | undefined }): void {
  process.stderr.write(renderError(error, { debug }));
  process.exitCode = exitCodeOf(error, signal);
}
