import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { MediaType, type Descriptor } from '../../src/oci/types.js';
import { encodeHeader, END_OF_ARCHIVE, paddingBytes } from '../../src/tar/write.js';
import { entryOf } from '../helpers/tar-builder.js';

/** Every byte between clients and a server, the headers among them. */
export interface Wire extends AsyncDisposable {
  /** `localhost:PORT` */
  readonly host: string;
  /** In both directions, since the start or the last `forget`. */
  readonly bytes: number;
  forget(): void;
}

/** @param target `localhost:PORT` */
export async function startWire(target: string): Promise<Wire> {
  const port = Number(target.split(':')[1]);
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk: Buffer) => (bytes += chunk.length));
      from.pipe(to);
      from.on('error', () => to.destroy()).once('close', () => (sockets.delete(from), to.destroy()));
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    get bytes() {
      return bytes;
    },
    forget: () => void (bytes = 0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A layer as a registry keeps it: gzip that does not compress, which is made and read in no time. */
export interface WireLayer {
  readonly blob: Buffer;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

export function toLayer(tar: Buffer): WireLayer {
  const blob = gzipSync(tar, { level: 0 });
  return { blob, descriptor: { mediaType: MediaType.ociLayerGzip, digest: digestOf(blob), size: blob.length }, diffId: digestOf(tar) };
}

/** A layer of nothing but noise, in files of 4 MiB below `directory`. */
export function noiseLayer(directory: string, sizeMebibytes: number): WireLayer {
  const parts = [encodeHeader(entryOf({ path: directory, type: 'directory' }))];
  for (let index = 0; index < sizeMebibytes / 4; index++) {
    const noise = randomFillSync(Buffer.allocUnsafe(4 * 1024 * 1024));
    parts.push(encodeHeader({ ...entryOf({ path: `${directory}/${index}` }), sizeBytes: noise.length }), noise);
    parts.push(Buffer.alloc(paddingBytes(noise.length)));
  }
  return toLayer(Buffer.concat([...parts, END_OF_ARCHIVE]));
}

/** A registry without credentials, and a repository of it: `http://localhost:PORT/v2/NAME`. */
type Repository = string;

/** Puts a blob there by curl's means, past every client. */
export async function putBlob(repository: Repository, bytes: Buffer): Promise<void> {
  const begun = await fetch(`${repository}/blobs/uploads/`, { method: 'POST' });
  const place = new URL(begun.headers.get('location') ?? '', repository);
  place.searchParams.set('digest', digestOf(bytes));
  const headers = { 'content-type': 'application/octet-stream' };
  const { status } = await fetch(place, { method: 'PUT', headers, body: bytes });
  if (status !== 201) throw new Error(`the registry answered ${status} to a blob`);
}

export interface WireImage {
  readonly layers: readonly Pick<WireLayer, 'descriptor' | 'diffId'>[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Names an image of layers that are there. @returns the descriptor of its config */
export async function putImage(repository: Repository, tag: string, { layers, labels = {} }: WireImage): Promise<Descriptor> {
  const config = Buffer.from(
    JSON.stringify({
      architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
      os: 'linux',
      config: { Labels: labels },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  await putBlob(repository, config);
  const descriptor = { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length };
  const { status } = await fetch(`${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': MediaType.ociManifest },
    body: JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: descriptor,
      layers: layers.map((layer) => layer.descriptor),
    }),
  });
  if (status !== 201) throw new Error(`the registry answered ${status} to a manifest`);
  return descriptor;
}

/** What a process did to memory and directories while it ran, seen from outside every few milliseconds. */
export interface Sighting {
  /** Largest resident size of the process, together with those of its children. */
  readonly peakRssBytes: number;
  /** All files of the directories at once. */
  readonly peakDiskBytes: number;
  /** Written by any call to anything: files that were removed while they were open, sockets. */
  readonly writtenBytes: number;
  /** Paths that were ever there, relative to their directory. */
  readonly paths: ReadonlySet<string>;
  readonly looks: number;
}

/** Watches until `done` settles. */
export async function watchProcess(pid: number, dirs: readonly string[], done: Promise<unknown>): Promise<Sighting> {
  const seen = { peakRssBytes: 0, peakDiskBytes: 0, writtenBytes: 0, paths: new Set<string>(), looks: 0 };
  const state = { isDone: false };
  const settled = done.catch(() => undefined).then(() => (state.isDone = true));
  while (!state.isDone) {
    lookAtProcess(pid, seen);
    lookAtFiles(dirs, seen);
    await Promise.race([settled, sleep(25)]);
  }
  // What it left.
  lookAtFiles(dirs, seen);
  return seen;
}

type Seen = { -readonly [Key in keyof Sighting]: Sighting[Key] } & { readonly paths: Set<string> };

function lookAtProcess(pid: number, seen: Seen): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    const peaks = [String(pid), ...children].map((each) => number(/^VmHWM:\s+(\d+)/m, `/proc/${each}/status`) * 1024);
    seen.peakRssBytes = Math.max(
      seen.peakRssBytes,
      peaks.reduce((sum, peak) => sum + peak, 0),
    );
    seen.writtenBytes = Math.max(seen.writtenBytes, number(/^wchar: (\d+)/m, `/proc/${pid}/io`));
    seen.looks++;
  } catch {
    // It has ended in between.
  }
}

function number(pattern: RegExp, path: string): number {
  return Number(pattern.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
}

function lookAtFiles(dirs: readonly string[], seen: Seen): void {
  let total = 0;
  for (const dir of dirs) {
    for (const path of listFiles(dir)) {
      seen.paths.add(path);
      const stats = statSync(join(dir, path), { throwIfNoEntry: false });
      total += stats?.isFile() === true ? stats.size : 0;
    }
  }
  seen.peakDiskBytes = Math.max(seen.peakDiskBytes, total);
}

function listFiles(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    // Not there yet, or changed while it was read.
    return [];
  }
}
