import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { BuildError, type BuildErrorDetails, type ErrorKind } from './base/errors.js';
import { callJob, type JobArgs, type JobName, type JobResult } from './jobs.js';

/** What a worker posts back. */
export type JobReply = { readonly id: number } & (
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: PlainError }
);

/** Errors cross the thread border as plain values: structured clone would lose their class and their fields. */
export interface PlainError {
  readonly message: string;
  readonly stack: string | undefined;
  /** The errno name of a failed system call. */
  readonly code: string | undefined;
  readonly cause: PlainError | undefined;
  /** Of a BuildError. */
  readonly build: { readonly kind: ErrorKind; readonly details: Omit<BuildErrorDetails, 'cause'> } | undefined;
}

/** Asks a thread to end. */
export const STOP = 'stop';
/** For a loop of system calls that waits for nothing. */
const MAX_STOP_MS = 2000;
/** Of one thread. Each holds some MiB of what it reads, and registries send no more than four blobs at once by default. */
const MAX_JOBS_THAT_WAIT = 2;

interface Waiting {
  readonly name: JobName;
  readonly args: unknown;
  readonly waits: boolean;
  readonly sizeBytes: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Under way, by the id of the job. */
  readonly jobs: Map<number, Waiting>;
}

export interface RunOptions {
  /** Do it in this thread: for work that ends before a thread has started. */
  readonly inline?: boolean;
  /** It spends its time waiting, for a network say: its thread may do other jobs beside it. */
  readonly waits?: boolean;
  /** What it goes through, for an even share of the threads. */
  readonly sizeBytes?: number;
}

/**
 * Threads for the jobs of `jobs.ts`: walking, hashing and extracting are loops of synchronous system calls (a promise per call costs ten times
 * the call), which would hold up progress and signals in the main thread. Threads start when first needed, one per core at most.
 */
export class JobPool implements Disposable {
  readonly #limit = availableParallelism();
  readonly #threads: Thread[] = [];
  readonly #queue: Waiting[] = [];
  #lastId = 0;
  #closed: Error | undefined;

  run<N extends JobName>(name: N, args: JobArgs<N>, options: RunOptions = {}): Promise<JobResult<N>> {
    const { inline = false, waits = false, sizeBytes = 0 } = options;
    if (inline && this.#closed === undefined) return callJob(name, args);
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      this.#queue.push({ name, args, waits, sizeBytes, resolve: resolve as (result: unknown) => void, reject });
      this.#dispatch();
    });
  }

  /**
   * Stops every thread. Jobs that wait reject with `reason` at once, those under way when their thread has ended: whoever awaits them may remove
   * what they were writing to.
   *
   * A busy thread is asked and ends when its job next waits for something. Terminating it where it stands can hit it amid a call of koffi, which
   * then brings the whole process down (`FATAL ERROR: … napi_throw`).
   */
  close(reason: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const waiting of this.#queue.splice(0)) waiting.reject(reason);
    for (const { worker, jobs } of this.#threads) {
      if (jobs.size === 0) {
        void worker.terminate();
        continue;
      }
      worker.postMessage(STOP);
      setTimeout(() => void worker.terminate(), MAX_STOP_MS).unref();
    }
  }

  [Symbol.dispose](): void {
    this.close(new BuildError('cancelled', 'the build has ended'));
  }

  #dispatch(): void {
    for (let place = 0; place < this.#queue.length;) {
      const waiting = this.#queue[place];
      const thread = waiting === undefined ? undefined : this.#chooseThread(waiting);
      if (waiting === undefined || thread === undefined) {
        place++;
        continue;
      }
      this.#queue.splice(place, 1);
      const id = ++this.#lastId;
      thread.jobs.set(id, waiting);
      thread.worker.ref();
      thread.worker.postMessage({ id, name: waiting.name, args: waiting.args });
    }
  }

  /** One that is idle, else a new one, else the one with the fewest jobs of those that only wait. */
  #chooseThread(job: Waiting): Thread | undefined {
    const [best] = this.#threads
      .filter((thread) => hasRoom(thread, job))
      .toSorted((a, b) => a.jobs.size - b.jobs.size || loadOf(a) - loadOf(b));
    return best?.jobs.size === 0 || this.#threads.length >= this.#limit ? best : this.#start();
  }

  #start(): Thread {
    // Many builds need no thread, and the module is one of Node's larger ones.
    const { Worker } = process.getBuiltinModule('node:worker_threads');
    // For --debug. What this thread has turned on does not hold in others.
    const options = process.sourceMapsEnabled ? { execArgv: ['--enable-source-maps'] } : {};
    const worker = new Worker(new URL('./worker.js', import.meta.url), options);
    const thread: Thread = { worker, jobs: new Map() };
    worker.on('message', (reply: JobReply) => this.#settle(thread, reply));
    worker.on('error', (error) => this.#drop(thread, error));
    worker.on('exit', (status) => this.#drop(thread, new Error(`a thread ended with status ${status}`)));
    this.#threads.push(thread);
    return thread;
  }

  #settle({ worker, jobs }: Thread, reply: JobReply): void {
    const waiting = jobs.get(reply.id);
    if (waiting === undefined) return;
    jobs.delete(reply.id);
    if (jobs.size === 0) worker.unref();
    if (reply.ok) waiting.resolve(reply.result);
    else waiting.reject(toError(reply.error));
    this.#dispatch();
  }

  /** A thread that has ended, or is about to, gets no other job. */
  #drop(thread: Thread, error: Error): void {
    const place = this.#threads.indexOf(thread);
    if (place !== -1) this.#threads.splice(place, 1);
    for (const waiting of thread.jobs.values()) waiting.reject(this.#closed ?? error);
    thread.jobs.clear();
    this.#dispatch();
  }
}

/** Jobs that wait leave room for one that does not, always. */
function hasRoom({ jobs }: Thread, { waits }: Waiting): boolean {
  return [...jobs.values()].every((job) => job.waits) && (!waits || jobs.size < MAX_JOBS_THAT_WAIT);
}

function loadOf({ jobs }: Thread): number {
  return [...jobs.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function toError({ message, stack, code, cause, build }: PlainError): Error {
  const of = cause === undefined ? {} : { cause: toError(cause) };
  const error = build === undefined ? new Error(message, of) : new BuildError(build.kind, message, { ...build.details, ...of });
  if (stack !== undefined) error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}
