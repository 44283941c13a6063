import { parseBool, splitCsv } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { goQuote } from '../base/go-quote.js';
import { parseSize } from '../base/size.js';
import { didYouMean } from '../base/suggest.js';
import { Fault } from './fault.js';

const MOUNT_TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARINGS = ['shared', 'private', 'locked'] as const;

export type MountType = (typeof MOUNT_TYPES)[number];
export type Sharing = (typeof SHARINGS)[number];

/** What is absent has the default of the mount's type. */
interface Draft {
  type: MountType;
  from?: string;
  source?: string;
  target?: string;
  id?: string;
  writable?: boolean;
  sharing?: Sharing;
  required: boolean;
  /** 0 is no limit. */
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  mode?: number;
  env?: string;
}

/** A `RUN --mount` as it is written, its values expanded. */
export type MountFields = Readonly<Draft> & { readonly writable: boolean };

/** As BuildKit's suggestions know them, and `env`. */
const KEYS = 'type from source target readonly id sharing required size mode uid gid env src dst destination ro rw readwrite'.split(' ');

const MAX_UINT32 = 2 ** 32 - 1;

/**
 * What can be told of a mount before its values are expanded, as BuildKit does it for every stage of the file: the form, and `from`.
 * @throws Fault
 */
export function checkMount(text: string): void {
  const fields = splitCsv(text);
  if (fields === undefined)
    throw new Fault('failed to parse csv mounts: a quote is not closed, or stands inside a value', { word: '--mount' });
  const from = fromOf(fields);
  if (from !== undefined && /\$./s.test(from)) {
    throw new Fault("'from' doesn't support variable expansion, define alias stage instead", { word: from });
  }
}

/** The stage, image or named context that a mount is from. Never expanded. */
export function mountFrom(text: string): string | undefined {
  const from = fromOf(splitCsv(text) ?? []);
  return from === '' ? undefined : from;
}

function fromOf(fields: readonly string[]): string | undefined {
  return fields.map(splitField).findLast(({ key }) => key === 'from')?.value;
}

interface Field {
  /** As written. */
  readonly text: string;
  /** Lower-cased. */
  readonly key: string;
  readonly value: string | undefined;
}

function splitField(text: string): Field {
  const equals = text.indexOf('=');
  if (equals === -1) return { text, key: text.toLowerCase(), value: undefined };
  return { text, key: text.slice(0, equals).toLowerCase(), value: text.slice(equals + 1) };
}

/**
 * Reads one value of `--mount`, key by key: `type` has to stand before keys that not every type has.
 * @param text passed `checkMount`
 * @throws BuildError `dockerfile` with BuildKit's texts
 */
export function parseMount(text: string, expand: (value: string) => string): MountFields {
  const draft: Draft = { type: 'bind', required: false };
  for (const field of (splitCsv(text) ?? []).map(splitField)) {
    if (field.value === undefined) takeBare(draft, field);
    else takeValue(draft, { ...field, value: field.key === 'from' ? field.value : expand(field.value) });
  }
  checkKeys(draft);
  const { writable = draft.type === 'cache' || draft.type === 'tmpfs', ...rest } = draft;
  return { ...rest, writable };
}

function takeBare(draft: Draft, { key, text }: Field): void {
  if (key === 'readonly' || key === 'ro') draft.writable = false;
  else if (key === 'readwrite' || key === 'rw') draft.writable = true;
  else if (key === 'required') draft.required = requirable(draft, key);
  else throw wrong(`invalid field '${text}' must be a key=value pair`);
}

/** What a key of one value does to the mount. */
type Take = (draft: Draft, value: string, key: string) => void;

const takeSource: Take = (draft, value) => (draft.source = value);
const takeTarget: Take = (draft, value) => (draft.target = value);
const takeReadOnly: Take = (draft, value, key) => (draft.writable = !toBoolean(key, value));
const takeWritable: Take = (draft, value, key) => (draft.writable = toBoolean(key, value));

