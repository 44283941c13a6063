import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { mkdir } from './base/async-files.js';
import { fromText, isText, toText, type ByteString } from './base/bytes.js';
import { BuildError } from './base/errors.js';
import { resolveLinks } from './base/links.js';
import { baseOf, parentOf } from './base/paths.js';
import { openContext } from './context/context.js';
import { writeImplied } from './execute/init-layer.js';
import type { MountContents, PreparedMount } from './execute/mounts.js';
import { isSmallDirectory, type CopySource } from './jobs.js';
import type { SourceMount } from './os/container.js';
import type { CacheMount, CopyFrom, RunStep, StepMount } from './plan/plan.js';
import { makeUpper } from './snapshot/apply.js';
import type { LayerDir, RootView, ViewLayer, ViewStat } from './snapshot/root-view.js';
import { openRootView, visibleLayers } from './snapshot/view.js';
import type { StageContext } from './stages.js';
import { openStepCaches } from './step-caches.js';
import { removeTree } from './store/temp.js';
import { findMountSource, openSource } from './tree-copy.js';

type BindMount = Extract<StepMount, { kind: 'bind' }>;
type TmpfsMount = Extract<StepMount, { kind: 'tmpfs' }>;

/** Parts of contexts as mounts show them, by context and path. One for a build: later steps use them again. */
export type ContextCopies = Map<string, Promise<LayerDir>>;

export interface StepMountsHost {
  readonly context: StageContext;
  readonly copies: ContextCopies;
  readonly sourceOf: (from: CopyFrom) => Promise<CopySource>;
  /** Of this step alone, on the file system of the store; does not exist. */
  readonly dir: string;
}

/** What the runtime is given. To be disposed when the step has ended: caches are free then, and what was written elsewhere is gone. */
export interface PreparedMounts extends AsyncDisposable {
  readonly mounts: readonly PreparedMount[];
  readonly mountSources: readonly SourceMount[];
}

/**
 * Makes everything ready that the step's mounts of type bind, cache and tmpfs show. Waits for caches that are locked.
 * @throws BuildError `input` when a source is not there
 */
