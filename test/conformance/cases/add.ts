import { BASE, sourceMtime, type ConformanceCase } from './case.js';

const MAKE_TREE = `mkdir -p t/sub/empty; echo one > t/one; echo two > t/sub/two; chmod 750 t/sub; chmod 4711 t/one
ln t/one t/sub/hard; ln -s ../one t/sub/soft; ln -s /etc t/abs; mkfifo t/fifo; touch -d '2005-05-05 05:05:05Z' t/sub/two t/sub
n=$(printf '%0150d' 3); echo long > t/$n; ln -s $n t/longlink; chown -R 21:22 t`;

export const addCases: readonly ConformanceCase[] = [
  {
    title: 'ADD files and directories as COPY does',
    dockerfile: `FROM ${BASE}
ADD file /as
ADD file /into/
ADD dir /dir
ADD --chown=alice:staff dir /owned
ADD --chmod=604 file /mode
ADD *.txt file /wild/
WORKDIR /w
ADD ["file", "json"]
`,
    context: { file: 'text', 'dir/a': 'a', 'dir/sub/b': 'b', 'x.txt': 'x', 'y.txt': 'y' },
    differences: sourceMtime('/dir', '/owned'),
  },
  ...(['', 'z', 'j', 'J', '-zstd'] as const).map((flag, index): ConformanceCase => {
    const name = ['tar', 'gzip', 'bzip2', 'xz', 'zstd'][index] ?? '';
    return {
      title: `ADD unpacks ${name}, whatever it is called`,
      dockerfile: `FROM ${BASE}
ADD archive /new/place
ADD archive /srv/tree
WORKDIR /w
ADD archive .
`,
      script: `${MAKE_TREE}; tar -c${flag.length === 1 ? flag : ''}f archive ${flag.length > 1 ? `-${flag}` : ''} -C t .; rm -r t`,
      needs: index < 2 ? [] : [name],
      differences: ['/new/place', '/srv/tree', '/w'].map((path) => ({
        where: `${path} owner`,
        tsbuild: '0:0',
        buildah: '21:22',
        rule: "the destination is 0755 root or stays as it is, whatever the archive's member for its own root says (1.8 ADD)",
      })),
    };
  }),
  {
    title: 'ADD --chown of an archive is for every member',
    dockerfile: `FROM ${BASE}
ADD --chown=100:200 archive.tar /out/
ADD --chown=alice archive.tar /srv/
`,
    script: 'mkdir -p t/sub; echo x > t/sub/x; ln -s x t/sub/link; chown -hR 21:22 t; tar -cf archive.tar t; rm -r t',
    differences: ['/out/t', '/out/t/sub', '/out/t/sub/link', '/out/t/sub/x', '/srv/t', '/srv/t/sub', '/srv/t/sub/link', '/srv/t/sub/x'].map(
      (path) => ({
        where: `${path} owner`,
        tsbuild: path.startsWith('/out') ? '100:200' : '1000:1000',
        buildah: '21:22',
        rule: '--chown is for the members, too (1.8 D8, #113)',
      }),
    ),
  },
  {
    title: 'ADD of what is no archive copies it',
    dockerfile: `FROM ${BASE}
ADD fake.tar.gz /x/
ADD plain.gz /x/
ADD empty.tar /x/
ADD plain.gz /renamed
`,
    context: { 'fake.tar.gz': 'not at all', 'empty.tar': '' },
    script: 'printf "plain text" | gzip -n > plain.gz',
  },
  {
    title: 'ADD: several archives, found by a wildcard',
    dockerfile: `FROM ${BASE}
ADD *.tar other /dest/
`,
    script: 'for i in 1 2 3; do echo $i > f$i; echo $i > common; tar -cf a$i.tar f$i common; done; rm f? common; echo other > other',
  },
  {
    title: 'ADD an archive whose members lack their directories',
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
ADD archive.tar /
`,
    script:
      'mkdir -p a/b/c srv/tree/sub; echo x > a/b/c/x; echo y > srv/tree/sub/y; tar -cf archive.tar a/b/c/x srv/tree/sub/y; rm -r a srv',
  },
  {
    title: "ADD an archive through the image's symlinks",
    dockerfile: `FROM ${BASE}
ADD archive.tar /
ADD archive.tar /srv/link
`,
    script: 'mkdir -p srv/abs srv/link; echo x > srv/abs/x; echo y > srv/link/y; tar -cf archive.tar srv/abs/x srv/link/y; rm -r srv',
  },
  {
    title: 'ADD an archive: extended attributes and sparse files',
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
`,
    script:
      'mkdir t; echo x > t/x; setfattr -n user.note -v value t/x; echo x > t/cap; setcap cap_net_raw+ep t/cap; truncate -s 3000000 t/sparse; echo end >> t/sparse; tar --xattrs --xattrs-include="*" -Scf archive.tar -C t .; rm -r t',
    needs: ['setfattr', 'setcap'],
  },
  {
    title: 'ADD an archive: devices, times before 1970, large ids, repeated members',
    dockerfile: `FROM ${BASE}
ADD archive.tar /out
`,
    script: `mkdir t; mknod t/null c 1 3; mknod t/loop b 7 1; echo 1 > t/twice; touch -d '1960-01-01 00:00:00Z' t/old; echo x > t/big; chown 3000000:3000001 t/big
tar -cf archive.tar --format=pax -C t null loop twice old big; echo 2 > t/twice; tar -rf archive.tar --format=pax -C t twice; rm -r t`,
  },
  {
    title: 'ADD an archive over what is there',
    dockerfile: `FROM ${BASE}
ADD archive.tar /srv
`,
    script: `mkdir -p s/tree/sub s/owned s/link s/empty; echo new > s/tree/a; chmod 701 s/tree/sub; echo x > s/owned/x; rmdir s/link; echo file > s/link
rmdir s/empty; ln -s tree s/empty; tar -cf archive.tar -C s tree owned link; rm -r s`,
  },
];
