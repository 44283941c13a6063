import { toText, type ByteString } from './bytes.js';
import { BuildError } from './errors.js';

/** As many as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Follows symlinks in every component of a path without ever leaving the root: `/` in a link is the root, and so is `..` above it.
 * @param readLink the text of the symlink at a path, `undefined` for anything else; never asked about a path behind a symlink
 * @returns a path relative to the root, without symlinks as far as it exists
 * @throws BuildError `input` after 40 links
 */
export function resolveLinks(
  path: ByteString,
  readLink: (path: ByteString) => ByteString | undefined,
  options: { readonly followLast: boolean },
): ByteString {
  const todo = componentsOf(path).toReversed();
  let done: ByteString[] = [];
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '..') {
      done.pop();
      continue;
    }
    const candidate = done.length === 0 ? name : `${done.join('/')}/${name}`;
    const target = todo.length > 0 || options.followLast ? readLink(candidate) : undefined;
    if (target === undefined) {
      done.push(name);
      continue;
    }
    if (++links > MAX_LINKS) throw new BuildError('input', `too many symbolic links: "${toText(path)}"`);
    if (target.startsWith('/')) done = [];
    todo.push(...componentsOf(target).toReversed());
  }
  return done.join('/');
}

function componentsOf(path: ByteString): ByteString[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
