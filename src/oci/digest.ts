import { createHash } from 'node:crypto';
import { BuildError } from '../base/errors.js';

/** `sha256:` and 64 lower-case hex digits. Only `parseDigest` and the makers below create one, so that no other text can become a path or URL. */
export type Digest = string & { readonly __digest: true };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** @throws BuildError `input` when the text is not a sha256 digest (image-spec, descriptor.md#digests) */
export function parseDigest(text: unknown): Digest {
  if (typeof text !== 'string' || !SHA256.test(text)) {
    throw new BuildError('input', `invalid digest ${JSON.stringify(text)}: want sha256: and 64 lower-case hex digits`);
  }
  return text as Digest;
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** From the hex form of a finished sha256. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The 64 hex digits: the name of the blob's file. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** `sha256:0123456789ab`, for people. */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, 'sha256:'.length + 12);
}
