import { BASE, SCRATCH_WORKDIR, keptMtime, sourceMtime, type ConformanceCase } from './case.js';

export const copyCases: readonly ConformanceCase[] = [
  {
    title: 'COPY a file: as, into, beside, relative to WORKDIR',
    dockerfile: `FROM ${BASE}
COPY file /as
COPY file /into/
COPY file /srv/tree
COPY file /new/parents/as
COPY file exec /both/
WORKDIR /work
COPY file .
COPY file relative
COPY file sub/
COPY file ../up
COPY ["file", "./json"]
COPY /file ./././slash
`,
    context: { file: 'text\n', exec: { text: '#!/bin/sh\n', mode: 0o755 } },
  },
  {
    title: 'COPY a directory: its contents, with their modes',
    dockerfile: `FROM ${BASE}
COPY dir /new
COPY dir/ /new/slash/
COPY dir /srv/tree
COPY . /all
COPY dir/sub ./
`,
    context: { 'dir/a': 'a', 'dir/sub/b': 'b', 'dir/empty': undefined, 'dir/sub/x': { text: 'x', mode: 0o751 } },
    script: 'chmod 700 dir; chmod 711 dir/sub; chmod 1777 dir/empty',
    differences: sourceMtime('/all', '/new', '/new/slash', '/srv/tree'),
  },
  {
    title: 'COPY a directory over one that is there: metadata of directories below',
    dockerfile: `FROM ${BASE}
COPY new /srv
COPY new/tree /srv/tree
`,
    context: { 'new/tree/sub/added': 'x', 'new/tree/a': 'changed', 'new/owned/added': 'y' },
    script: 'chmod 711 new; chmod 705 new/tree/sub; chmod 700 new/owned',
    differences: sourceMtime('/srv', '/srv/tree'),
  },
  {
    title: 'COPY with wildcards',
    dockerfile: `FROM ${BASE}
COPY *.txt /star/
COPY ?.md [xy].md /classes/
COPY d*/ /dirs/
COPY */*.c /nested/
COPY .hid* /hidden/
COPY one* /single
`,
    context: {
      'a.txt': 'a',
      'b.txt': 'b',
      'x.md': 'x',
      'y.md': 'y',
      'z.md': 'z',
      'zz.md': 'zz',
      'one-only': '1',
      'd1/p': 'p',
      'd2/q': 'q',
      'd2/r/s': 's',
      'src/m.c': 'm',
      'lib/n.c': 'n',
      '.hidden': 'h',
    },
    differences: sourceMtime('/dirs'),
  },
  {
    title: 'COPY of a name with brackets in it',
    dockerfile: `FROM ${BASE}
COPY arr[[]0].txt /brackets
`,
    context: { 'arr[0].txt': 'array' },
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'brackets are written as a class of themselves (1.8 S2)' }],
    shows: { '/brackets': 'file 0644 0:0 "array"' },
  },
  {
    title: 'COPY with a wildcard that matches nothing, beside a file',
    dockerfile: `FROM ${BASE}
COPY a.txt nothing* /some/
`,
    context: { 'a.txt': 'a' },
  },
  {
    title: 'COPY with a wildcard that matches nothing, alone',
    dockerfile: `FROM ${BASE}
COPY nothing*.* /none/
COPY a.txt /
`,
    context: { 'a.txt': 'a' },
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'a wildcard may match nothing (1.8 S3, #84, peers)' }],
    shows: { '/none': undefined, '/a.txt': 'file 0644 0:0 "a"' },
  },
  {
    title: 'COPY of a missing file fails the build',
    dockerfile: `FROM ${BASE}
COPY missing /x
`,
    fails: /"\/?missing"/,
  },
  {
    title: 'COPY symlinks: followed when named, kept inside of directories',
    dockerfile: `FROM ${BASE}
COPY tofile /named
COPY todir /named-dir
COPY dir /dir
COPY to* /matched/
COPY todir/inner /through
COPY chain /chain
COPY up /up
`,
    context: {
      'dir/inner': 'inner',
      'dir/rel': { link: 'inner' },
      'dir/abs': { link: '/etc/passwd' },
      'dir/broken': { link: 'nowhere' },
      'dir/deep/out': { link: '../../file' },
      file: 'file',
      tofile: { link: 'file' },
      todir: { link: 'dir' },
      chain: { link: 'tofile' },
      up: { link: '../../../../file' },
    },
    differences: sourceMtime('/dir', '/matched', '/named-dir'),
  },
  {
    title: "COPY to symlinks: in the image's paths they are followed",
    dockerfile: `FROM ${BASE}
COPY file /srv/link/file
COPY file /srv/link/
COPY file /srv/abs/new/file
COPY dir /srv/link
COPY dir /srv/abs
`,
    context: { file: 'text', 'dir/x': 'x' },
    differences: sourceMtime('/srv/tree', '/srv/tree/sub'),
  },
  {
    title: 'COPY to a dangling symlink makes what it points to',
    dockerfile: `FROM ${BASE}
COPY file /srv/dangling/
`,
    context: { file: 'text' },
  },
  {
    title: 'COPY over a symlink to a file replaces the link',
    dockerfile: `FROM ${BASE}
COPY file /srv/filelink
`,
    context: { file: 'text' },
  },
  {
    title: 'COPY a file over a directory',
    dockerfile: `FROM ${BASE}
COPY dir /srv
`,
    context: { 'dir/tree': 'a file' },
    fails: /tree/,
    differences: [{ where: 'build', tsbuild: 'failed', buildah: 'done', rule: 'a file does not replace a directory (1.8 D6, peers)' }],
  },
  {
    title: 'COPY a directory over a file',
    dockerfile: `FROM ${BASE}
COPY dir /srv/tree
`,
    context: { 'dir/a/b': 'below a file' },
    fails: /srv\/tree\/a/,
    differences: [{ where: 'build', tsbuild: 'failed', buildah: 'done', rule: 'a directory does not replace a file (1.8 D6, peers)' }],
  },
  {
    title: 'COPY a directory over a symlink to one',
    dockerfile: `FROM ${BASE}
COPY dir /srv
`,
    context: { 'dir/link/x': 'x' },
    fails: /srv\/link/,
    differences: [{ where: 'build', tsbuild: 'failed', buildah: 'done', rule: 'a directory does not replace a symlink (1.8 D6, peers)' }],
  },
  {
    title: 'COPY --chown: names, numbers, both',
    dockerfile: `FROM ${BASE}
COPY --chown=alice file /names/user
COPY --chown=daemon file /names/daemon
COPY --chown=alice:staff file /names/both
COPY --chown=1234 file /numbers/user
COPY --chown=1234:5678 file /numbers/both
COPY --chown=1000:users dir /mixed
COPY --chown=:50 file /group
ARG U=bob
COPY --chown=\${U}:users file /vars
`,
    context: { file: 'x', 'dir/sub/f': 'f', 'dir/l': { link: 'sub' } },
    differences: sourceMtime('/mixed'),
  },
  {
    title: 'COPY --chown over what is there',
    dockerfile: `FROM ${BASE}
COPY --chown=7:8 dir /srv/tree
COPY --chown=9:9 file /srv/owned/kept
COPY --chown=9:9 file /srv/empty/
`,
    context: { file: 'x', 'dir/sub/f': 'f' },
    differences: sourceMtime('/srv/tree'),
  },
  {
    title: 'COPY as USER is still for root',
    dockerfile: `FROM ${BASE}
USER alice
WORKDIR /home/alice
COPY file .
COPY file made/
`,
    context: { file: 'x' },
    differences: keptMtime('/home/alice'),
  },
  {
    title: 'COPY --chmod',
    dockerfile: `FROM ${BASE}
COPY --chmod=4750 file /file
COPY --chmod=0 file /nothing
COPY --chmod=640 --chown=1:2 file /both
COPY --chmod=751 dir /dir
COPY --chmod=777 file /made/file
`,
    context: { file: 'x', 'dir/sub/f': 'f', 'dir/l': { link: 'sub' } },
    differences: [
      {
        where: '/dir mode',
        tsbuild: '0751',
        buildah: '0755',
        rule: 'a directory made for the destination has the mode of --chmod (1.8 D4)',
      },
      ...sourceMtime('/dir'),
      { where: '/made mode', tsbuild: '0777', buildah: '0755', rule: 'so have parents that are made (1.8 D3, #97)' },
    ],
  },
  {
    title: 'COPY with variables',
    dockerfile: `FROM ${BASE}
ENV SRC=file DEST=/dest
ARG DIR=dir
COPY $SRC \${DEST}/\${SRC}.copy
COPY ["\${DIR}/a b", "/json/\${DIR}/"]
COPY \${NOPE:-file} $DEST$NOPE/
COPY \\$file '$file' /literal/
`,
    context: { file: 'x', 'dir/a b': 'blank', $file: 'dollar' },
  },
  {
    title: 'COPY: modes of the context, with all bits',
    dockerfile: `FROM ${BASE}
COPY . /all/
COPY suid sgid /alone/
`,
    context: { suid: 's', sgid: 's', none: 'n', 'sticky/f': 'f', 'sgiddir/f': 'f' },
    script: 'chmod 4755 suid; chmod 2755 sgid; chmod 0 none; chmod 1777 sticky; chmod 2775 sgiddir; chown 1000:1000 sgiddir sgiddir/f',
    differences: [
      ...sourceMtime('/all'),
      ...Object.entries({
        '/all/sgid': '2755',
        '/all/sgiddir': '2775',
        '/all/suid': '4755',
        '/alone/sgid': '2755',
        '/alone/suid': '4755',
      }).map(([path, mode]) => ({
        where: `${path} mode`,
        tsbuild: mode,
        buildah: `0${mode.slice(1)}`,
        rule: 'setuid and setgid are kept (peers)',
      })),
    ],
  },
  {
    title: 'COPY: hard links of the context',
    dockerfile: `FROM ${BASE}
COPY dir /dir
COPY dir/one dir/two /named/
`,
    script: 'mkdir dir; echo x > dir/one; ln dir/one dir/two; mkdir dir/sub; ln dir/one dir/sub/three',
    differences: [
      ...sourceMtime('/dir'),
      { where: '/named/two linkOf', tsbuild: '/named/one', buildah: undefined, rule: 'hard links are kept within one copy (1.8 S6)' },
    ],
  },
  {
    title: 'COPY: a fifo of the context',
    dockerfile: `FROM ${BASE}
COPY dir /dir
`,
    script: 'mkdir dir; mkfifo -m 620 dir/fifo; echo x > dir/file',
    differences: sourceMtime('/dir'),
  },
  {
    title: 'COPY: extended attributes',
    dockerfile: `FROM ${BASE}
COPY dir /dir
COPY dir/user /user
COPY dir/capable /capable
`,
    script:
      'mkdir -p dir/sub; echo x > dir/user; setfattr -n user.note -v "a value" dir/user; setfattr -n user.dir -v d dir/sub; echo x > dir/capable; chmod 755 dir/capable; setcap cap_net_raw+ep dir/capable',
    needs: ['setfattr', 'setcap'],
    differences: sourceMtime('/dir'),
  },
  {
    title: 'COPY --from: extended attributes, owners, modes, hard links and times of another stage',
    dockerfile: `FROM ${BASE} AS source
COPY dir /dir
RUN chown 11:12 /dir/sub /dir/user && chmod 2750 /dir/sub && ln /dir/user /dir/linked && touch -d '2002-02-02 02:02:02' /dir/linked
FROM ${BASE}
COPY --from=source /dir /dir
COPY --from=source /srv/suid /srv/pipe /srv/link /files/
`,
    script:
      'mkdir -p dir/sub; echo x > dir/user; setfattr -n user.note -v "a value" dir/user; echo x > dir/capable; setcap cap_net_raw+ep dir/capable',
    needs: ['setfattr', 'setcap'],
  },
  {
    title: 'COPY: names with everything in them',
    dockerfile: `FROM ${BASE}
COPY . /all/
COPY ["with blank", "/with blank/"]
COPY ünï* /matched/
COPY 日本/語 /日本/
`,
    context: {
      'with blank': '1',
      ünïcode: '2',
      '日本/語': '3',
      "quo'te": '4',
      'dash-': '5',
      '-dash': '6',
      'a\\b': '7',
      'star*': '8',
      '~tilde': '9',
      '#hash': '10',
      'semi;colon': '11',
      $dollar: '12',
      [`${'n'.repeat(120)}/${'m'.repeat(200)}`]: '13',
    },
    differences: sourceMtime('/all'),
  },
  {
    title: 'COPY: many files, deep directories, an empty file, an empty directory',
    dockerfile: `FROM ${BASE}
COPY wide /wide
COPY deep /deep
COPY empty /empty
COPY none /none
`,
    script:
      'mkdir wide empty; for i in $(seq 1 400); do echo $i > wide/file$i; done; p=deep; for i in $(seq 1 60); do p=$p/d$i; done; mkdir -p $p; echo x > $p/x; : > none',
    differences: sourceMtime('/deep', '/empty', '/wide'),
  },
  {
    title: 'COPY twice to one place: the later one wins',
    dockerfile: `FROM ${BASE}
COPY one /x/
COPY two /x/
COPY one/a two/b /x/last/
`,
    context: { 'one/a': '1', 'one/b': '1', 'two/b': '2', 'two/c': '2' },
    differences: sourceMtime('/x'),
  },
  {
    title: 'COPY FROM scratch only',
    dockerfile: `FROM scratch
COPY file /
COPY dir /usr/share/dir
COPY --chown=5:6 file /owned/file
ENV A=1
`,
    context: { file: 'x', 'dir/f': 'f' },
    differences: [SCRATCH_WORKDIR, ...sourceMtime('/usr/share/dir')],
  },
];
