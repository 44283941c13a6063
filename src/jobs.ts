import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nowMs } from './base/clock.js';
import { fromText, toFsPath, type ByteString } from './base/bytes.js';
import { openContext } from './context/context.js';
import { parseIgnore, type IgnoreMatcher } from './context/dockerignore.js';
import { explainCopyError } from './execute/copy-hint.js';
import { copyEntries, findArchives } from './execute/copy.js';
import type { CopyPlan, CopyRequest, FetchedSource, InlineFile } from './execute/copy-request.js';
import { lookupOwner } from './execute/users.js';
import { writeLayer, type LayerOptions, type WrittenLayer } from './image/layer.js';
import { keepLayerIndex } from './pull/kept-indexes.js';
import { readLayerBlob, type LayerBlob } from './pull/layer-blobs.js';
import type { Digest } from './oci/digest.js';
import { applyEntries } from './snapshot/apply.js';
import { diffEntries } from './snapshot/diff.js';
import { readLayerIndex, toLayerIndex } from './snapshot/layer-index.js';
import type { LayerIndex, RootView, ViewLayer } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';
import { openDecompressed } from './tar/decompress.js';
import type { TarEntry } from './tar/entry.js';
import type { TreeCopyJob, TreeJob } from './tree-copy.js';

/**
 * The work that is done in threads: functions from plain data to plain data, so that they can be called across the border (`pool.ts`) as well as
 * directly, where starting a thread would take longer than the work.
 */
const jobs = { copyToDirectory, copyToLayer, copyTree, digestTree, directoryToLayer, extractToDirectory, indexLayer };

export type JobName = keyof typeof jobs;
export type JobArgs<N extends JobName> = Parameters<(typeof jobs)[N]>[0];
export type JobResult<N extends JobName> = Awaited<ReturnType<(typeof jobs)[N]>>;

export function callJob<N extends JobName>(name: N, args: JobArgs<N>): Promise<JobResult<N>> {
  // The union of functions is called with the arguments of the very one that `name` chose.
  const job = jobs[name] as unknown as (args: JobArgs<N>) => Promise<JobResult<N>>;
  return job(args);
}

/** Where a COPY reads from. */
export type CopySource =
  | { readonly kind: 'context'; readonly dir: string; readonly ignore?: { readonly text: string; readonly fileName: string } }
  | { readonly kind: 'layers'; readonly layers: readonly ViewLayer[]; readonly name: string };

/** A COPY or ADD as plain data. */
export interface CopyJob {
  readonly op: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  /** ADD's sources from elsewhere, which come after `sources`. */
  readonly fetched: readonly FetchedSource[];
  /** Heredocs, which come last. */
  readonly files: readonly InlineFile[];
  readonly dest: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly unpack?: boolean;
  readonly nowSeconds: number;
  readonly source: CopySource;
  /** The root file system that the files go into, topmost first. None for `--link`: nothing that lies there counts. */
  readonly below: readonly ViewLayer[];
  /** Of one archive, unpacked. */
  readonly maxArchiveBytes?: number;
}

export interface WrittenStep {
  readonly written: WrittenLayer & { readonly durationMs: number };
  /** What later steps can look up of it, when asked for. */
  readonly index?: LayerIndex;
  readonly warnings?: readonly string[];
}

/** Whether the step unpacks an archive: its members come in any order, and are sorted by way of a directory. */
export async function unpacksArchive(copy: CopyJob): Promise<boolean> {
  if (copy.op === 'COPY' || copy.unpack === false) return false;
  return (await archivesOf(openCopy(copy))).size > 0;
}

/** More is read faster beside the main thread; less is done before a thread has started (60 ms of CPU, most of it Node's own). */
const SMALL_BYTES = 256 * 1024;
const SMALL_ENTRIES = 32;

/** Whether a COPY is a few small files: an estimate, made without looking at anything but the sources' sizes. */
export function isSmallCopy({ source, sources, fetched }: CopyJob): boolean {
  const sizeOf = source.kind === 'context' ? (name: string) => fileSize(join(source.dir, name)) : fileSizeIn(source.layers);
  let sizeBytes = 0;
  for (const name of sources) sizeBytes += sizeOf(name) ?? Infinity;
  for (const file of fetched) sizeBytes += file.kind === 'file' ? (fileSize(file.path) ?? Infinity) : Infinity;
  return sizeBytes <= SMALL_BYTES;
}

/**
 * Whether a directory holds a few small files, as that of many a RUN step does. Looks at no more of them than it takes to tell. What cannot be
 * looked at, a path too long for one, is for the job itself to tell.
 */
export function isSmallDirectory(dir: string): boolean {
  try {
    return holdsLittle(dir);
  } catch {
    return false;
  }
}

function holdsLittle(dir: string): boolean {
  const waiting = [fromText(dir)];
  let entries = 0;
  let sizeBytes = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const name of readdirSync(toFsPath(next), 'latin1')) {
      const path = `${next}/${name}`;
      const stats = lstatSync(toFsPath(path));
      entries++;
      sizeBytes += stats.size;
      if (entries > SMALL_ENTRIES || sizeBytes > SMALL_BYTES) return false;
      if (stats.isDirectory()) waiting.push(path);
    }
  }
  return true;
}

/** The same as `fileSize`, of a file of another stage or image. */
function fileSizeIn(layers: readonly ViewLayer[]): (name: string) => number | undefined {
  const view = openRootView(layers);
  return (name) => {
    try {
      const stat = view.lstat(view.resolve(fromText(name)));
      return stat?.type === 'file' ? stat.sizeBytes : undefined;
    } catch {
      return undefined;
    }
  };
}

