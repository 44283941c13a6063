import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
import { formatPlatform } from '../oci/platform.js';
import type { Platform } from '../oci/types.js';
import type { RootView } from '../snapshot/root-view.js';
import { entriesBelow, treeEntries, type TreeEntry } from './tree.js';

/** The root file system of one platform. */
export interface PlatformTree {
  readonly platform: Platform;
  readonly root: RootView;
}

/** `linux_arm_v7`, as buildx names it. */
export function directoryOf(platform: Platform): string {
  return formatPlatform(platform).replaceAll('/', '_');
}

/** Every tree below a directory of its own. */
export function* splitEntries(trees: readonly PlatformTree[], timeSeconds?: number): Generator<TreeEntry, void, void> {
  for (const { platform, root } of trees) yield* entriesBelow(directoryOf(platform), treeEntries(root, timeSeconds), timeSeconds);
}

/**
 * Every tree into one.
 * @throws BuildError `usage` when a file of one stands where another has something
 */
export function* joinedEntries(trees: readonly PlatformTree[], timeSeconds?: number): Generator<TreeEntry, void, void> {
  if (trees.length > 1) checkDisjoint(trees);
  const seen = new Set<ByteString>();
  for (const { root } of trees) {
    for (const entry of treeEntries(root, timeSeconds)) {
      if (!seen.has(entry.path)) yield entry;
      seen.add(entry.path);
    }
  }
}

/**
 * Trees that go to one directory may share directories and nothing else.
 * @throws BuildError `usage`
 */
export function checkDisjoint(trees: readonly PlatformTree[]): void {
  const owners = new Map<ByteString, { readonly platform: Platform; readonly isDirectory: boolean }>();
  for (const { platform, root } of trees) {
    for (const { path, type } of treeEntries(root)) {
      const isDirectory = type === 'directory';
      const owner = owners.get(path);
      if (owner !== undefined && owner.platform !== platform && !(isDirectory && owner.isDirectory)) {
        throw new BuildError(
          'usage',
          `cannot overwrite ${JSON.stringify(toText(path))} from ${formatPlatform(owner.platform)} with ${formatPlatform(platform)} when split option is disabled`,
          { hint: 'leave out platform-split=false: each platform then gets a directory' },
        );
      }
      owners.set(path, { platform, isDirectory });
    }
  }
}
