const DEFAULT_LIMIT_MS = 4000;
const GRACE_MS = 60_000;

const seconds = Number(process.env['TSBUILD_FUZZ_SECONDS'] ?? 0);

/** Timeout of a test with a property in it. */
export const FUZZ_TIMEOUT_MS = seconds * 1000 + GRACE_MS;

/** How often a property is tried: `numRuns` times within a few seconds, or for as long as `TSBUILD_FUZZ_SECONDS` says. */
export function fuzzRuns(numRuns: number): { readonly numRuns: number; readonly interruptAfterTimeLimit: number } {
  if (seconds > 0) return { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000 };
  return { numRuns, interruptAfterTimeLimit: DEFAULT_LIMIT_MS };
}
