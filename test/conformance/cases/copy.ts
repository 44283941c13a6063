import { BASE, SCRATCH_WORKDIR, sourceMtime, type ConformanceCase } from './case.js';

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
    title: 'COPY several directories and a file to one place',
    dockerfile: `FROM ${BASE}
COPY d1 d2 f /x/
COPY d1/ d2/ /srv/tree/
COPY d1 /
`,
    context: { 'd1/a': '1', 'd1/s/q': 'q', 'd2/a': '2', 'd2/s/r': 'r', f: 'f' },
    script: 'chmod 700 d1/s; chmod 711 d2/s',
    differences: sourceMtime('/srv/tree', '/x'),
  },
  {
    title: 'COPY to a directory that became a symlink, and a directory again',
    dockerfile: `FROM ${BASE}
RUN rm -r /srv/tree && ln -s owned /srv/tree
COPY d /srv/tree/
RUN rm /srv/tree && mkdir /srv/tree
COPY d /srv/tree
`,
    context: { 'd/x': 'x' },
    differences: sourceMtime('/srv/owned', '/srv/tree'),
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
