import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';
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
const OVERLAY_XATTR_PREFIXES = ['trusted.overlay.', 'user.overlay.'] as const;

/** A name that layers reserve: such a file cannot be an ordinary one. */
export function isWhiteoutName(name: ByteString): boolean {
  return name.startsWith(WHITEOUT_PREFIX);
}

/** Such members were AUFS's own bookkeeping. */
const BELOW_WHITEOUT = /(?:^|\/)\.wh\.[^/]*\//;

/** Whether the path leads through a name that layers reserve. */
export function isBelowWhiteout(path: ByteString): boolean {
  return path.includes(WHITEOUT_PREFIX) && BELOW_WHITEOUT.test(path);
}

/**
 * The name that a whiteout of a layer hides, `''` for the opaque one, which hides everything in its directory; `undefined` when it means
 * nothing, as the other `.wh..wh.` names of AUFS.
 * @throws BuildError `input` when what it hides is no name
 */
export function hiddenName(whiteout: ByteString): ByteString | undefined {
  const name = baseOf(whiteout);
  if (name === OPAQUE_WHITEOUT) return '';
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw new BuildError('input', `whiteout "${toText(whiteout)}" names nothing`);
  return isWhiteoutName(hidden) ? undefined : hidden;
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