export async function prepareMounts(step: RunStep, host: StepMountsHost): Promise<PreparedMounts> {
  const caches = await openStepCaches(step, host);
  const dispose = async (): Promise<void> => {
    caches[Symbol.dispose]();
    await removeTree(host.dir);
  };
  try {
    const mounts: PreparedMount[] = [];
    const sources: SourceMount[] = [];
    for (const [index, mount] of step.mounts.entries()) {
      const dir = join(host.dir, String(index));
      const place = { at: join(dir, 'root'), dir, sources };
      if (mount.kind === 'bind' || mount.kind === 'cache') await mkdir(place.at, { recursive: true });
      if (mount.kind === 'bind') mounts.push(await prepareBind(mount, place, host));
      else if (mount.kind === 'cache') mounts.push(prepareCache(mount, caches.dirOf(mount), place));
      else if (mount.kind === 'tmpfs') mounts.push(toTmpfs(mount));
    }
    return { mounts, mountSources: sources, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Place {
  /** An empty directory, to be mounted over in the step's own mount namespace. */
  readonly at: string;
  /** Around it: of this mount alone. */
  readonly dir: string;
  readonly sources: SourceMount[];
}

async function prepareBind(mount: BindMount, place: Place, host: StepMountsHost): Promise<PreparedMount> {
  const { target, from, writable } = mount;
  const source = await host.sourceOf(from);
  const view = openSource(source);
  const found = await findMountSource(source, view, mount.source);
  if (source.kind === 'layers') {
    const layers = visibleLayers(source.layers.map(toDirectory));
    const root = await mountOverlay({ layers, view, writable }, place);
    const contents = { view, path: found.path, writable };
    return toBind({ target, source: join(root, toText(found.path)), isFile: found.isFile, contents });
  }
  const copy = await copyOf({ source, name: from.kind === 'context' ? (from.name ?? '') : '', ...found }, host);
  const copied = openRootView([copy]);
  const root = writable ? await mountOverlay({ layers: [copy], view: copied, writable }, place) : copy.path;
  const path = found.isFile ? baseOf(found.path) : '';
  return toBind({ target, source: join(root, toText(path)), isFile: found.isFile, contents: { view: copied, path, writable } });
}

/** Sealed layers as one tree. What is written to it is thrown away with the step. */
async function mountOverlay(
  { layers, view, writable }: { readonly layers: readonly LayerDir[]; readonly view: RootView; readonly writable: boolean },
  { at, dir, sources }: Place,
): Promise<string> {
  const empty = join(dir, 'none');
  if (layers.length === 0) await mkdir(empty);
  const lowers = layers.length === 0 ? [empty] : layers.map(({ path }) => path);
  if (layers.some(({ implied = [] }) => implied.length > 0)) {
    const repeated = join(dir, 'implied');
    makeUpper(repeated, view);
    writeImplied(repeated, layers, view);
    lowers.unshift(repeated);
  }
  if (!writable) {
    sources.push({ kind: 'overlay', at, lowers });
    return at;
  }
  const scratch = { upper: join(dir, 'upper'), work: join(dir, 'work') };
  makeUpper(scratch.upper, view);
  await mkdir(scratch.work);
  sources.push({ kind: 'overlay', at, lowers, scratch });
  return at;
}

interface ContextPart {
  readonly source: CopySource & { readonly kind: 'context' };
  /** Of a `--build-context`, or `''`. */
  readonly name: string;
  /** Without symlinks. */
  readonly path: ByteString;
  readonly isFile: boolean;
}

/** The files of a context belong to root and are as the ignore file says: neither can be mounted, so they are copied. */
function copyOf({ source, name, path, isFile }: ContextPart, { context, copies }: StepMountsHost): Promise<LayerDir> {
  const key = JSON.stringify([name, path]);
  const known = copies.get(key);
  if (known !== undefined) return known;
  const dir = join(context.tempDir, `context-${copies.size}`);
  const make = async (): Promise<LayerDir> => {
    await mkdir(dir);
    const inline = isFile || isSmallDirectory(join(source.dir, toText(path)));
    await context.pool.run('copyTree', { source, path: `/${toText(path)}`, dir }, { inline });
    return { path: dir };
  };
  const copy = make();
  copies.set(key, copy);
  return copy;
}

/** With `from` the cache is what `source` names; without, it has it. */
function prepareCache({ target, from, source, writable }: CacheMount, dir: string, { at, sources }: Place): PreparedMount {
  const view = openContext(dir, undefined);
  const path = from !== undefined || source === '/' ? '' : resolveInCache(source, view);
  if (path !== '') sources.push({ kind: 'bind', at, from: join(realpathSync(dir), toText(path)) });
  return toBind({ target, source: path === '' ? dir : at, isFile: false, contents: { view, path, writable } });
}

/**
 * Steps write to a cache whatever they like, symlinks to anywhere included.
 * @throws BuildError `input`
 */
function resolveInCache(source: string, view: RootView): ByteString {
  const path = resolveLinks(fromText(source), (candidate) => readLinkInside(candidate, source, view), { followLast: true });
  const type = view.lstat(path)?.type;
  if (type === 'directory' && isText(path)) return path;
  throw new BuildError('input', `RUN --mount=type=cache: source "${source}" is ${whatElse(type)}`);
}

function whatElse(type: ViewStat['type'] | undefined): string {
  if (type === undefined) return 'not found in the cache';
  return type === 'directory' ? 'a directory whose name is not UTF-8' : `a ${type}, not a directory`;
}

function readLinkInside(path: ByteString, source: string, view: RootView): ByteString | undefined {
  const target = view.lstat(path)?.linkTarget;
  if (target === undefined) return undefined;
  if (!target.startsWith('/') && !climbsOut(parentOf(path), target)) return target;
  throw new BuildError(
    'input',
    `RUN --mount=type=cache: source "${source}" leads out of the cache: "${toText(path)}" is a symlink to "${toText(target)}"`,
  );
}

function climbsOut(parent: ByteString, target: ByteString): boolean {
  let depth = parent === '' ? 0 : parent.split('/').length;
  for (const name of target.split('/')) {
    if (name === '..') depth--;
    else if (name !== '' && name !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

function toBind(bind: {
  readonly target: string;
  readonly source: string;
  readonly isFile: boolean;
  readonly contents: MountContents;
}): PreparedMount {
  // As everywhere in the root: no device node works.
  return { ...bind, type: 'bind', options: ['bind', bind.contents.writable ? 'rw' : 'ro', 'nodev'] };
}

function toTmpfs({ target, sizeBytes, writable }: TmpfsMount): PreparedMount {
  const options = ['nosuid', 'nodev', ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`]), ...(writable ? [] : ['ro'])];
  return { target, type: 'tmpfs', isFile: false, options, contents: { view: openRootView([]), path: '', writable } };
}

/** Whoever is mounted from is on disk: `demandOf` saw to it. */
function toDirectory(layer: ViewLayer): LayerDir {
  if ('path' in layer) return layer;
  throw new Error('a layer to mount is not on disk');
}
