/** A place in the line for one of a limited number of slots; disposing it leaves the slot, or the line. */
export interface LineTicket extends Disposable {
  /** Settles when there is a slot; rejects with the reason of the signal. */
  readonly ready: Promise<void>;
  /** Goes before all that are in no hurry. */
  hurry(): void;
}

interface Waiting {
  isHurried: boolean;
  readonly start: () => void;
}

/** So many at once, the others in line: first those in a hurry, each in the order in which it came. */
export class DownloadLine {
  #free: number;
  readonly #line: Waiting[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  ticket(signal: AbortSignal): LineTicket {
    const { promise: ready, resolve, reject } = withResolvers();
    const onAbort = (): void => reject(signal.reason);
    let isRunning = false;
    const waiting: Waiting = {
      isHurried: false,
      start: () => {
        isRunning = true;
        signal.removeEventListener('abort', onAbort);
        resolve();
      },
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
    ready.catch(() => undefined);
    this.#line.push(waiting);
    // Not at once: what comes in the same moment may be in a hurry.
    queueMicrotask(() => this.#next());
    let isLeft = false;
    return {
      ready,
      hurry: () => {
        waiting.isHurried = true;
      },
      [Symbol.dispose]: () => {
        if (isLeft) return;
        isLeft = true;
        signal.removeEventListener('abort', onAbort);
        if (isRunning) this.#free++;
        else this.#line.splice(this.#line.indexOf(waiting), 1);
        this.#next();
      },
    };
  }

  #next(): void {
    while (this.#free > 0 && this.#line.length > 0) {
      const hurried = this.#line.findIndex(({ isHurried }) => isHurried);
      const [waiting] = this.#line.splice(Math.max(0, hurried), 1);
      this.#free--;
      waiting?.start();
    }
  }
}

/** `Promise.withResolvers` of later Nodes. */
function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } {
  let resolve = (): void => undefined;
  let reject = (_reason: unknown): void => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
