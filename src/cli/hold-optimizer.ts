import { setFlagsFromString } from 'node:v8';

/** After that, optimized code has paid for itself. */
const OPTIMIZE_AFTER_MS = 3000;

/**
 * Keeps V8's optimizing compiler from beginning at once. What is done to each byte that passes from registry to registry is done in C++, and in the first
 * seconds the compiler takes more of the processors than it gives: 10 % of a copy of 180 MB on two cores.
 */
export function holdOptimizer(): Disposable {
  setFlagsFromString('--no-opt');
  const release = (): void => setFlagsFromString('--opt');
  const timer = setTimeout(release, OPTIMIZE_AFTER_MS).unref();
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      release();
    },
  };
}
