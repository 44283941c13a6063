import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyFile } from '../base/async-files.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { digestFromHex, digestOf, hexOf, parseDigest, type Digest } from '../oci/digest.js';
import { MediaType, type Descriptor, type ImageIndex } from '../oci/types.js';
import { MAX_MANIFEST_BYTES, parseIndex } from '../oci/validate.js';
import { tryLock } from '../os/native.js';
import { makeDirectory, publishFile, sweepTemporaryFiles, syncData, temporaryName, toWriteError } from './files.js';

/** Whoever may enter the layout may read its blobs; nobody has reason to change one, and output layouts share them by hard links. */
const BLOB_MODE = 0o444;

/** image-spec, image-layout.md#oci-layout-file */
const LAYOUT_FILE = 'oci-layout';
const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';
const INDEX_FILE = 'index.json';
const EMPTY_INDEX: ImageIndex = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
/** An index of many images may be larger than what a registry takes for one. */
const MAX_INDEX_BYTES = 8 * MAX_MANIFEST_BYTES;
const LOCK_TIMEOUT_MS = 30_000;
const LOCK_RETRY_MS = 10;

/** Whether the directory says that it is an OCI image layout. */
export function isLayout(dir: string): boolean {
  return existsSync(join(dir, LAYOUT_FILE));
}

/**
 * The index of an OCI image layout (image-spec, image-layout.md).
 * @throws BuildError `input` when the directory is none, or its index is malformed
 */
export function readLayout(dir: string): ImageIndex {
  const marker = readSmallFile(join(dir, LAYOUT_FILE), 4096);
  if (marker === undefined) throw new BuildError('input', `"${dir}" is not an OCI image layout: it has no file oci-layout`);
  if (!/"imageLayoutVersion"\s*:\s*"1\.\d+\.\d+"/.test(marker.toString('utf8'))) {
    throw new BuildError('input', `"${join(dir, LAYOUT_FILE)}" names no version 1 of the OCI image layout`);
  }
  return readIndex(dir);
}

/** Makes an empty layout, or leaves the one that is there. Several processes may do it at once. */
export function initLayout(dir: string): void {
  makeDirectory(join(dir, 'blobs/sha256'));
  createOnce(join(dir, INDEX_FILE), JSON.stringify(EMPTY_INDEX));
  // Last, since this is the file which says that the rest is there.
  createOnce(join(dir, LAYOUT_FILE), LAYOUT_TEXT);
}

/** Removes what killed processes left unfinished among the blobs and beside the index. Never throws. */
export async function sweepLayout(dir: string): Promise<void> {
  for (const place of [dir, join(dir, 'blobs/sha256')]) await sweepTemporaryFiles(place);
}

/**
 * Replaces the index by a changed one, atomically and one process at a time.
 *
 * The lock is a flock(2) on the file `oci-layout`, which is never replaced: the kernel drops it when its holder dies, however it dies, and
 * it leaves nothing in the user's directory. The lock libraries of npm make lock directories with time stamps: a killed holder blocks others until a timeout,
 * and a stopped one loses its lock while it still believes to have it.
 * @throws BuildError `environment` when the directory cannot be written or stays locked
 */
export async function updateIndex(dir: string, change: (index: ImageIndex) => ImageIndex): Promise<void> {
  const path = join(dir, INDEX_FILE);
  using _lock = await lockLayout(dir);
  const index = readIndex(dir);
  const changed = change(index);
  if (changed === index) return;
  await publishFile(path, JSON.stringify(changed), join(dir, temporaryName()));
}

