import type { ByteString } from '../base/bytes.js';
import { baseOf, parentOf } from '../base/paths.js';

/**
 * The two ways to say "deleted". In a layer tar: an empty file `.wh.NAME` deletes NAME of the layers below, `.wh..wh..opq` deletes every
 * lower child of its directory (image-spec, layer.md, "Whiteouts"). On disk, for the kernel's overlayfs: a character device 0/0 of that
 * name, and an xattr on the directory.
 */
export const WHITEOUT_PREFIX = '.wh.';

export const OPAQUE_WHITEOUT = '.wh..wh..opq';

/** Marks a directory whose lower namesakes are not merged. The `user` form is read by mounts with `userxattr`, in a user namespace. */
export const OPAQUE_XATTRS = ['trusted.overlay.opaque', 'user.overlay.opaque'] as const;

/** Everything by which a directory tree talks to overlayfs. A layer may neither bring such xattrs nor carry them away. */
export const OVERLAY_XATTR_PREFIXES = ['trusted.overlay.', 'user.overlay.'] as const;

/** A name that layers reserve: such a file cannot be an ordinary one. */
export function isWhiteoutName(name: ByteString): boolean {
  return name.startsWith(WHITEOUT_PREFIX);
}

/** `usr/bin/cc` → `usr/bin/.wh.cc` */
export function whiteoutFor(path: ByteString): ByteString {
  return inDirectory(parentOf(path), WHITEOUT_PREFIX + baseOf(path));
}

/** The path of the entry that makes a directory opaque: `usr` → `usr/.wh..wh..opq` */
export function opaqueWhiteoutFor(directory: ByteString): ByteString {
  return inDirectory(directory, OPAQUE_WHITEOUT);
}

export function isOverlayXattr(name: ByteString): boolean {
  return OVERLAY_XATTR_PREFIXES.some((prefix) => name.startsWith(prefix));
}

function inDirectory(directory: ByteString, name: ByteString): ByteString {
  return directory === '' ? name : `${directory}/${name}`;
}
