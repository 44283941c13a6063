import { BuildError } from '../base/errors.js';
import { parseDigest, type Digest } from './digest.js';

/** The name of an image, complete: a domain and a path are always there, and a tag or a digest or both. */
export interface Reference {
  /** `docker.io`, `registry.example:5000`, `[::1]:5000` */
  readonly domain: string;
  /** `library/app`, `team/app` */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const DEFAULT_TAG = 'latest';
const MAX_PATH_CHARACTERS = 255;
const MAX_TAG_CHARACTERS = 128;

// The grammar of github.com/distribution/reference. A bracketed host is not looked at any closer there either.
const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(String.raw`^(?:${DOMAIN_LABEL}(?:\.${DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`);
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]*$/;
const BARE_HEX = /^[0-9a-f]{64}$/;
const ANY_DIGEST = /^([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):[0-9a-fA-F]{32,}$/;

/**
 * A name as docker reads it: `app` is `docker.io/library/app:latest`. The tag is `latest` when neither a tag nor a digest is given; with a
 * digest, a tag is kept and means nothing.
 *
 * @throws BuildError `usage` that says which part is wrong
 */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid(text, 'the name is empty');
  if (/\s/.test(text)) throw invalid(text, 'white space is not allowed');
  if (text.includes('://')) throw invalid(text, 'a name has no scheme', 'leave out everything up to and including "://"');
  if (BARE_HEX.test(text)) throw invalid(text, '64 hexadecimal digits are an image id, not a name');
  const at = text.indexOf('@');
  const named = at === -1 ? text : text.slice(0, at);
  const digest = at === -1 ? undefined : parseDigestPart(text, text.slice(at + 1));
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const repository = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : parseTagPart(text, named.slice(colon + 1));
  const { domain, path } = splitDomain(repository);
  if (!DOMAIN.test(domain)) throw invalid(text, `${JSON.stringify(domain)} is no registry host`);
  checkPath(text, repository, path);
  const usedTag = tag ?? (digest === undefined ? DEFAULT_TAG : undefined);
  return { domain, path, ...(usedTag === undefined ? {} : { tag: usedTag }), ...(digest === undefined ? {} : { digest }) };
}

/** The complete form: `docker.io/library/app:latest`. `parseReference` reads it back to the same value. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffixOf(reference)}`;
}

/** The short form that docker shows: `app:latest`, `team/app:1`, `registry.example/app:1`. */
export function familiarName(reference: Reference): string {
  return `${familiarRepository(reference)}${suffixOf(reference)}`;
}

/** The short form without tag and digest: `app`. What would be read as another name without its `docker.io` or `library` keeps it. */
export function familiarRepository({ domain, path }: Reference): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const official = path.startsWith(OFFICIAL_PREFIX) ? path.slice(OFFICIAL_PREFIX.length) : path;
  if (!official.includes('/')) return official;
  return isHost(path.slice(0, path.indexOf('/'))) ? `${domain}/${path}` : path;
}

/** Whether a text can be the tag of an image (at most 128 of `A-Za-z0-9_.-`, the first no `.` or `-`). */
export function isTag(text: string): boolean {
  return TAG.test(text) && text.length <= MAX_TAG_CHARACTERS;
}

function suffixOf(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}

function splitDomain(repository: string): { domain: string; path: string } {
  const slash = repository.indexOf('/');
  const first = slash === -1 ? '' : repository.slice(0, slash);
  const domain = isHost(first) && first !== LEGACY_DOMAIN ? first : DEFAULT_DOMAIN;
  const path = isHost(first) ? repository.slice(slash + 1) : repository;
  return { domain, path: domain === DEFAULT_DOMAIN && !path.includes('/') ? `${OFFICIAL_PREFIX}${path}` : path };
}

/** The first component is a host when it could not be a path component: it has a dot, a colon or an upper-case letter, or is `localhost`. */
function isHost(first: string): boolean {
  return /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
}

function checkPath(text: string, repository: string, path: string): void {
  if (path.length > MAX_PATH_CHARACTERS)
    throw invalid(text, `the path has ${path.length} characters, at most ${MAX_PATH_CHARACTERS} are allowed`);
  for (const component of path.split('/')) {
    if (PATH_COMPONENT.test(component)) continue;
    if (component === '') throw invalid(text, repository.endsWith('/') ? 'nothing follows the last "/"' : 'a part of the path is empty');
    if (PATH_COMPONENT.test(component.toLowerCase())) {
      throw invalid(
        text,
        `${JSON.stringify(component)} has upper-case letters, the path must be lower case`,
        `write ${lowered(text, repository, path)}`,
      );
    }
    throw invalid(text, `${JSON.stringify(component)} may have only a-z and 0-9, with ".", "_", "__" or "-" between them`);
  }
}

/** Host and tag may have upper-case letters: they stay. */
function lowered(text: string, repository: string, path: string): string {
  const written = repository.endsWith(path) ? path : path.slice(OFFICIAL_PREFIX.length);
  return `${repository.slice(0, repository.length - written.length)}${written.toLowerCase()}${text.slice(repository.length)}`;
}

function parseTagPart(text: string, tag: string): string {
  if (tag === '') throw invalid(text, 'the tag after ":" is empty');
  if (tag.length > MAX_TAG_CHARACTERS)
    throw invalid(text, `the tag has ${tag.length} characters, at most ${MAX_TAG_CHARACTERS} are allowed`);
  if (!TAG.test(tag))
    throw invalid(text, `the tag ${JSON.stringify(tag)} may have only letters, digits, "_", "." and "-", and no "." or "-" first`);
  return tag;
}

function parseDigestPart(text: string, digest: string): Digest {
  try {
    return parseDigest(digest);
  } catch {
    throw invalid(text, digestFault(digest));
  }
}

/** What keeps a text from being a sha256 digest; image-spec registers other algorithms, which few registries know. */
function digestFault(digest: string): string {
  const algorithm = ANY_DIGEST.exec(digest)?.[1];
  const want = 'want sha256: and 64 lower-case hex digits';
  if (digest === '') return 'the digest after "@" is empty';
  if (digest.includes('@')) return `a name has one "@" at most, ${JSON.stringify(digest)} is no digest`;
  if (algorithm === undefined) return `${JSON.stringify(digest)} is no digest: ${want}`;
  if (algorithm !== 'sha256') return `digests of the algorithm ${JSON.stringify(algorithm)} are not supported: ${want}`;
  const digits = digest.length - 'sha256:'.length;
  return digits === 64 ? `the digest has upper-case letters: ${want}` : `the digest has ${digits} hex digits: ${want}`;
}

function invalid(text: string, reason: string, hint?: string): BuildError {
  return new BuildError('usage', `invalid image name ${JSON.stringify(text)}: ${reason}`, hint === undefined ? {} : { hint });
}
