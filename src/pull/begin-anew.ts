import { BuildError } from '../base/errors.js';
import type { WrongBytes } from '../registry/errors.js';
import type { BlobDownload, Repository } from '../registry/repository.js';

/**
 * Does something with a blob of a registry; once more when a mirror lied about its bytes, which only their end tells. The mirror is passed by then,
 * and whoever asks next. With several mirrors that lie, each costs one more time.
 */
export async function beginAnew<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLieOfMirror(error)) throw error;
    }
  }
}

/** A blob that is small enough to be held: its caller has looked at its size. @throws BuildError as the download does */
export function readDownload(repository: Repository, download: BlobDownload): Promise<Buffer> {
  return beginAnew(async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of repository.download(download)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/** Found by what it says of itself: the class would load the client of registries into builds that touch none. */
export function isLieOfMirror(error: unknown): boolean {
  if (!(error instanceof BuildError)) return false;
  return (error as Partial<WrongBytes>).isOfMirror === true || isLieOfMirror(error.cause);
}
