import { toText, type ByteString } from './bytes.js';
import { BuildError } from './errors.js';
import { parentOf } from './paths.js';

/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * What stands at a path, none of whose earlier components is a symlink: the text of a symlink, to be followed; `undefined` for anything else, to go
 * on behind it; `false` to end there.
 */
type LinkStep = (path: ByteString, isLast: boolean) => ByteString | undefined | false;

/**
 * Goes along a path, one component after the other, and along the symlinks on the way, without ever leaving the root: `/` in a link is the root,
 * and so is `..` above it.
 * @returns the path without symlinks, relative to the root; `undefined` when `step` ended the walk
 * @throws BuildError `input` after 40 links
 */
export function walkPath(path: ByteString, step: LinkStep): ByteString | undefined {
  const todo = componentsOf(path).toReversed();
  let done: ByteString = '';
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '.') continue;
    if (name === '..') {
      done = parentOf(done);
      continue;
    }
    const here = done === '' ? name : `${done}/${name}`;
    const target = step(here, todo.length === 0);
    if (target === false) return undefined;
    if (target === undefined) {
      done = here;
      continue;
    }
    if (++links > MAX_LINKS) throw new BuildError('input', `too many symbolic links on the way to "${toText(path)}"`);
    if (target.startsWith('/')) done = '';
    todo.push(...componentsOf(target).toReversed());
  }
  return done;
}

/**
 * Follows symlinks in every component of a path inside the root.
 * @param readLink the text of the symlink at a path, `undefined` for anything else; never asked about a path behind a symlink, nor about one
 *   whose parents it has not been asked about
 * @returns a path relative to the root, without symlinks as far as it exists
 * @throws BuildError `input` after 40 links
 */
export function resolveLinks(
  path: ByteString,
  readLink: (path: ByteString) => ByteString | undefined,
  options: { readonly followLast: boolean },
): ByteString {
  const resolved = walkPath(path, (here, isLast) => (isLast && !options.followLast ? undefined : readLink(here)));
  // The step above ends nowhere.
  return resolved as ByteString;
}

/** A `.` at the end stays: as for the kernel, what stands before it is not the last. */
function componentsOf(path: ByteString): ByteString[] {
  return path.split('/').filter((name) => name !== '');
}
