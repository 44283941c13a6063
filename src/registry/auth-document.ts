import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import { tryLock } from '../os/native.js';
import { parseAuthJson, readText, type JsonTable } from './auth-files.js';

const MAX_LINKS = 40;
const LOCK_TIMEOUT_MS = 5000;
const LOCK_RETRY_MS = 20;

/**
 * Changes a file of credentials as one step: what was in it and is not changed stays, also keys that only other programs know, and its indentation.
 * The file is for its owner alone afterwards (mode 0600), a directory that is made for it, too (0700). A symlink stays one: its target is changed.
 * @param change returns the new document, or the same one when there is nothing to do
 * @throws BuildError `usage` when the file is not JSON, `environment` when it cannot be written
 */
export async function updateAuthDocument(path: string, change: (document: JsonTable) => JsonTable): Promise<void> {
  const target = followLinks(path);
  using _lock = await lockDirectory(dirname(target));
  const text = readText(target) ?? '';
  const document = parseAuthJson(target, text);
  const changed = change(document);
  if (changed === document) return;
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    replace(target, format(changed, text));
  } catch (error) {
    throw new BuildError('environment', `cannot write "${target}": ${systemErrorText(error)}`, { cause: error });
  }
}

/** Also to a target that is not there yet. */
function followLinks(path: string): string {
  let target = resolve(path);
  for (let count = 0; count < MAX_LINKS; count++) {
    try {
      target = resolve(dirname(target), readlinkSync(target));
    } catch {
      return target;
    }
  }
  throw new BuildError('environment', `"${path}" has too many symbolic links`);
}

/**
 * Jobs that log in side by side would take each other's entry away. The directory is locked, so that no file stays behind; where that cannot be
 * done (there is none yet, or its file system has no locks), or another holds it for long, it is done without, as docker does.
 */
async function lockDirectory(directory: string): Promise<Disposable> {
  let fd: number;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    fd = openSync(directory, 'r');
  } catch {
    return { [Symbol.dispose]: () => undefined };
  }
  try {
    const deadlineMs = Date.now() + LOCK_TIMEOUT_MS;
    while (!tryLock(fd, 'exclusive') && Date.now() < deadlineMs) await sleep(LOCK_RETRY_MS);
  } catch {
    // No locks here.
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}

/** docker writes tabs and no line end behind the last brace. */
function format(document: JsonTable, earlier: string): string {
  const indent = /^\s*\{\r?\n([ \t]+)"/.exec(earlier)?.[1] ?? '\t';
  return `${JSON.stringify(document, undefined, indent)}${/\}\r?\n$/.test(earlier) ? '\n' : ''}`;
}

function replace(target: string, text: string): void {
  const temporary = `${target}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
  const earlier = statSync(target, { throwIfNoEntry: false });
  try {
    writePrivate(temporary, text, earlier);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    // A file that is mounted by itself cannot be replaced, nor one in a directory of somebody else's.
    if (earlier === undefined || !['EBUSY', 'EACCES', 'EPERM', 'EROFS', 'EXDEV'].includes(errnoOf(error) ?? '')) throw error;
    overwrite(target, text);
  }
}

function overwrite(target: string, text: string): void {
  const fd = openSync(target, 'w');
  try {
    fchmodSync(fd, 0o600);
  } catch {
    // Somebody else's, who decided who reads it.
  }
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

function writePrivate(path: string, text: string, earlier: { readonly uid: number; readonly gid: number } | undefined): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    // With sudo, it would be root's from now on.
    if (earlier !== undefined && earlier.uid !== process.getuid?.()) fchownSync(fd, earlier.uid, earlier.gid);
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
