import { goQuote } from '../base/go-quote.js';
import { parseDuration } from './duration.js';
import { Fault } from './fault.js';
import { type Flags, parseFlags } from './flags.js';
import type { FieldsOf } from './instruction.js';
import type { InstructionNode } from './nodes.js';

const FLAGS = { interval: 'string', timeout: 'string', 'start-period': 'string', 'start-interval': 'string', retries: 'string' } as const;
const MIN_INTERVAL_NS = 1_000_000;
const MAX_INT32 = 2 ** 31 - 1;

/** @throws Fault */
export function toHealthcheck(node: InstructionNode): FieldsOf<'healthcheck'> {
  const [type, ...args] = node.args;
  if (type === undefined) throw new Fault('HEALTHCHECK requires at least one argument');
  if (type.toUpperCase() === 'NONE') {
    if (args.length > 0) throw new Fault('HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', test: 'none' };
  }
  const flags = parseFlags(node.flags, FLAGS);
  if (type.toUpperCase() !== 'CMD') {
    throw new Fault(`Unknown type ${goQuote(type.toUpperCase())} in HEALTHCHECK (try CMD)`, { word: type });
  }
  const [text] = args;
  if (text === undefined) throw new Fault('Missing command after HEALTHCHECK CMD');
  return {
    kind: 'healthcheck',
    test: node.json ? { form: 'exec', args } : { form: 'shell', text },
    ...durationField(flags, 'interval', 'intervalNs'),
    ...durationField(flags, 'timeout', 'timeoutNs'),
    ...durationField(flags, 'start-period', 'startPeriodNs'),
    ...durationField(flags, 'start-interval', 'startIntervalNs'),
    ...retriesField(flags),
  };
}

function durationField<Key extends string>(flags: Flags, name: string, key: Key): Partial<Record<Key, number>> {
  const text = flags.raw(name);
  if (text === undefined || text === '') return {};
  const valueNs = locate(`--${name}`, () => parseDuration(text));
  if (valueNs !== 0 && valueNs < MIN_INTERVAL_NS)
    throw new Fault(`Interval ${goQuote(name)} cannot be less than 1ms`, { word: `--${name}` });
  return { [key]: valueNs } as Partial<Record<Key, number>>;
}

function locate<Result>(word: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Fault ? new Fault(error.message, { word }) : error;
  }
}

function retriesField(flags: Flags): { retries?: number } {
  const text = flags.raw('retries');
  if (text === undefined || text === '') return {};
  const at = { word: '--retries' };
  if (!/^[+-]?\d+$/.test(text)) throw new Fault(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`, at);
  const retries = Number(text);
  if (retries > MAX_INT32 || retries < -MAX_INT32 - 1)
    throw new Fault(`strconv.ParseInt: parsing ${goQuote(text)}: value out of range`, at);
  if (retries < 0) throw new Fault(`--retries cannot be negative (${retries})`, at);
  return { retries };
}
