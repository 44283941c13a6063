import { BASE, SCRATCH_WORKDIR, type ConformanceCase } from './case.js';

/** Lines of /proc/self/status. */
function status(effective: string, bounding: string): string {
  const none = '0000000000000000';
  return `CapInh:\t${none}\nCapPrm:\t${effective}\nCapEff:\t${effective}\nCapBnd:\t${bounding}\nCapAmb:\t${none}\nNoNewPrivs:\t0\nSeccomp:\t2\n`;
}

export const runCases: readonly ConformanceCase[] = [
  {
    title: 'RUN in shell form and in exec form',
    dockerfile: `FROM ${BASE}
RUN echo "a  b" 'c' > /shell; echo \\$HOME >> /shell; echo "$HOME" >> /shell
RUN ["/bin/sh", "-c", "echo \\"$0 $1\\" > /exec", "zero", "one two"]
RUN ["touch", "/found by PATH"]
RUN echo one && \\
    # a comment in between
    echo two > /continued
`,
  },
  {
    title: 'RUN sees the environment, and no other',
    dockerfile: `FROM ${BASE}
ENV A=1 B="x y"
ARG C=3
# buildah sets HOSTNAME, to something new each time.
RUN unset HOSTNAME; env | sort > /env; pwd > /pwd; umask > /umask
WORKDIR /srv
USER alice
RUN unset HOSTNAME; env | sort > /tmp/env; pwd > /tmp/pwd; umask > /tmp/umask
`,
  },
  {
    title: 'RUN: capabilities, limits and stdin of the sandbox',
    dockerfile: `FROM ${BASE}
RUN grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > /status
RUN wc -c > /stdin
USER alice
RUN grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status > /tmp/status
`,
    differences: [
      {
        where: '/status content',
        tsbuild: status('00000000a80425fb', '00000000a80425fb'),
        buildah: status('00000000800405fb', '00000000800405fb'),
        rule: "docker's default capabilities: those of podman, and MKNOD, NET_RAW, AUDIT_WRITE (1.7 RUN)",
      },
      {
        where: '/tmp/status content',
        tsbuild: status('0000000000000000', '00000000a80425fb'),
        buildah: status('0000000000000000', '00000000800405fb'),
        rule: 'the same: they bound what a setuid program gets (1.7 RUN)',
      },
    ],
  },
  {
    title: 'RUN rm: files, directories, and all of a directory',
    dockerfile: `FROM ${BASE}
RUN rm /srv/tree/a /srv/hard1 /srv/filelink /srv/pipe
RUN rm -r /srv/tree/sub
RUN rm /srv/owned/kept
`,
  },
  {
    title: 'RUN: a directory is removed and made again',
    dockerfile: `FROM ${BASE}
RUN rm -r /srv/tree && mkdir /srv/tree && echo new > /srv/tree/new
RUN rm -r /srv/owned
RUN mkdir -p /srv/owned && echo other > /srv/owned/kept
`,
  },
  {
    title: 'RUN: one type of file takes the place of another',
    dockerfile: `FROM ${BASE}
RUN rm /srv/tree/a && mkdir /srv/tree/a && echo x > /srv/tree/a/x
RUN rm -r /srv/tree/sub && echo file > /srv/tree/sub
RUN rm /srv/link && mkdir -p /srv/link/real && rm -r /srv/empty && ln -s tree /srv/empty
RUN rm /srv/pipe && echo no pipe > /srv/pipe && rm /srv/filelink && mkfifo /srv/filelink
`,
  },
  {
    title: 'RUN: layers take away and give back',
    dockerfile: `FROM ${BASE}
RUN mkdir /d && echo 1 > /d/one && echo 2 > /d/two
RUN rm /d/one
RUN echo again > /d/one && rm /d/two
RUN rm -r /d
RUN mkdir /d && echo end > /d/three
`,
  },
  {
    title: 'RUN mv: directories and files of the base',
    dockerfile: `FROM ${BASE}
RUN mv /srv/tree /srv/moved && mv /srv/owned/kept /srv/kept
RUN mv /srv/moved/sub /srv/moved/renamed
`,
  },
  {
    title: 'RUN: hard links, new, to the base, and broken up',
    dockerfile: `FROM ${BASE}
RUN mkdir /l && echo x > /l/one && ln /l/one /l/two && ln /l/one /srv/three && ln -s one /l/symlink
RUN ln /srv/hard1 /l/of-base
RUN echo changed >> /l/two
RUN rm /srv/hard2 && rm /l/one
`,
  },
  {
    title: 'RUN chmod and chown: metadata alone, and the bits',
    dockerfile: `FROM ${BASE}
RUN chmod 600 /srv/tree/a && chown 1000:50 /srv/tree/a && chmod 700 /srv/tree && chown 7:8 /srv/empty
RUN chmod u+s,g+s /srv/tree/b && chmod +t /srv/empty && chmod 0 /srv/tree/sub/c && chown -h 5:6 /srv/link
RUN chown 1000 /srv/suid && cp -p /srv/suid /copy && cp /bin/busybox /suid && chmod 6755 /suid
`,
  },
  {
    title: 'RUN: fifos, empty files and directories, large and sparse files',
    dockerfile: `FROM ${BASE}
RUN mkfifo -m 640 /fifo && chown 3:4 /fifo
RUN mkdir -p /empty/a/b /empty/c && : > /empty/file
RUN dd if=/dev/zero of=/large bs=1000 count=5000 2> /dev/null && dd if=/dev/zero of=/sparse bs=1 count=1 seek=20000000 2> /dev/null
`,
  },
  {
    title: 'RUN mknod',
    dockerfile: `FROM ${BASE}
RUN mknod /null c 1 3 && mknod /disk b 7 5 && chmod 666 /null
`,
    differences: [
      { where: 'build', tsbuild: 'done', buildah: 'failed', rule: "RUN has docker's default capabilities, MKNOD among them (1.7 RUN)" },
    ],
    shows: { '/null': 'char 0666 0:0 1, 3', '/disk': 'block 0644 0:0 7, 5' },
  },
  {
    title: 'RUN: names with everything in them',
    dockerfile: `FROM ${BASE}
RUN mkdir '/näme ✓' && echo x > '/näme ✓/日本語' && touch '/a b' '/-dash' '/quo"te' "/it's" '/back\\\\slash' '/star*'
RUN touch "$(printf '/new\\nline')" "$(printf '/tab\\tbed')" /.hidden /..dots "/trailing "
`,
  },
  {
    title: 'RUN: a name that is not UTF-8',
    dockerfile: `FROM ${BASE}
RUN mkdir /bytes && touch "$(printf '/bytes/a\\377b')"
`,
  },
  {
    title: 'RUN: deep trees and long names',
    dockerfile: `FROM ${BASE}
RUN p=/deep; for i in $(seq 1 80); do p=$p/level$i; done; mkdir -p $p && echo bottom > $p/file
RUN n=$(printf '%0200d' 7); mkdir /long && echo x > /long/$n && ln -s $n /long/link && ln -s /long/$n$n /long/dangling
RUN n=$(printf '%090d' 1); mkdir -p /long/$n && touch /long/$n/$n
`,
  },
  {
    title: 'RUN: symlinks of all kinds',
    dockerfile: `FROM ${BASE}
RUN mkdir /s && cd /s && ln -s loop loop && ln -s ../../../etc/passwd up && ln -s /nowhere absolute && ln -s . dot && ln -s 'with blank' blank
RUN echo through > /srv/link/through && echo x > /srv/abs/x && rm /srv/link/b
`,
  },
  {
    title: 'RUN touch: times of files, directories and links',
    dockerfile: `FROM ${BASE}
RUN mkdir /t && touch -d '2001-02-03 04:05:06' /t/file && mkdir /t/dir && touch -d '2010-01-01 00:00:00' /t/dir /srv/tree/a
RUN touch -d '1965-01-01 00:00:00' /t/old && touch -d '2040-01-01 00:00:00' /t/future
`,
  },
  {
    title: 'RUN that changes nothing still is a layer',
    dockerfile: `FROM ${BASE}
RUN true
RUN echo x > /x && rm /x
RUN true
`,
  },
  {
    title: 'RUN in many layers',
    dockerfile: [
      `FROM ${BASE}`,
      ...Array.from({ length: 12 }, (_, i) => `RUN echo ${i} >> /count; echo ${i} > /file${i}; rm -f /file${i - 2}\nENV COUNT=${i}`),
      '',
    ].join('\n'),
  },
  {
    title: 'RUN: the places that a container mounts over',
    dockerfile: `FROM ${BASE}
RUN mkdir -p /dev/shm/x /run/mine && echo x > /run/mine/file && echo x > /tmp/file
RUN echo changed > /etc/motd; cat /etc/resolv.conf > /dev/null; ls /proc/self > /dev/null
`,
  },
  {
    title: 'RUN on a base without the places that a container mounts over',
    dockerfile: `FROM scratch
COPY busybox /bin/sh
RUN echo x > /x
`,
    script: 'cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" busybox && chmod 755 busybox',
    differences: [
      SCRATCH_WORKDIR,
      ...['/dev', '/etc', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf', '/proc', '/run', '/sys'].map((where) => ({
        where,
        tsbuild: undefined,
        buildah: /host|conf/.test(where) ? 'file 0755 0:0 ""' : 'directory 0755 0:0',
        rule: 'what is made to mount over is removed again (1.7 RUN, #120)',
      })),
    ],
  },
  {
    title: 'RUN: directories moved in and out of one that was made again',
    dockerfile: `FROM ${BASE}
RUN rm -r /srv/tree/sub && mkdir -p /srv/tree/sub/deep && mv /srv/owned /srv/tree/sub/deep/
RUN mv /srv/tree/sub/deep/owned /srv/ && rm -r /srv/tree/sub/deep && mkdir -m 700 /srv/tree/sub/deep
RUN rm /srv/tree/a && touch /srv/tree/.whatever /srv/tree/wh.x
`,
  },
  {
    title: 'RUN chmod of the root directory',
    dockerfile: `FROM ${BASE}
RUN chmod 711 / && chown 5:6 /
RUN touch /x
`,
    differences: [
      { where: '/ mode', tsbuild: '0711', buildah: '0755', rule: 'not in the rules: the root is a directory like any other' },
      { where: '/ owner', tsbuild: '5:6', buildah: '0:0', rule: 'not in the rules: the root is a directory like any other' },
    ],
  },
  {
    title: 'RUN that fails fails the build',
    dockerfile: `FROM ${BASE}
RUN echo before; exit 3
`,
    fails: /exit code: 3/,
  },
  {
    title: 'RUN with a user that is not there fails the build',
    dockerfile: `FROM ${BASE}
USER nobody-here
RUN true
`,
    fails: /unable to find user nobody-here/,
  },
];
