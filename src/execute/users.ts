import { BuildError } from '../base/errors.js';
import type { RootView } from '../snapshot/root-view.js';

/** Who a process runs as. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one left out. */
  readonly groups: readonly number[];
}

/** Who a file belongs to. */
export type OwnerIds = Pick<UserIds, 'uid' | 'gid'>;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** Above it `uid_t` turns negative somewhere on the way, and -1 means "leave it" to chown. */
const MAX_ID = 2 ** 31 - 1;

/**
 * The ids of USER (`name`, `uid`, either with `:group` or `:gid`; `''` is root), as runc's user package and BuildKit find them:
 *
 * - both numeric: as they are, no file is read, no supplementary groups
 * - a user without a group, by name or by a number that passwd lists: its primary group, and the groups that list its name
 * - a number that passwd does not list: group 0
 * - a user with a group: that group, and no other
 *
 * @throws BuildError `dockerfile` when a name is not in the image's own files, or a number is out of range
 */
export function lookupUser(user: string, root: RootView): UserIds {
  const { name, group } = splitUser(user, '0');
  const uid = parseId(name);
  const gid = group === undefined ? undefined : parseId(group);
  if (uid !== undefined && gid !== undefined) return { uid, gid, groups: [] };

  const entry = readPasswd(root).find((row) => row.name === name || row.uid === uid);
  if (entry === undefined && uid === undefined) {
    throw new BuildError('dockerfile', `unable to find user ${name}: no matching entries in passwd file`, {
      hint: "USER takes names from the image's own /etc/passwd: add the user in a RUN before, or give a number.",
    });
  }
  const found = { uid: entry?.uid ?? uid ?? 0, gid: entry?.gid ?? 0 };
  if (group !== undefined && group !== '') return { uid: found.uid, gid: gid ?? groupIdOf(group, root), groups: [] };
  if (entry === undefined) return { ...found, groups: [] };
  const groups = readGroups(root).flatMap((row) => (row.members.includes(entry.name) ? [row.gid] : []));
  return { ...found, groups };
}

/** The home directory of the first user with that id, `/` when there is none: what the runtime puts into HOME. */
export function homeOf(uid: number, root: RootView): string {
  const home = readPasswd(root).find((row) => row.uid === uid)?.home;
  return home === undefined || home === '' ? '/' : home;
}

/**
 * The owner that `--chown` means. It differs from USER: a number without a group is its own group, a name that is in no file is 0, and
 * so is the group of `user:`.
 * @param warn takes a message for each name that is in no file
 * @throws BuildError `dockerfile` when a number is out of range, or a name is given where there are no files at all
 */
export function lookupOwner(chown: string, root: RootView, warn?: (message: string) => void): OwnerIds {
  const { name, group } = splitUser(chown, 'root');
  const uid = parseOwnerId(name);
  if (uid !== undefined && group === undefined) return { uid, gid: uid };
  const gid = group === undefined || group === '' ? 0 : parseOwnerId(group);
  if ((uid === undefined || gid === undefined) && root.list('').length === 0) {
    throw new BuildError('dockerfile', `invalid user index: no /etc/passwd to find "${chown}" in`, {
      hint: 'An image that begins with FROM scratch knows no names, and neither does --link: give numbers.',
    });
  }
  const entry = uid === undefined ? readPasswd(root).find((row) => row.name === name) : undefined;
  if (uid === undefined && entry === undefined) warn?.(unknownOwner('user', name));
  if (group === undefined) return { uid: entry?.uid ?? 0, gid: entry?.gid ?? 0 };
  const row = gid === undefined ? readGroups(root).find((each) => each.name === group) : undefined;
  if (gid === undefined && row === undefined) warn?.(unknownOwner('group', group));
  return { uid: uid ?? entry?.uid ?? 0, gid: gid ?? row?.gid ?? 0 };
}

/** BuildKit's `root` is 0, for users and groups, whatever the files say. */
function parseOwnerId(text: string): number | undefined {
  return text === 'root' ? 0 : parseId(text);
}

function unknownOwner(what: 'user' | 'group', name: string): string {
  return `--chown: the ${what} "${name}" is not in the image's /etc/${what === 'user' ? 'passwd' : 'group'}: the files belong to ${what} 0`;
}

function groupIdOf(group: string, root: RootView): number {
  const entry = readGroups(root).find((row) => row.name === group);
  if (entry === undefined) {
    throw new BuildError('dockerfile', `unable to find group ${group}: no matching entries in group file`, {
      hint: "USER takes names from the image's own /etc/group: add the group in a RUN before, or give a number.",
    });
  }
  return entry.gid;
}

function splitUser(text: string, nobody: string): { readonly name: string; readonly group: string | undefined } {
  const colon = text.indexOf(':');
  if (colon === -1) return { name: text === '' ? nobody : text, group: undefined };
  return { name: colon === 0 ? nobody : text.slice(0, colon), group: text.slice(colon + 1) };
}

/** @throws BuildError `dockerfile` for a number that is no id */
function parseId(text: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id > MAX_ID) throw new BuildError('dockerfile', `invalid user or group id ${text}: want 0 to ${MAX_ID}`);
  return id;
}

function readPasswd(root: RootView): readonly PasswdEntry[] {
  return readRows(root, 'etc/passwd').flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
    const ids = { uid: rowId(uid), gid: rowId(gid) };
    return ids.uid === undefined || ids.gid === undefined ? [] : [{ name, uid: ids.uid, gid: ids.gid, home }];
  });
}

function readGroups(root: RootView): readonly GroupEntry[] {
  return readRows(root, 'etc/group').flatMap(([name = '', , gid = '', members = '']) => {
    const id = rowId(gid);
    return id === undefined ? [] : [{ name, gid: id, members: members.split(',') }];
  });
}

/** A row with a broken id is no row: runc would read the id as 0 and make that user root. */
function rowId(text: string): number | undefined {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

function readRows(root: RootView, path: string): readonly string[][] {
  const bytes = root.readFile(path, MAX_FILE_BYTES);
  if (bytes === undefined) return [];
  return bytes
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}
