import { digestOf, parseDigest, type Digest } from '../oci/digest.js';
import { MediaType, type Descriptor } from '../oci/types.js';
import type { Answer } from './answer.js';
import { isWebPage } from './answer-words.js';
import { RegistryError } from './errors.js';
import type { RegistryExchange } from './registry-exchange.js';
import type { FetchedManifest } from './repository.js';

/** What registries have to take at least, and what they take at most (distribution-spec, "Pushing Manifests"). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MANIFESTS: ReadonlySet<string> = new Set([MediaType.ociManifest, MediaType.dockerManifest]);
const INDEXES: ReadonlySet<string> = new Set([MediaType.ociIndex, MediaType.dockerIndex]);
const SCHEMA_1 = ['application/vnd.docker.distribution.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v1+prettyjws'];
/** Schema 1 is asked for to be refused with its name: a registry that has nothing else would say 404. */
const ACCEPT = [...INDEXES, ...MANIFESTS, ...SCHEMA_1].join(', ');
/** Of servers that do not know what they store. */
const SAYS_NOTHING = new Set(['', 'application/json', 'application/octet-stream', 'binary/octet-stream', 'text/plain']);

export interface ManifestPlace {
  readonly exchange: RegistryExchange;
  /** Of the repository there. */
  readonly path: string;
  /** `1.2` or a digest */
  readonly reference: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * The descriptor as HEAD tells it; by GET where HEAD is not known, or leaves something out (distribution-spec, "Checking if content exists in the
 * registry": the digest's header is no duty).
 * @returns `undefined` when there is none
 */
export async function resolveManifest(place: ManifestPlace): Promise<Descriptor | undefined> {
  const answer = await place.exchange.send({ ...toRequest(place, 'HEAD'), accept: [200, 400, 403, 404, 405, 501] });
  await answer.discard();
  if (answer.status === 404) return undefined;
  const descriptor = answer.status === 200 ? toDescriptor(answer, place) : undefined;
  return descriptor ?? (await findManifest(place))?.descriptor;
}

/** @throws RegistryError 404 when there is none */
export async function fetchManifest(place: ManifestPlace): Promise<FetchedManifest> {
  return place.exchange.read({ ...toRequest(place, 'GET'), accept: [200] }, (answer) => readManifest(answer, place));
}

async function findManifest(place: ManifestPlace): Promise<FetchedManifest | undefined> {
  return place.exchange.read({ ...toRequest(place, 'GET'), accept: [200, 404] }, async (answer) => {
    if (answer.status === 200) return readManifest(answer, place);
    await answer.discard();
    return undefined;
  });
}

function toRequest({ exchange, path, reference, signal }: ManifestPlace, method: 'GET' | 'HEAD') {
  return {
    method,
    target: `${path}/manifests/${reference}`,
    scopes: [{ type: 'repository', name: path, actions: ['pull'] }],
    headers: { accept: ACCEPT },
    aim: `read the manifest of ${nameOf({ exchange, path, reference })}`,
    signal,
  } as const;
}

/** `registry.example/team/app:1`, `registry.example/team/app@sha256:…` */
export function nameOf({ exchange, path, reference }: Pick<ManifestPlace, 'exchange' | 'path' | 'reference'>): string {
  return `${exchange.host}/${path}${reference.includes(':') ? '@' : ':'}${reference}`;
}

/** Of HEAD; `undefined` when it does not tell all. */
function toDescriptor(answer: Answer, { reference }: ManifestPlace): Descriptor | undefined {
  const size = Number(answer.header('content-length') ?? Number.NaN);
  const digest = saidDigest(answer);
  const { mediaType } = answer;
  if (!Number.isSafeInteger(size) || size <= 0 || size > MAX_MANIFEST_BYTES) return undefined;
  if (digest === undefined || (reference.includes(':') && digest !== reference)) return undefined;
  return MANIFESTS.has(mediaType) || INDEXES.has(mediaType) ? { mediaType, digest, size } : undefined;
}

/** Digests of other algorithms are not ours to compare. */
function saidDigest(answer: Answer): Digest | undefined {
  const text = answer.header('docker-content-digest')?.trim() ?? '';
  return /^sha256:[0-9a-f]{64}$/.test(text) ? parseDigest(text) : undefined;
}

async function readManifest(answer: Answer, place: ManifestPlace): Promise<FetchedManifest> {
  const bytes = await answer.bytes(MAX_MANIFEST_BYTES);
  const digest = checkDigest(answer, bytes, place);
  const mediaType = mediaTypeOf(answer, bytes, place);
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/**
 * A manifest that was asked for by digest is what it says; of a tag nobody but the registry knows what it means. Another digest may also be that of
 * a body that a proxy cut short, so it is asked for again.
 */
function checkDigest(answer: Answer, bytes: Buffer, place: ManifestPlace): Digest {
  const got = digestOf(bytes);
  const isByDigest = place.reference.includes(':');
  const want = isByDigest ? place.reference : saidDigest(answer);
  if (want === undefined || want === got || isWebPage(answer, bytes)) return got;
  const says = isByDigest ? `want ${want}` : `its header says ${want}`;
  throw new RegistryError(`could not use the manifest of ${nameOf(place)}: its bytes have digest ${got}, ${says}`, {
    hint: 'the registry, or a proxy in front of it, delivers other bytes than were pushed',
    isPassing: true,
  });
}

/** image-spec, manifest.md and image-index.md, "mediaType"; what has members of both kinds is read differently by different programs. */
function mediaTypeOf(answer: Answer, bytes: Buffer, place: ManifestPlace): string {
  if (isWebPage(answer, bytes)) throw wrong(place, `${answer.url.host} answered a web page`, `is ${place.exchange.host} a registry?`);
  const { mediaType: said } = answer;
  if (SCHEMA_1.includes(said)) throw schema1(place);
  const document = parseDocument(bytes, place);
  if (document['schemaVersion'] === 1) throw schema1(place);
  const { mediaType: written } = document;
  if (written !== undefined && typeof written !== 'string') throw wrong(place, 'its mediaType is no text');
  if (written !== undefined && !SAYS_NOTHING.has(said) && written !== said) {
    throw wrong(place, `its mediaType ${JSON.stringify(written)} is not the content type ${JSON.stringify(said)} that it came with`);
  }
  const mediaType = written ?? (SAYS_NOTHING.has(said) ? guessType(document) : said);
  if (mediaType === undefined || !(MANIFESTS.has(mediaType) || INDEXES.has(mediaType))) {
    throw wrong(
      place,
      `media type ${JSON.stringify(mediaType ?? said)} is not known`,
      'want an image or index, of OCI or of docker (schema 2)',
    );
  }
  checkMembers(document, mediaType, place);
  return mediaType;
}

function guessType(document: Readonly<Record<string, unknown>>): string | undefined {
  if (Array.isArray(document['manifests'])) return MediaType.ociIndex;
  return Array.isArray(document['layers']) ? MediaType.ociManifest : undefined;
}

function checkMembers(document: Readonly<Record<string, unknown>>, mediaType: string, place: ManifestPlace): void {
  const [own, other] = INDEXES.has(mediaType) ? ['manifests', 'layers'] : ['layers', 'manifests'];
  if (document[other] !== undefined)
    throw wrong(place, `${JSON.stringify(mediaType)} has ${JSON.stringify(other)}, as the other kind would have`);
  if (!Array.isArray(document[own])) throw wrong(place, `${JSON.stringify(mediaType)} has no ${JSON.stringify(own)}`);
}

function parseDocument(bytes: Buffer, place: ManifestPlace): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw wrong(place, `it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw wrong(place, 'it is no JSON object');
}

function schema1(place: ManifestPlace): RegistryError {
  return wrong(place, 'it is of docker schema 1, which is not supported', 'push the image again with a newer docker, podman or skopeo');
}

function wrong(place: ManifestPlace, reason: string, hint?: string): RegistryError {
  return new RegistryError(`could not use the manifest of ${nameOf(place)}: ${reason}`, hint === undefined ? {} : { hint });
}
