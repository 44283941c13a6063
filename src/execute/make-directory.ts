import { fromText, toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { parentOf } from '../base/paths.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { TarEntry } from '../tar/entry.js';
import { lookupOwner } from './users.js';

export interface WorkdirRequest {
  /** Absolute, not necessarily clean. */
  readonly path: string;
  /** As USER has it; `''` is root. */
  readonly user: string;
  /** Modification time of what is made. */
  readonly nowSeconds: number;
}

/** What the runtime mounts over: nothing made there would be seen, and a process that starts in /proc/self/fd/N can leave the root (CVE-2024-21626). */
const MOUNTED = new Set(['proc', 'sys', 'dev']);

/**
 * What WORKDIR, or a RUN whose directory is missing, adds to a root: every missing directory of the path, 0755 and owned by the user,
 * below those that are there (with the metadata they have). Empty when the directory exists. Symlinks are followed inside the root.
 *
 * @throws BuildError `dockerfile` when a component is not a directory, or the path leads into /proc, /sys or /dev
 */
export function workdirEntries(request: WorkdirRequest, root: RootView): TarEntry[] {
  const path = root.resolve(fromText(request.path));
  if (MOUNTED.has(path.split('/', 1)[0] ?? '')) {
    throw new BuildError('dockerfile', `working directory "${request.path}" is inside /${path.split('/', 1)[0]}, which the runtime mounts`);
  }
  const chain = ancestry(path).map((part) => ({ path: part, stat: root.lstat(part) }));
  if (chain.every(({ stat }) => stat !== undefined)) {
    for (const part of chain) requireDirectory(request, part);
    return [];
  }
  const owner = lookupOwner(request.user === '' ? '0' : request.user, root);
  return chain.map((part) => {
    requireDirectory(request, part);
    return part.stat === undefined ? newDirectory(part.path, owner, request.nowSeconds) : directoryEntry(part.path, part.stat, root);
  });
}

/** A directory as it stands in the view. */
function directoryEntry(path: ByteString, stat: ViewStat, root: RootView): TarEntry {
  const { mode, uid, gid, mtimeSeconds } = stat;
  const xattrs = root.xattrs(path);
  return { path, type: 'directory', mode, uid, gid, sizeBytes: 0, mtimeSeconds, ...(xattrs.length === 0 ? {} : { xattrs }) };
}

function newDirectory(path: ByteString, owner: { readonly uid: number; readonly gid: number }, mtimeSeconds: number): TarEntry {
  return { path, type: 'directory', mode: 0o755, uid: owner.uid, gid: owner.gid, sizeBytes: 0, mtimeSeconds };
}

function requireDirectory(
  request: WorkdirRequest,
  { path, stat }: { readonly path: ByteString; readonly stat: ViewStat | undefined },
): void {
  if (stat === undefined || stat.type === 'directory') return;
  throw new BuildError(
    'dockerfile',
    `cannot make working directory "${request.path}": "/${toText(path)}" is a ${stat.type}, not a directory`,
  );
}

/** `a/b/c` → `a`, `a/b`, `a/b/c`; nothing for the root. */
export function ancestry(path: ByteString): ByteString[] {
  const chain: ByteString[] = [];
  for (let part = path; part !== ''; part = parentOf(part)) chain.unshift(part);
  return chain;
}
