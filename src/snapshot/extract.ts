import { mkdirSync } from 'node:fs';
import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { baseOf, parentOf } from '../base/paths.js';
import { tryLstat } from '../os/stat.js';
import type { TarEntry } from '../tar/entry.js';
import { TarReader, type TarHandler } from '../tar/read.js';
import { ExtractMeter, type ExtractLimits } from './extract-limits.js';
import { explainWriteError, isOverlayWhiteout, NodeWriter, type Metadata } from './node-writer.js';
import { makeWhiteout, markOpaque } from './overlay.js';
import type { RootView } from './root-view.js';
import { UpperTree, type ParentPolicy } from './upper-tree.js';
import { hiddenName, isBelowWhiteout, isWhiteoutName, WHITEOUT_PREFIX } from './whiteout.js';

export interface ExtractLayerOptions extends ExtractLimits {
  /** What errors call the layer. */
  readonly name?: string;
}

export interface ExtractedLayer {
  /** Directories without an entry of their own: their metadata is that of the layers below. `''` when the layer has no root entry. */
  readonly implied: ByteString[];
  /** What was left out. */
  readonly warnings: string[];
}

/**
 * Unpacks one layer, whoever made it, into a directory in the kernel's overlay format, which is made if it does not exist and must be empty.
 * The layers below are not looked at: whiteouts become the kernel's, a symlink in the path of a later entry leads to a place in this very layer.
 *
 * Whiteouts hide what lies in lower layers only, wherever among the entries they stand: what the layer itself has under the name survives.
 *
 * @param chunks the plain tar
 * @throws BuildError `input` when the layer is malformed or hostile, `privilege` or `environment` when it cannot be written
 */
export async function extractLayer(chunks: AsyncIterable<Buffer>, dir: string, options: ExtractLayerOptions = {}): Promise<ExtractedLayer> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const extraction = new LayerExtraction(dir, options);
  await pump(chunks, extraction, options.name ?? 'layer');
  return { implied: [...extraction.implied], warnings: extraction.warnings };
}

export interface ExtractArchiveOptions extends ExtractLimits {
  /** An upper directory, which may hold something already. */
  readonly dir: string;
  /** The directory of the image that the members go into, relative to the root; symlinks in it are followed. */
  readonly prefix: ByteString;
  /** What `dir` is laid over, without `dir` itself. */
  readonly below: RootView;
  /** For every member, instead of what the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What errors call the archive. */
  readonly name?: string;
}

/**
 * Unpacks an archive of ADD over an image, as tar would do in it: into directories that are there, in the place of anything else that is.
 * Symlinks on the way are followed inside the image. Names like those of whiteouts are names like any other. The archive's entry for its own root does not
 * change the directory that it is unpacked into.
 *
 * @param chunks the plain tar
 * @throws BuildError `input` when the archive is malformed or hostile, `privilege` or `environment` when it cannot be written
 */
export async function extractArchive(
  chunks: AsyncIterable<Buffer>,
  options: ExtractArchiveOptions,
): Promise<{ readonly warnings: string[] }> {
  const extraction = new ArchiveExtraction(options);
  await pump(chunks, extraction, options.name ?? 'archive');
  return { warnings: extraction.warnings };
}

async function pump(chunks: AsyncIterable<Buffer>, extraction: Extraction, name: string): Promise<void> {
  const reader = new TarReader(extraction, { name });
  try {
    for await (const chunk of chunks) {
      reader.push(chunk);
      extraction.meter.addBytes(chunk.length);
    }
    reader.end();
    extraction.seal();
  } catch (error) {
    throw named(error, name);
  } finally {
    extraction.abort();
  }
}

/** The reader's own errors have the name already. */
function named(error: unknown, name: string): unknown {
  if (!(error instanceof BuildError) || error.message.startsWith(name)) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new BuildError(error.kind, `${name}: ${error.message}`, { ...hint, cause: error });
}

const MAX_WARNINGS = 100;

/** What both have in common: counting, and creating the node of an entry. */
abstract class Extraction implements TarHandler {
  readonly warnings: string[] = [];
  protected readonly writer = new NodeWriter((message) => this.warn(message));
  protected abstract readonly tree: UpperTree;
  readonly meter: ExtractMeter;
  #current: TarEntry | undefined;

  constructor(meter: ExtractMeter) {
    this.meter = meter;
  }

  entry(entry: TarEntry): void {
    this.#current = entry;
    this.meter.addEntry(entry);
    try {
      this.extract(entry);
    } catch (error) {
      throw explainWriteError(error, entry);
    }
  }

