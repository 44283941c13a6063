import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fromText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { joinPath, parentOf } from '../base/paths.js';
import { digestFromHex, type Digest } from '../oci/digest.js';
import { readArchive } from '../tar/archive.js';

const MAX_MEMBERS = 100_000;
/** No registry takes a larger layer; a bomb must not fill the disk. */
const MAX_MEMBER_BYTES = 64 * 1024 ** 3;
const MAX_LINKS = 10;

/** A file of an archive, unpacked under a name of our own. */
export interface Member {
  readonly file: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * Unpacks an archive, compressed or not, into a directory. Files there are named by number: whatever the archive calls them, nothing outside of
 * the directory is written to.
 *
 * @throws BuildError `input` when it is no archive, or a damaged one
 */
export async function unpackMembers(archive: string | Readable, dir: string): Promise<Members> {
  const files = new Map<ByteString, Member>();
  const links = new Map<ByteString, ByteString>();
  let count = 0;
  await readArchive(archive, async ({ path, type, linkTarget = '' }, content) => {
    if (++count > MAX_MEMBERS) throw new BuildError('input', `the archive has more than ${MAX_MEMBERS} members`);
    // Of two members with one path the later counts.
    files.delete(path);
    links.delete(path);
    if (type === 'file') files.set(path, await unpackFile(join(dir, String(count)), content));
    else if (type === 'symlink') links.set(path, joinPath(parentOf(path), linkTarget));
    else if (type === 'hardlink') links.set(path, joinPath(linkTarget));
  });
  return new Members(files, links);
}

async function unpackFile(file: string, content: AsyncIterable<Buffer>): Promise<Member> {
  const hash = createHash('sha256');
  const fd = openSync(file, 'wx', 0o600);
  let sizeBytes = 0;
  try {
    for await (const chunk of content) {
      if (sizeBytes + chunk.length > MAX_MEMBER_BYTES)
        throw new BuildError('input', `a member of the archive has more than ${MAX_MEMBER_BYTES} bytes`);
      for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
  } finally {
    closeSync(fd);
  }
  return { file, digest: digestFromHex(hash.digest('hex')), sizeBytes };
}

/** The files of an archive by the path that they have in it. Links are followed in this table only, never on disk. */
export class Members {
  readonly #files: ReadonlyMap<ByteString, Member>;
  readonly #links: ReadonlyMap<ByteString, ByteString>;

  constructor(files: ReadonlyMap<ByteString, Member>, links: ReadonlyMap<ByteString, ByteString>) {
    this.#files = files;
    this.#links = links;
  }

  find(path: string): Member | undefined {
    let at = joinPath(fromText(path));
    for (let hops = 0; hops <= MAX_LINKS; hops++) {
      const member = this.#files.get(at);
      if (member !== undefined) return member;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = target;
    }
    return undefined;
  }

  /**
   * The bytes of a small file.
   * @throws BuildError `input` when it is larger than `maxBytes`
   */
  read(path: string, maxBytes: number): Buffer | undefined {
    const member = this.find(path);
    if (member === undefined) return undefined;
    if (member.sizeBytes <= maxBytes) return readFileSync(member.file);
    throw new BuildError('input', `the archive's "${path}" has ${member.sizeBytes} bytes, want at most ${maxBytes}`);
  }
}
