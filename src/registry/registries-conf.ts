import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as smolToml from 'smol-toml';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { parseHostPath, type HostPath } from './host-names.js';
import type { RegistryOptions } from './options.js';
import { configHome } from './user-files.js';

/** One `[[registry]]` of containers-registries.conf(5). */
export interface ConfiguredRegistry {
  /** The host may be `*.example.com`. */
  readonly prefix: HostPath;
  /** `undefined` when images are where their name says. */
  readonly location: HostPath | undefined;
  readonly isInsecure: boolean;
  readonly isBlocked: boolean;
  readonly mirrors: readonly ConfiguredMirror[];
  /** Where it says so. */
  readonly file: string;
}

export interface ConfiguredMirror {
  readonly location: HostPath;
  readonly isInsecure: boolean;
  readonly pullFrom: PullFrom;
}

export interface RegistriesConfOptions {
  readonly options: Pick<RegistryOptions, 'registriesConf'>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string) => void;
}

type PullFrom = (typeof PULL_FROM)[number];
type Table = Readonly<Record<string, unknown>>;

/** A table, and where it stands for messages: `FILE:LINE: registry`. */
interface Placed {
  readonly table: Table;
  readonly place: string;
  readonly file: string;
}

const SYSTEM_DIRECTORY = '/etc/containers';
const PULL_FROM = ['all', 'digest-only', 'tag-only'] as const;
const TOP_KEYS = [
  'registry',
  'unqualified-search-registries',
  'aliases',
  'short-name-mode',
  'credential-helpers',
  'additional-layer-store-auth-helper',
];
const REGISTRY_KEYS = ['prefix', 'location', 'insecure', 'blocked', 'mirror', 'mirror-by-digest-only'];
const MIRROR_KEYS = ['location', 'insecure', 'pull-from-mirror'];

/**
 * The registries of one file and its drop-ins (`FILE.d/*.conf`, in the order of their names; a later one replaces an earlier one of the same prefix).
 * The file is `--registries-conf`, else CONTAINERS_REGISTRIES_CONF, else the user's, else the system's.
 * @throws BuildError `usage` naming the file and the line of what is wrong
 */
export function loadRegistriesConf({ options, env, warn }: RegistriesConfOptions): readonly ConfiguredRegistry[] {
  const registries = new Map<string, ConfiguredRegistry>();
  for (const { file, text } of readFiles(options, env)) {
    if (!saysAnything(text)) continue;
    for (const registry of parseRegistriesConf(text, file, warn)) {
      registries.set(`${registry.prefix.host}/${registry.prefix.path}`, registry);
    }
  }
  return [...registries.values()];
}

/** Distributions ship files of comments, and of short names, which are not followed: no parser is loaded for them. */
function saysAnything(text: string): boolean {
  return text.split('\n').some((line) => !/^\s*(?:#.*|\[aliases\]\s*|"[\w./-]+"\s*=\s*"[\w./:-]+"\s*)?$/.test(line));
}

interface ConfFile {
  readonly file: string;
  readonly text: string;
}

function readFiles(options: RegistriesConfOptions['options'], env: RegistriesConfOptions['env']): ConfFile[] {
  const named = options.registriesConf ?? (env['CONTAINERS_REGISTRIES_CONF'] || undefined);
  if (named !== undefined) {
    const text = readIfThere(named);
    const variable = options.registriesConf === undefined ? 'CONTAINERS_REGISTRIES_CONF' : '--registries-conf';
    if (text === undefined) throw new BuildError('usage', `${variable} "${named}" does not exist`);
    return [{ file: named, text }, ...readDropIns(`${named}.d`)];
  }
  const own = join(configHome(env), 'containers', 'registries.conf');
  const ownText = readIfThere(own);
  if (ownText !== undefined) return [{ file: own, text: ownText }, ...readDropIns(`${own}.d`)];
  const system = join(SYSTEM_DIRECTORY, 'registries.conf');
  const systemText = readIfThere(system);
  const main = systemText === undefined ? [] : [{ file: system, text: systemText }];
  return [...main, ...readDropIns(`${system}.d`), ...readDropIns(`${own}.d`)];
}

function readDropIns(directory: string): ConfFile[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith('.conf'));
  } catch {
    return [];
  }
  return names.toSorted().flatMap((name) => {
    const file = join(directory, name);
    const text = readIfThere(file);
    return text === undefined ? [] : [{ file, text }];
  });
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw new BuildError('usage', `cannot read "${file}": ${systemErrorText(error)}`, { cause: error });
  }
}

function parseRegistriesConf(text: string, file: string, warn: (message: string) => void): ConfiguredRegistry[] {
  const document = parseToml(text, file);
  if (document['registries'] !== undefined) {
    throw new BuildError('usage', `"${file}" has the old format of registries.conf, which is not read`, {
      hint: 'write [[registry]] tables in place of [registries.search], [registries.insecure] and [registries.block]',
    });
  }
  warnOfUnknown({ table: document, place: file, file }, TOP_KEYS, warn);
  if (document['credential-helpers'] !== undefined)
    warn(`${file}: credential-helpers are not asked; name them in credHelpers or credsStore of an auth file`);
  const lines = linesOf(text, /^\s*\[\[\s*"?registry"?\s*\]\]/);
  return tablesAt({ table: document, place: file, file }, 'registry').flatMap((table, index) => {
    const place = `${lines[index] === undefined ? file : `${file}:${lines[index]}`}: registry`;
    const registry = toRegistry({ table, place, file }, warn);
    return registry === undefined ? [] : [registry];
  });
}

