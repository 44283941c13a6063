import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fromText, toFsPath, type ByteString } from '../../src/base/bytes.js';
import { majorOf, minorOf } from '../../src/os/stat.js';
import { getXattr } from '../../src/os/native.js';
import { base256, directory, extension, hardlink, member, paxRecord, rawHeader, symlink, tarOf, withContent } from './tar-builder.js';

/** A file name that no honest file has: wherever it turns up outside of the root, something escaped. */
export const HOSTILE_NAME = 'tsbuild-hostile';

/** The sentinel's name, in the directory `outside`, and its content. */
export const SENTINEL = { name: 'sentinel', text: 'untouched' } as const;

/** A layer made to do harm, and what becomes of it: an error that says why, or exactly these nodes. */
export type HostileLayer = {
  readonly name: string;
  /** Not compressed. */
  readonly tar: Buffer;
} & (
  | { readonly expect: 'error'; readonly message: RegExp }
  /** By path, without the root, as `describeTree` puts it. */
  | { readonly expect: 'tree'; readonly tree: Readonly<Record<ByteString, string>> }
);

/**
 * Attacks on the one who unpacks layers: by path, by link, by type, by whiteout, by xattr, by number.
 * @param outside an absolute path of a directory with the sentinel in it; the root must not lie in it
 */
export function hostileLayers(outside: string): HostileLayer[] {
  return [
    ...pathAttacks(),
    ...linkAttacks(outside),
    ...overlayAttacks(outside),
    ...replacements(),
    ...nameAttacks(),
    ...numberAttacks(),
    ...formats(),
  ];
}

/** Every node below a directory: `file TEXT`, `directory`, `directory opaque`, `symlink TARGET`, `whiteout`, `fifo`, `char 1,3`. */
export function describeTree(dir: string): Record<ByteString, string> {
  const nodes: Record<ByteString, string> = {};
  const root = fromText(dir);
  const visit = (path: ByteString): void => {
    for (const name of readdirSync(toFsPath(path === '' ? root : `${root}/${path}`), 'latin1').toSorted()) {
      const child = path === '' ? name : `${path}/${name}`;
      nodes[child] = describeNode(`${root}/${child}`);
      if (nodes[child].startsWith('directory')) visit(child);
    }
  };
  visit('');
  return nodes;
}

function describeNode(path: ByteString): string {
  const fsPath = toFsPath(path);
  const stats = lstatSync(fsPath);
  if (stats.isDirectory()) return getXattr(fsPath, 'trusted.overlay.opaque') === undefined ? 'directory' : 'directory opaque';
  if (stats.isSymbolicLink()) return `symlink ${readlinkSync(fsPath, 'latin1')}`;
  if (stats.isFIFO()) return 'fifo';
  if (stats.isFile()) return stats.size > 4096 ? `file of ${stats.size}` : `file ${readFileSync(fsPath, 'latin1')}`;
  const numbers = `${majorOf(stats.rdev)},${minorOf(stats.rdev)}`;
  return stats.isCharacterDevice() ? (numbers === '0,0' ? 'whiteout' : `char ${numbers}`) : `block ${numbers}`;
}

const evil = { text: 'evil' };

function fails(name: string, message: RegExp, ...members: readonly Buffer[]): HostileLayer {
  return { name, tar: tarOf(...members), expect: 'error', message };
}

function makes(name: string, tree: Readonly<Record<ByteString, string>>, ...members: readonly Buffer[]): HostileLayer {
  return { name, tar: tarOf(...members), expect: 'tree', tree };
}

/** A file by a name that `encodeHeader` would not write. */
function named(name: ByteString): Buffer {
  return withContent(rawHeader({ name, size: '00000000004\0' }), 'evil');
}

function pathAttacks(): HostileLayer[] {
  return [
    fails('a name that starts with ..', /climbs above the root/, named(`../${HOSTILE_NAME}`)),
    fails('.. behind a directory', /climbs above the root/, named(`a/../../${HOSTILE_NAME}`)),
    fails('.. behind a slash', /climbs above the root/, named(`/../${HOSTILE_NAME}`)),
    fails('.. alone', /climbs above the root/, rawHeader({ name: '..', typeFlag: '5' })),
    makes('an absolute name', { [HOSTILE_NAME]: 'file evil' }, named(`/${HOSTILE_NAME}`)),
    makes('many slashes and dots', { a: 'directory', 'a/b': 'file evil' }, named('.//a/./b/../b')),
    fails('the root as a symlink', /the root is a symlink/, rawHeader({ name: './', typeFlag: '2', linkName: '/etc' })),
    fails('the root as a file', /the root is a file/, named('.')),
    fails('the root as a hard link', /the root is a hardlink/, rawHeader({ name: '/', typeFlag: '1', linkName: 'a' })),
    fails('an empty name', /the root is a file/, named('')),
  ];
}

