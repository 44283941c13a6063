import { BuildError, systemErrorText } from './base/errors.js';
import { exitCodeOf, renderError, signalExitCode } from './cli/errors.js';
import { tsbuildVersion } from './cli/version.js';

/** What stops the process; a second one ends it at once. */
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * The command line: composes the commands with the real world. Everything heavy is loaded by the command that needs it.
 * @param args without the names of node and script
 */
export async function main(args: readonly string[]): Promise<void> {
  if (args.length === 1 && args[0] === '--version') {
    process.stdout.write(`${tsbuildVersion()}\n`);
    return;
  }
  const debug = args.includes('-D') || args.includes('--debug');
  // The bundle is one long line: its map says where in the source a stack trace points to.
  if (debug) process.setSourceMapsEnabled(true);
  const stop = new AbortController();
  const caught = catchSignals(stop);
  ignoreClosedPipes();
  try {
    const { runCli } = await import('./cli/program.js');
    await runCli(args, {
      env: process.env,
      stdout: process.stdout,
      stderr: process.stderr,
      signal: stop.signal,
      build: async (options) => (await import('./pipeline.js')).build(options),
    });
  } catch (error) {
    process.stderr.write(renderError(error, { debug }));
    process.exitCode = exitCodeOf(error, caught.signal);
  } finally {
    caught.release();
  }
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

/**
 * `tsbuild images | head -1` closes the pipe early, which is no failure. A build whose progress nobody reads any longer goes on.
 */
function ignoreClosedPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    const failure = new BuildError('environment', `cannot write to standard output: ${systemErrorText(error)}`);
    process.stderr.write(renderError(failure, { debug: false }));
    process.exit(exitCodeOf(failure));
  });
  // There is no place left to say it.
  process.stderr.on('error', () => undefined);
}
