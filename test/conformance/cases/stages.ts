import { BASE, SCRATCH_WORKDIR, type ConformanceCase } from './case.js';

export const stageCases: readonly ConformanceCase[] = [
  {
    title: 'a stage inherits files and config of the stage it is made from',
    dockerfile: `FROM ${BASE} AS first
ENV A=1
LABEL l=first
WORKDIR /work
USER alice
EXPOSE 1
VOLUME /v
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/echo"]
CMD ["hello"]
FROM first AS second
ENV B=$A$A
USER root
RUN echo $A $B > file
FROM second
LABEL l=third
CMD ["bye"]
`,
    differences: [{ where: '/v', tsbuild: undefined, buildah: 'directory 0755 0:0', rule: 'VOLUME touches no file (1.7 VOLUME)' }],
  },
  {
    title: 'ENTRYPOINT drops the CMD of the stage it is made from',
    dockerfile: `FROM ${BASE} AS first
CMD ["hello"]
FROM first
ENTRYPOINT ["/bin/echo"]
`,
  },
  {
    title: 'COPY --from: by name, by number, from an image',
    dockerfile: `FROM ${BASE} AS build
WORKDIR /out
RUN echo built > artifact && echo second > second
FROM scratch AS middle
COPY --from=0 /out/artifact /from-number
FROM scratch
COPY --from=build /out /from-name
COPY --from=build out/artifact /relative
COPY --from=1 / /from-second/
COPY --from=${BASE} /srv/tree /from-image
COPY --from=${BASE} /etc/pass* /etc/group /wild/
`,
    differences: [SCRATCH_WORKDIR],
  },
  {
    title: 'COPY --from: by name in any case',
    dockerfile: `FROM ${BASE} AS Build
FROM ${BASE}
COPY --from=bUILD /srv/tree/a /copy
`,
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'the case of names of stages does not count (#63)' }],
    shows: { '/copy': 'file 0644 0:0 "a\\n"' },
  },
  {
    title: 'COPY --from: owners are kept, unless --chown; symlinks stay inside',
    dockerfile: `FROM ${BASE} AS source
RUN mkdir /d && echo x > /d/x && chown 10:20 /d /d/x && chmod 2770 /d && ln -s /d /alias && ln -s /etc/passwd /d/abs
FROM ${BASE}
COPY --from=source /d /kept
COPY --from=source --chown=alice:staff /d /owned
COPY --from=source /alias/x /through
COPY --from=source /alias /alias
COPY --from=source /d/abs /named
COPY --from=source /srv/owned /srv/tree/b /mixed/
`,
  },
  {
    title: '--target: stages after it are not built',
    dockerfile: `FROM ${BASE} AS wanted
RUN echo yes > /yes
FROM wanted AS unwanted
RUN false
`,
    args: ['--target', 'wanted'],
  },
  {
    title: 'a stage that nothing needs is not built',
    dockerfile: `FROM ${BASE} AS unused
RUN false
FROM ${BASE}
RUN echo yes > /yes
`,
  },
  {
    title: 'a stage without instructions',
    dockerfile: `FROM ${BASE} AS first
FROM first AS second
FROM second
LABEL third=yes
`,
  },
  {
    title: 'COPY --from of a whole root',
    dockerfile: `FROM ${BASE} AS base
RUN chmod 4755 /bin/busybox && rm -r /srv/tree
FROM scratch
COPY --from=base / /
RUN id > /id
`,
    differences: [SCRATCH_WORKDIR],
  },
  {
    title: 'FROM scratch with nothing but config has no layer',
    dockerfile: `FROM scratch
LABEL a=b
CMD ["/none"]
`,
    differences: [SCRATCH_WORKDIR],
  },
  {
    title: 'FROM an image of several layers that take away',
    parents: {
      'tsbuild.local/parent:1': `FROM ${BASE}\nRUN rm -r /srv/tree/sub && rm /srv/hard1\nRUN mkdir /srv/tree/sub && echo n > /srv/tree/sub/n\nUSER 5\nENV P=parent\n`,
    },
    dockerfile: `FROM tsbuild.local/parent:1
COPY file /srv/tree/sub/
RUN id -u > /tmp/id; echo $P > /tmp/p
USER root
RUN rm /srv/tree/sub/n
`,
    context: { file: 'x' },
  },
  {
    title: 'COPY --from of a stage with removed and replaced files',
    dockerfile: `FROM ${BASE} AS source
RUN rm -r /srv/tree/sub /srv/empty && mkdir /srv/empty && echo y > /srv/empty/y && rm /srv/tree/a && mkdir /srv/tree/a
FROM scratch
COPY --from=source /srv /srv
`,
    differences: [SCRATCH_WORKDIR],
  },
  {
    title: 'a stage copies from several, and they from each other',
    dockerfile: `FROM ${BASE} AS a
RUN echo a > /a
FROM ${BASE} AS b
COPY --from=a /a /from-a
RUN echo b > /b
FROM a AS c
COPY --from=b /b /from-a /in-c/
FROM ${BASE}
COPY --from=c /in-c /a /final/
COPY --from=b /b /final/
`,
  },
  {
    title: 'a later stage is no source',
    dockerfile: `FROM ${BASE} AS early
COPY --from=later /x /x
FROM ${BASE} AS later
RUN echo > /x
FROM early
`,
    fails: /cannot copy from stage "later"/,
  },
];
