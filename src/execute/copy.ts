import { closeSync, constants, openSync } from 'node:fs';
import { fromText, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError, systemErrorText } from '../base/errors.js';
import { parentOf, relativeToRoot } from '../base/paths.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { TarEntry } from '../tar/entry.js';
import { isArchive } from './archives.js';
import { applyChmod, parseChmod, type ModeChange } from './chmod.js';
import { CopyLayer, notDirectory } from './copy-layer.js';
import { findSources, type FoundSource } from './copy-sources.js';

/** COPY, or ADD of what is there already. */
export interface CopyRequest {
  readonly op: 'COPY' | 'ADD';
  /** Expanded. */
  readonly sources: readonly string[];
  /** Absolute; a slash at the end says that it is a directory. */
  readonly dest: string;
  /** `--chown`, looked up in the root file system that is copied into. */
  readonly chown?: { readonly uid: number; readonly gid: number };
  /** `--chmod` as written. */
  readonly chmod?: string;
  /** Files of the build context belong to root, whoever owns them on the host. */
  readonly fromContext: boolean;
  /** Where else the sources are, for messages: `stage "build"`. */
  readonly sourceName?: string;
  /** mtime of directories that no source has. */
  readonly nowSeconds: number;
  /** What `findArchives` found. */
  readonly archives?: ReadonlySet<ByteString>;
}

export type CopyPart =
  /** In the order of a layer, each path once. */
  | { readonly kind: 'entries'; readonly entries: readonly TarEntry[] }
  /** An archive that ADD unpacks into a directory, which the part before it has made. */
  | { readonly kind: 'archive'; readonly fsPath: FsPath; readonly destDir: ByteString; readonly source: string };

export interface CopyPlan {
  /** To be applied one after the other; a later part wins. COPY has one of entries. */
  readonly parts: readonly CopyPart[];
}

/** New directories are not the source's: BuildKit makes them like `mkdir -p` of root. */
const NEW_DIRECTORY_MODE = 0o755;

/**
 * The sources of an ADD that are archives: what `copyEntries` shall not copy as files. None for COPY. Separate, since looking into a compressed
 * file takes promises.
 * @throws BuildError like `copyEntries`, and `environment` when a decompressor is missing
 */
export async function findArchives(request: CopyRequest, source: RootView): Promise<ReadonlySet<ByteString>> {
  const archives = new Set<ByteString>();
  if (request.op === 'COPY') return archives;
  for (const { path, stat } of findSources(request, source)) {
    if (stat.type !== 'file') continue;
    tryReading(path, stat);
    if (await isArchive(stat.fsPath)) archives.add(path);
  }
  return archives;
}

/**
 * What COPY and ADD put into a root file system (dockerfile-semantics 1.8). Reads no file, only directories and metadata.
 * @throws BuildError `input` when a source is missing or cannot be read, or something at the destination is in the way; `dockerfile` for a bad
 *   mode or wildcard
 */
