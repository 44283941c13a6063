import { BuildError } from '../base/errors.js';
import { parseDigest } from './digest.js';

/** Checks of parsed JSON from outside. Each takes the value and its place in the document, and throws BuildError `input` naming both. */
export type JsonObject = Readonly<Record<string, unknown>>;

const MAX_SHOWN = 80;
/** RFC 6838 section 4.2 bounds type and subtype to 127 characters each. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

export function malformed(place: string, message: string): BuildError {
  return new BuildError('input', `${place}: ${message}`);
}

function mismatch(place: string, want: string, got: unknown): BuildError {
  const text = JSON.stringify(got) ?? 'nothing';
  return malformed(place, `want ${want}, got ${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text}`);
}

export function parseJsonObject(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BuildError('input', `not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return objectAt(value, 'document');
}

export function objectAt(value: unknown, place: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(place, 'an object', value);
  return value as JsonObject;
}

export function arrayAt(value: unknown, place: string, maxLength: number): readonly unknown[] {
  if (!Array.isArray(value)) throw mismatch(place, 'an array', value);
  if (value.length > maxLength) throw malformed(place, `has ${value.length} elements, want at most ${maxLength}`);
  return value;
}

export function stringAt(value: unknown, place: string): string {
  if (typeof value !== 'string') throw mismatch(place, 'a string', value);
  return value;
}

export function booleanAt(value: unknown, place: string): boolean {
  if (typeof value !== 'boolean') throw mismatch(place, 'true or false', value);
  return value;
}

/** JSON has numbers of any length; those that a double does not hold exactly would be different numbers to other readers. */
export function integerAt(value: unknown, place: string): number {
  if (!Number.isSafeInteger(value)) throw mismatch(place, 'an integer below 2^53', value);
  return value as number;
}

export function stringsAt(value: unknown, place: string, maxLength = 100_000): readonly string[] {
  return arrayAt(value, place, maxLength).map((item, index) => stringAt(item, `${place}[${index}]`));
}

export function stringMapAt(value: unknown, place: string): Readonly<Record<string, string>> {
  const entries = Object.entries(objectAt(value, place));
  return Object.fromEntries(entries.map(([key, item]) => [key, stringAt(item, `${place}[${JSON.stringify(key)}]`)]));
}

/** A set as Go writes it: `{"80/tcp": {}}`. */
export function setAt(value: unknown, place: string): Readonly<Record<string, object>> {
  return Object.fromEntries(Object.keys(objectAt(value, place)).map((key) => [key, {}]));
}

export function timeAt(value: unknown, place: string): string {
  const text = stringAt(value, place);
  if (!RFC3339.test(text)) throw mismatch(place, 'a time like 2006-01-02T15:04:05Z', value);
  return text;
}

/** Absent and null are the same: Go writes null for a slice or map that was never set. */
export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : check(value);
}

/** image-spec, descriptor.md#properties */
export function checkDescriptor(value: unknown, place: string): void {
  const descriptor = objectAt(value, place);
  const mediaType = stringAt(descriptor['mediaType'], `${place}.mediaType`);
  if (!MEDIA_TYPE.test(mediaType)) throw mismatch(`${place}.mediaType`, 'a media type', mediaType);
  digestAt(descriptor['digest'], `${place}.digest`);
  const size = integerAt(descriptor['size'], `${place}.size`);
  if (size < 0) throw mismatch(`${place}.size`, 'a size of 0 or more', size);
  optional(descriptor['annotations'], (annotations) => stringMapAt(annotations, `${place}.annotations`));
  optional(descriptor['platform'], (platform) => checkPlatform(objectAt(platform, `${place}.platform`), `${place}.platform`));
}

function checkPlatform(platform: JsonObject, place: string): void {
  stringAt(platform['os'], `${place}.os`);
  stringAt(platform['architecture'], `${place}.architecture`);
  for (const field of ['variant', 'os.version']) optional(platform[field], (value) => stringAt(value, `${place}.${field}`));
}

export function digestAt(value: unknown, place: string): ReturnType<typeof parseDigest> {
  try {
    return parseDigest(value);
  } catch (error) {
    throw error instanceof BuildError ? malformed(place, error.message) : error;
  }
}