function linkAttacks(outside: string): HostileLayer[] {
  const within = fromText(outside).slice(1);
  const parents = Object.fromEntries(within.split('/').map((_, index, parts) => [parts.slice(0, index + 1).join('/'), 'directory']));
  const sentinel = `/${within}/${SENTINEL.name}`;
  return [
    makes(
      'a file behind an absolute symlink',
      { ...parents, d: `symlink /${within}`, [`${within}/${HOSTILE_NAME}`]: 'file evil' },
      symlink('d', `/${within}`),
      member({ path: `d/${HOSTILE_NAME}`, ...evil }),
    ),
    makes(
      'a file behind a symlink that climbs',
      { d: 'symlink ../..', [HOSTILE_NAME]: 'file evil' },
      symlink('d', '../..'),
      member({ path: `d/${HOSTILE_NAME}`, ...evil }),
    ),
    makes(
      'a chain of symlinks that climbs',
      { a: 'directory', 'a/d': 'symlink e', 'a/e': 'symlink ../../../..', [HOSTILE_NAME]: 'file evil' },
      symlink('a/d', 'e'),
      symlink('a/e', '../../../..'),
      member({ path: `a/d/${HOSTILE_NAME}`, ...evil }),
    ),
    makes('a file in the place of a symlink', { s: 'file evil' }, symlink('s', sentinel), member({ path: 's', ...evil })),
    makes(
      'a directory in the place of a symlink',
      { s: 'directory', 's/f': 'file evil' },
      symlink('s', `/${within}`),
      directory('s'),
      member({ path: 's/f', ...evil }),
    ),
    fails('symlinks in a circle', /too many symbolic links/, symlink('a', 'b'), symlink('b', 'a'), member({ path: 'a/f', ...evil })),
    fails('a hard link to an absolute path', /target .* does not exist/, hardlink('h', sentinel)),
    fails('a hard link that climbs', /climbs above the root/, hardlink('h', `../../${SENTINEL.name}`)),
    fails('a hard link by way of a symlink', /target .* does not exist/, symlink('d', `/${within}`), hardlink('h', `d/${SENTINEL.name}`)),
    fails('a hard link before its target', /target "\/f" does not exist/, hardlink('h', 'f'), member({ path: 'f', ...evil })),
    fails('a hard link to a directory', /target "\/d" is a directory/, directory('d'), hardlink('h', 'd')),
    fails(
      'a hard link to a file of the directory that it replaces',
      /lies in what the link replaces/,
      member({ path: 'd/f', ...evil }),
      hardlink('d', 'd/f'),
    ),
    fails('a hard link to the root', /target "\/" does not exist/, hardlink('h', '.')),
    makes(
      'a hard link to a symlink, then a write through it',
      { s: `symlink ${sentinel}`, h: 'file evil' },
      symlink('s', sentinel),
      hardlink('h', 's'),
      member({ path: 'h', ...evil }),
    ),
    makes('a hard link to itself', { f: 'file evil' }, member({ path: 'f', ...evil }), hardlink('f', 'f')),
    fails('a symlink without a target', /has no target/, rawHeader({ name: 's', typeFlag: '2' })),
    makes('dev as a symlink', { dev: `symlink /${within}` }, symlink('dev', `/${within}`)),
    makes('etc/passwd as a symlink', { etc: 'directory', 'etc/passwd': `symlink ${sentinel}` }, symlink('etc/passwd', sentinel)),
    makes('etc/passwd as a FIFO', { etc: 'directory', 'etc/passwd': 'fifo' }, member({ path: 'etc/passwd', type: 'fifo' })),
  ];
}