export function copyEntries(request: CopyRequest, source: RootView, dest: RootView): CopyPlan {
  const copy = new Copy(request, source, dest);
  try {
    for (const found of findSources(request, source)) copy.add(found);
    return copy.finish();
  } catch (error) {
    if (!(error instanceof BuildError) || error.message.startsWith(`${request.op}: `)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    throw new BuildError(error.kind, `${request.op}: ${error.message}`, { ...hint, cause: error });
  }
}

/** The state of one COPY: what it has put so far. */
class Copy {
  readonly #request: CopyRequest;
  readonly #source: RootView;
  readonly #dest: RootView;
  readonly #layer: CopyLayer;
  readonly #chmod: ModeChange | undefined;
  readonly #destPath: ByteString;
  readonly #parts: CopyPart[] = [];

  constructor(request: CopyRequest, source: RootView, dest: RootView) {
    this.#request = request;
    this.#source = source;
    this.#dest = dest;
    this.#chmod = request.chmod === undefined ? undefined : parseChmod(request.chmod);
    this.#destPath = relativeToRoot(fromText(request.dest));
    this.#layer = new CopyLayer(dest, this.#newDirectory());
  }

  add(found: FoundSource): void {
    if (this.#request.archives?.has(found.path) === true) this.#addArchive(found);
    else if (found.stat.type === 'directory') this.#addTree(found);
    else this.#addFile(found);
  }

  finish(): CopyPlan {
    const entries = this.#layer.takeEntries();
    if (entries.length > 0 || this.#parts.length === 0) this.#parts.push({ kind: 'entries', entries });
    return { parts: this.#parts };
  }

  #addArchive({ text, stat }: FoundSource): void {
    const destDir = this.#dest.resolve(this.#destPath);
    // `--chmod` is for copies, neither for members nor for what they lie in.
    this.#layer.makeDirectories(destDir, NEW_DIRECTORY_MODE);
    const entries = this.#layer.takeEntries();
    if (entries.length > 0) this.#parts.push({ kind: 'entries', entries });
    this.#parts.push({ kind: 'archive', fsPath: stat.fsPath, destDir, source: text });
  }

  /** The contents of a directory, never the directory itself: of that the destination takes nothing but the mtime. */
  #addTree({ path: root, stat: rootStat }: FoundSource): void {
    const layer = this.#layer;
    const destRoot = this.#dest.resolve(this.#destPath);
    layer.makeDirectories(destRoot);
    layer.touchDirectory(destRoot, rootStat.mtimeSeconds);
    const sourceLength = root === '' ? 0 : root.length + 1;
    const prefix = destRoot === '' ? '' : `${destRoot}/`;
    walkView(this.#source, root, (path, stat) => {
      const target = prefix + path.slice(sourceLength);
      if (stat.type === 'directory') layer.putDirectory(this.#toEntry(target, path, stat));
      else this.#putFile(target, path, stat);
    });
  }

  #addFile({ name, path, stat }: FoundSource): void {
    const target = this.#fileTarget(name);
    this.#layer.makeDirectories(parentOf(target));
    this.#putFile(target, path, stat);
  }

  #fileTarget(name: ByteString): ByteString {
    const followed = this.#dest.resolve(this.#destPath);
    const type = this.#layer.typeAt(followed);
    const isNamedDirectory = /\/\.?$/.test(this.#request.dest);
    if (isNamedDirectory && type !== undefined && type !== 'directory') throw notDirectory(followed, type);
    if (isNamedDirectory || type === 'directory') return followed === '' ? name : `${followed}/${name}`;
    // A file replaces a symlink that is the last component; the file that it points to stays as it is.
    return this.#dest.resolve(this.#destPath, { followLast: false });
  }

  #putFile(target: ByteString, path: ByteString, stat: ViewStat): void {
    if (stat.type === 'file') tryReading(path, stat);
    this.#layer.putFile(this.#toEntry(target, path, stat), path, stat.type === 'file' && stat.linkCount > 1 ? stat.inode : undefined);
  }

  #toEntry(target: ByteString, path: ByteString, stat: ViewStat): TarEntry {
    const { type, sizeBytes } = stat;
    const owner = this.#request.chown ?? (this.#request.fromContext ? ROOT : stat);
    const xattrs = this.#source.xattrs(path).filter(([name]) => isCopied(name));
    const isDevice = type === 'char' || type === 'block';
    if (isDevice && stat.devMajor === 0 && stat.devMinor === 0) throw deviceOfWhiteout(path);
    return {
      path: target,
      // Nobody listens at the copy of a socket.
      type: type === 'socket' ? 'file' : type,
      mode: this.#toMode(stat),
      uid: owner.uid,
      gid: owner.gid,
      sizeBytes,
      mtimeSeconds: stat.mtimeSeconds,
      ...(stat.linkTarget === undefined ? {} : { linkTarget: stat.linkTarget }),
      ...(isDevice ? { devMajor: stat.devMajor, devMinor: stat.devMinor } : {}),
      ...(xattrs.length === 0 ? {} : { xattrs }),
      ...(sizeBytes === 0 ? {} : { content: { kind: 'path', path: stat.fsPath } }),
    };
  }

  #toMode({ type, mode }: ViewStat): number {
    if (type === 'symlink' || this.#chmod === undefined) return mode;
    return applyChmod(this.#chmod, mode, type === 'directory');
  }

  #newDirectory(): Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtimeSeconds'> {
    const { uid, gid } = this.#request.chown ?? ROOT;
    const mode = this.#chmod?.kind === 'octal' ? this.#chmod.mode : NEW_DIRECTORY_MODE;
    return { mode, uid, gid, mtimeSeconds: this.#request.nowSeconds };
  }
}

const ROOT = { uid: 0, gid: 0 };

/** Attributes that the user set or that make a program work; the others are the host's: labels, ACLs of its users, overlayfs's own. */
function isCopied(name: ByteString): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'));
}

function walkView(view: RootView, path: ByteString, visit: (path: ByteString, stat: ViewStat) => void): void {
  if (view.walk !== undefined) {
    view.walk(path, visit);
    return;
  }
  for (const name of view.list(path)) {
    const child = path === '' ? name : `${path}/${name}`;
    const stat = view.lstat(child);
    if (stat === undefined) continue;
    visit(child, stat);
    if (stat.type === 'directory') walkView(view, child, visit);
  }
}

/** Before it is promised to a layer. For nearly every file the mode bits say enough. */
function tryReading(path: ByteString, { fsPath, mode, uid }: ViewStat): void {
  const self = process.geteuid?.();
  if (self === 0 || (mode & (uid === self ? 0o400 : 0o004)) !== 0) return;
  try {
    closeSync(openSync(fsPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  } catch (error) {
    throw new BuildError('input', `cannot read "${toText(path)}": ${systemErrorText(error)}`, {
      hint: 'make it readable, or exclude it in .dockerignore',
      cause: error,
    });
  }
}

function deviceOfWhiteout(path: ByteString): BuildError {
  return new BuildError('input', `"${toText(path)}" cannot be in an image: overlayfs takes the device 0/0 for a deletion`);
}
