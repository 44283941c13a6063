import { BuildError } from './base/errors.js';
import type { BuildOptions } from './options.js';
import type { OutputSpec } from './output/output.js';

/** What SOURCE_DATE_EPOCH does to a build. Seconds since 1970. */
export interface BuildTimes {
  /** Of the build argument or flag: what outputs that do not say otherwise have. */
  readonly epochSeconds: number | undefined;
  /** `created` of the image and of its history. */
  readonly imageSeconds: number | undefined;
  /** Newer file times of new layers become this one. */
  readonly clampSeconds: number | undefined;
}

/**
 * Layers are written once for all outputs, so that outputs of images must agree on their times.
 *
 * @param planned from the Dockerfile or the build argument
 * @throws BuildError `usage` for a time that no image can say, `unsupported` for outputs that differ
 */
export function buildTimes(options: BuildOptions, planned: number | undefined): BuildTimes {
  const epochSeconds = checkEpoch(options.sourceDateEpoch ?? planned);
  const wanted = (options.outputs ?? []).flatMap((output) => {
    if (output.type === 'local' || output.type === 'tar') return [];
    return [{ seconds: checkEpoch(epochOf(output, epochSeconds)), rewrites: output.rewriteTimestamp ?? true }];
  });
  const [first = { seconds: epochSeconds, rewrites: true }] = wanted;
  if (wanted.some(({ seconds, rewrites }) => seconds !== first.seconds || rewrites !== first.rewrites)) {
    throw new BuildError('unsupported', 'not supported yet: outputs of one build with different source-date-epoch or rewrite-timestamp');
  }
  return { epochSeconds, imageSeconds: first.seconds, clampSeconds: first.rewrites ? first.seconds : undefined };
}

/** The time of one output. */
export function epochOf({ epochSeconds }: OutputSpec, general: number | undefined): number | undefined {
  return epochSeconds === 'none' ? undefined : (epochSeconds ?? general);
}

/** The last second of 9999: RFC 3339 has four digits for a year, and begins with 0000. */
const MAX_EPOCH_SECONDS = 253_402_300_799;
const MIN_EPOCH_SECONDS = -62_167_219_200;

function checkEpoch(seconds: number | undefined): number | undefined {
  if (seconds === undefined || (Number.isInteger(seconds) && seconds >= MIN_EPOCH_SECONDS && seconds <= MAX_EPOCH_SECONDS)) return seconds;
  throw new BuildError('usage', `invalid SOURCE_DATE_EPOCH ${seconds}: want whole seconds since 1970, before the year 10000`);
}
