import { goQuote } from '../base/go-quote.js';
import { Fault } from './fault.js';

const UNITS_NS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

const MAX_NS = 2n ** 63n - 1n;
const MAX_DIGITS = 30;
const TERM = /(\d*)(?:\.(\d*))?([^.\d]*)/y;

/**
 * Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `-5ms`, `0`.
 * @throws Fault with the texts of Go's `time.ParseDuration`
 */
export function parseDuration(text: string): number {
  const unsigned = text.replace(/^[+-]/, '');
  if (unsigned === '0') return 0;
  if (unsigned === '') throw invalid(text);
  let total = 0n;
  for (let at = 0; at < unsigned.length; at = TERM.lastIndex) {
    TERM.lastIndex = at;
    const [term = '', whole = '', fraction = '', unit = ''] = TERM.exec(unsigned) ?? [];
    total += termNs(text, { whole, fraction, unit });
    if (term === '' || total > MAX_NS) throw invalid(text);
  }
  return Number(text.startsWith('-') ? -total : total);
}

function termNs(text: string, { whole, fraction, unit }: { whole: string; fraction: string; unit: string }): bigint {
  if ((whole === '' && fraction === '') || whole.length > MAX_DIGITS) throw invalid(text);
  if (unit === '') throw new Fault(`time: missing unit in duration ${goQuote(text)}`);
  const unitNs = UNITS_NS.get(unit);
  if (unitNs === undefined) throw new Fault(`time: unknown unit ${goQuote(unit)} in duration ${goQuote(text)}`);
  const digits = fraction.slice(0, MAX_DIGITS);
  return BigInt(whole || 0) * unitNs + (BigInt(digits || 0) * unitNs) / 10n ** BigInt(digits.length);
}

function invalid(text: string): Fault {
  return new Fault(`time: invalid duration ${goQuote(text)}`);
}
