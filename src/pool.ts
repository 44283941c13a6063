import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { BuildError, type BuildErrorDetails, type ErrorKind } from './base/errors.js';
import { callJob, type JobArgs, type JobName, type JobResult } from './jobs.js';

/** What a worker posts back. */
export type JobReply = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: PlainError };

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

interface Waiting {
  readonly name: JobName;
  readonly args: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Threads for the jobs of `jobs.ts`: walking, hashing and extracting are loops of synchronous system calls (a promise per call costs ten times
 * the call), which would hold up progress and signals in the main thread. Threads start when first needed, one per core at most.
 */
export class JobPool implements Disposable {
  readonly #limit = availableParallelism();
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #closed: Error | undefined;

  /** @param options.inline do it in this thread: for work that ends before a thread has started */
  run<N extends JobName>(name: N, args: JobArgs<N>, options: { readonly inline?: boolean } = {}): Promise<JobResult<N>> {
    if (options.inline === true && this.#closed === undefined) return callJob(name, args);
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      this.#queue.push({ name, args, resolve: resolve as (result: unknown) => void, reject });
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
    for (const worker of this.#idle) void worker.terminate();
    for (const worker of this.#busy.keys()) {
      worker.postMessage(STOP);
      setTimeout(() => void worker.terminate(), MAX_STOP_MS).unref();
    }
  }

  [Symbol.dispose](): void {
    this.close(new BuildError('cancelled', 'the build has ended'));
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.#limit ? this.#start() : undefined);
      const waiting = worker === undefined ? undefined : this.#queue.shift();
      if (worker === undefined || waiting === undefined) return;
      this.#busy.set(worker, waiting);
      worker.ref();
      worker.postMessage({ name: waiting.name, args: waiting.args });
    }
  }

  #start(): Worker {
    // Many builds need no thread, and the module is one of Node's larger ones.
    const worker = new (process.getBuiltinModule('node:worker_threads').Worker)(new URL('./worker.js', import.meta.url));
    worker.on('message', (reply: JobReply) => this.#settle(worker, reply));
    worker.on('error', (error) => this.#drop(worker, error));
    worker.on('exit', (status) => this.#drop(worker, new Error(`a thread ended with status ${status}`)));
    return worker;
  }

  #settle(worker: Worker, reply: JobReply): void {
    const waiting = this.#busy.get(worker);
    if (waiting === undefined) return;
    this.#busy.delete(worker);
    this.#idle.push(worker);
    worker.unref();
    if (reply.ok) waiting.resolve(reply.result);
    else waiting.reject(toError(reply.error));
    this.#dispatch();
  }

  /** A thread that has ended, or is about to: neither gets another job. */
  #drop(worker: Worker, error: Error): void {
    const place = this.#idle.indexOf(worker);
    if (place !== -1) this.#idle.splice(place, 1);
    this.#busy.get(worker)?.reject(this.#closed ?? error);
    this.#busy.delete(worker);
    this.#dispatch();
  }
}

function toError({ message, stack, code, cause, build }: PlainError): Error {
  const of = cause === undefined ? {} : { cause: toError(cause) };
  const error = build === undefined ? new Error(message, of) : new BuildError(build.kind, message, { ...build.details, ...of });
  if (stack !== undefined) error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}
