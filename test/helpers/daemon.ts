import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that serves until the scope ends. */
export interface Daemon extends AsyncDisposable {
  /** What it said on both streams. */
  logs(): string;
}

export interface DaemonOptions {
  /** Where both streams go: not to a pipe, which is full soon while a test waits for a program. */
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it says when it listens. */
  readonly ready: RegExp;
  readonly readyTimeoutMs?: number;
}

/**
 * Starts a program that serves, and waits until it says so. It dies with this process, even if that is killed.
 * @returns the match of `ready` as well
 * @throws Error with what it said, when it ends or says nothing of the kind
 */
export async function startDaemon(
  command: string,
  args: readonly string[],
  { logFile, env = {}, ready, readyTimeoutMs = 20_000 }: DaemonOptions,
): Promise<Daemon & { readonly match: RegExpExecArray }> {
  const log = openSync(logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  });
  closeSync(log);
  const closed = once(child, 'close');
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const logs = (): string => readFileSync(logFile, 'utf8');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  for (const deadlineMs = Date.now() + readyTimeoutMs; isRunning() && Date.now() < deadlineMs; await sleep(5)) {
    const match = ready.exec(logs());
    if (match !== null) return { match, logs, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error(`${command} is not ready:\n${logs()}`);
}
