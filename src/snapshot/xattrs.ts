import type { ByteString, FsPath } from '../base/bytes.js';
import { listXattrs } from '../os/native.js';
import type { Xattrs } from '../tar/entry.js';
import { isOverlayXattr } from './whiteout.js';

/**
 * Those xattrs of a file that belong to an image: its capabilities, POSIX ACLs and what users put there. The others are what a kernel or a
 * file system keeps about the file on this machine (`security.selinux`, `security.ima`, `security.evm`, `system.nfs4_acl`, `trusted.*`): no
 * RUN step may set them, and they are wrong or forbidden elsewhere.
 */
export function imageXattrs(all: Xattrs): Xattrs {
  return all.length === 0 ? all : all.filter(([name]) => belongsToImage(name));
}

export function readImageXattrs(path: FsPath): Xattrs {
  return imageXattrs(listXattrs(path));
}

function belongsToImage(name: ByteString): boolean {
  if (name.startsWith('user.')) return !isOverlayXattr(name);
  return name === 'security.capability' || name.startsWith('system.posix_acl_');
}