  data(chunk: Buffer): void {
    try {
      this.writer.write(chunk);
    } catch (error) {
      throw explainWriteError(error, this.#current);
    }
  }

  hole(sizeBytes: number): void {
    this.writer.skip(sizeBytes);
  }

  entryEnd(): void {
    try {
      this.writer.closeFile();
    } catch (error) {
      throw explainWriteError(error, this.#current);
    }
  }

  /** What can only be done when everything is there. */
  protected abstract finish(): void;

  seal(): void {
    try {
      this.finish();
    } catch (error) {
      throw explainWriteError(error, { path: '' });
    }
  }

  abort(): void {
    this.writer.abort();
  }

  protected abstract extract(entry: TarEntry): void;

  protected warn(message: string): void {
    if (this.warnings.length < MAX_WARNINGS) this.warnings.push(message);
  }

  /** The parent must have been entered. */
  protected create(path: ByteString, entry: TarEntry): void {
    const { type } = entry;
    switch (type) {
      case 'directory':
        return this.tree.putDirectory(path, entry);
      case 'file':
        return this.tree.put(path, (fsPath) => this.writer.openFile(entry, fsPath));
      case 'symlink':
        return this.tree.put(path, (fsPath) => this.writer.createSymlink(entry, fsPath));
      case 'hardlink':
        return this.tree.putLink(path, entry);
      case 'char':
      case 'block':
      case 'fifo':
        if (isOverlayWhiteout(entry)) return this.warn(`device "/${toText(entry.path)}" with the numbers 0, 0 is left out`);
        return this.tree.put(path, (fsPath) => this.writer.createDevice(entry, fsPath, type));
    }
  }
}

/** What a directory without an entry has where no layer below knows better. */
const IMPLIED: Metadata = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };

class LayerExtraction extends Extraction implements ParentPolicy {
  readonly implied = new Set<ByteString>(['']);
  /** A file that a later entry goes below was replaced by a directory in the meantime. */
  readonly replacesFiles = true;
  protected readonly tree: UpperTree;
  readonly #opaque = new Set<ByteString>();
  readonly #whiteouts: { readonly directory: ByteString; readonly path: ByteString }[] = [];

  constructor(dir: string, limits: ExtractLimits) {
    super(new ExtractMeter(limits));
    this.tree = new UpperTree({ dir, policy: this, writer: this.writer });
    this.tree.setMetadata('', IMPLIED);
  }

  missing(path: ByteString): Metadata {
    this.implied.add(path);
    return IMPLIED;
  }

  protected extract(entry: TarEntry): void {
    if (entry.path === '') return this.#setRoot(entry);
    const name = baseOf(entry.path);
    if (entry.path.includes(WHITEOUT_PREFIX)) {
      if (isWhiteoutName(name)) return this.#addWhiteout(entry);
      if (isBelowWhiteout(entry.path)) return this.warn(`"/${toText(entry.path)}" lies below a whiteout and is left out`);
    }
    const parent = this.tree.enter(parentOf(entry.path));
    const path = parent === '' ? name : `${parent}/${name}`;
    this.create(path, entry);
    if (entry.type === 'directory') this.implied.delete(path);
  }

  /** Whiteouts last: whether the layer has something of its own under their names is not known before. */
  protected finish(): void {
    for (const path of this.#opaque) if (this.tree.isDirectory(path)) markOpaque(this.tree.at(path));
    for (const { directory, path } of this.#whiteouts) {
      // Below a file nothing needs to be hidden, and in an opaque directory everything is.
      if (this.tree.isDirectory(directory) && !this.#opaque.has(directory)) this.#hide(path);
    }
    this.tree.finish();
    for (const path of this.implied) if (!this.tree.isDirectory(path)) this.implied.delete(path);
  }

  #setRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw new BuildError('input', `the root is a ${entry.type}, not a directory`);
    this.tree.putDirectory('', entry);
    this.implied.delete('');
  }

  #addWhiteout({ path }: TarEntry): void {
    const hidden = hiddenName(path);
    if (hidden === undefined) return this.warn(`"/${toText(path)}" is no known whiteout and is left out`);
    const directory = this.tree.enter(parentOf(path));
    if (hidden === '') this.#opaque.add(directory);
    else this.#whiteouts.push({ directory, path: directory === '' ? hidden : `${directory}/${hidden}` });
  }

  /** What the layer has of its own hides what is below, except for a directory, which would merge with it. */
  #hide(path: ByteString): void {
    const stats = tryLstat(this.tree.at(path));
    if (stats === undefined) makeWhiteout(this.tree.at(path));
    else if (stats.isDirectory()) markOpaque(this.tree.at(path));
  }
}

const TOO_LARGE = 'if the archive can be trusted, allow more with --max-archive-size.';

class ArchiveExtraction extends Extraction implements ParentPolicy {
  readonly replacesFiles = false;
  protected readonly tree: UpperTree;
  readonly #prefix: ByteString;
  readonly #owner: ExtractArchiveOptions['owner'];
  #mtimeSeconds = 0;

  constructor(options: ExtractArchiveOptions) {
    super(new ExtractMeter(options, TOO_LARGE));
    this.tree = new UpperTree({ dir: options.dir, below: options.below, policy: this, writer: this.writer });
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
    this.#owner = options.owner;
  }

  /** The time is that of the member which needs the directory: now would make equal archives unequal layers. */
  missing(): Metadata {
    return { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: this.#mtimeSeconds };
  }

  protected extract(entry: TarEntry): void {
    if (entry.path === '') {
      if (entry.type !== 'directory') throw new BuildError('input', `the root of the archive is a ${entry.type}, not a directory`);
      return;
    }
    this.#mtimeSeconds = entry.mtimeSeconds;
    const member = {
      ...entry,
      ...this.#owner,
      path: this.#prefix + entry.path,
      ...(entry.type === 'hardlink' ? { linkTarget: this.#prefix + (entry.linkTarget ?? '') } : {}),
    };
    const parent = this.tree.enter(parentOf(member.path));
    const name = baseOf(member.path);
    this.create(parent === '' ? name : `${parent}/${name}`, member);
  }

  protected finish(): void {
    this.tree.finish();
  }
}
