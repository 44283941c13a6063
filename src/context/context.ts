import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fromText } from '../base/bytes.js';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { relativeToRoot } from '../base/paths.js';
import type { RootView } from '../snapshot/root-view.js';
import type { IgnoreMatcher } from './dockerignore.js';
import { HostView } from './host-view.js';

/** More than anybody writes; a mistaken path must not fill the memory. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

const DOCKERFILE_NAMES = ['Dockerfile', 'dockerfile'];

/**
 * A directory of the host as the root of a build context.
 * @throws BuildError `usage` when there is no such directory
 */
export function openContext(dir: string, ignore: IgnoreMatcher | undefined): RootView {
  if (typeOfPath(dir) !== 'directory') {
    throw new BuildError('usage', `build context "${dir}" is not a directory`, {
      hint: 'give the directory that COPY shall read from, for example "."',
    });
  }
  return new HostView(dir, ignore);
}

export interface IgnoreText {
  readonly text: string;
  /** As messages name it, relative to the context when it lies inside. */
  readonly fileName: string;
}

/**
 * The ignore file of a build, unparsed: `<Dockerfile>.dockerignore` beside the Dockerfile in place of the context's `.dockerignore`. A symlink
 * is followed inside the context (beside a Dockerfile elsewhere: inside the directory of that) and nowhere else.
 * @param dockerfilePath `undefined` when the Dockerfile comes from standard input
 */
export function readIgnoreText(contextDir: string, dockerfilePath: string | undefined): IgnoreText | undefined {
  const candidates = [join(contextDir, '.dockerignore')];
  if (dockerfilePath !== undefined) candidates.unshift(`${dockerfilePath}.dockerignore`);
  for (const path of candidates) {
    const inside = relativeInside(contextDir, path);
    const [root, name] = inside === undefined ? [dirname(path), basename(path)] : [contextDir, inside];
    const bytes = new HostView(root, undefined).readFile(fromText(name), MAX_TEXT_BYTES);
    if (bytes !== undefined) return { text: bytes.toString('utf8'), fileName: inside ?? path };
  }
  return undefined;
}

export interface FoundDockerfile {
  /** As named, symlinks not followed: its ignore file lies beside it. */
  readonly path: string;
  /** As messages name it. */
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Reads the Dockerfile of a build. A symlink of that name in the context is followed inside the context only; a file that `--file` names is
 * opened as it stands.
 * @param file relative to the working directory
 * @throws BuildError `usage` when there is none, `input` when it cannot be read
 */
export function findDockerfile(contextDir: string, file?: string): FoundDockerfile {
  return file === undefined ? findInContext(contextDir, { place: `"${contextDir}"` }) : readNamed(contextDir, file);
}

/**
 * The Dockerfile that lies in a context.
 * @param given.place what messages call the context
 * @param given.file relative to the context, symlinks followed inside it; the default is `Dockerfile`, then `dockerfile`
 * @throws BuildError `usage` when there is none, `input` when it cannot be read
 */
export function findInContext(contextDir: string, { file, place }: { readonly file?: string; readonly place: string }): FoundDockerfile {
  const view = openContext(contextDir, undefined);
  for (const name of file === undefined ? DOCKERFILE_NAMES : [file]) {
    const bytes = readDockerfile(view, fromText(relativeToRoot(name)));
    if (bytes !== undefined) return { path: join(contextDir, name), name, bytes };
  }
  if (file !== undefined) throw new BuildError('usage', `Dockerfile "${file}" not found in ${place}`);
  const stray = view.lstat('Dockerfile')?.type;
  if (stray === 'symlink') {
    throw new BuildError('usage', `"Dockerfile" in ${place} is a symlink to nothing inside the context`, {
      hint: 'name the file that it points to with --file',
    });
  }
  throw new BuildError('usage', `no Dockerfile in ${place}`, { hint: 'name one with --file, or give the directory that has it' });
}

/** The view's own advice, to leave the file out of the context, is none here. */
function readDockerfile(view: RootView, name: string): Buffer | undefined {
  try {
    return view.readFile(name, MAX_TEXT_BYTES);
  } catch (error) {
    if (error instanceof BuildError && error.kind === 'input') throw new BuildError('input', error.message, { cause: error });
    throw error;
  }
}

function readNamed(contextDir: string, file: string): FoundDockerfile {
  const path = resolve(file);
  if (typeOfPath(path) === 'file') {
    const bytes = readDockerfile(new HostView(dirname(path), undefined), fromText(basename(path))) ?? readOutside(path);
    return { path, name: file, bytes };
  }
  const type = typeOfPath(path);
  const inContext = join(contextDir, file);
  const hint =
    type === undefined && typeOfPath(inContext) === 'file'
      ? `--file is relative to the working directory: did you mean "${inContext}"?`
      : '--file names the Dockerfile, relative to the working directory';
  throw new BuildError('usage', type === undefined ? `Dockerfile "${file}" not found` : `"${file}" is not a regular file`, { hint });
}

/** A symlink that the user named on the command line may point anywhere. */
function readOutside(path: string): Buffer {
  const bytes = new HostView('/', undefined).readFile(fromText(path.slice(1)), MAX_TEXT_BYTES);
  if (bytes === undefined) throw new BuildError('input', `cannot read "${path}"`);
  return bytes;
}

function typeOfPath(path: string): 'directory' | 'file' | 'other' | undefined {
  try {
    const stats = statSync(path);
    return stats.isDirectory() ? 'directory' : stats.isFile() ? 'file' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw new BuildError('input', `cannot read "${path}": ${systemErrorText(error)}`, { cause: error });
  }
}

/** The path below a directory; `undefined` when it lies elsewhere. */
function relativeInside(dir: string, path: string): string | undefined {
  const inside = relative(resolve(dir), resolve(path));
  return inside === '' || inside === '..' || inside.startsWith('../') ? undefined : inside;
}
