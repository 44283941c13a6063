import { accessSync, constants, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ExecaError, Options } from 'execa';
import { BuildError } from '../base/errors.js';

const STDERR_LIMIT = 64 * 1024;

/** What a program that ran to its end left. */
export interface ProgramResult {
  /** 128 + n when a signal n ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** It has nothing but `env`. */
  readonly isWholeEnv?: boolean;
  /** Written to its standard input, which is /dev/null otherwise. */
  readonly input?: Uint8Array | string;
  /** Kills it. */
  readonly signal?: AbortSignal;
  /** The signal kills what the program started as well: helpers that wait for a network would keep its output open. */
  readonly killsGroup?: boolean;
  readonly timeoutMs?: number;
}

/** The absolute path of a program: `name` looked up on PATH, or `name` itself when it has a slash. `undefined` when there is no such program. */
export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  if (name.includes('/')) return isProgram(name) ? name : undefined;
  for (const directory of path.split(delimiter)) {
    const candidate = join(directory, name);
    // An empty or relative entry of PATH would name a program in the directory where the user happens to be.
    if (directory.startsWith('/') && isProgram(candidate)) return candidate;
  }
  return undefined;
}

/** @throws BuildError `environment` naming the Debian package that has the program */
export function requireProgram(name: string, debianPackage: string): string {
  const found = findProgram(name);
  if (found === undefined) {
    throw new BuildError('environment', `program "${name}" not found on PATH`, {
      hint: `install it, on Debian: apt-get install ${debianPackage}`,
    });
  }
  return found;
}

/**
 * Runs a short-lived program and collects what it writes, at most a few MiB.
 * @throws BuildError `environment` when it cannot be started, `cancelled` when the signal fired; a status other than 0 does not throw
 */
export async function runProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const { execa } = await import('execa');
  const child = execa(command, args, {
    reject: false,
    stripFinalNewline: false,
    maxBuffer: 16 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.isWholeEnv === true ? { extendEnv: false } : {}),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    ...(options.killsGroup === true ? { detached: true } : {}),
  });
  using _group = options.killsGroup === true ? killGroupOn(options.signal, child.pid) : undefined;
  const result = await child;
  if (result.isCanceled) throw new BuildError('cancelled', `${command} was stopped`);
  if (result.failed && result.code !== undefined) throw startError(command, result.code, result.cause);
  return { exitCode: exitCodeOf(result), stdout: text(result.stdout), stderr: text(result.stderr) };
}

function killGroupOn(signal: AbortSignal | undefined, pid: number | undefined): Disposable {
  const kill = (): void => {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  signal?.addEventListener('abort', kill);
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', kill) };
}

/**
 * The output of a program that reads `input`: a decompressor. The program is killed when the consumer stops early.
 * @throws BuildError `environment` when it cannot be started, `input` with its last words when it ends with a status other than 0
 */
export async function* spawnFilter(command: string, args: readonly string[], input: Readable): AsyncGenerator<Buffer, void, void> {
  const { execa } = await import('execa');
  const stop = new AbortController();
  const options = {
    input,
    encoding: 'buffer',
    buffer: { stdout: false, stderr: true },
    maxBuffer: { stderr: STDERR_LIMIT },
    cancelSignal: stop.signal,
    forceKillAfterDelay: false,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe'],
  } as const satisfies Options;
  const child = execa(command, args, options);
  const ended = child.then(
    () => undefined,
    (error: unknown) => error as ExecaError<typeof options>,
  );
  // A program whose input breaks off complains as well; the first cause is the better message.
  let inputError: Error | undefined;
  input.once('error', (error) => (inputError = error));
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const failure = await ended;
    if (failure !== undefined) throw inputError ?? filterError(command, failure);
  } finally {
    // Where the consumer left early the program still runs.
    stop.abort();
    await ended;
  }
}

function filterError(command: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('stderr' in error)) return error;
  const { code, cause } = error as ExecaError;
  if (code !== undefined && code !== 'EPIPE') return startError(command, code, cause);
  const words = error.stderr instanceof Uint8Array ? Buffer.from(error.stderr).toString('utf8').trim().split('\n').at(-1) : undefined;
  return new BuildError('input', `${command} failed: ${words === undefined || words === '' ? 'no message' : words}`, { cause: error });
}

function startError(command: string, code: string, cause: unknown): BuildError {
  return new BuildError('environment', `cannot run "${command}": ${code}`, { cause });
}

function exitCodeOf(result: { readonly exitCode?: number; readonly signal?: NodeJS.Signals }): number {
  return result.exitCode ?? 128 + (result.signal === undefined ? 0 : osConstants.signals[result.signal]);
}

function text(output: unknown): string {
  return typeof output === 'string' ? output : '';
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
