import { parseBool } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import type { PullPolicy, RegistryMirror, RegistryOptions, UserPassword } from '../registry/options.js';
import type { FlagRow } from './flag-table.js';

/** How registries are reached: of every command that talks to one. */
export const REGISTRY_FLAGS: readonly FlagRow[] = [
  {
    syntax: '--creds <user:password>',
    help: 'for the registry that is pushed to, else for all that are named (better: tsbuild login, which no list of processes shows)',
  },
  { syntax: '--authfile <file>', help: 'credentials of registries, in place of all other files' },
  {
    syntax: '--tls-verify [bool]',
    help: 'false: also certificates that nobody vouches for, and plain http (default: true)',
    bare: 'true',
    words: ['true', 'false'],
  },
  { syntax: '--cert-dir <dir>', help: 'authorities (*.crt), and certificates (*.cert, *.key) to show to registries' },
  { syntax: '--insecure-registry <host>', help: 'the same as --tls-verify=false, for HOST[:PORT] only', repeat: true },
  { syntax: '--registry-mirror <host=mirror>', help: 'where images of HOST are looked for first: docker.io=mirror.example', repeat: true },
  { syntax: '--registries-conf <file>', help: 'mirrors, rewrites and blocks, as containers-registries.conf(5) has them' },
  { syntax: '--retry <n>', help: 'attempts after one that failed for no lasting reason (default: 3)' },
  { syntax: '--retry-delay <duration>', help: 'before the second attempt, doubled from there on (default: 1s)' },
  { syntax: '--timeout <duration>', help: 'of silence of a registry, after which a request has failed (default: 60s)' },
  { syntax: '--jobs <n>', help: 'layers that are moved at once, of each registry (default: 4)' },
];

/** What commander makes of them. */
export interface RawRegistryFlags {
  readonly creds?: string;
  readonly authfile?: string;
  readonly tlsVerify?: string | boolean;
  readonly certDir?: string;
  readonly insecureRegistry?: readonly string[];
  readonly registryMirror?: readonly string[];
  readonly registriesConf?: string;
  readonly retry?: string;
  readonly retryDelay?: string;
  readonly timeout?: string;
  readonly jobs?: string;
}

