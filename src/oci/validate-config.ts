import {
  arrayAt,
  booleanAt,
  digestAt,
  integerAt,
  malformed,
  objectAt,
  optional,
  setAt,
  stringAt,
  stringMapAt,
  stringsAt,
  timeAt,
  type JsonObject,
} from './shapes.js';
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from './types.js';

const MAX_LAYERS = 1000;
/** BuildKit writes one row for each instruction; a Dockerfile of ten thousand lines is none that a person wrote. */
const MAX_HISTORY = 10_000;

type Fields<T> = { readonly [K in keyof T]-?: (value: unknown, place: string) => NonNullable<T[K]> };

const HEALTHCHECK: Fields<Healthcheck> = {
  Test: stringsAt,
  Interval: durationAt,
  Timeout: durationAt,
  StartPeriod: durationAt,
  StartInterval: durationAt,
  Retries: integerAt,
};

const CONTAINER: Fields<ContainerConfig> = {
  User: stringAt,
  ExposedPorts: setAt,
  Env: stringsAt,
  Entrypoint: stringsAt,
  Cmd: stringsAt,
  Volumes: setAt,
  WorkingDir: stringAt,
  Labels: stringMapAt,
  StopSignal: stringAt,
  Healthcheck: (value, place) => pick(objectAt(value, place), HEALTHCHECK, place),
  OnBuild: stringsAt,
  Shell: stringsAt,
  ArgsEscaped: booleanAt,
};

const HISTORY: Fields<HistoryEntry> = {
  created: timeAt,
  created_by: stringAt,
  author: stringAt,
  comment: stringAt,
  empty_layer: booleanAt,
};

const IMAGE: Fields<Omit<ImageConfig, 'os' | 'architecture' | 'rootfs'>> = {
  created: timeAt,
  author: stringAt,
  variant: stringAt,
  'os.version': stringAt,
  config: (value, place) => pick(objectAt(value, place), CONTAINER, place),
  history: (value, place) =>
    arrayAt(value, place, MAX_HISTORY).map((row, index) => pick(objectAt(row, `${place}[${index}]`), HISTORY, `${place}[${index}]`)),
};

/** The known fields of an image config, each checked. */
export function parseConfigShape(document: JsonObject): ImageConfig {
  const rootfs = objectAt(document['rootfs'], 'rootfs');
  if (rootfs['type'] !== 'layers') throw malformed('rootfs.type', `want "layers", got ${JSON.stringify(rootfs['type']) ?? 'nothing'}`);
  const diffIds = optional(rootfs['diff_ids'], (value) => arrayAt(value, 'rootfs.diff_ids', MAX_LAYERS)) ?? [];
  return {
    architecture: stringAt(document['architecture'], 'architecture'),
    os: stringAt(document['os'], 'os'),
    ...pick(document, IMAGE),
    rootfs: { type: 'layers', diff_ids: diffIds.map((diffId, index) => digestAt(diffId, `rootfs.diff_ids[${index}]`)) },
  };
}

/** The fields that the table names and the document has. Every field of `T` that a table can name is optional. */
function pick<T>(document: JsonObject, fields: Fields<T>, place?: string): T {
  const picked: Record<string, unknown> = {};
  for (const [field, check] of Object.entries<(value: unknown, place: string) => unknown>(fields)) {
    const value = optional(document[field], (given) => check(given, place === undefined ? field : `${place}.${field}`));
    if (value !== undefined) picked[field] = value;
  }
  return picked as T;
}

function durationAt(value: unknown, place: string): number {
  const nanoseconds = integerAt(value, place);
  if (nanoseconds < 0) throw malformed(place, `want a duration of 0 or more, got ${nanoseconds}`);
  return nanoseconds;
}
