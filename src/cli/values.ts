import { statSync } from 'node:fs';
import { ipVersion } from '../base/ip.js';
import { BuildError } from '../base/errors.js';
import { parseGitRemote } from '../base/git-url.js';
import { parseSize } from '../base/size.js';
import { parseDigest } from '../oci/digest.js';
import { isTag } from '../oci/reference.js';
import { hostPlatform, formatPlatform, parsePlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { NamedContext, Ulimit } from '../options.js';
import { didYouMean } from '../base/suggest.js';
import { redact } from './redact.js';

/** `KEY=VALUE`, split at the first `=`; without one, the value is `undefined`. */
function splitPair(text: string): readonly [key: string, value: string | undefined] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}

/**
 * `KEY=VALUE` for each text; a later one wins.
 *
 * @param bare what a text without `=` becomes; `undefined` leaves it out
 * @throws BuildError `usage` when a key is empty
 */
export function parsePairs(flag: string, texts: readonly string[], bare: (key: string) => string | undefined): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const [key, value] = splitPair(text);
    if (key === '') throw usage(flag, text, 'the name is empty');
    const used = value ?? bare(key);
    if (used !== undefined) pairs.set(key, used);
  }
  return Object.fromEntries(pairs);
}

const ANNOTATION_LEVEL = /^(manifest|index|manifest-descriptor|index-descriptor)(\[[^\]]*\])?:/;

/** `[manifest:]KEY=VALUE` */
export function parseAnnotations(texts: readonly string[]): Record<string, string> {
  const bare = texts.map((text) => {
    const [prefix, level, platform] = ANNOTATION_LEVEL.exec(text) ?? [];
    if (prefix === undefined) return text;
    if (level !== 'manifest' || platform !== undefined) throw new BuildError('unsupported', `--annotation ${prefix} is not supported yet`);
    return text.slice(prefix.length);
  });
  return parsePairs('--annotation', bare, (key) => {
    throw usage('--annotation', key, 'want KEY=VALUE');
  });
}

/** A size above 0, as `parseSize` reads it. */
export function parseMemorySize(flag: string, text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw usage(flag, text, 'want a size above 0, for example 64m or 1g');
}

const ULIMITS = 'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ');

/** `NAME=SOFT[:HARD]`; -1 is unlimited, and the hard limit is the soft one unless given. */
export function parseUlimit(text: string): Ulimit {
  const [, name, soft, hard] = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text) ?? [];
  if (name === undefined || soft === undefined) throw usage('--ulimit', text, 'want NAME=SOFT or NAME=SOFT:HARD');
  if (!ULIMITS.includes(name)) throw usage('--ulimit', text, `unknown limit ${JSON.stringify(name)}${didYouMean(name, ULIMITS)}`);
  const limit = { name, soft: Number(soft), hard: Number(hard ?? soft) };
  if (limit.hard !== -1 && (limit.soft === -1 || limit.soft > limit.hard))
    throw usage('--ulimit', text, 'the soft limit is above the hard limit');
  return limit;
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`, the address in brackets or not; as a line for /etc/hosts wants it: `name:address`. */
export function parseHost(text: string): string {
  const [, name, bracketed] = /^([^\s=:]+)[=:](.+)$/.exec(text) ?? [];
  if (name === undefined || bracketed === undefined) throw usage('--add-host', text, 'want NAME:ADDRESS');
  if (bracketed === 'host-gateway')
    throw new BuildError('unsupported', '--add-host with host-gateway is not supported yet', { hint: 'give the address' });
  const address = bracketed.replace(/^\[(.*)\]$/, '$1');
  if (ipVersion(address) === 0) throw usage('--add-host', text, `${JSON.stringify(address)} is no IP address`);
  return `${name}:${address}`;
}

/** `default` is the host's network: tsbuild makes no network of its own. */
export function parseNetwork(text: string): 'host' | 'none' {
  if (text === 'none') return 'none';
  if (text === 'host' || text === 'default') return 'host';
  if (/^(?:bridge|private|pasta|slirp4netns|ns:|container:)/.test(text)) {
    throw new BuildError('unsupported', `--network ${text} is not supported yet`, { hint: 'use host or none' });
  }
  throw usage('--network', text, 'want host, none or default');
}

/**
 * Platforms separated by commas, each once; `local` is this machine's.
 * @throws BuildError `usage`
 */
export function parsePlatforms(texts: readonly string[]): Platform[] {
  const platforms = texts
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .map((text) => (text === 'local' ? hostPlatform() : parsePlatform(text)));
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

/** Whole seconds since 1970. */
export function parseEpoch(source: string, text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new BuildError('usage', `invalid ${source} ${JSON.stringify(text)}: want whole seconds since 1970`);
}

/**
 * `NAME=VALUE` of `--build-context`: a directory, `oci-layout://DIR[:TAG][@DIGEST]`, `docker-image://REFERENCE`, a git repository or the http URL of an
 * archive.
 */
