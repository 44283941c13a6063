/**
 * Slash-separated paths as Go's package `path` treats them, on `ByteString` and text alike. `node:path` is not used for paths inside
 * images: its `normalize` keeps a trailing slash where Go's `Clean` drops it.
 */

/** Go's `path.Clean`: no `.`, no inner `..`, no double or trailing slash; `''` becomes `.`. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/');
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== '..') kept.pop();
    else if (!rooted) kept.push('..');
  }
  const joined = kept.join('/');
  return rooted ? `/${joined}` : joined === '' ? '.' : joined;
}

/** Go's `path.Join`. */
export function joinPath(...parts: string[]): string {
  const given = parts.filter((part) => part !== '');
  return given.length === 0 ? '' : cleanPath(given.join('/'));
}

/** The path below a root, without a leading slash, `..` clamped at the root; the root itself is `''`. Lexical: symlinks are not looked at. */
export function relativeToRoot(path: string): string {
  return cleanPath(`/${path}`).slice(1);
}

/** Everything before the last slash; `''` for a path of one component. For relative paths without a trailing slash. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

/** The last component. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