function overlayAttacks(outside: string): HostileLayer[] {
  const yes = Buffer.from('y');
  const forged = ['trusted.overlay.opaque', 'trusted.overlay.redirect', 'trusted.overlay.metacopy', 'user.overlay.opaque'];
  return [
    makes(
      'a device 0,0',
      { f: 'file evil' },
      member({ path: 'f', ...evil }),
      member({ path: 'gone', type: 'char', devMajor: 0, devMinor: 0 }),
    ),
    makes('xattrs of overlayfs', { d: 'directory' }, directory('d', { xattrs: forged.map((name) => [name, yes] as const) })),
    fails('a whiteout without a name', /names nothing/, member({ path: '.wh.' })),
    fails('a whiteout without a name in a directory', /names nothing/, directory('a'), member({ path: 'a/.wh.' })),
    fails('a whiteout of .', /names nothing/, member({ path: '.wh..' })),
    fails('a whiteout of ..', /names nothing/, member({ path: 'a/.wh...' })),
    makes('a whiteout of a whiteout', {}, member({ path: '.wh..wh.x' })),
    makes('a file below a whiteout', {}, member({ path: '.wh.a/b', ...evil })),
    makes(
      'a whiteout behind a symlink',
      { real: 'directory', 'real/x': 'whiteout', d: 'symlink real' },
      directory('real'),
      symlink('d', 'real'),
      member({ path: 'd/.wh.x' }),
    ),
    makes(
      'an opaque marker behind a symlink',
      { real: 'directory opaque', d: 'symlink /real' },
      directory('real'),
      symlink('d', '/real'),
      member({ path: 'd/.wh..wh..opq' }),
    ),
    makes('an opaque marker behind a symlink that climbs', { d: 'symlink ..' }, symlink('d', `..`), member({ path: 'd/.wh..wh..opq' })),
    makes(
      `a whiteout of ${SENTINEL.name} behind a symlink that climbs`,
      { d: 'symlink ../..', [SENTINEL.name]: 'whiteout' },
      symlink('d', '../..'),
      member({ path: `d/.wh.${SENTINEL.name}` }),
    ),
    makes('an opaque marker that is a symlink', { a: 'directory opaque' }, directory('a'), symlink('a/.wh..wh..opq', outside)),
  ];
}

function replacements(): HostileLayer[] {
  return [
    makes('one path twice', { f: 'file second' }, member({ path: 'f', text: 'first' }), member({ path: 'f', text: 'second' })),
    makes(
      'file, then directory',
      { a: 'directory', 'a/b': 'file evil' },
      member({ path: 'a', ...evil }),
      directory('a'),
      member({ path: 'a/b', ...evil }),
    ),
    makes('directory, then file', { a: 'file evil' }, directory('a'), member({ path: 'a/b/c', ...evil }), member({ path: 'a', ...evil })),
    makes(
      'a file as a parent',
      { a: 'directory', 'a/b': 'directory', 'a/b/c': 'file evil' },
      member({ path: 'a' }),
      member({ path: 'a/b/c', ...evil }),
    ),
    makes(
      'directory, file and directory again',
      { a: 'directory', 'a/z': 'file evil' },
      member({ path: 'a/b/c', ...evil }),
      member({ path: 'a' }),
      member({ path: 'a/z', ...evil }),
    ),
  ];
}

function paxNamed(path: ByteString): Buffer {
  return Buffer.concat([extension('x', paxRecord('path', path)), named('short')]);
}

function paxFile(keyword: string, value: string): Buffer[] {
  return [extension('x', paxRecord(keyword, value)), rawHeader({ name: 'f' })];
}

function nameAttacks(): HostileLayer[] {
  const long = 'n'.repeat(300);
  return [
    makes('a newline in a name', { 'a\nb': 'file evil' }, member({ path: 'a\nb', ...evil })),
    makes('a name that is not UTF-8', { 'caf\xe9\xff': 'file evil' }, member({ path: 'caf\xe9\xff', ...evil })),
    makes('an escape sequence in a name', { '\x1b[2Jx': 'file evil' }, member({ path: '\x1b[2Jx', ...evil })),
    fails('a NUL in a PAX path', /holds a NUL/, paxNamed('a\0b')),
    fails('a component of 300 bytes', /ENAMETOOLONG/, member({ path: `a/${long}`, ...evil })),
    fails('a path of 5000 bytes', /path of 5\d\d\d bytes/, member({ path: `${'d/'.repeat(2500)}f`, ...evil })),
    fails('a PAX path that climbs', /climbs above the root/, paxNamed(`../${HOSTILE_NAME}`)),
    fails('a GNU long name that climbs', /climbs above the root/, extension('L', `../${HOSTILE_NAME}\0`), named('short')),
  ];
}