const MAX_RETRIES = 100;
const MAX_JOBS = 64;
const MAX_DURATION_MS = 24 * 60 * 60 * 1000;
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[a-f0-9:.]+\])(?::\d{1,5})?$/i;
const MIRROR_PATH = /^(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*\/?$/;
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/**
 * @param env of the command: where credentials, proxies and authorities are looked up
 * @throws BuildError `usage`; passwords are never in the message
 */
export function toRegistryOptions(raw: RawRegistryFlags, env: Readonly<Record<string, string | undefined>>): RegistryOptions {
  return {
    env,
    ...optional('credentials', raw.creds, (text) => parseCreds('--creds', text)),
    ...optional('authFile', raw.authfile, (text) => parsePath('--authfile', text)),
    ...optional('tlsVerify', raw.tlsVerify, parseTlsVerify),
    ...optional('certDir', raw.certDir, (text) => parsePath('--cert-dir', text)),
    ...optional('insecureRegistries', raw.insecureRegistry, (texts) => texts.map(parseInsecure)),
    ...optional('mirrors', raw.registryMirror, (texts) => texts.map(parseMirror)),
    ...optional('registriesConf', raw.registriesConf, (text) => parsePath('--registries-conf', text)),
    ...optional('retries', raw.retry, (text) => parseCount('--retry', text, [0, MAX_RETRIES])),
    ...optional('retryDelayMs', raw.retryDelay, (text) => parseWait('--retry-delay', text)),
    ...optional('timeoutMs', raw.timeout, (text) => parseTimeout(text)),
    ...optional('jobs', raw.jobs, (text) => parseCount('--jobs', text, [1, MAX_JOBS])),
  };
}

const PULL_WORDS: Readonly<Record<string, PullPolicy>> = {
  always: 'always',
  missing: 'missing',
  never: 'never',
  newer: 'newer',
  ifmissing: 'missing',
  ifnewer: 'newer',
};

/**
 * The value of `--pull`, in the words of docker and podman. `true` and `false` are docker's: ask always, or only for what is missing.
 * @throws BuildError `usage`
 */
export function parsePullPolicy(value: string | boolean): PullPolicy {
  const text = String(value);
  const isOn = parseBool(text);
  if (isOn !== undefined) return isOn ? 'always' : 'missing';
  const policy = Object.hasOwn(PULL_WORDS, text) ? PULL_WORDS[text] : undefined;
  if (policy !== undefined) return policy;
  throw usage('--pull', text, `want always, missing, never, newer, true or false${didYouMean(text, Object.keys(PULL_WORDS))}`);
}

/** The password may have colons; the name may not. @throws BuildError `usage`, which does not repeat it */
export function parseCreds(flag: string, text: string): UserPassword {
  const colon = text.indexOf(':');
  if (colon > 0 && colon < text.length - 1) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  throw new BuildError('usage', `invalid ${flag}: the ${colon === 0 || text === '' ? 'name' : 'password'} is missing, want USER:PASSWORD`, {
    hint: 'tsbuild login asks for a password, or reads it with --password-stdin',
  });
}

function parseTlsVerify(value: string | boolean): boolean {
  const on = parseBool(String(value));
  if (on === undefined) throw usage('--tls-verify', String(value), 'want true or false');
  return on;
}

function parseInsecure(text: string): string {
  if (HOST.test(text)) return text;
  const hint = text.includes('/') ? 'leave out everything but the host and its port' : undefined;
  throw usage('--insecure-registry', text, 'want HOST or HOST:PORT', hint);
}

function parseMirror(text: string): RegistryMirror {
  const equals = text.indexOf('=');
  if (equals === -1)
    throw usage('--registry-mirror', text, 'want HOST=MIRROR', `for Docker Hub: --registry-mirror docker.io=${shown(text)}`);
  const [host, mirror] = [text.slice(0, equals), text.slice(equals + 1)];
  if (!HOST.test(host)) throw usage('--registry-mirror', text, `${JSON.stringify(shown(host))} is no registry host`);
  const [, place = '', path = ''] = /^(?:https?:\/\/)?([^/]*)(.*)$/s.exec(mirror) ?? [];
  if (place.includes('@'))
    throw usage('--registry-mirror', text, 'credentials do not belong here', `tsbuild login ${place.replace(/^.*@/, '')}`);
  if (!HOST.test(place) || !MIRROR_PATH.test(path)) throw usage('--registry-mirror', text, 'want HOST=[http://]MIRROR[:PORT][/PATH]');
  return { host, mirror: mirror.replace(/\/+$/, '') };
}

function parseCount(flag: string, text: string, [least, most]: readonly [number, number]): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return count;
  throw usage(flag, text, `want a whole number from ${least} to ${most}`);
}

/** A duration above 0: a request that may take no time at all never succeeds. */
function parseTimeout(text: string): number {
  const timeoutMs = parseWait('--timeout', text);
  if (timeoutMs === 0) throw usage('--timeout', text, 'want a duration above 0');
  return timeoutMs;
}

/** Whole milliseconds of `2s`, `500ms`, `1m30s`, `1.5s`. */
function parseWait(flag: string, text: string): number {
  const terms = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)/g)];
  const isWhole = terms.length > 0 && terms.map(([term]) => term).join('') === text;
  const totalMs = text === '0' ? 0 : terms.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS.get(unit ?? '') ?? 0), 0);
  if ((isWhole || text === '0') && totalMs <= MAX_DURATION_MS) return Math.round(totalMs);
  if (isWhole) throw usage(flag, text, 'want at most 24h');
  throw usage(flag, text, 'want a duration, for example 2s, 500ms or 1m', /^\d+$/.test(text) ? `for seconds: ${flag} ${text}s` : undefined);
}

function parsePath(flag: string, text: string): string {
  if (text === '') throw new BuildError('usage', `invalid ${flag} "": it is empty`);
  return text;
}

function optional<Key extends string, Raw, Value>(
  key: Key,
  raw: Raw | undefined,
  parse: (raw: Raw) => Value,
): { readonly [name in Key]?: Value } {
  return raw === undefined ? {} : ({ [key]: parse(raw) } as { readonly [name in Key]?: Value });
}

function usage(flag: string, text: string, reason: string, hint?: string): BuildError {
  return new BuildError('usage', `invalid ${flag} ${JSON.stringify(shown(text))}: ${reason}`, hint === undefined ? {} : { hint });
}

/** Somebody may have written a password in front of a host, with a scheme or without one. */
function shown(text: string): string {
  return text.replace(/^((?:[^=@]*=)?(?:https?:\/\/)?).*@/s, '$1***@');
}
