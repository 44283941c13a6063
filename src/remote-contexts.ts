import { lstatSync, readdirSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fromText, toFsPath, type ByteString } from './base/bytes.js';
import { BuildError } from './base/errors.js';
import type { GitRemote } from './base/git-url.js';
import { toShownUrl } from './base/url.js';
import { isTarHeader } from './execute/archives.js';
import { download } from './remote/http.js';
import type { SecretReader } from './remote/secret-reader.js';
import { extractArchive } from './snapshot/extract.js';
import { openRootView } from './snapshot/view.js';
import { decompress, openDecompressed, sniffCompression } from './tar/decompress.js';
import { BLOCK_BYTES } from './tar/header.js';

/** A context that was brought here. */
export interface BroughtContext {
  readonly dir: string;
  /** What came was no archive but a Dockerfile. */
  readonly dockerfile?: Buffer;
  /** Seconds since 1970 of what SOURCE_DATE_EPOCH=context means: the commit, or the newest file. */
  readonly epoch: () => number | undefined;
}

export interface BringRequest {
  /** Private to this context, there and empty. */
  readonly dir: string;
  readonly secrets: SecretReader;
  /** Of one archive, and of one download. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** More is no Dockerfile. */
const MAX_DOCKERFILE_BYTES = 16 * 1024 * 1024;

/**
 * A context from standard input, or a Dockerfile without one.
 * @throws BuildError `input` when the archive is malformed, hostile or too large
 */
export async function bringStream(input: Readable, request: BringRequest): Promise<BroughtContext> {
  const chunks = chunksOf(input, request.signal);
  const start = await takeStart(chunks);
  const root = await makeRoot(request);
  if (!isArchiveStart(start)) return { dir: root, dockerfile: await collect(start, chunks), epoch: () => undefined };
  const whole = Readable.from(joined(start, chunks), { objectMode: false });
  await unpack(decompress(whole, sniffCompression(start), 'standard input'), root, { ...request, name: 'standard input' });
  return { dir: root, epoch: () => newestFile(root) };
}

/** @throws BuildError as `download` does, `input` when the archive is malformed, hostile or too large */
export async function bringUrl(url: string, request: BringRequest): Promise<BroughtContext> {
  const file = join(request.dir, 'download');
  const { maxBytes, secrets, signal } = request;
  const { lastModifiedSeconds } = await download(url, { file, maxBytes, secrets, signal });
  const root = await makeRoot(request);
  if (isArchiveStart(await readStart(file))) {
    await unpack(openDecompressed(file), root, { ...request, name: toShownUrl(url) });
    return { dir: root, epoch: () => newestFile(root) };
  }
  const dockerfile = await readBounded(file, toShownUrl(url));
  // What BuildKit calls the file in the context that it makes of it.
  await writeFile(join(root, 'context'), dockerfile);
  return { dir: root, dockerfile, epoch: () => lastModifiedSeconds };
}

export interface BringGitRequest extends BringRequest {
  readonly keepGitDir: boolean;
  readonly sshSocket: string | undefined;
}

/** @throws BuildError as `checkout` does */
export async function bringGit(
  remote: GitRemote,
  { dir, keepGitDir, secrets, sshSocket, signal }: BringGitRequest,
): Promise<BroughtContext> {
  const { checkout } = await import('./remote/git.js');
  const made = await checkout(remote, { dir, keepGitDir, secrets, signal, ...(sshSocket === undefined ? {} : { sshSocket }) });
  return { dir: made.dir, epoch: () => made.commitSeconds };
}

/** A Dockerfile that lies elsewhere than its context. */
export async function bringDockerfile(url: string, { dir, secrets, signal }: BringRequest): Promise<Buffer> {
  const file = join(dir, 'dockerfile');
  await download(url, { file, maxBytes: MAX_DOCKERFILE_BYTES, secrets, signal });
  return readFile(file);
}

/** A Dockerfile on standard input. */
export async function readDockerfileStream(input: Readable, signal: AbortSignal): Promise<Buffer> {
  return collect(Buffer.alloc(0), chunksOf(input, signal));
}

/** Any compression is that of an archive, as BuildKit has it; zeros are an empty one. */
function isArchiveStart(start: Buffer): boolean {
  if (sniffCompression(start) !== 'none' || isTarHeader(start)) return true;
  return start.length >= BLOCK_BYTES && start.subarray(0, BLOCK_BYTES).every((byte) => byte === 0);
}

async function readStart(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

async function readBounded(path: string, name: string): Promise<Buffer> {
  if (lstatSync(path).size > MAX_DOCKERFILE_BYTES) throw tooLarge(name);
  return readFile(path);
}

function tooLarge(name: string): BuildError {
  return new BuildError('input', `${name} is neither an archive nor a Dockerfile: want at most ${MAX_DOCKERFILE_BYTES} bytes`);
}

async function makeRoot({ dir }: BringRequest): Promise<string> {
  const root = join(dir, 'root');
  await mkdir(root, { mode: 0o755 });
  return root;
}

/** Members belong to whoever builds: a context has no owners, and without privilege there is no choice. */
async function unpack(
  chunks: AsyncIterable<Buffer>,
  dir: string,
  { name, maxBytes, signal }: BringRequest & { readonly name: string },
): Promise<void> {
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  try {
    await extractArchive(chunks, { dir, prefix: '', below: openRootView([]), owner, name, maxUnpackedBytes: maxBytes });
  } catch (error) {
    throw signal.aborted ? new BuildError('cancelled', 'the build was cancelled', { cause: error }) : error;
  }
}

type Chunks = AsyncGenerator<Buffer, void, void>;

/** Ends with the build: nobody may ever write to standard input. */
async function* chunksOf(input: Readable, signal: AbortSignal): Chunks {
  const stop = (): void => void input.destroy(new BuildError('cancelled', 'the build was cancelled'));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  try {
    for await (const chunk of input) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** As much as it takes to tell what it is, if there is so much. */
async function takeStart(chunks: Chunks): Promise<Buffer> {
  const taken: Buffer[] = [];
  let length = 0;
  while (length < BLOCK_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    taken.push(next.value);
    length += next.value.length;
  }
  return Buffer.concat(taken);
}

async function* joined(start: Buffer, chunks: Chunks): Chunks {
  yield start;
  yield* chunks;
}

async function collect(start: Buffer, chunks: Chunks): Promise<Buffer> {
  const taken = [start];
  let length = start.length;
  for await (const chunk of chunks) {
    taken.push(chunk);
    length += chunk.length;
    if (length > MAX_DOCKERFILE_BYTES) throw tooLarge('standard input');
  }
  return Buffer.concat(taken);
}

/** Of all regular files, the latest mtime. */
function newestFile(dir: string): number | undefined {
  let newest: number | undefined;
  const waiting: ByteString[] = [fromText(dir)];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of readdirSync(toFsPath(next), { withFileTypes: true, encoding: 'latin1' })) {
      const path = `${next}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) newest = Math.max(newest ?? -Infinity, Math.floor(lstatSync(toFsPath(path)).mtimeMs / 1000));
    }
  }
  return newest;
}
