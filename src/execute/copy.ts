import { fromText, toText, type ByteString, type FsPath } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { parentOf, relativeToRoot } from '../base/paths.js';
import { openContext } from '../context/context.js';
import { parsePatterns, type IgnoreMatcher } from '../context/dockerignore.js';
import type { RootView } from '../snapshot/root-view.js';
import { isArchive } from './archives.js';
import { EntryMaker, NEW_DIRECTORY_MODE, tryReading, type LooseFile, type Origin } from './copy-entry.js';
import { CopyLayer, notDirectory } from './copy-layer.js';
import type { CopyPart, CopyPlan, CopyRequest, FetchedSource, InlineFile } from './copy-request.js';
import { findSources, type FoundSource } from './copy-sources.js';
import { CopyTree, putFile, walkView } from './copy-tree.js';
import { walkIncluded } from './exclude.js';
import { fromFetched, fromHeredoc } from './inline-files.js';
import { findParents, type ParentsSource } from './parents.js';

/**
 * The sources of an ADD that are archives: what `copyEntries` shall not copy as files. Paths in the view, or absolute ones of fetched files.
 * None for COPY. Separate, since looking into a compressed file takes promises.
 * @throws BuildError like `copyEntries`, and `environment` when a decompressor is missing
 */
export async function findArchives(request: CopyRequest, source: RootView): Promise<ReadonlySet<string>> {
  const archives = new Set<string>();
  if (request.op === 'COPY') return archives;
  for (const fetched of request.fetched ?? []) {
    if (fetched.kind === 'file' && fetched.unpack && (await isArchive(fetched.path))) archives.add(fetched.path);
  }
  if (request.unpack === false) return archives;
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
 *   mode, wildcard or pattern
 */
export function copyEntries(request: CopyRequest, source: RootView, dest: RootView): CopyPlan {
  const copy = new Copy(request, dest);
  try {
    const origin = { view: source, keepsOwners: !request.fromContext };
    if (request.parents === true) for (const found of findParents(request, source)) copy.addParents(found, origin);
    else for (const found of findSources(request, source)) copy.add(found, origin);
    for (const fetched of request.fetched ?? []) copy.addFetched(fetched);
    for (const file of request.files ?? []) copy.addInline(file);
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
  readonly #dest: RootView;
  readonly #entries: EntryMaker;
  readonly #layer: CopyLayer;
  readonly #destPath: ByteString;
  readonly #exclude: IgnoreMatcher | undefined;
  readonly #parts: CopyPart[] = [];
  readonly #warnings: string[] = [];

  constructor(request: CopyRequest, dest: RootView) {
    this.#request = request;
    this.#dest = dest;
    this.#entries = new EntryMaker(request);
    this.#destPath = relativeToRoot(fromText(request.dest));
    this.#layer = new CopyLayer(dest, this.#entries.newDirectory());
    this.#exclude = readExclude(request);
  }

  add(found: FoundSource, origin: Origin): void {
    const { text, name, stat } = found;
    if (stat.type !== 'directory' && this.#exclude?.decide(name)?.negated === false) this.#warnings.push(excludedSource(text, name));
    if (this.#request.archives?.has(found.path) === true) this.#addArchive(stat.fsPath, text);
    else if (stat.type === 'directory') this.#addTree(found, origin);
    else this.#addFile(found, origin);
  }

  addParents({ pivot, matches }: ParentsSource, origin: Origin): void {
    const tree = this.#openTree(pivot, origin);
    const filtered = { view: origin.view, root: pivot.path, exclude: this.#exclude ?? NOTHING_EXCLUDED };
    for (const match of matches) walkIncluded(filtered, match, (path, stat) => tree.putWithParents(path, stat));
  }

  addFetched(fetched: FetchedSource): void {
    if (fetched.kind === 'file') {
      if (this.#request.archives?.has(fetched.path) === true) this.#addArchive(fetched.path, fetched.name);
      else this.#addLoose(fetched.name, fromFetched(fetched));
      return;
    }
    const view = openContext(fetched.dir, undefined);
    const stat = view.lstat('');
    if (stat === undefined) throw new Error(`${fetched.dir} vanished`);
    this.#addTree({ text: fetched.dir, name: '', path: '', stat }, { view, keepsOwners: false });
  }

  addInline(file: InlineFile): void {
    this.#addLoose(file.name, fromHeredoc(file, this.#request.nowSeconds));
  }

  finish(): CopyPlan {
    const entries = this.#layer.takeEntries();
    if (entries.length > 0 || this.#parts.length === 0) this.#parts.push({ kind: 'entries', entries });
    return { parts: this.#parts, warnings: this.#warnings };
  }

  #addArchive(fsPath: FsPath, source: string): void {
    const destDir = this.#dest.resolve(this.#destPath);
    // `--chmod` is for copies, neither for members nor for what they lie in.
    this.#layer.makeDirectories(destDir, NEW_DIRECTORY_MODE);
    const entries = this.#layer.takeEntries();
    if (entries.length > 0) this.#parts.push({ kind: 'entries', entries });
    this.#parts.push({ kind: 'archive', fsPath, destDir, source });
  }

  /** The contents of a directory, never the directory itself. */
  #addTree(found: FoundSource, origin: Origin): void {
    const tree = this.#openTree(found, origin);
    const exclude = this.#exclude;
    if (exclude === undefined) walkView(origin.view, found.path, (path, stat) => tree.put(path, stat));
    else walkIncluded({ view: origin.view, root: found.path, exclude }, found.path, (path, stat) => tree.putWithParents(path, stat));
  }

  /** Of the directory itself the destination takes nothing but the mtime. */
  #openTree({ path: root, stat }: FoundSource, origin: Origin): CopyTree {
    const destRoot = this.#dest.resolve(this.#destPath);
    this.#layer.makeDirectories(destRoot);
    this.#layer.touchDirectory(destRoot, stat.mtimeSeconds);
    return new CopyTree(this.#layer, this.#entries, { origin, root, destRoot, keepsDirectories: this.#request.parents === true });
  }

  #addFile({ name, path, stat }: FoundSource, origin: Origin): void {
    const target = this.#fileTarget(name);
    putFile(this.#layer, this.#entries.toEntry(target, origin, path, stat), { path, stat });
  }

  #addLoose(name: string, file: LooseFile): void {
    const target = this.#fileTarget(fromText(name));
    this.#layer.putFile(this.#entries.toFile(target, file), fromText(name));
  }

  /** Where a file goes; the directory for it is made. */
  #fileTarget(name: ByteString): ByteString {
    const target = this.#chooseTarget(name);
    this.#layer.makeDirectories(parentOf(target));
    return target;
  }

  #chooseTarget(name: ByteString): ByteString {
    const followed = this.#dest.resolve(this.#destPath);
    const type = this.#layer.typeAt(followed);
    const isNamedDirectory = /\/\.?$/.test(this.#request.dest);
    if (isNamedDirectory && type !== undefined && type !== 'directory') throw notDirectory(followed, type);
    if (isNamedDirectory || type === 'directory') return followed === '' ? name : `${followed}/${name}`;
    // A file replaces a symlink that is the last component; the file that it points to stays as it is.
    return this.#dest.resolve(this.#destPath, { followLast: false });
  }
}

const NOTHING_EXCLUDED = parsePatterns([], '--exclude');

function readExclude({ exclude }: CopyRequest): IgnoreMatcher | undefined {
  return exclude === undefined || exclude.length === 0 ? undefined : parsePatterns(exclude, '--exclude');
}

function excludedSource(text: string, name: ByteString): string {
  const match = text.endsWith(toText(name)) ? '' : `, which "${text}" names`;
  return `--exclude does not apply to "${toText(name)}"${match}: it leaves things out of directories, not out of the sources themselves`;
}
