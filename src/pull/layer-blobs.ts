import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { BuildError } from '../base/errors.js';
import { readGrowing, type GrowingFile } from '../base/growing-file.js';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { decompressStream, openDecompressed } from '../tar/decompress.js';

/** What comes whole, by its digest, and is wrong nevertheless. */
const BROKEN = 'the image was made wrong, or changed since then: build and push it anew';

/** A layer of a base image, as plain data: its blob, and the digest that the uncompressed bytes must have. */
export interface LayerBlob {
  readonly digest: Digest;
  readonly diffId: Digest;
  /** Where it lies in the store, if only in the end. */
  readonly path: string;
  /** On its way there. */
  readonly growing?: GrowingFile;
}

/**
 * The tar of a layer; fails at its end when it was another one than the image's config names.
 * @throws BuildError `input`
 */
export function readLayerBlob(layer: LayerBlob): AsyncGenerator<Buffer, void, void> {
  const { path, growing } = layer;
  const tar = growing === undefined ? openDecompressed(path) : decompressStream(toReadable(readGrowing(growing)), path);
  const hint = `remove "${path}" and build or fetch the image again; if that does not help, the image was made wrong`;
  return verifyTar(tar, layer, growing === undefined ? hint : BROKEN);
}

/** The same for a blob that is nowhere but on its way. The digest of the blob itself is for who sends it to verify. */
export function readLayerStream(
  blob: AsyncIterable<Buffer>,
  layer: Pick<LayerBlob, 'digest' | 'diffId'>,
  reference: string,
): AsyncGenerator<Buffer, void, void> {
  return verifyTar(decompressStream(toReadable(blob), reference), layer, `the image "${reference}" is broken in its registry`);
}

/** One chunk ahead: sixteen, which is the default, are 16 MiB for each layer. */
function toReadable(chunks: AsyncIterable<Buffer>): Readable {
  return Readable.from(chunks, { highWaterMark: 1 });
}

async function* verifyTar(
  tar: AsyncIterable<Buffer>,
  { digest, diffId }: Pick<LayerBlob, 'digest' | 'diffId'>,
  hint: string,
): AsyncGenerator<Buffer, void, void> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of tar) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw named(error, digest, hint);
  }
  const got = digestFromHex(hash.digest('hex'));
  if (got === diffId) return;
  throw new BuildError('input', `layer ${digest} is damaged: got a tar with the diffId ${got}, want ${diffId}`, { hint });
}

function named(error: unknown, digest: Digest, hint: string): unknown {
  if (!(error instanceof BuildError) || error.kind === 'cancelled') return error;
  const known = error.hint ?? (error.kind === 'input' ? hint : undefined);
  return new BuildError(error.kind, `layer ${digest}: ${error.message}`, { cause: error, ...(known === undefined ? {} : { hint: known }) });
}
