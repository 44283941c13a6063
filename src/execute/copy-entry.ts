import { closeSync, constants, openSync } from 'node:fs';
import { toText, type ByteString } from '../base/bytes.js';
import { BuildError, systemErrorText } from '../base/errors.js';
import type { RootView, ViewStat } from '../snapshot/root-view.js';
import type { Content, TarEntry } from '../tar/entry.js';
import { applyChmod, parseChmod, type ModeChange } from './chmod.js';
import type { CopyRequest } from './copy-request.js';

/** Where files are copied from. */
export interface Origin {
  readonly view: RootView;
  /** False for files of this machine, which belong to root in an image. */
  readonly keepsOwners: boolean;
}

/** A file that no view has. */
export interface LooseFile {
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly content: Content;
}

type NewDirectory = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtimeSeconds'>;

const ROOT = { uid: 0, gid: 0 };

/** New directories are not the source's: BuildKit makes them like `mkdir -p` of root. */
export const NEW_DIRECTORY_MODE = 0o755;

/** Turns what is copied into entries, with the owner and the mode that the flags of the instruction say. */
export class EntryMaker {
  readonly #owner: CopyRequest['chown'];
  readonly #chmod: ModeChange | undefined;
  readonly #nowSeconds: number;

  /** @throws BuildError `dockerfile` for a bad mode */
  constructor({ chown, chmod, nowSeconds }: CopyRequest) {
    this.#owner = chown;
    this.#chmod = chmod === undefined ? undefined : parseChmod(chmod);
    this.#nowSeconds = nowSeconds;
  }

  /** For directories that no source has. */
  newDirectory(): NewDirectory {
    const mode = this.#chmod?.kind === 'octal' ? this.#chmod.mode : NEW_DIRECTORY_MODE;
    return { mode, ...(this.#owner ?? ROOT), mtimeSeconds: this.#nowSeconds };
  }

  toFile(target: ByteString, { mode, sizeBytes, mtimeSeconds, content }: LooseFile): TarEntry {
    const changed = this.#chmod === undefined ? mode : applyChmod(this.#chmod, mode, false);
    const entry: TarEntry = { path: target, type: 'file', mode: changed, ...(this.#owner ?? ROOT), sizeBytes, mtimeSeconds };
    return sizeBytes === 0 ? entry : { ...entry, content };
  }

  /** @throws BuildError `input` for what cannot be read or cannot be in a layer */
  toEntry(target: ByteString, { view, keepsOwners }: Origin, path: ByteString, stat: ViewStat): TarEntry {
    const { type, sizeBytes } = stat;
    if (type === 'file') tryReading(path, stat);
    const owner = this.#owner ?? (keepsOwners ? stat : ROOT);
    const xattrs = view.xattrs(path).filter(([name]) => isCopied(name));
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
}

/** Attributes that the user set or that make a program work; the others are the host's: labels, ACLs of its users, overlayfs's own. */
function isCopied(name: ByteString): boolean {
  return name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'));
}

/** Before it is promised to a layer. For nearly every file the mode bits say enough. */
export function tryReading(path: ByteString, { fsPath, mode, uid }: ViewStat): void {
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
