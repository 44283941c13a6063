import type { ByteString } from '../../src/base/bytes.js';

/** What one RUN does to a directory of its own, and what the image must hold afterwards: written by hand from the image specification. */
export interface LayerRow {
  readonly title: string;
  /** Shell commands in the row's directory, in a layer below. */
  readonly before?: string;
  /** The RUN under test, in the same directory. */
  readonly run: string;
  /** Members of its layer, in order; `./` is the row's directory. */
  readonly layer: readonly ByteString[];
  /** Files of the directory in the finished image, itself left out; see `describeNode`. */
  readonly tree: Readonly<Record<ByteString, string>>;
  /** The same as a reader of another opinion leaves it. */
  readonly exceptions?: Readonly<Partial<Record<'umoci' | 'buildah', Readonly<Record<ByteString, string>>>>>;
}

const LONG = 'directory-with-a-long-name-of-fifty-characters-0000';
const DEEP = Array.from({ length: 6 }, (_, depth) => `${LONG}${depth}`);
const DEEP_PATHS = DEEP.map((_, depth) => DEEP.slice(0, depth + 1).join('/'));
const NAME_255 = 'n'.repeat(255);
/** `cap_net_bind_service=ep` as the kernel keeps it: version 2, effective; permitted bit 10. */
const NET_BIND = `xattr security.capability=0100000200040000${'00'.repeat(12)}`;

