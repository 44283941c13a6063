import { lstatSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath, toText, type ByteString } from '../base/bytes.js';
import { BuildError, errnoOf } from '../base/errors.js';
import { resolveLinks } from '../base/links.js';
import { setTimes } from '../os/native.js';

/**
 * A directory of a checkout, symlinks on the way followed inside the checkout.
 * @throws BuildError `input` when there is none
 */
export function findSubdir(tree: string, subdir: string, repository: string): string {
  const root = `${fromText(tree)}/`;
  const readLink = (path: ByteString): ByteString | undefined => {
    try {
      return readlinkSync(toFsPath(root + path), 'latin1');
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  };
  const path = toFsPath(root + resolveLinks(fromText(subdir), readLink, { followLast: true }));
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return toText(path.toString('latin1'));
  throw new BuildError('input', `repository ${repository} has no directory ${JSON.stringify(subdir)}`);
}

/** `.git` itself, and the files of that name by which submodules refer to it. No repository can have a file of its own called so. */
export function removeGitFiles(tree: string, { hasSubmodules }: { readonly hasSubmodules: boolean }): void {
  rmSync(join(tree, '.git'), { recursive: true, force: true });
  if (!hasSubmodules) return;
  walk(fromText(tree), (path) => {
    if (path.endsWith('/.git')) rmSync(toFsPath(path), { recursive: true, force: true });
  });
}

/** Gives everything one mtime, the root included. */
export function setTreeTimes(tree: string, seconds: number): void {
  const root = fromText(tree);
  walk(root, (path) => setTimes(toFsPath(path), seconds));
  setTimes(tree, seconds);
}

/** Each directory after its contents. */
function walk(dir: ByteString, visit: (path: ByteString) => void): void {
  for (const entry of readdirSync(toFsPath(dir), { withFileTypes: true, encoding: 'latin1' })) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory()) walk(path, visit);
    visit(path);
  }
}
