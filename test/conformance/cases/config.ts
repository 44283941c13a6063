import { BASE, type ConformanceCase } from './case.js';

export const configCases: readonly ConformanceCase[] = [
  {
    title: 'ENV: quotes, escapes and the old form',
    dockerfile: `FROM ${BASE}
ENV PLAIN=1 QUOTED="two  words" ESCAPED=three\\ little\\ words SINGLE='no $PLAIN here'
ENV OLD   the rest of the line
ENV EMPTY= EQUALS=a=b=c HASH="#not a comment" JOINED=a"b c"'d e'f
ENV WINDOWS="c:\\dir" TAB="a\\tb" UNQUOTED=a\\tb
RUN printf '%s|%s|%s|%s|%s' "$PLAIN" "$QUOTED" "$OLD" "$JOINED" "$EMPTY" > /seen
`,
  },
  {
    title: 'ENV: expansion',
    dockerfile: `FROM ${BASE}
ENV A=one B=
ENV A=two OLD_A=$A
ENV BRACES=\${A}x LONG=$A_B SET=\${A:+yes} UNSET=\${NOPE:-\${A}-default} BLANK=\${B:-blank} NOT_SET=\${NOPE:+no}end
ENV LITERAL=\\$A SINGLE='$A' DOUBLE="$A \\$A" OF_BASE=$BASE_ENV:$PATH
`,
  },
  {
    title: 'ENV: prefixes and suffixes are cut off, parts replaced, unset is not empty',
    dockerfile: `FROM ${BASE}
ENV FILE=archive.tar.gz EMPTY=
ENV STEM=\${FILE%%.*} SHORT=\${FILE%.*} LAST=\${FILE##*.} REST=\${FILE#*.} DASHES=\${FILE//./-} DASH=\${FILE/./-}
ENV UNSET=\${NOPE-default} SET=\${EMPTY-default} PLUS=\${EMPTY+plus}
`,
    differences: [],
  },
  {
    title: 'ENV: a name set again keeps its place',
    dockerfile: `FROM ${BASE}
ENV ONE=1
ENV TWO=2 THREE=3
ENV ONE=uno
ENV BASE_ENV=changed
`,
  },
  {
    title: 'LABEL: quotes, several lines, keys that need quoting, variables',
    dockerfile: `FROM ${BASE}
ENV VERSION=1.2
LABEL "com.example.vendor"="ACME Incorporated" com.example.version=$VERSION
LABEL multi="first \\
second" single='$VERSION' escaped=a\\ b
LABEL old the rest, all of it
LABEL base=no empty=""
`,
  },
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
  },
  {
    title: 'EXPOSE: protocols, ranges, variables',
    dockerfile: `FROM ${BASE}
ENV PORT=9000
EXPOSE 80 53/udp 443/tcp
EXPOSE 8000-8003/tcp \${PORT} \${NOPE:-9001}/udp 7/sctp
`,
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
  },
  {
    title: 'USER: a name, a number, a group, a variable',
    dockerfile: `FROM ${BASE}
USER alice
RUN id > /tmp/name
USER 1001
RUN id > /tmp/number
USER 1000:users
RUN id > /tmp/group
USER 4242:4343
RUN id > /tmp/unknown
ENV WHO=bob
USER $WHO
RUN id > /tmp/variable && pwd && echo $HOME >> /tmp/variable
`,
  },
  {
    title: 'WORKDIR: relative, missing, with variables and a slash at the end',
    dockerfile: `FROM ${BASE}
ENV DIR=sub/dir
WORKDIR /made
WORKDIR one
WORKDIR $DIR
RUN pwd > /pwd
WORKDIR ../up
RUN pwd >> /pwd
WORKDIR /srv/tree/
RUN pwd >> /pwd && touch here
`,
  },
  {
    title: 'WORKDIR after USER: the directory is of the user',
    dockerfile: `FROM ${BASE}
USER alice:users
WORKDIR /home/alice/project/src
RUN echo mine > file
WORKDIR /srv/tree
RUN pwd > /tmp/pwd
`,
  },
  {
    title: 'WORKDIR: the last instruction makes a directory, too',
    dockerfile: `FROM ${BASE}
WORKDIR /never/used
`,
  },
  {
    title: 'WORKDIR through symlinks',
    dockerfile: `FROM ${BASE}
WORKDIR /srv/link/new
RUN pwd > where
WORKDIR /srv/abs
RUN pwd > where
`,
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
    title: 'ONBUILD is kept for children',
    dockerfile: `FROM ${BASE}
ONBUILD RUN echo "$A" > /onbuild
ONBUILD COPY --chown=1:2 . /src/
ONBUILD ENV X=y
`,
    context: { file: 'x' },
  },
  {
    title: 'ONBUILD of a base image runs right after FROM, and once',
    parents: { 'tsbuild.local/onbuild:1': `FROM ${BASE}\nONBUILD COPY file /copied\nONBUILD ENV TRIGGERED=yes\nONBUILD RUN cat /copied > /ran\n` },
    dockerfile: `FROM tsbuild.local/onbuild:1
RUN cat /ran > /after; echo $TRIGGERED >> /after
`,
    context: { file: 'from the child\n' },
  },
  {
    title: 'ONBUILD of a stage runs in the stage that is made from it',
    dockerfile: `FROM ${BASE} AS parent
ONBUILD RUN echo triggered >> /ran
RUN test ! -e /ran
FROM parent AS child
RUN cat /ran > /after
FROM child
RUN cat /ran > /grandchild
`,
  },
  {
    title: 'MAINTAINER sets the author',
    dockerfile: `FROM ${BASE}
MAINTAINER Some Body <some@body.example>
`,
  },
  {
    title: 'ARG: defaults, arguments, scopes',
    dockerfile: `ARG TAG=1
ARG GLOBAL=global
FROM tsbuild.local/base:\${TAG} AS one
ARG GLOBAL
ARG LOCAL=local
ARG GIVEN=default
ARG UNSET
ENV SAW=$GLOBAL:$LOCAL:$GIVEN:$UNSET
RUN echo "$GLOBAL:$LOCAL:$GIVEN:\${UNSET-unset}" > /one
FROM ${BASE}
ARG GIVEN
RUN echo "\${GLOBAL-unset}:\${LOCAL-unset}:\${GIVEN-unset}" > /two
COPY --from=one /one /one
`,
    args: ['--build-arg', 'GIVEN=given', '--build-arg', 'NEVER=declared'],
  },
  {
    title: 'ARG: inherited by a stage made from the stage',
    dockerfile: `FROM ${BASE} AS one
ARG WHO=parent
FROM one
RUN echo "\${WHO-unset}" > /who
`,
  },
  {
    title: 'ARG after ENV of the same name',
    dockerfile: `FROM ${BASE}
ENV X=env
ARG X=arg
RUN echo $X > /x
ENV Y=$X
`,
  },
  {
    title: 'another escape character, comments, blank lines, any case',
    dockerfile: [
      '# escape=`',
      '# a comment',
      `from ${BASE} as Stage`,
      '',
      'eNv A=1 `',
      '  # in between',
      '    B=2 `',
      '',
      '    C="c:\\dir"',
      '  run echo one `',
      '   two > /out',
      'Copy file /dir\\name',
      'cmd ["/bin/true"]',
      '',
    ].join('\n'),
    context: { file: 'x' },
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