export const LAYER_ROWS: readonly LayerRow[] = [
  {
    title: 'a file is deleted',
    before: 'echo a > gone; echo b > kept',
    run: 'rm gone',
    layer: ['./', './.wh.gone'],
    tree: { kept: 'file 0644 0:0 "b"' },
  },
  {
    title: 'a directory is deleted',
    before: 'mkdir -p gone/deep; echo a > gone/deep/file',
    run: 'rm -r gone',
    layer: ['./', './.wh.gone'],
    tree: {},
  },
  {
    title: 'a directory becomes a file',
    before: 'mkdir x; echo a > x/inner',
    run: 'rm -r x; echo b > x',
    layer: ['./', './x'],
    tree: { x: 'file 0644 0:0 "b"' },
  },
  {
    title: 'a file becomes a directory',
    before: 'echo a > x',
    run: 'rm x; mkdir x; echo b > x/inner',
    layer: ['./', './x/', './x/inner'],
    tree: { x: 'directory 0755 0:0', 'x/inner': 'file 0644 0:0 "b"' },
  },
  {
    title: 'a symlink becomes a directory',
    before: 'mkdir real; ln -s real x',
    run: 'rm x; mkdir x; echo b > x/inner',
    layer: ['./', './x/', './x/inner'],
    tree: { real: 'directory 0755 0:0', x: 'directory 0755 0:0', 'x/inner': 'file 0644 0:0 "b"' },
  },
  {
    title: 'a directory becomes a symlink',
    before: 'mkdir real x; echo a > x/inner',
    run: 'rm -r x; ln -s real x',
    layer: ['./', './x'],
    tree: { real: 'directory 0755 0:0', x: 'symlink 0:0 -> real' },
  },
  {
    title: 'a directory is deleted and made again',
    before: 'mkdir -p x/sub; echo a > x/old; echo a > x/sub/old',
    run: 'rm -rf x; mkdir -p x/sub; echo b > x/new',
    layer: ['./', './x/', './x/.wh..wh..opq', './x/new', './x/sub/'],
    tree: { x: 'directory 0755 0:0', 'x/new': 'file 0644 0:0 "b"', 'x/sub': 'directory 0755 0:0' },
  },
  {
    title: 'a file is deleted and made again',
    before: 'echo a > x; chmod 600 x',
    run: 'rm x; echo b > x',
    layer: ['./', './x'],
    tree: { x: 'file 0644 0:0 "b"' },
  },
  {
    title: 'a file is renamed',
    before: 'echo a > old; touch -d "2001-02-03 04:05:06" old',
    run: 'mv old new; ls -la --full-time new >&2',
    layer: ['./', './.wh.old', './new'],
    tree: { new: 'file 0644 0:0 "a" 2001-02-03T04:05:06Z' },
  },
  {
    title: 'a directory is renamed',
    before: 'mkdir -p old/sub; echo a > old/sub/file',
    run: 'mv old new',
    layer: ['./', './.wh.old', './new/', './new/sub/', './new/sub/file'],
    tree: { new: 'directory 0755 0:0', 'new/sub': 'directory 0755 0:0', 'new/sub/file': 'file 0644 0:0 "a"' },
  },
  {
    title: 'only a mode changes',
    before: 'echo a > x; touch -d "2001-02-03 04:05:06" x',
    run: 'chmod 751 x',
    layer: ['./', './x'],
    tree: { x: 'file 0751 0:0 "a" 2001-02-03T04:05:06Z' },
  },
  {
    title: 'only the mode of a directory changes',
    before: 'mkdir x; echo a > x/inner',
    run: 'chmod 1770 x',
    layer: ['./', './x/'],
    tree: { x: 'directory 1770 0:0', 'x/inner': 'file 0644 0:0 "a"' },
  },
  {
    title: 'only an owner changes, of a file and of a symlink',
    before: 'echo a > x; ln -s x link',
    run: 'chown 1000:2000 x; chown -h 3000:4000 link',
    layer: ['./', './link', './x'],
    tree: { link: 'symlink 3000:4000 -> x', x: 'file 0644 1000:2000 "a"' },
  },
  {
    title: 'only a capability changes',
    before: 'echo a > x; chmod 755 x',
    run: 'setcap cap_net_bind_service=+ep x',
    layer: ['./', './x'],
    tree: { x: `file 0755 0:0 "a" ${NET_BIND}` },
  },
  {
    title: 'only a time changes',
    before: 'echo a > x; touch -d "2001-02-03 04:05:06" x',
    run: 'touch -d "2011-12-13 14:15:16" x',
    layer: ['./', './x'],
    tree: { x: 'file 0644 0:0 "a" 2011-12-13T14:15:16Z' },
  },
  {
    title: 'extended attributes of the user',
    before: 'echo a > old; setfattr -n user.note -v "kept below" old',
    run: 'chmod 600 old; mkdir new; setfattr -n user.note -v "of a directory" new',
    layer: ['./', './new/', './old'],
    tree: {
      new: `directory 0755 0:0 xattr user.note=${Buffer.from('of a directory').toString('hex')}`,
      old: `file 0600 0:0 "a" xattr user.note=${Buffer.from('kept below').toString('hex')}`,
    },
  },
  {
    title: 'setuid, setgid and sticky',
    run: 'for name in u g s; do echo $name > $name; done; chmod 4755 u; chmod 2755 g; chmod 1755 s; mkdir d; chmod 3777 d',
    layer: ['./', './d/', './g', './s', './u'],
    tree: {
      d: 'directory 3777 0:0',
      g: 'file 2755 0:0 "g"',
      s: 'file 1755 0:0 "s"',
      u: 'file 4755 0:0 "u"',
    },
  },
  {
    title: 'setuid of a file that changes hands',
    before: 'echo a > x',
    run: 'chown 1000:1000 x; chmod 6755 x',
    layer: ['./', './x'],
    tree: { x: 'file 6755 1000:1000 "a"' },
  },
  {
    title: 'hard links within a layer',
    run: 'mkdir sub; echo a > b; ln b a; ln b sub/c',
    layer: ['./', './a', './b', './sub/', './sub/c'],
    tree: {
      a: 'file 0644 0:0 "a"',
      b: 'hard link to a',
      sub: 'directory 0755 0:0',
      'sub/c': 'hard link to a',
    },
  },
  {
    title: 'a hard link to a file of the layer below',
    before: 'echo a > x',
    run: 'ln x y',
    layer: ['./', './x', './y'],
    tree: { x: 'file 0644 0:0 "a"', y: 'hard link to x' },
  },
  {
    title: 'one of two hard links of the layer below is deleted',
    before: 'echo a > x; ln x y',
    run: 'rm x',
    layer: ['./', './.wh.x'],
    tree: { y: 'file 0644 0:0 "a"' },
  },
  {
    title: 'hard links of symlinks and of FIFOs',
    run: 'ln -s nowhere a; ln a b; mkfifo c; ln c d',
    layer: ['./', './a', './b', './c', './d'],
    tree: { a: 'symlink 0:0 -> nowhere', b: 'hard link to a', c: 'fifo 0644 0:0', d: 'hard link to c' },
  },
  {
    title: 'a FIFO',
    run: 'mkfifo -m 620 x',
    layer: ['./', './x'],
    tree: { x: 'fifo 0620 0:0' },
  },
  {
    title: 'devices',
    run: 'mknod -m 666 null c 1 3; mknod -m 660 loop b 7 200; chown 0:6 loop',
    layer: ['./', './loop', './null'],
    tree: { loop: 'block 0660 0:6 7, 200', null: 'char 0666 0:0 1, 3' },
  },
  {
    title: 'an empty directory',
    run: 'mkdir -m 711 x',
    layer: ['./', './x/'],
    tree: { x: 'directory 0711 0:0' },
  },
  {
    title: 'a path of more than 300 characters, and a symlink to it',
    run: `mkdir -p ${DEEP.join('/')}; echo a > ${DEEP.join('/')}/file; ln -s ${DEEP.join('/')}/file z`,
    layer: ['./', ...DEEP_PATHS.map((path) => `./${path}/`), `./${DEEP.join('/')}/file`, './z'],
    tree: {
      ...Object.fromEntries(DEEP_PATHS.map((path) => [path, 'directory 0755 0:0'])),
      [`${DEEP.join('/')}/file`]: 'file 0644 0:0 "a"',
      z: `symlink 0:0 -> ${DEEP.join('/')}/file`,
    },
  },
  {
    title: 'a name of 255 characters, and a hard link to it',
    run: `echo a > ${NAME_255}; ln ${NAME_255} z`,
    layer: ['./', `./${NAME_255}`, './z'],
    tree: { [NAME_255]: 'file 0644 0:0 "a"', z: `hard link to ${NAME_255}` },
  },
  {
    title: 'names that are not UTF-8',
    before: String.raw`echo a > "$(printf 'caf\351')"`,
    run: String.raw`rm "$(printf 'caf\351')"; echo b > "$(printf 'na\357ve')"; ln -s "$(printf 'na\357ve')" "$(printf '\377')"`,
    layer: ['./', './.wh.caf\u00e9', './na\u00efve', './\u00ff'],
    tree: { 'na\u00efve': 'file 0644 0:0 "b"', '\u00ff': 'symlink 0:0 -> na\u00efve' },
  },
  {
    title: 'names in UTF-8, with spaces, quotes and a backslash',
    run: String.raw`echo a > "$(printf 'gr\303\274n')"; echo b > 'a b"c'"'d"; echo c > 'x\y'; echo d > -n`,
    layer: ['./', './-n', `./a b"c'd`, './gr\u00c3\u00bcn', String.raw`./x\y`],
    tree: {
      '-n': 'file 0644 0:0 "d"',
      [`a b"c'd`]: 'file 0644 0:0 "b"',
      'gr\u00c3\u00bcn': 'file 0644 0:0 "a"',
      [String.raw`x\y`]: 'file 0644 0:0 "c"',
    },
  },
  {
    title: 'a user id of three thousand million',
    run: 'echo a > x; chown 3000000000:2999999999 x; mkdir d; chown 2097152:2097151 d',
    layer: ['./', './d/', './x'],
    tree: { d: 'directory 0755 2097152:2097151', x: 'file 0644 3000000000:2999999999 "a"' },
  },
  {
    title: 'times before 1970',
    run: 'echo a > x; touch -d "1969-07-20 20:17:40" x; mkdir d; touch -d "1930-01-01 00:00:00" d; ln -s x z; touch -h -d "1950-01-01 00:00:00" z',
    layer: ['./', './d/', './x', './z'],
    tree: {
      d: 'directory 0755 0:0 1930-01-01T00:00:00Z',
      x: 'file 0644 0:0 "a" 1969-07-20T20:17:40Z',
      z: 'symlink 0:0 -> x 1950-01-01T00:00:00Z',
    },
    // It raises times of files and directories to 1970, those of symlinks not.
    exceptions: { buildah: { d: 'directory 0755 0:0 1970-01-01T00:00:00Z', x: 'file 0644 0:0 "a" 1970-01-01T00:00:00Z' } },
  },
  {
    title: 'times after 2038 and after 2242, where eleven octal digits end',
    run: 'echo a > x; touch -d "2040-01-02 03:04:05" x; echo b > y; touch -d "2250-01-02 03:04:05" y',
    layer: ['./', './x', './y'],
    tree: { x: 'file 0644 0:0 "a" 2040-01-02T03:04:05Z', y: 'file 0644 0:0 "b" 2250-01-02T03:04:05Z' },
  },
  {
    title: 'a sparse file',
    run: 'truncate -s 64M x; echo end >> x',
    layer: ['./', './x'],
    tree: { x: 'file 0644 0:0 67108868 bytes ending in "end"' },
  },
  {
    title: 'a socket, which no archive can hold',
    run: 'echo a > x; ln -s "$PWD/sock" /dev/log; syslogd; until [ -S sock ]; do sleep 0.05; done; killall syslogd; [ -S sock ]',
    layer: ['./', './x'],
    tree: { x: 'file 0644 0:0 "a"' },
  },
  {
    title: 'symlinks that lead out and nowhere',
    run: 'ln -s ../../../../etc/passwd out; ln -s /nowhere/at/all nowhere; ln -s . loop',
    layer: ['./', './loop', './nowhere', './out'],
    tree: { loop: 'symlink 0:0 -> .', nowhere: 'symlink 0:0 -> /nowhere/at/all', out: 'symlink 0:0 -> ../../../../etc/passwd' },
  },
  {
    title: 'what is made and deleted in one step',
    before: 'echo a > kept; touch -d "2001-02-03 04:05:06" .',
    run: 'mkdir -p x/y; echo b > x/y/z; rm -r x; touch -d "2001-02-03 04:05:06" .',
    layer: ['./'],
    tree: { kept: 'file 0644 0:0 "a"' },
  },
  { title: 'nothing changes', before: 'echo a > x', run: 'cat x', layer: [], tree: { x: 'file 0644 0:0 "a"' } },
];
