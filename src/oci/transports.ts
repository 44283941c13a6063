import { BuildError } from '../base/errors.js';
import { suggest } from '../base/suggest.js';
import { parseDigest, type Digest } from './digest.js';
import { formatReference, isTag, parseReference, type Reference } from './reference.js';

/** Which image of a layout or archive; the only one, or that tagged `latest`, when nothing is said. */
interface Choice {
  /** As it is written, in layouts and archives of one: `1.0`, or a whole name. */
  readonly tag?: string;
  /** In full, where it is a whole name: `registry.example/app:1`. */
  readonly name?: string;
  readonly digest?: Digest;
}

/** Where an image is, or shall be. */
export type ImageLocation =
  /** `docker://REF` */
  | { readonly kind: 'registry'; readonly reference: Reference }
  /** `store:NAME`, or the name alone; an image that is there can also be given by its id. */
  | { readonly kind: 'store'; readonly name: string }
  /** `oci:DIR[:TAG][@DIGEST]` */
  | (Choice & { readonly kind: 'oci'; readonly path: string })
  /** `oci-archive:FILE[:TAG][@DIGEST]` */
  | (Choice & { readonly kind: 'oci-archive'; readonly path: string })
  /** `docker-archive:FILE[:NAME]` */
  | (Choice & { readonly kind: 'docker-archive'; readonly path: string });

const FORMS = 'docker://REF, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or a name of the local store';
const TRANSPORTS = ['docker', 'oci', 'oci-archive', 'docker-archive', 'store'] as const;
/** Words of other programs, and what is meant here. */
const ALIASES: Readonly<Record<string, string>> = {
  'oci-dir': 'oci:',
  'oci-layout': 'oci:',
  'docker-image': 'docker://',
  registry: 'docker://',
  'docker-tar': 'docker-archive:',
  'oci-tar': 'oci-archive:',
};
const FOREIGN = new Set(['containers-storage', 'dir', 'docker-daemon', 'ostree', 'sif', 'tarball', 'atomic']);

/**
 * A place as skopeo and podman write it.
 * @throws BuildError `usage` that says what is wrong, and what was meant where that can be guessed
 */
export function parseLocation(text: string): ImageLocation {
  const [, word = '', slashes = '', rest = ''] = /^([A-Za-z][A-Za-z-]*):(\/\/)?(.*)$/s.exec(text) ?? [];
  if (word === 'docker' && slashes !== '') return { kind: 'registry', reference: parseRegistryName(rest) };
  if (word === 'store') return { kind: 'store', name: storeName(text, rest) };
  if (word === 'oci' || word === 'oci-archive' || word === 'docker-archive') {
    if (slashes !== '') throw invalid(text, `"${word}:" takes no "//"`, `write ${word}:${rest}`);
    return { kind: word, ...parsePath(text, rest, word) };
  }
  checkTransport(text, { word, slashes, rest });
  return { kind: 'store', name: storeName(text, text) };
}

/**
 * A name in a registry, with or without `docker://` in front of it.
 * @throws BuildError `usage`
 */
