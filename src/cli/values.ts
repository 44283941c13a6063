import { ipVersion } from '../base/ip.js';
import { BuildError } from '../base/errors.js';
import { parseSize } from '../base/size.js';
import { parseDigest } from '../oci/digest.js';
import { isTag } from '../oci/reference.js';
import { hostPlatform, formatPlatform, parsePlatform, samePlatform } from '../oci/platform.js';
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

/** @throws BuildError `unsupported` for any platform but the host's */
export function checkPlatform(text: string): void {
  const host = hostPlatform();
  for (const one of text.split(',')) {
    if (one === 'local' || samePlatform(parsePlatform(one), host)) continue;
    throw new BuildError('unsupported', `not supported yet: --platform ${one}`, {
      hint: `this machine builds for ${formatPlatform(host)}`,
    });
  }
}

/** Whole seconds since 1970. */
export function parseEpoch(source: string, text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new BuildError('usage', `invalid ${source} ${JSON.stringify(text)}: want whole seconds since 1970`);
}

const REMOTE = /^(?:https?|git|ssh|file):\/\/|^git@|^(?:target|input):/;

/** `NAME=VALUE` of `--build-context`: a directory, `oci-layout://DIR[:TAG][@DIGEST]` or `docker-image://REFERENCE`. */
export function parseBuildContext(text: string): readonly [name: string, context: NamedContext] {
  const [name, value] = splitPair(text);
  if (name === '' || value === undefined || value === '') throw usage('--build-context', text, 'want NAME=VALUE');
  if (name.includes('::')) throw new BuildError('unsupported', '--build-context for one platform (NAME::PLATFORM) is not supported yet');
  if (name === 'scratch' || name === 'context') throw usage('--build-context', text, `${name} cannot be replaced`);
  const [, scheme, rest = ''] = /^(docker-image|oci-layout):\/\/(.*)$/.exec(value) ?? [];
  if (scheme === 'docker-image') return [name, { kind: 'image', reference: rest }];
  if (scheme === 'oci-layout') return [name, parseLayoutContext(text, rest)];
  if (REMOTE.test(value)) throw new BuildError('unsupported', `--build-context from ${JSON.stringify(redact(value))} is not supported yet`);
  return [name, { kind: 'directory', path: value.replace(/^local:/, '') }];
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
