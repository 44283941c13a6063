import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants as fsConstants, openSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { BuildError, systemErrorText } from '../base/errors.js';
import { LineSplitter } from './lines.js';
import { mountScript, type NamedSource } from './mount-script.js';
import { makeNode } from './native.js';
import type { NamedOverlay } from './overlay.js';
import { privateScript, type PrivateFile } from './private-files.js';
import { requireProgram } from './process.js';
import type { Runtime } from './runtime.js';

/** Whether the runtime gets to see the machine's cgroups: see MOUNT_AND_START. */
export type CgroupMode = 'hidden' | 'plain';

export interface ChainPlace {
  readonly runtime: Runtime;
  /** A private directory: everything of this chain's own goes there. It is left for the caller to remove. */
  readonly dir: string;
  readonly cgroups: CgroupMode;
}

/** Where the root is mounted, inside the chain's mount namespace only. */
export function rootfsOf(dir: string): string {
  return join(dir, 'rootfs');
}

const FIRST_POLL_MS = 1;
const LONGEST_POLL_MS = 20;

/**
 * The first process of the chain. The kernel kills it when tsbuild dies, however it dies; `setpriv` asked for that too late if tsbuild was
 * gone by then, so the parent is compared.
 */
const GUARD = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/**
 * Runs as process 1 of its own pid and mount namespace: with it die every process of the container and every mount.
 * The arguments are the runtime with its own; what else it needs stands in the environment (`scriptVariables`). It gets ready ahead of its step and
 * waits for the first question; what to mount stands in a file by then.
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
  read -r _ <"$QUESTIONS" && . "$ROOT.sh" || return
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

/** How the container ended: the exit code (128 + n for a signal n), `failed` when nothing was started, `lost` when nobody knows. */
export type End = number | 'failed' | 'lost';

export interface ChainResult {
  /** `undefined` when it was stopped before. */
  readonly end: End | undefined;
  /** Of the chain's first process. */
  readonly exitCode: number | undefined;
  /** What the chain wrote to standard error. */
  readonly complaint: string;
}

/**
 * The processes around one container: setpriv → sh → unshare → sh → runtime, and the namespaces that die with them. They start at once and wait: their
 * 10 ms pass while the step before still runs.
 */
export class Chain implements AsyncDisposable {
  readonly #place: ChainPlace;
  readonly #output: Fifo;
  readonly #questions: Fifo;
  readonly #secrets: Fifo[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<Omit<ChainResult, 'end'>>;

  /** `place.dir` holds an empty directory `rootfsOf(dir)`. */
  constructor(place: ChainPlace) {
    this.#place = place;
    this.#output = makeFifo(fileOf(place, 'output'), fsConstants.O_RDONLY);
    this.#questions = makeFifo(fileOf(place, 'questions'), fsConstants.O_RDWR);
    this.#child = startChain(place);
    this.#child.stdin.on('error', () => undefined);
    this.#ended = whenEnded(this.#child);
    // Told by run().
    this.#ended.catch(() => undefined);
  }

  /**
   * Mounts the overlay and runs the bundle in `dir` to its end; everything is unmounted and every process dead then.
   * @throws BuildError `environment` when the first process of the chain cannot be started
   */
  async run({ overlay, sources, secrets, onLine, signal }: ChainRun): Promise<ChainResult> {
    const splitter = new LineSplitter(onLine);
    this.#output.stream.on('data', (chunk: Buffer) => splitter.push(chunk));
    let end: End | undefined;
    watchEnd({ output: this.#output.stream, questions: this.#questions.stream, answers: this.#child.stdout }, (how) => {
      end = how;
      this.#stop();
    });
    const stop = (): void => this.#stop();
    signal.addEventListener('abort', stop, { once: true });
    writeFileSync(`${rootfsOf(this.#place.dir)}.sh`, mountScript(overlay, sources) + this.#sendSecrets(secrets));
    this.#questions.stream.write('\n');
    const result = await this.#ended;
    signal.removeEventListener('abort', stop);
    splitter.end();
    return { ...result, end };
  }

  /** Kills what is still there, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#ended.catch(() => undefined);
    this.#output[Symbol.dispose]();
    this.#questions[Symbol.dispose]();
    for (const secret of this.#secrets) secret[Symbol.dispose]();
  }

  /** @returns what the chain has to do to receive them */
  #sendSecrets(files: readonly PrivateFile[] | undefined): string {
    if (files === undefined) return '';
    const pipes = files.map((_, index) => `${fileOf(this.#place, 'secret')}-${index}`);
    for (const [index, { bytes }] of files.entries()) {
      // For both sides, so that it keeps what is written before somebody reads.
      const fifo = makeFifo(pipes[index] ?? '', fsConstants.O_RDWR);
      this.#secrets.push(fifo);
      fifo.stream.write(bytes);
    }
    return privateScript({ dir: this.#place.dir, state: fileOf(this.#place, 'state'), files, pipes });
  }

  #stop(): void {
    this.#child.stdin.end();
  }
}

export interface ChainRun {
  readonly overlay: NamedOverlay;
  /** Mounted before it, elsewhere: overlays, and directories of other places. */
  readonly sources: readonly NamedSource[];
  /** For the container's mount namespace alone. Where there is a list, what the runtime keeps is hidden as well. */
  readonly secrets: readonly PrivateFile[] | undefined;
  /** Standard output and standard error, in the order in which they were written. */
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Not by way of execa, which takes 4 ms more: as much as runc itself spends on the namespaces, and in each step. */
function startChain(place: ChainPlace): ChildProcessWithoutNullStreams {
  return spawn(requireProgram('setpriv', 'util-linux'), chainArgs(place), {
    cwd: place.dir,
    // util-linux 2.39 and later would hand the options over one by one, 255 bytes at most each.
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', LIBMOUNT_FORCE_MOUNT2: 'always', ...scriptVariables(place) },
    stdio: 'pipe',
    // A session of its own: Ctrl-C reaches tsbuild alone, which then decides.
    detached: true,
  });
}

function whenEnded(child: ChildProcessWithoutNullStreams): Promise<Omit<ChainResult, 'end'>> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString('utf8')));
    child.on('error', (cause) => reject(new BuildError('environment', `cannot run "setpriv": ${systemErrorText(cause)}`, { cause })));
    child.on('close', (exitCode) => resolve({ exitCode: exitCode ?? undefined, complaint }));
  });
}

