/** What a 206 or 416 says about itself (RFC 9110, 14.4). Absent numbers were `*`. */
export interface ContentRange {
  /** First byte; absent in a 416. */
  readonly start?: number;
  /** Last byte. */
  readonly end?: number;
  readonly totalBytes?: number;
}

const CONTENT_RANGE = /^bytes\s+(?:(\d{1,15})-(\d{1,15})|\*)\/(?:(\d{1,15})|\*)$/i;
const UPLOAD_RANGE = /^(?:bytes[ =])?0-(\d{1,15})$/i;

/** `bytes 5-9/10`, `bytes 5-9/*`, or `bytes *\/10` of a 416. @returns `undefined` when it is absent or something else */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  const match = text === undefined ? null : CONTENT_RANGE.exec(text.trim());
  if (match === null) return undefined;
  const [, start, end, totalBytes] = match;
  return {
    ...(start === undefined ? {} : { start: Number(start) }),
    ...(end === undefined ? {} : { end: Number(end) }),
    ...(totalBytes === undefined ? {} : { totalBytes: Number(totalBytes) }),
  };
}

/**
 * How many bytes of an upload the registry has, from the `Range: 0-N` of its answer (distribution-spec, "Pushing a blob in chunks"): N is the last
 * byte. `0-0` is one byte by the specification and none in distribution's own registry.
 * @returns `undefined` when that cannot be told
 */
export function parseUploadRange(text: string | undefined): number | undefined {
  const match = text === undefined ? null : UPLOAD_RANGE.exec(text.trim());
  if (match?.[1] === undefined) return undefined;
  const lastByte = Number(match[1]);
  return lastByte === 0 ? undefined : lastByte + 1;
}
