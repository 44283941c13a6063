import { fromText, isText, toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { resolveLinks } from '../base/links.js';
import { parentOf } from '../base/paths.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';

/** A mount of one step with everything found that it needs. */
export interface PreparedMount {
  /** Absolute and clean; may lead through symlinks of the root. */
  readonly target: string;
  readonly type: 'bind' | 'tmpfs';
  /** Of a bind: absolute, as the step's own mount namespace has it. */
  readonly source?: string;
  /** Whatever it is, it is no directory. */
  readonly isFile: boolean;
  /** For the runtime. */
  readonly options: readonly string[];
  /** What is to be seen at the target, for the mounts below it. */
  readonly contents?: MountContents;
}

export interface MountContents {
  readonly view: RootView;
  /** What of the view is mounted. */
  readonly path: ByteString;
  /** The runtime can make what is missing. */
  readonly writable: boolean;
}

/** Where a mount goes. */
export interface PlacedMount {
  readonly mount: PreparedMount;
  /** Inside the root, without symlinks. */
  readonly path: ByteString;
  /** It is the root that has to have something there, and no other mount. */
  readonly inRoot: boolean;
  /** Of a directory that is new, or of a tmpfs, which takes it from the directory it hides. */
  readonly mode: number;
}

/**
 * Finds the targets in the root, each with the mounts before it in place. A target must not be made by the runtime, which would do it in the step's
 * own layer, nor follow a symlink there.
 * @throws BuildError `dockerfile` for a target that cannot be mounted over
 */
export function placeMounts(mounts: readonly PreparedMount[], root: RootView): readonly PlacedMount[] {
  const placed: PlacedMount[] = [];
  for (const mount of mounts.toSorted((a, b) => depthOf(a) - depthOf(b))) placed.push(place(mount, placed, root));
  return placed;
}

function depthOf({ target }: PreparedMount): number {
  return target.split('/').length;
}

function place(mount: PreparedMount, before: readonly PlacedMount[], root: RootView): PlacedMount {
  const look = (path: ByteString): ViewStat | undefined => lookUp(path, before, root);
  const path = resolveLinks(fromText(mount.target), (candidate) => look(candidate)?.linkTarget, { followLast: true });
  checkPath(mount, path);
  if (path.startsWith('dev/')) return { mount, path, inRoot: false, mode: modeOf(mount, undefined) };
  const found = look(path);
  if (found !== undefined) checkType(mount, found);
  const around = mountAround(path, before);
  if (around === undefined) checkParents(mount, path, look);
  else if (around.mount.isFile && path !== around.path) throw refusal(mount.target, `/${toText(around.path)} is a file`);
  else if (found === undefined) checkWritable(mount, around);
  return { mount, path, inRoot: around === undefined, mode: modeOf(mount, found) };
}

/** What the step finds at a path, symlinks followed. */
export function typeBelow(path: string, mounts: readonly PlacedMount[], root: RootView): ViewStat['type'] | undefined {
  const look = (candidate: ByteString): ViewStat | undefined => lookUp(candidate, mounts, root);
  return look(resolveLinks(fromText(path), (candidate) => look(candidate)?.linkTarget, { followLast: true }))?.type;
}

/** As runc has it, and with it BuildKit. */
function modeOf({ type }: PreparedMount, found: ViewStat | undefined): number {
  return found?.mode ?? (type === 'tmpfs' ? 0o1777 : 0o755);
}

function lookUp(path: ByteString, placed: readonly PlacedMount[], root: RootView): ViewStat | undefined {
  const around = mountAround(path, placed);
  if (around === undefined) return root.lstat(path);
  const contents = around.mount.contents;
  const inside = path.slice(around.path.length + 1);
  return contents?.view.lstat([contents.path, inside].filter((part) => part !== '').join('/'));
}

/** The one that hides the others. */
function mountAround(path: ByteString, placed: readonly PlacedMount[]): PlacedMount | undefined {
  return placed.findLast((candidate) => path === candidate.path || path.startsWith(`${candidate.path}/`));
}

/** runc refuses most of it as well, with CVEs where it did not. */
function checkPath({ target }: PreparedMount, path: ByteString): void {
  if (!isText(path)) throw refusal(target, `it leads to /${toText(path)}, which is not UTF-8`);
  if (path !== '' && path !== 'dev' && !/^(?:proc|sys)(?:\/|$)/.test(path)) return;
  throw refusal(target, path === '' ? 'it is the root of the file system' : `it leads to /${toText(path)}, which the runtime mounts`);
}

function checkType({ target, isFile }: PreparedMount, { type }: ViewStat): void {
  if (isFile && type === 'directory') throw refusal(target, 'a file does not fit on a directory');
  if (!isFile && type !== 'directory') throw refusal(target, `a directory does not fit on a ${type}`);
}

function checkParents({ target }: PreparedMount, path: ByteString, look: (path: ByteString) => ViewStat | undefined): void {
  for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
    const type = look(parent)?.type;
    if (type === 'directory') return;
    if (type !== undefined) throw refusal(target, `/${toText(parent)} is a ${type}`);
  }
}

function checkWritable({ target }: PreparedMount, around: PlacedMount): void {
  if (around.mount.contents?.writable !== false) return;
  const parent = around.mount.target;
  throw new BuildError(
    'dockerfile',
    `cannot mount at "${target}": there is nothing of that name in what is mounted read-only at "${parent}"`,
    {
      hint: `Make it in the source of "${parent}", or add rw to that mount: what is written there is thrown away.`,
    },
  );
}

function refusal(target: string, why: string): BuildError {
  return new BuildError('dockerfile', `cannot mount at "${target}": ${why}`);
}