function parseToml(text: string, file: string): Table {
  // Synchronous, and nothing that a build without such a file loads.
  const { parse, TomlError } = createRequire(import.meta.url)('smol-toml') as typeof smolToml;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.replace(/^Invalid TOML document: /, '').split('\n')[0] ?? '';
    throw new BuildError('usage', `${file}:${error.line}:${error.column}: ${reason}`, { cause: error });
  }
}

function linesOf(text: string, pattern: RegExp): number[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []));
}

/** `undefined` for a registry that tsbuild cannot tell from others: one with a tag. */
function toRegistry(placed: Placed, warn: (message: string) => void): ConfiguredRegistry | undefined {
  warnOfUnknown(placed, REGISTRY_KEYS, warn);
  const location = stringAt(placed, 'location');
  const prefix = stringAt(placed, 'prefix') ?? location;
  if (prefix === undefined) throw new BuildError('usage', `${placed.place}: both prefix and location are missing`);
  const parsedLocation = location === undefined ? undefined : parseLocation(placed, location);
  if (/^[^/]+\/[^/].*:|@/.test(prefix)) {
    warn(`${placed.place}: prefix "${prefix}" has a tag or digest, for which tsbuild has no rules; the table is left out`);
    return undefined;
  }
  const byDigestOnly = booleanAt(placed, 'mirror-by-digest-only');
  return {
    prefix: parsePrefix(placed, prefix),
    location: parsedLocation,
    isInsecure: booleanAt(placed, 'insecure') ?? false,
    isBlocked: booleanAt(placed, 'blocked') ?? false,
    mirrors: tablesAt(placed, 'mirror').map((table) => toMirror({ ...placed, table, place: `${placed.place}.mirror` }, byDigestOnly, warn)),
    file: placed.file,
  };
}

function toMirror(placed: Placed, byDigestOnly: boolean | undefined, warn: (message: string) => void): ConfiguredMirror {
  warnOfUnknown(placed, MIRROR_KEYS, warn);
  const location = stringAt(placed, 'location');
  if (location === undefined) throw new BuildError('usage', `${placed.place}: location is missing`);
  const given = stringAt(placed, 'pull-from-mirror');
  const pullFrom = PULL_FROM.find((word) => word === given);
  if (given !== undefined && pullFrom === undefined) {
    throw new BuildError(
      'usage',
      `${placed.place}: unknown pull-from-mirror ${JSON.stringify(given)}${didYouMean(given, PULL_FROM)}: want ${PULL_FROM.join(', ')}`,
    );
  }
  if (pullFrom !== undefined && byDigestOnly === true)
    throw new BuildError('usage', `${placed.place}: pull-from-mirror and mirror-by-digest-only exclude each other`);
  return {
    location: parseLocation(placed, location),
    isInsecure: booleanAt(placed, 'insecure') ?? false,
    pullFrom: pullFrom ?? (byDigestOnly === true ? 'digest-only' : 'all'),
  };
}

/** `*.example.com`, or a location. */
function parsePrefix(placed: Placed, text: string): HostPath {
  if (!text.startsWith('*.')) return parseLocation(placed, text, 'prefix');
  const parsed = parseHostPath(text.slice(2));
  if (parsed !== undefined && parsed.path === '' && !/:\d+$/.test(parsed.host)) return { host: `*.${parsed.host}`, path: '' };
  throw new BuildError('usage', `${placed.place}: invalid prefix ${JSON.stringify(text)}: "*." stands in front of a host alone`);
}

function parseLocation(placed: Placed, text: string, key = 'location'): HostPath {
  const parsed = parseHostPath(text);
  if (parsed !== undefined) return parsed;
  const hint = /^https?:\/\//.test(text) ? { hint: 'leave out the scheme; insecure = true allows http' } : {};
  throw new BuildError('usage', `${placed.place}: invalid ${key} ${JSON.stringify(text)}: want HOST[:PORT][/PATH]`, hint);
}

function stringAt({ table, place }: Placed, key: string): string | undefined {
  const value = table[key];
  // An empty text is an absent one, as containers' tools read it.
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new BuildError('usage', `${place}: ${key} is not a text in quotes`);
}

function booleanAt({ table, place }: Placed, key: string): boolean | undefined {
  const value = table[key];
  if (value === undefined || typeof value === 'boolean') return value;
  throw new BuildError('usage', `${place}: ${key} is not true or false`);
}

function tablesAt({ table, place }: Placed, key: string): Table[] {
  const value = table[key];
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every(isTable)) return value;
  throw new BuildError('usage', `${place}: ${key} is not a list of tables`, { hint: `its heading has two brackets: [[${key}]]` });
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function warnOfUnknown({ table, place }: Placed, known: readonly string[], warn: (message: string) => void): void {
  for (const key of Object.keys(table)) {
    if (!known.includes(key)) warn(`${place}: unknown key ${JSON.stringify(key)}${didYouMean(key, known)}`);
  }
}
