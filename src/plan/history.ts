import { goQuote } from '../base/go-quote.js';
import type { Healthcheck } from '../oci/types.js';
import type { NameValue } from '../parse/instruction.js';
import type { StepHistory } from './plan.js';

/** What BuildKit writes into every row of its own; image tools look for it. */
const COMMENT = 'buildkit.dockerfile.v0';

/** A row for a step that makes a layer, even an empty one. */
export function layerHistory(createdBy: string): StepHistory {
  return { created_by: createdBy, comment: COMMENT };
}

/** A row for a step that changes the config alone. */
export function configHistory(createdBy: string): StepHistory {
  return { created_by: createdBy, comment: COMMENT, empty_layer: true };
}

/** `RUN |1 A=b /bin/sh -c make # buildkit`; `declaredArgs` are `K=V`. */
export function runText(args: readonly string[], declaredArgs: readonly string[]): string {
  const count = declaredArgs.length === 0 ? [] : [`|${declaredArgs.length}`];
  return `RUN ${[...count, ...declaredArgs, ...args].join(' ')} # buildkit`;
}

interface CopyText {
  readonly flags: { readonly parents: boolean; readonly chown: string | undefined; readonly chmod: string | undefined };
  readonly sources: readonly string[];
  readonly files: readonly { readonly name: string }[];
  readonly dest: string;
}

/** `COPY --chown=1 a <<EOF /b/ # buildkit`: everything expanded, and of the flags those that BuildKit tells. */
export function copyText(op: 'COPY' | 'ADD', { flags, sources, files, dest }: CopyText): string {
  const { parents, chown, chmod } = flags;
  const words = [
    op,
    ...(parents ? ['--parents'] : []),
    ...(chown === undefined ? [] : [`--chown=${chown}`]),
    ...(chmod === undefined ? [] : [`--chmod=${chmod}`]),
    ...sources,
    ...files.map(({ name }) => `<<${name}`),
    dest,
  ];
  return `${words.join(' ')} # buildkit`;
}

/** `ENV a=1 b=two words` */
export function pairsText(keyword: 'ENV' | 'LABEL', pairs: readonly NameValue[]): string {
  return [keyword, ...pairs.map(({ name, value }) => `${name}=${value}`)].join(' ');
}

/** `CMD ["a" "b"]`: how Go's `%q` prints a list. */
export function quotedListText(keyword: 'CMD' | 'ENTRYPOINT', args: readonly string[]): string {
  return `${keyword} [${args.map(goQuote).join(' ')}]`;
}

/** `VOLUME [/a /b]`: how Go's `%v` prints a list. */
export function listText(keyword: 'EXPOSE' | 'SHELL' | 'VOLUME', values: readonly string[]): string {
  return `${keyword} [${values.join(' ')}]`;
}

/** How Go's `%+v` prints docker's HealthcheckConfig. */
export function healthcheckText(check: Healthcheck): string {
  const fields = [
    `Test:[${(check.Test ?? []).join(' ')}]`,
    `Interval:${formatGoDuration(check.Interval ?? 0)}`,
    `Timeout:${formatGoDuration(check.Timeout ?? 0)}`,
    `StartPeriod:${formatGoDuration(check.StartPeriod ?? 0)}`,
    `StartInterval:${formatGoDuration(check.StartInterval ?? 0)}`,
    `Retries:${check.Retries ?? 0}`,
  ];
  return `HEALTHCHECK {${fields.join(' ')}}`;
}

const NS_PER_SECOND = 1_000_000_000;
const SUBSECOND_UNITS = [
  { suffix: 'ms', sizeNs: 1_000_000 },
  { suffix: 'µs', sizeNs: 1000 },
  { suffix: 'ns', sizeNs: 1 },
];

/** Go's `Duration.String`: `0s`, `1.5ms`, `30s`, `5m0s`, `1h0m0.5s`. For durations that are not negative. */
export function formatGoDuration(durationNs: number): string {
  if (durationNs === 0) return '0s';
  if (durationNs < NS_PER_SECOND) {
    const unit = SUBSECOND_UNITS.find(({ sizeNs }) => durationNs >= sizeNs) ?? { suffix: 'ns', sizeNs: 1 };
    return `${durationNs / unit.sizeNs}${unit.suffix}`;
  }
  const wholeSeconds = Math.floor(durationNs / NS_PER_SECOND);
  const fraction = String(durationNs % NS_PER_SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${wholeSeconds % 60}${fraction === '' ? '' : `.${fraction}`}s`;
  const wholeMinutes = Math.floor(wholeSeconds / 60);
  if (wholeMinutes === 0) return seconds;
  const hours = Math.floor(wholeMinutes / 60);
  return `${hours === 0 ? '' : `${hours}h`}${wholeMinutes % 60}m${seconds}`;
}
