import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BASE, type ConformanceCase } from './case.js';

/** Some file of the machine that both builders can read. */
const SECRET_FILE = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));

const THROWN_AWAY = 'writes go to a copy, which is dropped after the step (1.7 --mount, #122)';

const SITE = { 'site/index.html': '<p>', 'site/sub/deep.txt': 'deep', 'top.txt': 'top' } as const;

export const mountCases: readonly ConformanceCase[] = [
  {
    title: 'RUN --mount=type=bind: a directory of the context',
    dockerfile: `FROM ${BASE}
RUN --mount=type=bind,source=site,target=/run/m cp -r /run/m /copied && ls /run/m > /listed
RUN test ! -e /run/m && echo gone > /after
`,
    context: SITE,
  },
  {
    title: 'RUN --mount: the type is bind, the source the context',
    dockerfile: `FROM ${BASE}
RUN --mount=target=/run/m ls -A /run/m > /listed && cat /run/m/top.txt >> /listed
`,
    context: { ...SITE, '.dockerignore': 'site/sub\n' },
  },
  {
    title: 'RUN --mount=type=bind is read-only',
    dockerfile: `FROM ${BASE}
RUN --mount=type=bind,source=site,target=/run/m ! touch /run/m/new 2> /dev/null && ! rm /run/m/index.html 2> /dev/null && echo refused > /result
`,
    context: SITE,
  },
  {
    // From a stage: buildah would change the context, which both builders read.
    title: 'RUN --mount=type=bind,rw: what is written is thrown away',
    dockerfile: `FROM ${BASE} AS kit
RUN mkdir /kit && echo one > /kit/one && echo two > /kit/two
FROM ${BASE}
RUN --mount=type=bind,from=kit,source=/kit,target=/run/m,rw echo more >> /run/m/one && rm /run/m/two && touch /run/m/new && cat /run/m/one > /seen
RUN --mount=type=bind,from=kit,source=/kit,target=/run/m cat /run/m/one > /again; ls -A /run/m >> /again
COPY --from=kit /kit /kit
`,
    differences: [
      { where: '/again content', tsbuild: 'one\none\ntwo\n', buildah: 'one\nmore\nnew\none\n', rule: THROWN_AWAY },
      { where: '/kit/new', tsbuild: undefined, buildah: 'file 0644 0:0 ""', rule: THROWN_AWAY },
      { where: '/kit/one content', tsbuild: 'one\n', buildah: 'one\nmore\n', rule: THROWN_AWAY },
      { where: '/kit/two', tsbuild: 'file 0644 0:0 "two\\n"', buildah: undefined, rule: THROWN_AWAY },
    ],
  },
  {
    title: 'RUN --mount=type=bind: from a stage, and from an image',
    dockerfile: `FROM ${BASE} AS tools
RUN mkdir -p /kit/bin && echo '#!/bin/sh' > /kit/bin/hello && echo 'echo hello' >> /kit/bin/hello && chmod 755 /kit/bin/hello
FROM ${BASE}
RUN --mount=type=bind,from=tools,source=/kit,target=/run/m /run/m/bin/hello > /from-stage
RUN --mount=type=bind,from=${BASE},source=/srv/tree,target=/run/m cat /run/m/a /run/m/sub/c > /from-image
`,
  },
  {
    title: 'RUN --mount=type=bind: one file',
    dockerfile: `FROM ${BASE}
RUN --mount=type=bind,source=top.txt,target=/run/file cat /run/file > /seen
RUN test ! -e /run/file && echo gone > /after
`,
    context: SITE,
  },
  {
    title: 'RUN --mount: the parents of a target leave no trace',
    dockerfile: `FROM ${BASE}
RUN --mount=type=bind,source=site,target=/new/place/here cat /new/place/here/index.html > /seen
RUN --mount=type=tmpfs,target=/other/place touch /other/place/x
RUN --mount=type=cache,id=trace,target=/cached/place touch /cached/place/x
`,
    context: SITE,
    differences: ['/cached', '/new', '/new/place', '/other'].map((where) => ({
      where,
      tsbuild: undefined,
      buildah: 'directory 0755 0:0',
      rule: 'what is made for a target is removed again, its parents too (1.7 RUN, #120)',
    })),
  },
  {
    title: 'RUN --mount: two beside each other, and a target below the working directory',
    dockerfile: `FROM ${BASE}
WORKDIR /run
RUN --mount=type=bind,source=site,target=m --mount=type=bind,source=top.txt,target=/run/top cat m/index.html top > /seen
`,
    context: SITE,
    differences: [
      { where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'a target is relative to the working directory (1.7 --mount)' },
    ],
    shows: { '/seen': 'file 0644 0:0 "<p>top"' },
  },
  {
    title: 'RUN --mount: values with variables',
    dockerfile: `FROM ${BASE}
ARG PLACE=/run/m
ENV FROM_WHERE=site
RUN --mount=type=bind,source=$FROM_WHERE,target=\${PLACE} ls \${PLACE} > /listed
`,
    context: SITE,
  },
  {
    title: 'RUN --mount=type=cache: from step to step, and not in the image',
    dockerfile: `FROM ${BASE}
RUN --mount=type=cache,id=one,target=/run/m echo first > /run/m/kept
RUN --mount=type=cache,id=one,target=/run/m cat /run/m/kept > /seen
RUN --mount=type=cache,id=two,target=/run/m ls -A /run/m > /other
RUN test ! -e /run/m && echo gone > /after
`,
  },
  {
    title: 'RUN --mount=type=cache: owner and mode',
    dockerfile: `FROM ${BASE}
RUN --mount=type=cache,id=owned,target=/run/m,uid=1001,gid=1002,mode=0751 stat -c '%u:%g %a' /run/m > /seen
RUN --mount=type=cache,id=plain,target=/run/m stat -c '%u:%g %a' /run/m > /plain
`,
  },
  {
    title: 'RUN --mount=type=cache: begun with the files of a stage',
    dockerfile: `FROM ${BASE} AS seed
RUN mkdir /seed && echo sown > /seed/corn
FROM ${BASE}
RUN --mount=type=cache,id=seeded,from=seed,source=/seed,target=/run/m cat /run/m/corn > /seen && echo more > /run/m/more
`,
  },
  {
    title: 'RUN --mount=type=tmpfs covers what is there',
    dockerfile: `FROM ${BASE}
RUN --mount=type=tmpfs,target=/srv/owned ls -A /srv/owned > /listed && echo x > /srv/owned/kept && grep ' /srv/owned ' /proc/mounts | cut -d ' ' -f 3 >> /listed
`,
    differences: (['directory 2775 1000:50', 'file 0644 0:50 "kept\\n"'] as const).map((tsbuild, index) => ({
      where: ['/srv/owned', '/srv/owned/kept'][index] ?? '',
      tsbuild,
      buildah: undefined,
      rule: 'what was at the target before is there again (#120)',
    })),
  },
  {
    title: 'RUN --mount=type=secret: a file of the machine, for one step',
    dockerfile: `FROM ${BASE}
RUN --mount=type=secret,id=config,target=/run/config cat /run/config | wc -c > /size
RUN --mount=type=secret,id=config,target=/run/config stat -c '%u:%g %a' /run/config > /access
RUN --mount=type=secret,id=config,target=/run/config,mode=0440,uid=1000,gid=50 stat -c '%u:%g %a' /run/config >> /access
RUN test ! -e /run/config && echo gone > /after
`,
    args: ['--secret', `id=config,src=${SECRET_FILE}`],
  },
  {
    title: 'RUN --mount=type=secret: one that is not given, and need not be',
    dockerfile: `FROM ${BASE}
RUN --mount=type=secret,id=absent,target=/srv/secret test ! -e /srv/secret && echo none > /seen
`,
  },
  {
    title: 'RUN --mount=type=secret,required: one that is not given',
    dockerfile: `FROM ${BASE}
RUN --mount=type=secret,id=absent,required=true true
`,
    fails: /secret absent: not found/,
  },
  {
    title: 'RUN --mount=type=secret: as a variable',
    dockerfile: `FROM ${BASE}
RUN --mount=type=secret,id=config,env=CONFIG echo "\${#CONFIG}" > /length; test ! -e /run/secrets/config && echo no file >> /length
`,
    args: ['--secret', `id=config,src=${SECRET_FILE}`],
    differences: [{ where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'a secret can be a variable (1.7 --mount, #128)' }],
    shows: { '/length': `file 0644 0:0 ${JSON.stringify(`${readFileSync(SECRET_FILE, 'utf8').length}\nno file\n`)}` },
  },
  {
    title: 'RUN --mount: a type that there is not',
    dockerfile: `FROM ${BASE}
RUN --mount=type=caches,target=/x true
`,
    fails: /unsupported mount type "caches"/,
  },
  {
    title: 'RUN --mount=type=bind: a source that is not there',
    dockerfile: `FROM ${BASE}
RUN --mount=type=bind,source=nothing,target=/run/m true
`,
    differences: [{ where: 'build', tsbuild: 'failed', buildah: 'done', rule: 'a source that is missing is an error (1.7 --mount)' }],
    fails: /"\/nothing" not found|nothing.*not found/,
  },
  {
    title: 'ONBUILD RUN --mount: the context of the child',
    dockerfile: 'FROM tsbuild.local/with-mounts:1\nCMD ["x"]\n',
    parents: {
      'tsbuild.local/with-mounts:1': `FROM ${BASE}
ONBUILD RUN --mount=type=bind,source=site,target=/run/m cp /run/m/index.html /taken
ONBUILD RUN --mount=type=cache,id=onbuild,target=/run/m ls -A /run/m > /listed
`,
    },
    context: SITE,
  },
];
