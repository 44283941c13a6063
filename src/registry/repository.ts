import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/types.js';

/** A manifest or index as the registry sent it, verified against the digest that was asked for. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export interface BlobDownload {
  readonly descriptor: Descriptor;
  /** Of bytes that have arrived, for progress. */
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface BlobUpload {
  readonly descriptor: Descriptor;
  /** The blob's bytes from `offset` on; called again when an upload is resumed. */
  readonly open: (offset: number) => AsyncIterable<Buffer>;
  /** Repositories of the same registry that have the blob: `library/debian`. */
  readonly mountFrom?: readonly string[];
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** How a blob came to be in the repository: it was there, another repository lent it, or its bytes were sent. */
export type UploadOutcome = 'exists' | 'mounted' | 'uploaded';

/**
 * One repository of one registry. Reading tries its mirrors in their order, then the registry itself; writing goes to the registry alone.
 * All methods throw BuildError `registry` or `credentials`, or the reason of a signal.
 */
export interface Repository {
  readonly domain: string;
  readonly path: string;
  /** The descriptor of a tag or digest without its bytes (HEAD, or GET where a registry does not say enough); `undefined` when there is none. */
  resolve(tagOrDigest: string, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** @throws BuildError `registry` when there is none, it is too large, of unknown type (schema 1 is named), or not what its digest says */
  manifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedManifest>;
  /** The bytes of a blob in order, every one once; a broken connection is resumed where it broke. Fails at the end when size or digest differ. */
  download(download: BlobDownload): AsyncIterable<Buffer>;
  hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean>;
  /** Whether an upload would be taken, before there is anything to upload: a session is opened and closed. See push-access.ts. */
  checkPush(signal?: AbortSignal): Promise<void>;
  upload(upload: BlobUpload): Promise<UploadOutcome>;
  /** @param tagOrDigest where it will be found */
  putManifest(tagOrDigest: string, manifest: { readonly bytes: Buffer; readonly mediaType: string }, signal?: AbortSignal): Promise<void>;
  /** By digest, as registries want it. */
  deleteManifest(digest: Digest, signal?: AbortSignal): Promise<void>;
  /** In the registry's order, page after page. */
  tags(signal?: AbortSignal): AsyncIterable<string>;
}
