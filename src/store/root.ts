import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { BuildError, errnoOf } from '../base/errors.js';
import { makeDirectory, toWriteError } from './files.js';
import { initLayout, isLayout } from './layout.js';

const DIRECTORIES = ['layers', 'tmp'];
/** The mark of a store: other layouts have none. */
const CACHE_TAG_FILE = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/: backup programs leave the directory out. */
const CACHE_TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds images and build cache of tsbuild.\n';

/** `TSBUILD_ROOT`, else `/var/lib/tsbuild` for root and `$XDG_DATA_HOME/tsbuild` for others. */
export function defaultRoot(env: NodeJS.ProcessEnv = process.env): string {
  const given = env['TSBUILD_ROOT'];
  if (given !== undefined && given !== '') return resolve(given);
  if (process.getuid?.() === 0) return '/var/lib/tsbuild';
  const data = env['XDG_DATA_HOME'];
  // XDG base directory specification: a relative path in the variable is ignored.
  return join(data?.startsWith('/') === true ? data : join(homedir(), '.local/share'), 'tsbuild');
}

/**
 * Makes the root of a store, or checks the one that is there. Only its owner may enter: layers hold setuid programs and files that are
 * private inside their image.
 * @throws BuildError `environment`
 */
export function prepareRoot(root: string): void {
  const mode = modeOf(root);
  if (mode === undefined) makeDirectory(root, 0o700);
  else if (!existsSync(join(root, CACHE_TAG_FILE))) refuseForeign(root);
  if (mode !== undefined && (mode & 0o077) !== 0) tighten(root, mode);
  if (isLayout(root) && DIRECTORIES.every((name) => existsSync(join(root, name)))) return;
  for (const name of DIRECTORIES) makeDirectory(join(root, name), 0o700);
  try {
    writeFileSync(join(root, CACHE_TAG_FILE), CACHE_TAG);
  } catch (error) {
    throw toWriteError(error, join(root, CACHE_TAG_FILE));
  }
  // Last: its presence says that the rest is there.
  initLayout(root);
}

/** `undefined` when there is nothing. */
function modeOf(root: string): number | undefined {
  try {
    const found = statSync(root);
    if (found.isDirectory()) return found.mode & 0o7777;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toWriteError(error, root);
  }
  throw new BuildError('environment', `the store "${root}" is not a directory`, { hint: 'choose another with --root' });
}

/** A first start that was killed leaves some of the store's own names; anything else is not ours to spread over. */
function refuseForeign(root: string): void {
  const own = new Set([...DIRECTORIES, 'CACHEDIR.TAG', 'blobs', 'index.json']);
  const foreign = readNames(root).find((name) => !own.has(name) && !name.startsWith('.tmp-'));
  if (foreign === undefined) return;
  throw new BuildError('environment', `"${root}" is not a store: it holds "${foreign}"`, {
    hint: 'choose an empty directory, or one that does not exist, with --root',
  });
}

function readNames(root: string): string[] {
  try {
    return readdirSync(root);
  } catch (error) {
    throw toWriteError(error, root);
  }
}

function tighten(root: string, mode: number): void {
  try {
    chmodSync(root, mode & 0o700);
  } catch (error) {
    const shown = mode.toString(8).padStart(4, '0');
    throw new BuildError('environment', `the store "${root}" is open to others (mode ${shown}) and cannot be closed`, {
      hint: 'choose a directory of your own with --root',
      cause: error,
    });
  }
}
