import { once } from 'node:events';
import { closeSync, createWriteStream, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BlockPool, tarBlocks } from '../image/blocks.js';
import { hexOf, type Digest } from '../oci/digest.js';
import { temporaryName, toWriteError } from '../store/files.js';
import type { Store } from '../store/store.js';
import { writeArchive, type ArchiveInput } from '../tar/archive.js';
import type { TarEntry } from '../tar/entry.js';

const BLOCK_BYTES = 1 << 20;

/**
 * Writes an archive of blobs to a file, which appears whole, or to standard output (`-`).
 * @throws BuildError `environment` when it cannot be written
 */
export function writeBlobArchive(dest: string, members: readonly ArchiveInput[]): Promise<void> {
  if (dest === '-') return writeArchive(process.stdout, members);
  return publish(dest, (path) => writeArchive(createWriteStream(path), members));
}

/**
 * Writes a tar of files, likewise.
 * @throws BuildError `environment`
 */
export function writeFileTar(dest: string, entries: Iterable<TarEntry>): Promise<void> {
  if (dest === '-') return writeToStdout(entries);
  return publish(dest, (path) => writeToFile(path, entries));
}

async function publish(dest: string, write: (path: string) => void | Promise<void>): Promise<void> {
  const found = statSync(dest, { throwIfNoEntry: false });
  // A pipe or /dev/null has a reader already, and a rename would put a file into its place.
  const inPlace = found !== undefined && !found.isFile();
  const target = inPlace ? dest : join(dirname(dest), temporaryName());
  makeParent(dest);
  try {
    await write(target);
    if (!inPlace) renameSync(target, dest);
  } catch (error) {
    if (!inPlace) rmSync(target, { force: true });
    throw toWriteError(error, dest);
  }
}

/** @throws BuildError `environment` */
export function makeParent(dest: string): void {
  try {
    mkdirSync(dirname(dest), { recursive: true });
  } catch (error) {
    throw toWriteError(error, dest);
  }
}

function writeToFile(path: string, entries: Iterable<TarEntry>): void {
  const file = openSync(path, 'w', 0o666);
  try {
    const pool = new BlockPool(BLOCK_BYTES);
    for (const { bytes } of tarBlocks(entries, pool)) {
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      pool.release(bytes);
    }
  } finally {
    closeSync(file);
  }
}

/** The stream, not the descriptor: a pipe may be non-blocking, and then writeSync fails when the reader is slow. */
async function writeToStdout(entries: Iterable<TarEntry>): Promise<void> {
  for (const { bytes } of tarBlocks(entries, new BlockPool(BLOCK_BYTES))) {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
  }
}

/** Members have one mode and one time, so that equal images make equal archives. */
export function bytesMember(name: string, bytes: Buffer): ArchiveInput {
  return { name, mode: 0o644, mtimeSeconds: 0, sizeBytes: bytes.length, content: bytes };
}

export function directoryMember(name: string): ArchiveInput {
  return { name, mode: 0o755, mtimeSeconds: 0, sizeBytes: 0, content: 'directory' };
}

export function blobMember(store: Store, { digest, size }: { readonly digest: Digest; readonly size: number }): ArchiveInput {
  return { name: blobName(digest), mode: 0o644, mtimeSeconds: 0, sizeBytes: size, content: { path: store.blobPath(digest) } };
}

/** `blobs/sha256/<hex>` (image-spec, image-layout.md) */
export function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}
