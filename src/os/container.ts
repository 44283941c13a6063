import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants as fsConstants, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { BuildError, systemErrorText } from '../base/errors.js';
import { LineSplitter } from './lines.js';
import { makeNode } from './native.js';
import { nameOverlay, type NamedOverlay } from './overlay.js';
import { requireProgram } from './process.js';
import type { Runtime } from './runtime.js';

export interface ContainerRequest {
  readonly runtime: Runtime;
  /** A private directory: everything of this container's own goes there. It is left for the caller to remove. */
  readonly dir: string;
  /** Lower directories of the overlay, topmost first, at least one. */
  readonly lowers: readonly string[];
  readonly upper: string;
  /** Empty, on the file system of `upper`. */
  readonly work: string;
  /** Text of config.json; its root is `rootfsOf(dir)`. */
  readonly config: string;
  /** Standard output and standard error, in the order in which they were written. */
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

export type ContainerOutcome =
  /** 128 + n when a signal n ended the process. */
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** The runtime could not make the container or start its process; nothing of it ran. */
  | { readonly kind: 'not-started'; readonly message: string }
  /** The mounts around it failed. */
  | { readonly kind: 'not-mounted'; readonly message: string };

const STILL_RUNNING_POLL_MS = 20;

/** Where the root is mounted, inside the container's mount namespace only. */
export function rootfsOf(dir: string): string {
  return join(dir, 'rootfs');
}

/**
 * The first process of the chain. The kernel kills it when tsbuild dies, however it dies; `setpriv` asked for that too late if tsbuild was
 * gone by then, so the parent is compared.
 */
const GUARD = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/**
 * Runs as process 1 of its own pid and mount namespace: with it die every process of the container and every mount.
 * The arguments are the runtime with its own; what else it needs stands in the environment (`scriptVariables`).
 *
 * A read-only cgroup tree keeps the runtime from making a directory in every hierarchy, and from waiting for their removal afterwards: up to
 * 300 ms of a RUN step. The bind leaves the other hierarchies of a hybrid tree out, which crun would refuse. Where that does not do, the
 * container is deleted in due form, so that its cgroups go.
 *
 * The runtime starts the container and ends (`runc run` in the foreground would give the process two pipes and mix up their order), so
 * that the process becomes a child of process 1. That is a `cat`: a shell might reap the process and lose its status. Once dead it stays a
 * zombie whose status /proc tells, and the loop tells it whenever it is asked. When standard input ends, by tsbuild's will or with tsbuild,
 * so does the `cat`, and `unshare` ends when everything else is dead.
 */
const MOUNT_AND_START = `
start() {
  if [ "$CGROUPS" = hidden ] && [ -d /sys/fs/cgroup ]; then "$MOUNT" --bind -o ro /sys/fs/cgroup /sys/fs/cgroup || return; fi
  cd "$BASE" && "$MOUNT" -t overlay -o "$OPTIONS" overlay "$ROOT" || return
  while read -r name </proc/1/comm && [ "$name" = "$shell" ]; do :; done
  "$@" </dev/null >"$OUTPUT" 2>&1
}
serve() {
  start "$@" || { echo failed; return; }
  read -r pid <"$PID_FILE"
  while read -r _; do
    stat=
    read -r stat <"/proc/$pid/stat"
    if [ "$CGROUPS" = plain ]; then case $stat in *') Z '*) "$1" --root "$STATE" delete --force "$ID" ;; esac; fi
    echo "$stat"
  done <"$QUESTIONS"
}
read -r shell </proc/1/comm
serve "$@" </dev/null &
exec cat >/dev/null
`;

/**
 * Mounts the layers and runs one container to its end. The chain is setpriv → sh → unshare → sh → runtime. It takes no longer than
 * mounting before the runtime and unmounting after it (`true` with runc, side by side on a busy machine: 52 ms against 55), and leaves
 * nothing to clean up.
 *
 * @throws BuildError `cancelled` when the signal fired: by then every process of the container is dead
 */
export async function runContainer(request: ContainerRequest): Promise<ContainerOutcome> {
  prepare(request);
  const outcome = await attempt(request, request.runtime.kind === 'other' ? 'plain' : 'hidden');
  // A runtime that insists on cgroups: nothing has run so far, so the same root can be used again.
  if (outcome.kind === 'not-started' && /cgroup/i.test(outcome.message)) return attempt(request, 'plain');
  return outcome;
}

type CgroupMode = 'hidden' | 'plain';

function prepare({ dir, config }: ContainerRequest): void {
  mkdirSync(rootfsOf(dir));
  writeFileSync(join(dir, 'config.json'), config);
}

async function attempt(request: ContainerRequest, cgroups: CgroupMode): Promise<ContainerOutcome> {
  const { dir, work, signal } = request;
  if (signal.aborted) throw cancelled();
  // A volatile overlay marks its work directory, so that it cannot be mounted again.
  mkdirSync(join(work, cgroups));
  const overlay = nameOverlay({ dir: join(dir, `l-${cgroups}`), lowers: request.lowers, upper: request.upper, work: join(work, cgroups) });
  const splitter = new LineSplitter(request.onLine);
  using output = makeFifo(join(dir, `output-${cgroups}`), fsConstants.O_RDONLY);
  using questions = makeFifo(join(dir, `questions-${cgroups}`), fsConstants.O_RDWR);
  const child = startChain(request, { cgroups, overlay });
  const ended = whenEnded(child);
  const stop = (): void => void child.stdin.end();
  child.stdin.on('error', () => undefined);
  output.stream.on('data', (chunk: Buffer) => splitter.push(chunk));
  let end: End | undefined;
  watchEnd({ output: output.stream, questions: questions.stream, answers: child.stdout }, (how) => {
    end = how;
    stop();
  });
  signal.addEventListener('abort', stop, { once: true });
  const result = await ended;
  signal.removeEventListener('abort', stop);
  splitter.end();
  if (typeof end === 'number') return { kind: 'exited', exitCode: end };
  if (signal.aborted) throw cancelled();
  if (end === 'lost') throw new BuildError('environment', 'the process of the step is gone, and its exit status with it');
  return whyNot({ log: join(dir, `log-${cgroups}`), complaint: result.complaint, exitCode: result.exitCode });
}

interface Chain {
  readonly cgroups: CgroupMode;
  readonly overlay: NamedOverlay;
}

/** Not by way of execa, which takes 4 ms more: as much as runc itself spends on the namespaces, and in each step. */
function startChain(request: ContainerRequest, { cgroups, overlay }: Chain): ChildProcessWithoutNullStreams {
  return spawn(requireProgram('setpriv', 'util-linux'), chainArgs(request, cgroups), {
    cwd: request.dir,
    // util-linux 2.39 and later would hand the options over one by one, 255 bytes at most each.
    env: {
      PATH: process.env['PATH'] ?? '',
      LC_ALL: 'C',
      LIBMOUNT_FORCE_MOUNT2: 'always',
      ...scriptVariables(request, cgroups, overlay),
    },
    stdio: 'pipe',
    // A session of its own: Ctrl-C reaches tsbuild alone, which then decides.
    detached: true,
  });
}

interface ChainEnd {
  readonly exitCode: number | undefined;
  /** What it wrote to standard error. */
  readonly complaint: string;
}

function whenEnded(child: ChildProcessWithoutNullStreams): Promise<ChainEnd> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8')));
    child.on('error', (cause) => reject(new BuildError('environment', `cannot run "setpriv": ${systemErrorText(cause)}`, { cause })));
    child.on('close', (exitCode) => resolve({ exitCode: exitCode ?? undefined, complaint }));
  });
}