interface Fifo extends Disposable {
  readonly stream: Socket;
}

/** Not blocking: neither the opening, which would wait for the other side, nor the reading, which would take a thread of the pool. */
function makeFifo(path: string, access: number): Fifo {
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

/** The output ends with the last process that holds it: usually with the container. A process may have closed it and go on, so it is asked for. */
function watchEnd({ output, questions, answers }: Watched, onEnd: (end: End) => void): void {
  let text = '';
  let pollMs = FIRST_POLL_MS;
  const ask = (): void => void questions.write('\n');
  output.once('end', ask);
  answers.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (!text.endsWith('\n')) return;
    const end = parseAnswer(text.trim());
    text = '';
    if (end !== 'running') {
      onEnd(end);
      return;
    }
    // Usually it is just about to end.
    setTimeout(ask, pollMs).unref();
    pollMs = Math.min(2 * pollMs, LONGEST_POLL_MS);
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

function scriptVariables(place: ChainPlace): Record<string, string> {
  return {
    ROOT: rootfsOf(place.dir),
    CGROUPS: place.cgroups,
    MOUNT: requireProgram('mount', 'mount'),
    ID: containerId(place),
    STATE: fileOf(place, 'state'),
    PID_FILE: fileOf(place, 'pid'),
    OUTPUT: fileOf(place, 'output'),
    QUESTIONS: fileOf(place, 'questions'),
  };
}

function chainArgs(place: ChainPlace): string[] {
  const { dir, runtime, cgroups } = place;
  // With --rootless runc goes on without the cgroups that it cannot make.
  const flags = cgroups === 'plain' ? [] : runtime.kind === 'crun' ? ['--cgroup-manager=disabled'] : ['--rootless=true'];
  const global = ['--root', fileOf(place, 'state'), '--log', logArg(place), '--log-format', 'json'];
  const run = [runtime.program, ...flags, ...global, 'run', '--detach', '--pid-file', fileOf(place, 'pid'), '--bundle', dir];
  const script = ['sh', '-c', MOUNT_AND_START, 'sh', ...run, containerId(place)];
  const unshare = [requireProgram('unshare', 'util-linux'), '--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', ...script];
  return ['--pdeathsig', 'KILL', 'sh', '-c', GUARD, 'sh', String(process.pid), ...unshare];
}

/** crun takes what stands before a colon for the kind of log. */
function logArg(place: ChainPlace): string {
  return `${place.runtime.kind === 'crun' ? 'file:' : ''}${fileOf(place, 'log')}`;
}

type ChainFile = 'output' | 'questions' | 'secret' | 'state' | 'pid' | 'log';

/** Of this attempt: a second one, with cgroups, has its own. */
export function fileOf({ dir, cgroups }: Pick<ChainPlace, 'dir' | 'cgroups'>, name: ChainFile): string {
  return join(dir, `${name}-${cgroups}`);
}

/** Its cgroups bear it, where it has any. */
function containerId({ dir }: ChainPlace): string {
  return `tsbuild-${process.pid}-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
}