export function parseBuildContext(text: string): readonly [name: string, context: NamedContext] {
  const [given, value] = splitPair(text);
  const name = toContextName(given);
  if (name === '' || value === undefined || value === '') throw usage('--build-context', text, 'want NAME=VALUE');
  if (name === 'scratch' || name === 'context') throw usage('--build-context', text, `${name} cannot be replaced`);
  const [, scheme, rest = ''] = /^(docker-image|oci-layout):\/\/(.*)$/.exec(value) ?? [];
  if (scheme === 'docker-image') return [name, { kind: 'image', reference: rest }];
  if (scheme === 'oci-layout') return [name, parseLayoutContext(text, rest)];
  const remote = parseRemote(value);
  if (remote !== undefined) return [name, remote];
  if (/^(?:target|input):/.test(value))
    throw new BuildError('unsupported', `--build-context from ${JSON.stringify(value)} is not supported yet`);
  return [name, { kind: 'directory', path: value.replace(/^local:/, '') }];
}

/**
 * What is fetched: a git repository, or what an http URL leads to. A directory of that name comes first, since `github.com/owner/repo` may be one.
 * @throws BuildError `usage` for a repository with a query that is wrong
 */
export function parseRemote(text: string): Extract<NamedContext, { kind: 'http' | 'git' }> | undefined {
  if (isDirectory(text)) return undefined;
  const remote = parseGitRemote(text, 'context');
  if (remote !== undefined) return { kind: 'git', remote };
  if (!/^https?:\/\//.test(text)) return undefined;
  if (!URL.canParse(text)) throw new BuildError('usage', `invalid URL ${JSON.stringify(redact(text))}`);
  return { kind: 'http', url: text };
}

/** A signed URL is longer than any name of a file can be: asking for it fails. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}

/** `NAME::linux/arm64` is for that platform only. */
function toContextName(given: string): string {
  const [, name, platform] = /^(.*?)::(.*)$/.exec(given) ?? [];
  return name === undefined || platform === undefined ? given : `${name}::${formatPlatform(parsePlatform(platform))}`;
}

function parseLayoutContext(text: string, rest: string): NamedContext {
  const [, located = '', digest] = /^(.*?)(?:@([^/@]*))?$/.exec(rest) ?? [];
  const colon = located.lastIndexOf(':');
  const tag = colon > 0 && !located.includes('/', colon) ? located.slice(colon + 1) : undefined;
  const path = tag === undefined ? located : located.slice(0, colon);
  if (path === '') throw usage('--build-context', text, 'the directory is empty');
  if (tag !== undefined && !isTag(tag)) throw usage('--build-context', text, `${JSON.stringify(tag)} is no tag`);
  return {
    kind: 'oci-layout',
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

/** One word of a fixed set. */
export function parseWord<Word extends string>(flag: string, text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw usage(flag, text, `want ${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}${didYouMean(text, words)}`);
}

function usage(flag: string, text: string, reason: string): BuildError {
  return new BuildError('usage', `invalid ${flag} ${JSON.stringify(redact(text))}: ${reason}`);
}
