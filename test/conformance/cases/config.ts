import { BASE, type ConformanceCase } from './case.js';

function ports(text: string): Record<string, object> {
  return Object.fromEntries(text.split(' ').map((port) => [port, {}]));
}

export const configCases: readonly ConformanceCase[] = [
  {
    title: 'CMD in shell form drops nothing and is wrapped',
    dockerfile: `FROM ${BASE}
CMD echo "$HOME" && exec sleep 1
`,
  },
  {
    title: "ENTRYPOINT drops the base's CMD",
    dockerfile: `FROM ${BASE}
ENTRYPOINT ["/bin/echo", "a b", "c"]
`,
  },
  {
    title: 'ENTRYPOINT keeps the CMD of its own stage, whichever comes first',
    dockerfile: `FROM ${BASE}
CMD ["first"]
ENTRYPOINT ["/bin/echo"]
`,
  },
  {
    title: 'CMD and ENTRYPOINT: the last one counts, an empty list clears',
    dockerfile: `FROM ${BASE}
ENTRYPOINT exec one
CMD ["one"]
CMD ["two", "three"]
ENTRYPOINT []
`,
  },
  {
    title: 'what is no JSON is shell form',
    dockerfile: `FROM ${BASE}
ENTRYPOINT ['/bin/echo', 'single']
CMD ["unfinished
`,
  },
  {
    title: 'SHELL wraps RUN, CMD and ENTRYPOINT from there on, and is inherited',
    dockerfile: `FROM ${BASE} AS first
RUN echo "$0" > /before
SHELL ["/bin/sh", "-e", "-c"]
RUN false || echo "$-" > /after
CMD echo first
FROM first
RUN case $- in *e*) echo inherited > /inherited;; esac
ENTRYPOINT echo entry
CMD echo "a"
`,
    differences: [
      {
        where: 'config Cmd',
        tsbuild: ['/bin/sh', '-e', '-c', 'echo "a"'],
        buildah: ['/bin/sh', '-c', 'echo "a"'],
        rule: 'SHELL is inherited by stages (1.7 SHELL)',
      },
      {
        where: 'config Entrypoint',
        tsbuild: ['/bin/sh', '-e', '-c', 'echo entry'],
        buildah: ['/bin/sh', '-c', 'echo entry'],
        rule: 'SHELL is inherited by stages (1.7 SHELL)',
      },
    ],
  },
  {
    title: 'EXPOSE: protocols, ranges, variables',
    dockerfile: `FROM ${BASE}
ENV PORT=9000
EXPOSE 80 53/udp 443/tcp
EXPOSE 8000-8003/tcp \${PORT} \${NOPE:-9001}/udp 7/sctp
`,
    differences: [
      {
        where: 'config ExposedPorts',
        tsbuild: ports('443/tcp 53/udp 7/sctp 80/tcp 8000/tcp 8001/tcp 8002/tcp 8003/tcp 9000/tcp 9001/udp'),
        buildah: ports('443/tcp 53/udp 7/sctp 80/tcp 8000-8003/tcp 9000/tcp 9001/udp'),
        rule: 'a range is as many single ports (1.7 EXPOSE)',
      },
    ],
  },
  {
    title: 'EXPOSE: a variable with several ports',
    dockerfile: `FROM ${BASE}
ENV PORTS="3000 4000/udp"
EXPOSE $PORTS
`,
  },
  {
    title: 'VOLUME: list, JSON and variables',
    dockerfile: `FROM ${BASE}
ENV WHERE=/vol/three
VOLUME /vol/one /vol/two
VOLUME ["/vol with blank", "$WHERE"]
`,
  },
  {
    title: 'VOLUME does not undo what later steps write there',
    dockerfile: `FROM ${BASE}
VOLUME /srv/tree
RUN echo later > /srv/tree/later && rm /srv/tree/a
`,
    differences: [
      {
        where: '/srv/tree/a',
        tsbuild: undefined,
        buildah: 'file 0644 0:0 "a\\n"',
        rule: 'writes below a volume are kept (1.7 VOLUME, peers)',
      },
      {
        where: '/srv/tree/later',
        tsbuild: 'file 0644 0:0 "later\\n"',
        buildah: undefined,
        rule: 'writes below a volume are kept (1.7 VOLUME, peers)',
      },
    ],
  },
  {
    title: 'STOPSIGNAL by name',
    dockerfile: `FROM ${BASE}
STOPSIGNAL SIGQUIT
`,
  },
  {
    title: 'STOPSIGNAL by number, from a variable',
    dockerfile: `FROM ${BASE}
ARG SIGNAL=9
STOPSIGNAL $SIGNAL
`,
  },
  {
    title: 'HEALTHCHECK with every option',
    dockerfile: `FROM ${BASE}
HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --retries=4 CMD wget -q http://localhost/ || exit 1
`,
  },
  {
    title: 'HEALTHCHECK in exec form; the last one counts',
    dockerfile: `FROM ${BASE}
HEALTHCHECK CMD one
HEALTHCHECK --retries=2 CMD ["/bin/true", "a b"]
`,
  },
  {
    title: 'HEALTHCHECK NONE over that of a stage',
    dockerfile: `FROM ${BASE} AS checked
HEALTHCHECK CMD true
FROM checked
HEALTHCHECK NONE
`,
  },
  {
    title: 'MAINTAINER sets the author',
    dockerfile: `FROM ${BASE}
MAINTAINER Some Body <some@body.example>
`,
  },
  {
    title: 'a config without any layer of its own',
    dockerfile: `FROM ${BASE}
ENV A=1
LABEL a=1
USER 1:2
EXPOSE 1
VOLUME /v
STOPSIGNAL TERM
CMD []
`,
  },
];
