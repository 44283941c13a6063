/**
 * Holds resources and lets go of them in reverse order, every one of them even when another fails: what AsyncDisposableStack does, which Node has from
 * version 24 on.
 */
export class Disposals implements AsyncDisposable {
  readonly #held: (Disposable | AsyncDisposable)[] = [];

  /** Holds a resource. @returns it */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  /** @throws the first failure */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let resource = this.#held.pop(); resource !== undefined; resource = this.#held.pop()) {
      try {
        if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
        else resource[Symbol.dispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
