import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { fromText, toText } from '../../src/base/bytes.js';
import { openContext } from '../../src/context/context.js';
import { parseIgnore } from '../../src/context/dockerignore.js';
import { copyEntries } from '../../src/execute/copy.js';
import type { CopyRequest } from '../../src/execute/copy-request.js';
import type { RootView } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { compareEntryPaths } from '../../src/tar/order.js';

export const NOW = 2_000_000_000;

/** Where the tests of one file copy from and to; both are empty when a test begins. */
export interface CopyLab {
  readonly context: string;
  readonly below: string;
}

export function useCopyLab(): CopyLab {
  const lab = { context: '', below: '' };
  beforeEach(() => {
    const dir = mkdtempSync(join(tmpdir(), 'tsbuild-copy-'));
    Object.assign(lab, { context: join(dir, 'context'), below: join(dir, 'below') });
    mkdirSync(lab.context);
    mkdirSync(lab.below);
  });
  afterEach(() => rmSync(dirname(lab.context), { recursive: true, force: true }));
  return lab;
}

/** Files by path with their text; a path with a slash at the end is a directory, `-> x` as text makes a symlink. */
export function make(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const full = join(root, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), full);
    else if (!path.endsWith('/')) writeFileSync(full, text);
  }
}

export interface CopyOptions extends Partial<Omit<CopyRequest, 'sources' | 'dest'>> {
  readonly ignore?: string;
  readonly source?: RootView;
  /** Takes the warnings. */
  readonly warnings?: string[];
}

/** What a COPY adds, in the order of a layer, which is checked. */
export function copyIn(lab: CopyLab, sources: readonly string[], dest: string, options: CopyOptions = {}): readonly TarEntry[] {
  const { ignore, source, warnings: told, ...rest } = options;
  const request: CopyRequest = { op: 'COPY', sources, dest, fromContext: true, nowSeconds: NOW, ...rest };
  const view = source ?? openContext(lab.context, ignore === undefined ? undefined : parseIgnore(ignore, '.dockerignore'));
  const { parts, warnings } = copyEntries(request, view, openRootView([{ path: lab.below }]));
  told?.push(...warnings);
  const [part] = parts;
  if (parts.length !== 1 || part?.kind !== 'entries') throw new Error('want one part of entries');
  expect(part.entries.toSorted((a, b) => compareEntryPaths(a.path, b.path))).toEqual(part.entries);
  expect(new Set(part.entries.map(({ path }) => path)).size).toBe(part.entries.length);
  return part.entries;
}

/** `path/` for directories, `path -> target`, `path = hard link`, `path: source relative to the context`, `path` for anything else. */
export function pathsOf({ context }: CopyLab, entries: readonly TarEntry[]): string[] {
  return entries.map(({ path, type, linkTarget, content }) => {
    const name = toText(path);
    if (type === 'directory') return `${name}/`;
    if (type === 'symlink') return `${name} -> ${linkTarget}`;
    if (type === 'hardlink') return `${name} = ${linkTarget}`;
    return content?.kind === 'path' ? `${name}: ${toText(content.path.toString('latin1')).slice(context.length + 1)}` : name;
  });
}

export function entryAt(entries: readonly TarEntry[], path: string): TarEntry {
  const entry = entries.find((each) => each.path === fromText(path));
  if (entry === undefined) throw new Error(`no entry ${path}`);
  return entry;
}

export interface MemoryTree {
  readonly view: RootView;
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

/** A tree that is on no disk: what is above another path is a directory, all else empty files. */
export function toMemoryTree(paths: readonly string[]): MemoryTree {
  const directories = new Set(paths.flatMap((path) => withParents(path).slice(0, -1)));
  const files = paths.filter((path) => !directories.has(path));
  const metadata = { mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1 };
  const entries: TarEntry[] = [
    ...Array.from(directories, (path) => ({ path, type: 'directory' as const, ...metadata })),
    ...files.map((path) => ({ path, type: 'file' as const, ...metadata })),
  ];
  return {
    view: openRootView([{ entries: [{ path: '', type: 'directory', ...metadata }, ...entries] }]),
    files,
    directories: [...directories],
  };
}

/** `a/b` → `a`, `a/b` */
export function withParents(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_part, index) => parts.slice(0, index + 1).join('/'));
}
