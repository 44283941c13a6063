import type { ByteString } from '../base/bytes.js';
import { parentOf, relativeToRoot } from '../base/paths.js';
import type { TarEntry } from '../tar/entry.js';

/**
 * Files that the owner of a COPY is looked up in, wherever in the image /etc/passwd leads to: an index keeps their bytes, up to a size that no
 * honest image reaches. The program passwd is none of them, which is a link to all of busybox in many an image.
 */
const KEPT_NAME = /(?<!(?:^|\/)s?bin\/)(?<![^/])(?:passwd|group)$/;
export const MAX_KEPT_BYTES = 4 * 1024 * 1024;

const NO_PATHS: ReadonlySet<ByteString> = new Set();

/**
 * Whether the index of a layer must carry the bytes of an entry.
 * @param linked what `linkedFiles` found
 */
export function keepsBytes({ type, sizeBytes, path }: TarEntry, linked: ReadonlySet<ByteString> = NO_PATHS): boolean {
  return type === 'file' && sizeBytes > 0 && sizeBytes <= MAX_KEPT_BYTES && (KEPT_NAME.test(path) || linked.has(path));
}

/** Where links of those names lead to inside of the layer, by whatever name: a hard link to a backup, a symlink to a file elsewhere. */
export function linkedFiles(entries: readonly TarEntry[]): ReadonlySet<ByteString> {
  const waiting = entries.flatMap((entry) => (KEPT_NAME.test(entry.path) ? targetsOf(entry) : []));
  if (waiting.length === 0) return NO_PATHS;
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const found = new Set<ByteString>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const entry = byPath.get(path);
    if (entry === undefined || found.has(path)) continue;
    found.add(path);
    waiting.push(...targetsOf(entry));
  }
  return found;
}

function targetsOf({ type, path, linkTarget = '' }: TarEntry): ByteString[] {
  if (type === 'hardlink') return [relativeToRoot(linkTarget)];
  if (type !== 'symlink') return [];
  return [relativeToRoot(linkTarget.startsWith('/') ? linkTarget : `${parentOf(path)}/${linkTarget}`)];
}
