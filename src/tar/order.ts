import type { ByteString } from '../base/bytes.js';

const SLASH = 47;

/**
 * Orders paths as a depth-first walk meets them that visits the children of each directory in byte order: by component, hence `a`, `a/z`,
 * `a-b`. `''`, the root, comes first. In each directory the opaque whiteout comes before the other whiteouts and these before the rest, as
 * image-spec (layer.md, "Whiteouts") asks.
 */
export function compareEntryPaths(a: ByteString, b: ByteString): number {
  const shorter = Math.min(a.length, b.length);
  let index = 0;
  while (index < shorter && a.charCodeAt(index) === b.charCodeAt(index)) index++;
  // Where one path has ended, the other goes on either with its children or with a longer name.
  const left = index === a.length ? SLASH : a.charCodeAt(index);
  const right = index === b.length ? SLASH : b.charCodeAt(index);
  if (left === right || (index === 0 && shorter === 0)) return a.length - b.length;
  const start = a.lastIndexOf('/', index - 1) + 1;
  return rankOf(a, start) - rankOf(b, start) || (left === SLASH ? -1 : right === SLASH ? 1 : left - right);
}

function rankOf(path: ByteString, start: number): number {
  if (!path.startsWith('.wh.', start)) return 2;
  const isOpaque = path.startsWith('.wh..wh..opq', start) && (path.length === start + 12 || path.charCodeAt(start + 12) === SLASH);
  return isOpaque ? 0 : 1;
}
