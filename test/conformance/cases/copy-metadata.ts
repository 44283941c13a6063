import { BASE, keptMtime, sourceMtime, type ConformanceCase } from './case.js';

export const copyMetadataCases: readonly ConformanceCase[] = [
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
    title: 'COPY --chown: root by name, no group after the colon',
    dockerfile: `FROM ${BASE}
COPY --chown=root f /root-user
COPY --chown=0:alice f /mixed
COPY --chown=bob: f /colon
`,
    context: { f: 'f' },
    differences: [{ where: '/colon owner', tsbuild: '1001:0', buildah: '1001:100', rule: 'a colon without a group is group 0 (1.8 D8)' }],
  },
  {
    title: 'COPY --chown: a user that is not there',
    dockerfile: `FROM ${BASE}
COPY --chown=nosuch f /f
`,
    context: { f: 'f' },
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'an unknown name is root (1.8 D8)' }],
    shows: { '/f': 'file 0644 0:0 "f"' },
  },
];
