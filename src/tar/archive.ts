import { createReadStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, pack, type Header, type Pack } from 'tar-stream';
import { fromText, toText, type ByteString } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { decompressStream, openDecompressed } from './decompress.js';
import { toEntryPath } from './names.js';

/**
 * Archives around images (`docker save`, `oci-archive`): a few dozen members, most of them large. tar-stream reads and writes them, with a
 * few promises for each member. The layers inside have tens of thousands; `TarReader` and `encodeHeader`, which have none, are for those.
 */

export interface ArchiveInput {
  /** Without a leading slash. */
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  /** The bytes, or where they lie. A directory has none. */
  readonly content: Buffer | { readonly path: string } | 'directory';
}

export interface ArchiveMember {
  /** Clean: no leading slash, no `..`. */
  readonly path: ByteString;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink';
  readonly sizeBytes: number;
  /** Text of a symlink; path of a hard link's target. Archives of `docker save` link layers that images share. */
  readonly linkTarget?: ByteString;
}

const TYPES: Readonly<Record<string, ArchiveMember['type']>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'hardlink',
};

/**
 * Writes a whole archive and ends `destination`. Members belong to root.
 * @throws BuildError `input` when a file cannot be read or its size is not what its member says
 */
export async function writeArchive(destination: Writable, members: Iterable<ArchiveInput> | AsyncIterable<ArchiveInput>): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, destination);
  try {
    // A destination that fails has to be noticed while a member waits for it to drain.
    for await (const member of members) await Promise.race([writeMember(archive, member), written]);
    archive.finalize();
  } catch (error) {
    archive.destroy();
    await written.catch(() => undefined);
    throw error;
  }
  await written;
}

async function writeMember(archive: Pack, member: ArchiveInput): Promise<void> {
  const { name, mode, mtimeSeconds, sizeBytes, content } = member;
  const header = { name, mode, mtime: new Date(mtimeSeconds * 1000), size: sizeBytes, type: 'file' as const };
  if (content === 'directory') archive.entry({ ...header, size: 0, type: 'directory' });
  else if (Buffer.isBuffer(content)) {
    if (content.length !== sizeBytes) throw wrongSize(member, content.length);
    await new Promise<void>((resolve, reject) => archive.entry(header, content, (error) => (error ? reject(error) : resolve())));
  } else await writeFile(archive.entry(header) as unknown as Writable, member, content.path);
}

async function writeFile(entry: Writable, member: ArchiveInput, path: string): Promise<void> {
  let readBytes = 0;
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: 1024 * 1024 }),
      async function* count(chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          readBytes += chunk.length;
          if (readBytes > member.sizeBytes) break;
          yield chunk;
        }
        if (readBytes !== member.sizeBytes) throw wrongSize(member, readBytes);
      },
      entry,
    );
  } catch (error) {
    const code = errnoOf(error);
    throw code === undefined || code.startsWith('ERR_')
      ? error
      : new BuildError('input', `cannot read "${path}": ${systemErrorText(error)}`, { cause: error });
  }
}

function wrongSize(member: ArchiveInput, gotBytes: number): BuildError {
  return new BuildError('input', `"${member.name}" has changed: got ${gotBytes} bytes, want ${member.sizeBytes}`);
}

/**
 * Calls `onMember` for each member in turn; what it does not read of `content` is skipped. A compressed archive is decompressed.
 * @throws BuildError `input` when the archive is damaged or has members that no image archive has
 */
export async function readArchive(
  source: string | Readable,
  onMember: (member: ArchiveMember, content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const name = typeof source === 'string' ? source : 'standard input';
  const archive = extract();
  const fed = pipeline(typeof source === 'string' ? openDecompressed(source) : decompressStream(source, name), archive);
  // Told below, after what the loop itself may throw.
  fed.catch(() => undefined);
  let ownError: { readonly error: unknown } | undefined;
  try {
    for await (const entry of archive) {
      const chunks = (entry as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      try {
        await onMember(
          toMember(entry.header),
          contentOf(chunks, (error) => firstCause(fed, error, name)),
        );
      } catch (error) {
        ownError = { error };
        throw error;
      }
      while ((await chunks.next()).done !== true);
    }
    await fed;
  } catch (error) {
    if (ownError !== undefined) throw ownError.error;
    throw await firstCause(fed, error, name);
  }
}

/** Not the stream itself: whoever leaves a loop over that ends the whole archive. */
async function* contentOf(
  chunks: AsyncIterator<Buffer>,
  explain: (error: unknown) => Promise<unknown>,
): AsyncGenerator<Buffer, void, void> {
  try {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  } catch (error) {
    throw await explain(error);
  }
}

function toMember(header: Header): ArchiveMember {
  const type = TYPES[header.type];
  const path = toEntryPath(fromText(header.name));
  if (type === undefined) throw new BuildError('input', `member "${toText(path)}" of an image archive is a ${header.type}`);
  const member = { path, type, sizeBytes: header.size };
  return header.linkname ? { ...member, linkTarget: fromText(header.linkname) } : member;
}

/** A damaged stream below ends the archive early as well; what happened to the stream says more. */
async function firstCause(fed: Promise<void>, error: unknown, name: string): Promise<unknown> {
  const cause = await fed.then(
    () => error,
    (feedError: unknown) => feedError,
  );
  if (cause instanceof BuildError) return cause;
  return new BuildError('input', `"${name}" is not a valid tar archive: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });
}
