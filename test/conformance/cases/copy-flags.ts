import { BASE, sourceMtime, type ConformanceCase, type ExplainedDifference } from './case.js';

/** Flags that buildah 1.28 refuses: what is expected is written out from section 1.8. */
const NEWER: readonly ExplainedDifference[] = [
  { where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'a flag of BuildKit (1.7 COPY/ADD flags)' },
];

const PARENTS = 'an octal mode is for the parents that are made, too (1.8 D3, #97)';

const TREE = { 'a/b/one.txt': '1', 'a/b/two.md': '2', 'a/three.txt': '3', 'c/four.txt': '4', 'top.md': 't' } as const;

export const copyFlagCases: readonly ConformanceCase[] = [
  {
    title: 'COPY --parents: the whole path, and what is behind the pivot',
    dockerfile: `FROM ${BASE}
COPY --parents a/b/one.txt c/*.txt /whole/
COPY --parents a/./b/one.txt /pivot/
COPY --parents **/*.md ./nothing*/x /deep/
`,
    context: TREE,
    differences: NEWER,
    shows: {
      '/whole/a/b/one.txt': 'file 0644 0:0 "1"',
      '/whole/c/four.txt': 'file 0644 0:0 "4"',
      '/pivot/b/one.txt': 'file 0644 0:0 "1"',
      '/pivot/a': undefined,
      '/deep/a/b/two.md': 'file 0644 0:0 "2"',
      '/deep/top.md': 'file 0644 0:0 "t"',
    },
  },
  {
    title: 'COPY --exclude: at the top, and at any depth',
    dockerfile: `FROM ${BASE}
COPY --exclude=*.md . /top/
COPY --exclude=**/*.md --exclude=c --exclude=**/Dockerfile* . /any/
`,
    context: TREE,
    differences: NEWER,
    shows: {
      '/top/top.md': undefined,
      '/top/a/b/two.md': 'file 0644 0:0 "2"',
      '/any/a/b/two.md': undefined,
      '/any/a/b/one.txt': 'file 0644 0:0 "1"',
      '/any/c': undefined,
    },
  },
  {
    title: 'COPY --link takes the place of a symlink on its way',
    dockerfile: `FROM ${BASE}
COPY --link top.md /srv/link/top.md
COPY --link a /srv/tree
WORKDIR /srv/owned
COPY --link top.md .
`,
    context: TREE,
    differences: NEWER,
    shows: {
      '/srv/link': 'directory 0755 0:0',
      '/srv/link/top.md': 'file 0644 0:0 "t"',
      '/srv/tree/a': 'file 0644 0:0 "a\\n"',
      '/srv/tree/three.txt': 'file 0644 0:0 "3"',
      '/srv/owned/top.md': 'file 0644 0:0 "t"',
    },
  },
  {
    title: 'COPY --chmod: symbolic modes',
    dockerfile: `FROM ${BASE}
COPY --chmod=go-r,u+x top.md /symbolic
COPY --chmod=a+X a /tree
`,
    context: TREE,
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'modes may be symbolic (1.8 D7, #98)' }],
    shows: { '/symbolic': 'file 0700 0:0 "t"', '/tree/b': 'directory 0755 0:0', '/tree/three.txt': 'file 0644 0:0 "3"' },
  },
  {
    title: 'COPY --chmod: variables, directories, and parents that are made',
    dockerfile: `FROM ${BASE}
ARG MODE=711
COPY --chmod=$MODE a/b /made/by/copy
COPY --chmod=4750 --chown=alice:staff top.md /usr/sbin/setuid
`,
    context: TREE,
    differences: [
      ...['/made', '/made/by', '/made/by/copy'].map((path) => ({ where: `${path} mode`, tsbuild: '0711', buildah: '0755', rule: PARENTS })),
      ...sourceMtime('/made/by/copy'),
      ...['/usr', '/usr/sbin'].map((path) => ({ where: `${path} mode`, tsbuild: '4750', buildah: '0755', rule: PARENTS })),
    ],
  },
  {
    title: 'ADD --unpack=false leaves an archive as it is',
    dockerfile: `FROM ${BASE}
ADD --unpack=false archive.tar /kept/
ADD --unpack=true archive.tar /unpacked/
`,
    script: 'echo x > x; touch -d @0 x; tar --owner=0 --group=0 --sort=name --mtime=@0 -cf archive.tar x; rm x',
    differences: NEWER,
    shows: { '/kept/x': undefined, '/unpacked/x': 'file 0644 0:0 "x\\n"' },
  },
];
