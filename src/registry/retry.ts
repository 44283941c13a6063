/** However often something fails, the next attempt is not later than this. */
const MAX_DELAY_MS = 30_000;
/** A server that wants more patience than this is believed to mean no. */
export const MAX_RETRY_AFTER_MS = 60_000;

/** Answers that say nothing about the request: try again (RFC 9110; RFC 6585 for 429). A server that does not know the method, 501, means it. */
export function isPassingStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/**
 * How long to wait before repetition `attempt` (1 is the first): anything up to a bound that doubles, so that those who failed together do not
 * come back together; after what the server asked for, a bit more than that.
 */
export function retryDelay(attempt: number, { baseMs, retryAfterMs }: { baseMs: number; retryAfterMs?: number | undefined }): number {
  const jitterMs = Math.random() * Math.min(MAX_DELAY_MS, baseMs * 2 ** (attempt - 1));
  return retryAfterMs === undefined ? jitterMs : retryAfterMs + Math.min(jitterMs, baseMs);
}

/** Seconds, or a date (RFC 9110, 10.2.3). @returns milliseconds from now on, `undefined` for what is neither */
export function parseRetryAfter(text: string | undefined, nowMs = Date.now()): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000;
  if (!/^[A-Z][a-z]+,? /.test(trimmed)) return undefined;
  const atMs = Date.parse(trimmed);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** `50 ms`, `60 s`, `15 min`, `6 h` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 120_000) return `${Number((durationMs / 1000).toFixed(1))} s`;
  if (durationMs < 7_200_000) return `${Math.round(durationMs / 60_000)} min`;
  return `${Math.round(durationMs / 3_600_000)} h`;
}