const TAKES: ReadonlyMap<string, Take> = new Map<string, Take>([
  ['type', (draft, value) => (draft.type = oneOf(value, MOUNT_TYPES, 'mount type'))],
  ['from', (draft, value) => (draft.from = value)],
  ['source', takeSource],
  ['src', takeSource],
  ['target', takeTarget],
  ['dst', takeTarget],
  ['destination', takeTarget],
  ['readonly', takeReadOnly],
  ['ro', takeReadOnly],
  ['readwrite', takeWritable],
  ['rw', takeWritable],
  ['required', (draft, value, key) => (draft.required = requirable(draft, key) && toBoolean(key, value))],
  ['size', takeSize],
  ['id', (draft, value) => (draft.id = value)],
  ['sharing', (draft, value) => (draft.sharing = oneOf(value, SHARINGS, 'sharing value'))],
  ['mode', (draft, value, key) => (draft.mode = toNumber(key, value, 8) & 0o7777)],
  ['uid', (draft, value, key) => (draft.uid = toNumber(key, value, 10))],
  ['gid', (draft, value, key) => (draft.gid = toNumber(key, value, 10))],
  ['env', (draft, value) => (draft.env = value)],
]);

function takeValue(draft: Draft, { key, text, value }: Field & { readonly value: string }): void {
  const take = TAKES.get(key);
  if (take === undefined) throw wrong(`unexpected key '${key}' in '${text}'${didYouMean(key, KEYS)}`);
  take(draft, value, key);
}

function takeSize(draft: Draft, value: string, key: string): void {
  if (draft.type !== 'tmpfs') throw unexpected(draft, key);
  const sizeBytes = parseSize(value);
  if (sizeBytes === undefined) throw wrong(`invalid value for ${key}: ${value}`);
  draft.sizeBytes = sizeBytes;
}

function requirable(draft: Draft, key: string): true {
  if (draft.type !== 'secret' && draft.type !== 'ssh') throw unexpected(draft, key);
  return true;
}

function toBoolean(key: string, value: string): boolean {
  const flag = parseBool(value);
  if (flag === undefined) throw wrong(`invalid value for ${key}: ${value}`);
  return flag;
}

function toNumber(key: string, value: string, base: 8 | 10): number {
  const number = (base === 8 ? /^[0-7]+$/ : /^\d+$/).test(value) ? Number.parseInt(value, base) : Number.NaN;
  // The last one is what chown(2) takes for "as it is".
  if (!(number < MAX_UINT32)) throw wrong(`invalid value ${value} for ${key}`);
  return number;
}

function oneOf<Value extends string>(text: string, values: readonly Value[], what: string): Value {
  const found = values.find((value) => value === text.toLowerCase());
  if (found === undefined) throw wrong(`unsupported ${what} ${goQuote(text)}${didYouMean(text, values)}`);
  return found;
}

/** What the keys of a mount have to do with each other. */
function checkKeys(draft: Draft): void {
  const { type, from, source, target, id, sharing } = draft;
  for (const key of ['mode', 'uid', 'gid'] as const) {
    if (draft[key] !== undefined && (type === 'bind' || type === 'tmpfs')) throw wrong(`${key} not allowed for "${type}" type mounts`);
  }
  if (type === 'secret') {
    if (from) throw wrong('secret mount should not have a from');
    if (sharing !== undefined) throw wrong('secret mount should not define sharing');
    if (!source && !target && !id) throw wrong('invalid secret mount. one of source, target required');
    if (source && id) throw wrong("both source and id can't be set");
  }
  if (sharing !== undefined && type !== 'cache') throw wrong(`invalid cache sharing set for ${type} mount`);
  if (type === 'ssh' && source) throw wrong('ssh does not support source');
}

function unexpected({ type }: Draft, key: string): BuildError {
  return wrong(`unexpected key '${key}' for mount type '${type}'`, {
    hint: `Keys are read in their order: type= stands before ${key}=.`,
  });
}

function wrong(message: string, details: { readonly hint?: string } = {}): BuildError {
  return new BuildError('dockerfile', message, details);
}