function numberAttacks(): HostileLayer[] {
  return [
    fails('a negative size', /size out of range/, rawHeader({ name: 'f', size: base256(-5n, 12) })),
    fails('a size of 2^80', /size out of range/, rawHeader({ name: 'f', size: base256(1n << 80n, 12) })),
    fails('a size that the archive does not have', /truncated/, rawHeader({ name: 'f', size: '00100000000\0' })),
    fails('a size beyond all disks', /more than 68.7 GB/, rawHeader({ name: 'f', size: base256(1n << 50n, 12) })),
    fails('a PAX size that is no number', /size is not a number/, ...paxFile('size', '1e3')),
    fails('a negative PAX size', /size is not a number/, ...paxFile('size', '-1')),
    fails('an owner of 2^32', /uid out of range/, ...paxFile('uid', '4294967296')),
    fails('an owner of 2^32 - 1, which means none', /gid out of range/, rawHeader({ name: 'f', gid: base256(0xffffffffn, 8) })),
    fails('a negative owner', /uid out of range/, rawHeader({ name: 'f', uid: base256(-1n, 8) })),
    fails('a time of 2^62', /mtime out of range/, rawHeader({ name: 'f', mtime: base256(1n << 62n, 12) })),
    fails('a mode that is no number', /malformed mode/, rawHeader({ name: 'f', mode: 'rwxr-xr-' })),
    fails(
      'a device that Linux does not have',
      /device number out of range/,
      rawHeader({ name: 'f', typeFlag: '3', patches: { 329: '7777777\0' } }),
    ),
    makes('a time before 1970', { f: 'file ' }, rawHeader({ name: 'f', mtime: base256(-86_400n, 12) })),
    fails('a wrong checksum', /checksum/, Buffer.concat([rawHeader({ name: 'f' }).fill('x', 0, 1)])),
    fails('zeros amid the members', /zeros amid/, named('f'), Buffer.alloc(512), named('g')),
    fails('a PAX header of 2 MiB', /at most 1048576/, extension('x', paxRecord('comment', 'c'.repeat(2 ** 21)))),
    fails('a PAX record of the wrong length', /malformed PAX/, extension('x', '999 path=x\n'), named('f')),
    fails('a PAX record without a keyword', /malformed PAX/, extension('x', '6 =xx\n'), named('f')),
    fails('a GNU name of 100 kB', /at most 4097/, extension('L', 'n'.repeat(100_000)), named('f')),
    fails('a type that nobody knows', /unknown type "V"/, rawHeader({ name: 'label', typeFlag: 'V' })),
  ];
}

function sparse(records: Readonly<Record<string, string>>, content: ByteString): Buffer {
  const payload = Object.entries(records).map(([keyword, value]) => paxRecord(`GNU.sparse.${keyword}`, value));
  return Buffer.concat([
    extension('x', payload.join('')),
    withContent(rawHeader({ name: 'GNUSparseFile.0/f', size: `${content.length.toString(8).padStart(11, '0')}\0` }), content),
  ]);
}

function formats(): HostileLayer[] {
  const huge = String(5 * 10 ** 9);
  return [
    makes('a global PAX header', { f: 'file evil' }, extension('g', paxRecord('path', `../${HOSTILE_NAME}`)), named('f')),
    makes('a GNU long name', { ['l'.repeat(120)]: 'file evil' }, extension('L', `${'l'.repeat(120)}\0`), named('short')),
    makes(
      'a GNU long link',
      { s: `symlink ${'t'.repeat(120)}` },
      extension('K', `${'t'.repeat(120)}\0`),
      rawHeader({ name: 's', typeFlag: '2', linkName: 'short' }),
    ),
    makes('directory flags of the times before ustar', { d: 'directory' }, rawHeader({ name: 'd/', typeFlag: '\0', magic: '' })),
    makes(
      'content of a directory',
      { d: 'directory', f: 'file evil' },
      rawHeader({ name: 'd', typeFlag: '5', size: '00000000777\0' }),
      named('f'),
    ),
    makes('a sparse file 0.1', { f: 'file \0\0ab\0' }, sparse({ map: '2,2,5,0', size: '5', name: 'f' }, 'ab')),
    makes(
      'a sparse file 1.0',
      { f: 'file \0\0ab\0' },
      sparse({ major: '1', minor: '0', name: 'f', realsize: '5' }, `1\n2\n2\n`.padEnd(512, '\0') + 'ab'),
    ),
    makes(
      'etc/passwd of 5 GB, all of it a hole',
      { etc: 'directory', 'etc/passwd': `file of ${huge}` },
      sparse({ map: `${huge},0`, size: huge, name: 'etc/passwd' }, ''),
    ),
    fails('a sparse file of a petabyte', /more than 68.7 GB/, sparse({ map: '', size: String(10 ** 15), name: 'f' }, '')),
    fails('a sparse file whose parts overlap', /overlaps/, sparse({ map: '0,2,1,2', size: '9', name: 'f' }, 'abcd')),
    fails('a sparse file with a part behind its end', /overlaps/, sparse({ map: '8,2', size: '9', name: 'f' }, 'ab')),
    fails('a sparse file whose map says more than is stored', /are stored/, sparse({ map: '0,4', size: '9', name: 'f' }, 'ab')),
    fails(
      'a sparse file with a map that never ends',
      /does not end|truncated|not a number/,
      sparse({ major: '1', minor: '0', name: 'f', realsize: '5' }, '99999999\n'.padEnd(512, '1')),
    ),
    fails('a sparse file of version 2', /unknown version 2\.0/, sparse({ major: '2', minor: '0', name: 'f', realsize: '5' }, 'ab')),
    fails('a sparse file that climbs', /climbs above the root/, sparse({ map: '0,2', size: '2', name: `../${HOSTILE_NAME}` }, 'ab')),
  ];
}