async function lockLayout(dir: string): Promise<Disposable> {
  const fd = openForWriting(join(dir, LAYOUT_FILE));
  const deadlineMs = Date.now() + LOCK_TIMEOUT_MS;
  while (!tryLock(fd, 'exclusive')) {
    if (Date.now() > deadlineMs) {
      closeSync(fd);
      throw new BuildError('environment', `"${dir}" has been locked by another process for ${LOCK_TIMEOUT_MS / 1000} s`, {
        hint: 'see which process holds it with: fuser -v oci-layout',
      });
    }
    await sleep(LOCK_RETRY_MS * (0.5 + Math.random()));
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}

export function blobPath(dir: string, digest: Digest): string {
  return join(dir, 'blobs/sha256', hexOf(digest));
}

/** Whether a blob of the right digest and size is there; its bytes are checked by those who read them. */
export function hasBlob(dir: string, descriptor: Descriptor): boolean {
  const found = statSync(blobPath(dir, descriptor.digest), { throwIfNoEntry: false });
  return found !== undefined && found.isFile() && found.size === descriptor.size;
}

/** @throws BuildError `environment` */
export async function putBlob(dir: string, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  if (!hasBlob(dir, descriptor)) {
    const path = blobPath(dir, descriptor.digest);
    await publishFile(path, bytes, join(dirname(path), temporaryName()));
  }
  return descriptor;
}

/**
 * Moves a finished file to its place among the blobs. The caller has computed its digest and size while writing it.
 * @throws BuildError `environment`
 */
export async function adoptBlob(dir: string, tempFile: string, digest: Digest, sizeBytes: number): Promise<void> {
  const path = blobPath(dir, digest);
  try {
    if (hasBlob(dir, { mediaType: '', digest, size: sizeBytes })) {
      rmSync(tempFile, { force: true });
      return;
    }
    await syncFile(tempFile);
    chmodSync(tempFile, BLOB_MODE);
    renameSync(tempFile, path);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw toWriteError(error, path);
    await importBlob(dir, tempFile, digest, sizeBytes);
    rmSync(tempFile, { force: true });
  }
}

/**
 * Copies a blob from a foreign place; a clone of its extents where the file system can share them, never a hard link: what others do to theirs
 * must not change ours.
 * @throws BuildError `environment`
 */
export async function importBlob(dir: string, sourcePath: string, digest: Digest, sizeBytes: number): Promise<void> {
  if (hasBlob(dir, { mediaType: '', digest, size: sizeBytes })) return;
  const path = blobPath(dir, digest);
  const temporaryPath = join(dirname(path), temporaryName());
  try {
    await copyFile(sourcePath, temporaryPath, 2 /* COPYFILE_FICLONE */);
    await syncFile(temporaryPath);
    chmodSync(temporaryPath, BLOB_MODE);
    renameSync(temporaryPath, path);
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw toWriteError(error, path);
  }
}

/**
 * Reads a blob through and compares its size and digest.
 * @throws BuildError `input` naming what was wanted and what was found
 */
export async function verifyBlob(path: string, descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<void> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
    }
  } catch (error) {
    throw toReadError(error, path);
  }
  checkBlob(path, descriptor, { digest: digestFromHex(hash.digest('hex')), size: sizeBytes });
}

/**
 * The bytes of a small blob, verified.
 * @throws BuildError `input` when it is missing, larger than `maxBytes`, or not what the descriptor says
 */
export function readBlob(dir: string, descriptor: Descriptor, { maxBytes }: { readonly maxBytes: number }): Buffer {
  const path = blobPath(dir, parseDigest(descriptor.digest));
  if (descriptor.size > maxBytes) {
    throw new BuildError('input', `blob ${descriptor.digest} has ${descriptor.size} bytes, want at most ${maxBytes}`);
  }
  const bytes = readSmallFile(path, descriptor.size);
  if (bytes === undefined) throw new BuildError('input', `blob ${descriptor.digest} is missing: no file "${path}"`);
  checkBlob(path, descriptor, { digest: digestOf(bytes), size: bytes.length });
  return bytes;
}

function checkBlob(path: string, want: Pick<Descriptor, 'digest' | 'size'>, got: Pick<Descriptor, 'digest' | 'size'>): void {
  if (got.digest === want.digest && got.size === want.size) return;
  throw new BuildError(
    'input',
    `blob "${path}" is damaged: got ${got.digest} with ${got.size} bytes, want ${want.digest} with ${want.size} bytes`,
    { hint: 'remove that file and build or fetch the image again' },
  );
}

function readIndex(dir: string): ImageIndex {
  const path = join(dir, INDEX_FILE);
  const bytes = readSmallFile(path, MAX_INDEX_BYTES);
  if (bytes === undefined) throw new BuildError('input', `"${dir}" is not an OCI image layout: it has no file index.json`);
  return parseIndex(bytes, { name: `"${path}"`, maxBytes: MAX_INDEX_BYTES });
}

/** `undefined` when there is no such file. */
function readSmallFile(path: string, maxBytes: number): Buffer | undefined {
  let fd: number | undefined;
  try {
    // A foreign layout may have a FIFO or a device there.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    if (!found.isFile()) throw new BuildError('input', `"${path}" is not a regular file`);
    if (found.size > maxBytes) throw new BuildError('input', `"${path}" has ${found.size} bytes, want at most ${maxBytes}`);
    return readFileSync(fd);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw toReadError(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A hard link fails where the name is taken, so that of several processes one wins and none sees half a file. */
function createOnce(path: string, text: string): void {
  if (existsSync(path)) return;
  const temporaryPath = join(dirname(path), temporaryName());
  try {
    writeFileSync(temporaryPath, text, { flag: 'wx' });
    linkSync(temporaryPath, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw toWriteError(error, path);
  } finally {
    rmSync(temporaryPath, { force: true });
  }
}

async function syncFile(path: string): Promise<void> {
  const fd = openSync(path, 'r+');
  try {
    await syncData(fd);
  } finally {
    closeSync(fd);
  }
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw toWriteError(error, path);
  }
}

function toReadError(error: unknown, path: string): unknown {
  const code = errnoOf(error);
  if (error instanceof BuildError || code === undefined) return error;
  return new BuildError('input', `cannot read "${path}": ${systemErrorText(error)}`, { cause: error });
}
