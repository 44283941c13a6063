import { closeSync, constants, fstatSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { fromText, toFsPath, toText, type ByteString } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { parentOf } from '../base/paths.js';
import { listXattrs } from '../os/native.js';
import { toNodeStat, tryLstat } from '../os/stat.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { Xattrs } from '../tar/entry.js';
import type { IgnoreMatcher, IgnoreState } from './dockerignore.js';
import { resolveLinks } from '../base/links.js';

type Visit = (path: ByteString, stat: ViewStat) => void;
type Member = readonly [path: ByteString, stat: ViewStat];

/** What no ignore file says: nothing is excluded. */
const NOTHING_IGNORED: IgnoreState = { excluded: false, rule: undefined, inherited: new Uint8Array(0) };

/**
 * A directory of this machine as a root, with .dockerignore applied. An excluded directory is there, with its own metadata, exactly when
 * something below it is let in again. Directories are remembered as they were first seen: a view lives for one step.
 */
export class HostView implements RootView {
  readonly #root: ByteString;
  readonly #ignore: IgnoreMatcher | undefined;
  /** By path: the state of what is a real directory, reached without a symlink; `undefined` for anything else. */
  readonly #directories = new Map<ByteString, IgnoreState | undefined>();
  readonly #hasVisible = new Map<ByteString, boolean>();

  constructor(dir: string, ignore: IgnoreMatcher | undefined) {
    const root = fromText(dir);
    this.#root = root.endsWith('/') ? root : `${root}/`;
    this.#ignore = ignore;
    this.#directories.set('', ignore?.root ?? NOTHING_IGNORED);
  }

  lstat(path: ByteString): ViewStat | undefined {
    const parent = path === '' ? NOTHING_IGNORED : this.#directory(parentOf(path));
    if (parent === undefined) return undefined;
    const stat = this.#stat(path);
    return stat !== undefined && (path === '' || this.#isVisible(parent, path, stat)) ? stat : undefined;
  }

  list(path: ByteString): readonly ByteString[] {
    const state = this.#directory(path);
    if (state === undefined) return [];
    const names = this.#names(path);
    if (this.#ignore === undefined) return names;
    return names.filter((name) => {
      const child = childOf(path, name);
      const stat = this.#stat(child);
      return stat !== undefined && this.#isVisible(state, child, stat);
    });
  }

  xattrs(path: ByteString): Xattrs {
    return path === '' || this.#directory(parentOf(path)) !== undefined ? listXattrs(this.#fsPath(path)) : [];
  }

  resolve(path: ByteString, options: { readonly followLast?: boolean } = {}): ByteString {
    return resolveLinks(path, (candidate) => this.lstat(candidate)?.linkTarget, { followLast: options.followLast ?? true });
  }

  readFile(path: ByteString, maxBytes: number): Buffer | undefined {
    const stat = this.lstat(this.resolve(path));
    if (stat?.type !== 'file') return undefined;
    let descriptor: number | undefined;
    try {
      // NONBLOCK: a fifo put in the place of the file since then must not stop the build.
      descriptor = openSync(stat.fsPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const { size } = fstatSync(descriptor);
      if (size > maxBytes) throw new BuildError('input', `"${toText(path)}" is too large: got ${size} bytes, want at most ${maxBytes}`);
      return readFileSync(descriptor);
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  walk(path: ByteString, visit: Visit): void {
    const state = this.#directory(path);
    if (state !== undefined) this.#walk(path, state, { visit, hidden: [] });
  }

  /**
   * `hidden` holds the excluded directories on the way down, not told yet: the first visible thing below them brings them out. One list for the
   * whole walk, a stack.
   */
  #walk(path: ByteString, state: IgnoreState, to: { readonly visit: Visit; readonly hidden: Member[] }): void {
    const ignore = this.#ignore;
    for (const name of this.#names(path)) {
      const child = childOf(path, name);
      const stat = this.#stat(child);
      if (stat === undefined) continue;
      if (stat.type !== 'directory') {
        if (ignore?.isExcluded(state, child) !== true) tell(to, child, stat);
        continue;
      }
      const below = ignore?.enter(state, child) ?? NOTHING_IGNORED;
      if (!below.excluded) tell(to, child, stat);
      else if (ignore?.mayReinclude(below, child) === true) to.hidden.push([child, stat]);
      else continue;
      this.#directories.set(child, below);
      this.#walk(child, below, to);
      if (to.hidden.at(-1)?.[0] === child) to.hidden.pop();
    }
  }

  #isVisible(parent: IgnoreState, path: ByteString, stat: ViewStat): boolean {
    if (this.#ignore?.isExcluded(parent, path) !== true) return true;
    return stat.type === 'directory' && this.#showsSomething(path);
  }

  /** Whether something is let in below an excluded directory. */
  #showsSomething(path: ByteString): boolean {
    const known = this.#hasVisible.get(path);
    if (known !== undefined) return known;
    const state = this.#directory(path);
    const shows =
      state !== undefined &&
      this.#ignore?.mayReinclude(state, path) === true &&
      this.#names(path).some((name) => {
        const child = childOf(path, name);
        const stat = this.#stat(child);
        return stat !== undefined && this.#isVisible(state, child, stat);
      });
    this.#hasVisible.set(path, shows);
    return shows;
  }

  #directory(path: ByteString): IgnoreState | undefined {
    if (this.#directories.has(path)) return this.#directories.get(path);
    const parent = this.#directory(parentOf(path));
    const state =
      parent !== undefined && this.#stat(path)?.type === 'directory' ? (this.#ignore?.enter(parent, path) ?? parent) : undefined;
    this.#directories.set(path, state);
    return state;
  }

  /** Without a look at the ignore file. The parent must be known to be a directory. */
  #stat(path: ByteString): ViewStat | undefined {
    const fsPath = this.#fsPath(path);
    try {
      const stats = tryLstat(fsPath);
      return stats === undefined ? undefined : toNodeStat(stats, fsPath);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw unreadable(path, error);
    }
  }

  #names(path: ByteString): ByteString[] {
    try {
      return readdirSync(this.#fsPath(path), 'latin1').toSorted();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw unreadable(path, error);
    }
  }

  #fsPath(path: ByteString): string | Buffer {
    return toFsPath(this.#root + path);
  }
}

function tell(to: { readonly visit: Visit; readonly hidden: Member[] }, path: ByteString, stat: ViewStat): void {
  for (const [hiddenPath, hiddenStat] of to.hidden) to.visit(hiddenPath, hiddenStat);
  to.hidden.length = 0;
  to.visit(path, stat);
}

function childOf(directory: ByteString, name: ByteString): ByteString {
  return directory === '' ? name : `${directory}/${name}`;
}

function unreadable(path: ByteString, error: unknown): unknown {
  if (error instanceof BuildError || errnoOf(error) === undefined) return error;
  return new BuildError('input', `cannot read "${toText(path)}": ${systemErrorText(error)}`, {
    hint: 'make it readable, or exclude it in .dockerignore',
    cause: error,
  });
}
