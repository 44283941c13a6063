import { createHash } from 'node:crypto';
import { fromText, isText, toText, type ByteString } from './base/bytes.js';
import { BuildError } from './base/errors.js';
import { baseOf } from './base/paths.js';
import { openContext } from './context/context.js';
import { parseIgnore } from './context/dockerignore.js';
import { EntryMaker } from './execute/copy-entry.js';
import { walkView } from './execute/copy-tree.js';
import { BlockPool, tarBlocks } from './image/blocks.js';
import type { CopySource } from './jobs.js';
import { digestFromHex, type Digest } from './oci/digest.js';
import { applyEntries } from './snapshot/apply.js';
import type { RootView } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';
import type { TarEntry } from './tar/entry.js';

const DIGEST_BLOCK_BYTES = 256 * 1024;

export interface TreeJob {
  readonly source: CopySource;
  /** A file or a directory of it; symlinks are followed inside the source. */
  readonly path: string;
}

export interface TreeCopyJob extends TreeJob {
  /** Empty. Takes the contents of a directory, with its metadata, or the file under its own name. */
  readonly dir: string;
}

/**
 * Copies a part of what a mount is from: the build context as its ignore file shows it, owned by root, or layers.
 * @throws BuildError `input` when there is nothing at the path
 */
export async function copyTree({ dir, ...tree }: TreeCopyJob): Promise<void> {
  applyEntries(await treeEntries(tree), dir);
}

/**
 * What tells one tree from another: everything but file times.
 * @throws BuildError `input` when there is nothing at the path
 */
export async function digestTree(tree: TreeJob): Promise<Digest> {
  const entries = await treeEntries(tree);
  const pool = new BlockPool(DIGEST_BLOCK_BYTES);
  const hash = createHash('sha256');
  for (const { bytes } of tarBlocks(entries, pool, 0)) {
    hash.update(bytes);
    pool.release(bytes);
  }
  return digestFromHex(hash.digest('hex'));
}

async function treeEntries({ source, path }: TreeJob): Promise<TarEntry[]> {
  const view = openSource(source);
  const found = await findMountSource(source, view, path);
  const maker = new EntryMaker({ op: 'COPY', sources: [], dest: '/', fromContext: source.kind === 'context', nowSeconds: 0 });
  const origin = { view, keepsOwners: source.kind === 'layers' };
  const stat = view.lstat(found.path);
  if (stat === undefined) throw new Error(`"${path}" is gone`);
  const top = maker.toEntry(found.isFile ? baseOf(found.path) : '', origin, found.path, stat);
  const entries: TarEntry[] = [top];
  const prefixLength = found.path === '' ? 0 : found.path.length + 1;
  if (!found.isFile) {
    walkView(view, found.path, (child, childStat) => entries.push(maker.toEntry(child.slice(prefixLength), origin, child, childStat)));
  }
  return entries;
}

export function openSource(source: CopySource): RootView {
  if (source.kind === 'layers') return openRootView(source.layers);
  return openContext(source.dir, source.ignore === undefined ? undefined : parseIgnore(source.ignore.text, source.ignore.fileName));
}

export interface FoundMountSource {
  /** Without symlinks. */
  readonly path: ByteString;
  readonly isFile: boolean;
}

/** @throws BuildError `input` when there is nothing at the path */
export async function findMountSource(source: CopySource, view: RootView, path: string): Promise<FoundMountSource> {
  const resolved = view.resolve(fromText(path));
  const stat = view.lstat(resolved);
  if (stat === undefined) throw await missing(source, path);
  if (!isText(resolved)) throw new BuildError('input', `RUN --mount: "${path}" leads to "${toText(resolved)}", which is not UTF-8`);
  return { path: resolved, isFile: stat.type !== 'directory' };
}

async function missing(source: CopySource, path: string): Promise<BuildError> {
  const shown = path.replace(/^\//, '');
  if (source.kind === 'layers') return new BuildError('input', `RUN --mount: "${path}" not found in ${source.name}`);
  const { missingSourceHint } = await import('./context/hints.js');
  const ignore = source.ignore === undefined ? undefined : parseIgnore(source.ignore.text, source.ignore.fileName);
  const hint = await missingSourceHint({ contextDir: source.dir, ignore, source: shown });
  return new BuildError('input', `RUN --mount: "${shown}" not found in the build context`, hint === undefined ? {} : { hint });
}
