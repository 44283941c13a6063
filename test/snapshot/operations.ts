import * as fc from 'fast-check';
import { chmodSync, lchownSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fromText, toFsPath, type ByteString, type FsPath } from '../../src/base/bytes.js';
import { errnoOf } from '../../src/base/errors.js';
import { ancestry } from '../../src/execute/make-directory.js';
import { makeNode, setTimes, setXattr } from '../../src/os/native.js';
import { tryLstat } from '../../src/os/stat.js';
import { parentOf } from '../../src/base/paths.js';

/** Something that a step may do to its root file system. */
export interface Operation {
  readonly act:
    'write' | 'mkdir' | 'remove' | 'remake' | 'symlink' | 'rename' | 'link' | 'chmod' | 'chown' | 'xattr' | 'fifo' | 'device' | 'touch';
  readonly path: ByteString;
  readonly other: ByteString;
  readonly number: number;
}

// Few names, so that steps meet one another's files; one is not UTF-8, and one sorts before the slash.
const someName = fc.constantFrom('a', 'a', 'b', 'a-', 'n\xe9');
const somePath = fc.array(someName, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

export const operation: fc.Arbitrary<Operation> = fc.record({
  act: fc.constantFrom(
    'write',
    'write',
    'mkdir',
    'mkdir',
    'mkdir',
    'remove',
    'remove',
    'remake',
    'symlink',
    'rename',
    'link',
    'chmod',
    'chown',
    'xattr',
    'fifo',
    'device',
    'touch',
  ),
  path: somePath,
  other: somePath,
  number: fc.nat(4095),
});

/** These make missing parents too, so that most operations do something. */
const MAKING: ReadonlySet<Operation['act']> = new Set(['write', 'mkdir', 'remake', 'symlink', 'rename', 'link', 'fifo', 'device']);

/** Does nothing where the system says no. Symlinks are never followed: theirs would lead to the files of the host. */
export function perform(root: string, { act, path: first, other, number }: Operation): void {
  const prefix = `${fromText(root)}/`;
  if (MAKING.has(act)) makeParents(prefix, first);
  if (!hasRealParents(prefix, first) || ((act === 'rename' || act === 'link') && !hasRealParents(prefix, other))) return;
  const at = toFsPath(prefix + first);
  try {
    if (act === 'rename' || act === 'link') performOnTwo(act, toFsPath(prefix + other), at);
    else performOnOne(act, at, { number, other });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function performOnTwo(act: 'rename' | 'link', from: FsPath, to: FsPath): void {
  if (act === 'rename') renameSync(from, to);
  else linkSync(from, to);
}

function performOnOne(
  act: Exclude<Operation['act'], 'rename' | 'link'>,
  at: FsPath,
  { number, other }: { number: number; other: ByteString },
): void {
  const isSymlink = tryLstat(at)?.isSymbolicLink() === true;
  switch (act) {
    case 'write':
      return tryLstat(at)?.isFile() === false ? undefined : writeFileSync(at, `content ${number}`);
    case 'mkdir':
      return mkdirSync(at);
    case 'remove':
      return rmSync(at, { recursive: true });
    case 'remake':
      rmSync(at, { recursive: true, force: true });
      return mkdirSync(at);
    case 'symlink':
      return symlinkSync(toFsPath(other), at);
    case 'chmod':
      return isSymlink ? undefined : chmodSync(at, number);
    case 'chown':
      return lchownSync(at, number, number + 1);
    case 'xattr':
      return isSymlink ? undefined : setXattr(at, 'user.test', Buffer.of(number & 0xff));
    case 'fifo':
      return makeNode(at, { type: 'fifo', mode: number & 0o777, major: 0, minor: 0 });
    case 'device':
      return makeNode(at, { type: 'char', mode: number & 0o777, major: 1, minor: 3 });
    case 'touch':
      return setTimes(at, number - 2048);
  }
}

function makeParents(prefix: ByteString, path: ByteString): void {
  for (const parent of ancestry(parentOf(path))) {
    if (!hasRealParents(prefix, parent)) return;
    if (tryLstat(toFsPath(prefix + parent)) === undefined) mkdirSync(toFsPath(prefix + parent));
  }
}

function hasRealParents(prefix: ByteString, path: ByteString): boolean {
  // From the top down: `every` stops at the first symlink, before it could be followed.
  return ancestry(parentOf(path)).every((parent) => tryLstat(toFsPath(prefix + parent))?.isDirectory() === true);
}