/** Not blocking: neither the opening, which would wait for the other side, nor the reading, which would take a thread of the pool. */
function makeFifo(path: string, access: number): Disposable & { readonly stream: Socket } {
  makeNode(path, { type: 'fifo', mode: 0o600, major: 0, minor: 0 });
  const fd = openSync(path, access | fsConstants.O_NONBLOCK);
  const stream = new Socket({ fd, readable: access === fsConstants.O_RDONLY, writable: access !== fsConstants.O_RDONLY });
  stream.on('error', () => undefined);
  return { stream, [Symbol.dispose]: () => void stream.destroy() };
}

interface Watched {
  readonly output: Readable;
  readonly questions: Writable;
  readonly answers: Readable;
}

/** How it ended: the exit code, `failed` when nothing was started, `lost` when nobody knows. */
type End = number | 'failed' | 'lost';

/** The output ends with the last process that holds it: usually with the container. A process may have closed it and go on, so it is asked for. */
function watchEnd({ output, questions, answers }: Watched, onEnd: (end: End) => void): void {
  let text = '';
  const ask = (): void => void questions.write('\n');
  output.once('end', ask);
  answers.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (!text.endsWith('\n')) return;
    const end = parseAnswer(text.trim());
    text = '';
    if (end === 'running') setTimeout(ask, STILL_RUNNING_POLL_MS).unref();
    else onEnd(end);
  });
}