/** `undefined` for anything else: what is wrong with it is for the copy itself to tell. */
function fileSize(path: string): number | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() === true ? stats.size : undefined;
  } catch {
    return undefined;
  }
}

async function copyToDirectory({
  copy,
  dir,
}: {
  readonly copy: CopyJob;
  readonly dir: string;
}): Promise<{ readonly warnings: readonly string[] }> {
  const opened = openCopy(copy);
  const { parts, ...planned } = await planCopy(opened, await archivesOf(opened));
  const warnings = [...opened.warnings, ...planned.warnings];
  const limits = copy.maxArchiveBytes === undefined ? {} : { maxUnpackedBytes: copy.maxArchiveBytes };
  const owner = opened.request.chown === undefined ? {} : { owner: opened.request.chown };
  for (const part of parts) {
    if (part.kind === 'entries') {
      applyEntries(part.entries, dir);
    } else {
      const { extractArchive } = await import('./snapshot/extract.js');
      const target = { dir, prefix: part.destDir, below: opened.dest, name: part.source, ...owner, ...limits };
      warnings.push(...(await extractArchive(openDecompressed(part.fsPath), target)).warnings);
    }
  }
  return { warnings };
}

/** For mounts. */
async function copyTree(job: TreeCopyJob): Promise<void> {
  const { copyTree: copy } = await import('./tree-copy.js');
  await copy(job);
}

/** For mounts. */
async function digestTree(job: TreeJob): Promise<Digest> {
  const { digestTree: digest } = await import('./tree-copy.js');
  return digest(job);
}

/** The files go from where they are into the layer, and nowhere else. For copies that unpack nothing. */
async function copyToLayer(args: {
  readonly copy: CopyJob;
  readonly layer: LayerOptions;
  readonly wantsIndex: boolean;
}): Promise<WrittenStep> {
  const opened = openCopy(args.copy);
  const { parts, ...planned } = await planCopy(opened);
  const entries = parts.flatMap((part) => (part.kind === 'entries' ? part.entries : []));
  const written = await entriesToLayer({ entries, layer: args.layer, wantsIndex: args.wantsIndex });
  return { ...written, warnings: [...opened.warnings, ...planned.warnings] };
}

/** For a header or two: not worth a thread. */
export async function entriesToLayer(args: {
  readonly entries: readonly TarEntry[];
  readonly layer: LayerOptions;
  readonly wantsIndex: boolean;
}): Promise<WrittenStep> {
  const written = await timed(() => writeLayer(args.entries, args.layer));
  return { written, ...(args.wantsIndex ? { index: toLayerIndex(args.entries) } : {}) };
}

async function directoryToLayer(args: {
  readonly dir: string;
  readonly below: readonly ViewLayer[];
  readonly layer: LayerOptions;
}): Promise<WrittenStep> {
  return { written: await timed(() => writeLayer(diffEntries(args.dir, openRootView(args.below)), args.layer)) };
}

interface ExtractedLayer {
  readonly implied: readonly ByteString[];
  readonly warnings: readonly string[];
}

async function extractToDirectory({ dir, ...layer }: LayerBlob & { readonly dir: string }): Promise<ExtractedLayer> {
  const { extractLayer } = await import('./snapshot/extract.js');
  return extractLayer(readLayerBlob(layer), dir, { name: `layer ${layer.digest}` });
}

/** @param args.keptAt where the index is left for later builds */
async function indexLayer({ keptAt, ...layer }: LayerBlob & { readonly keptAt: string }): Promise<LayerIndex> {
  const index = await readLayerIndex(() => readLayerBlob(layer), `layer ${layer.digest}`);
  keepLayerIndex(keptAt, index);
  return index;
}

interface OpenedCopy {
  readonly request: CopyRequest;
  readonly source: RootView;
  readonly dest: RootView;
  /** Where a missing source is looked for. */
  readonly context: { readonly dir: string; readonly ignore: IgnoreMatcher | undefined } | undefined;
  readonly warnings: readonly string[];
}

function openCopy({ source: from, below, chown, ...rest }: CopyJob): OpenedCopy {
  const dest = openRootView(below);
  const warnings: string[] = [];
  const owner = chown === undefined ? {} : { chown: lookupOwner(chown, dest, (message) => warnings.push(message)) };
  if (from.kind === 'layers') {
    const request = { ...rest, ...owner, fromContext: false, sourceName: from.name };
    return { request, source: openRootView(from.layers), dest, context: undefined, warnings };
  }
  const ignore = from.ignore === undefined ? undefined : parseIgnore(from.ignore.text, from.ignore.fileName);
  return {
    request: { ...rest, ...owner, fromContext: true },
    source: openContext(from.dir, ignore),
    dest,
    context: { dir: from.dir, ignore },
    warnings,
  };
}

function archivesOf(opened: OpenedCopy): Promise<ReadonlySet<string>> {
  return explained(opened, () => findArchives(opened.request, opened.source));
}

function planCopy(opened: OpenedCopy, archives: ReadonlySet<string> = new Set()): Promise<CopyPlan> {
  const { request, source, dest } = opened;
  return explained(opened, async () => copyEntries({ ...request, archives }, source, dest));
}

/** Adds where a missing source may be instead. */
async function explained<T>({ request, context }: OpenedCopy, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw context === undefined ? error : await explainCopyError(error, { request, contextDir: context.dir, ignore: context.ignore });
  }
}

async function timed(write: () => Promise<WrittenLayer>): Promise<WrittenStep['written']> {
  const startedMs = nowMs();
  return { ...(await write()), durationMs: nowMs() - startedMs };
}