export function parseRegistryName(text: string): Reference {
  const name = text.replace(/^docker:\/\//, '');
  const [, transport] = /^(oci|oci-archive|docker-archive|store):/.exec(text) ?? [];
  if (transport !== undefined) throw invalid(text, 'want the name of an image in a registry', 'tsbuild cp copies from and to other places');
  // Not shown, whatever it is: it could be right.
  if (/^[^/@]*@(?!sha256:)[^@/]+\//.test(name)) {
    throw new BuildError('usage', 'invalid image name: credentials do not belong into it', { hint: 'use tsbuild login, or --creds' });
  }
  return parseReference(name);
}

/** A place as messages name it; `parseLocation` reads it back. */
export function formatLocation(location: ImageLocation): string {
  switch (location.kind) {
    case 'registry':
      return `docker://${formatReference(location.reference)}`;
    case 'store':
      return location.name;
    default: {
      const image = location.tag ?? location.name;
      return `${location.kind}:${location.path}${image === undefined ? '' : `:${image}`}${location.digest === undefined ? '' : `@${location.digest}`}`;
    }
  }
}

interface Words {
  readonly word: string;
  readonly slashes: string;
  readonly rest: string;
}

/** `app:1` is a name; so is `docker:dind`. What cannot be one, or is nearly the word of a transport, is a mistake. */
function checkTransport(text: string, { word, slashes, rest }: Words): void {
  if (word === '') {
    if (text.includes('://')) throw invalid(text, 'unknown transport', `write ${FORMS}`);
    return;
  }
  // `stores:5000/app` begins with a host.
  if (slashes === '' && /^\d+(?:\/|$)/.test(rest)) return;
  const lower = word.toLowerCase();
  const alias = ALIASES[lower];
  if (FOREIGN.has(lower) && (slashes !== '' || !isTag(rest))) throw invalid(text, `${word}: is not supported`, `write ${FORMS}`);
  if (alias !== undefined && (slashes !== '' || lower.includes('-')))
    throw invalid(text, `unknown transport "${word}"`, `write ${alias}${rest}`);
  if (lower === 'http' || lower === 'https')
    throw invalid(text, 'a registry is not named by a URL', `write docker://${rest.replace(/^[^/]*@/, '')}`);
  if (lower === 'docker' && (slashes !== '' || /[/:]/.test(rest))) {
    throw invalid(text, `unknown transport "${word}:"`, `write docker://${rest.replace(/^\/+/, '')}`);
  }
  const meant = suggest(lower, TRANSPORTS);
  const isNear = meant !== undefined && (slashes !== '' || word.includes('-') || rest.includes('/') || word !== lower);
  if (isNear) throw invalid(text, `unknown transport "${word}"`, `did you mean ${meant}${meant === 'docker' ? '://' : ':'}${rest}?`);
  if (slashes !== '') throw invalid(text, `unknown transport "${word}"`, `write ${FORMS}`);
}

/** @returns the text itself: it may be an id, which is looked up where the image has to exist */
function storeName(text: string, name: string): string {
  if (name === '') throw invalid(text, 'the name is empty', `write ${FORMS}`);
  if (!/^(?:sha256:)?[0-9a-f]{1,64}$/.test(name)) parseReference(name);
  return name;
}

/** The first colon ends the path, as it does for skopeo: names of images have colons and slashes too. */
function parsePath(text: string, rest: string, word: 'oci' | 'oci-archive' | 'docker-archive'): Choice & { readonly path: string } {
  const [, located = '', digest] = /^(.*?)(?:@(sha256:.*))?$/s.exec(rest) ?? [];
  const colon = located.indexOf(':');
  const path = colon === -1 ? located : located.slice(0, colon);
  if (path === '') throw invalid(text, `the ${word === 'oci' ? 'directory' : 'file'} is missing`, `write ${word}:PATH`);
  if (path.includes('\0')) throw invalid(text, 'a path has no NUL');
  const chosen = digest === undefined ? {} : { digest: digestPart(text, digest) };
  if (colon === -1) return { path, ...chosen };
  return { path, ...imagePart(text, located.slice(colon + 1), word), ...chosen };
}

function imagePart(text: string, image: string, word: string): Choice {
  if (image === '') throw invalid(text, 'nothing follows the last ":"', 'leave out the colon, or name the image after it');
  // docker's archives know whole names only: `app` is `app:latest` there.
  if (word === 'docker-archive') return { name: formatReference(parseReference(image)) };
  return isTag(image) ? { tag: image } : { tag: image, name: formatReference(parseReference(image)) };
}

function digestPart(text: string, digest: string): Digest {
  try {
    return parseDigest(digest);
  } catch {
    throw invalid(text, `"${digest}" is no digest: want sha256: and 64 lower-case hex digits`);
  }
}

function invalid(text: string, reason: string, hint?: string): BuildError {
  return new BuildError('usage', `invalid image ${JSON.stringify(text)}: ${reason}`, hint === undefined ? {} : { hint });
}
