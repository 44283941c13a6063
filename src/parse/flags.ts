import { didYouMean } from '../base/suggest.js';
import { isBlank } from './blanks.js';
import { Fault } from './fault.js';

/**
 * Takes the leading `--flag` words off an instruction's arguments. Quotes in them group and vanish, the escape character makes the next one
 * ordinary; a bare `--` ends them and is dropped.
 */
export function splitFlags(args: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < args.length && isBlank(args.charAt(at))) at++;
    if (!args.startsWith('--', at)) return { flags, rest: args.slice(at) };
    const word = readFlagWord(args, at, escape);
    at = word.end;
    if (word.text === '--') return { flags, rest: args.slice(at) };
    flags.push(word.text);
  }
}

function readFlagWord(args: string, start: number, escape: string): { text: string; end: number } {
  let text = '';
  let quote = '';
  let at = start;
  for (; at < args.length; at++) {
    const char = args.charAt(at);
    if (quote === '' && isBlank(char)) break;
    if (quote === '' ? char === "'" || char === '"' : char === quote) quote = quote === '' ? char : '';
    else if (char === escape) text += args.charAt(++at);
    else text += char;
  }
  return { text, end: Math.min(at, args.length) };
}

export type FlagKind = 'string' | 'list' | 'boolean';

/** The values of an instruction's flags. An empty value counts as none given, as in BuildKit. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** `undefined` when the flag is not there, `''` when it is empty. */
  raw(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** `{ [key]: value }`, or `{}` when there is no value. */
  field<Key extends string>(name: string, key: Key): Partial<Record<Key, string>> {
    const value = this.raw(name);
    return value === undefined || value === '' ? {} : toField(key, value);
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  isTrue(name: string): boolean {
    return this.raw(name) === 'true';
  }

  /** `{ [key]: true or false }`, or `{}` when the flag is not there. */
  booleanField<Key extends string>(name: string, key: Key): Partial<Record<Key, boolean>> {
    return this.raw(name) === undefined ? {} : toField(key, this.isTrue(name));
  }
}

function toField<Key extends string, Value>(key: Key, value: Value): Partial<Record<Key, Value>> {
  return { [key]: value } as Partial<Record<Key, Value>>;
}

/** @throws Fault with BuildKit's texts: unknown, duplicate, valueless, not boolean */
export function parseFlags(words: readonly string[], kinds: Readonly<Record<string, FlagKind>> = {}): Flags {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const equals = word.indexOf('=');
    const flag = equals === -1 ? word : word.slice(0, equals);
    const name = flag.slice(2);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw new Fault(`unknown flag: ${flag}${didYouMean(name, Object.keys(kinds))}`, { word: flag });
    const seen = values.get(name);
    if (seen !== undefined && kind !== 'list') throw new Fault(`duplicate flag specified: ${flag}`, { word: flag });
    const value = readValue(flag, kind, equals === -1 ? undefined : word.slice(equals + 1));
    values.set(name, [...(seen ?? []), value]);
  }
  return new Flags(values);
}

function readValue(flag: string, kind: FlagKind, value: string | undefined): string {
  if (kind !== 'boolean') {
    if (value === undefined) throw new Fault(`missing a value on flag: ${flag}`, { word: flag });
    return value;
  }
  if (value === '') throw new Fault(`missing a value on flag: ${flag}`, { word: flag });
  const lower = value?.toLowerCase() ?? 'true';
  if (lower === 'true' || lower === 'false') return lower;
  throw new Fault(`expecting boolean value for flag ${flag}, not: ${value}`, { word: flag });
}