/** proc_pid_stat(5): field 3 is the state, field 52 the wait status; field 2, the name, may hold blanks and parentheses. */
function parseAnswer(line: string): End | 'running' {
  if (line === 'failed') return line;
  const nameEnd = line.lastIndexOf(') ');
  if (nameEnd === -1) return 'lost';
  const fields = line.slice(nameEnd + 2).split(' ');
  if (fields[0] !== 'Z' && fields[0] !== 'X') return 'running';
  const status = Number(fields[49]);
  const signal = status & 0x7f;
  return signal === 0 ? status >> 8 : 128 + signal;
}

interface Failure {
  readonly log: string;
  /** Standard error of the chain. */
  readonly complaint: string;
  readonly exitCode: number | undefined;
}

function whyNot({ log, complaint, exitCode }: Failure): ContainerOutcome {
  const error = readRuntimeError(log);
  if (error !== undefined) return { kind: 'not-started', message: error };
  const message = complaint.trim() === '' ? `exit code ${exitCode ?? 'unknown'}` : complaint.trim();
  return { kind: 'not-mounted', message };
}

/** The last error of a runtime's JSON log; `undefined` when it has not come to log one. */
function readRuntimeError(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const errors = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => parseLogLine(line) ?? []);
  return errors.at(-1)?.replace(/^runc run failed: (unable to start container process: )?/, '');
}

function parseLogLine(line: string): string | undefined {
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return (level === 'error' || level === 'fatal') && typeof msg === 'string' ? msg : undefined;
  } catch {
    return undefined;
  }
}

function scriptVariables(request: ContainerRequest, cgroups: CgroupMode, overlay: NamedOverlay): Record<string, string> {
  const { dir } = request;
  return {
    BASE: overlay.base,
    OPTIONS: overlay.options,
    ROOT: rootfsOf(dir),
    CGROUPS: cgroups,
    MOUNT: requireProgram('mount', 'mount'),
    ID: containerId(request),
    STATE: join(dir, `state-${cgroups}`),
    PID_FILE: join(dir, `pid-${cgroups}`),
    OUTPUT: join(dir, `output-${cgroups}`),
    QUESTIONS: join(dir, `questions-${cgroups}`),
  };
}

function chainArgs(request: ContainerRequest, cgroups: CgroupMode): string[] {
  const { dir, runtime } = request;
  // With --rootless runc goes on without the cgroups that it cannot make.
  const flags = cgroups === 'plain' ? [] : runtime.kind === 'crun' ? ['--cgroup-manager=disabled'] : ['--rootless=true'];
  const global = ['--root', join(dir, `state-${cgroups}`), '--log', join(dir, `log-${cgroups}`), '--log-format', 'json'];
  const run = [runtime.program, ...flags, ...global, 'run', '--detach', '--pid-file', join(dir, `pid-${cgroups}`), '--bundle', dir];
  const script = ['sh', '-c', MOUNT_AND_START, 'sh', ...run, containerId(request)];
  const unshare = [requireProgram('unshare', 'util-linux'), '--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', ...script];
  return ['--pdeathsig', 'KILL', 'sh', '-c', GUARD, 'sh', String(process.pid), ...unshare];
}

/** Its cgroups bear it, where it has any. */
function containerId({ dir }: ContainerRequest): string {
  return `tsbuild-${process.pid}-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
}

function cancelled(): BuildError {
  return new BuildError('cancelled', 'the step was stopped');
}
