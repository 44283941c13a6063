import { BASE, keptMtime, type ConformanceCase } from './case.js';

/** What becomes of the words of an instruction, and what USER, WORKDIR and ONBUILD make of later ones. */
export const wordCases: readonly ConformanceCase[] = [
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
    differences: [
      { where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'the forms # ## % %% / // and those without a colon are known (1.5)' },
    ],
    shows: {
      'config Env': [
        'PATH=/bin',
        'BASE_ENV=inherited',
        'FILE=archive.tar.gz',
        'EMPTY=',
        'STEM=archive',
        'SHORT=archive.tar',
        'LAST=gz',
        'REST=tar.gz',
        'DASHES=archive-tar-gz',
        'DASH=archive-tar.gz',
        'UNSET=default',
        'SET=',
        'PLUS=plus',
      ],
    },
  },
  {
    title: 'ENV: a name set again keeps its place',
    dockerfile: `FROM ${BASE}
ENV ONE=1
ENV TWO=2 THREE=3
ENV ONE=uno
ENV BASE_ENV=changed
`,
    differences: [
      {
        where: 'config Env',
        tsbuild: ['PATH=/bin', 'BASE_ENV=changed', 'ONE=uno', 'TWO=2', 'THREE=3'],
        buildah: ['PATH=/bin', 'ONE=uno', 'TWO=2', 'THREE=3', 'BASE_ENV=changed'],
        rule: 'a name that is set again is replaced in place, whoever set it first (1.7 ENV)',
      },
    ],
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
    differences: keptMtime('/home/alice'),
  },
  {
    title: 'WORKDIR: the last instruction makes a directory, too',
    dockerfile: `FROM ${BASE}
WORKDIR /never/used
`,
    differences: [
      { where: '/never', tsbuild: 'directory 0755 0:0', buildah: undefined, rule: 'WORKDIR makes the directory, at once (1.7 WORKDIR)' },
      {
        where: '/never/used',
        tsbuild: 'directory 0755 0:0',
        buildah: undefined,
        rule: 'WORKDIR makes the directory, at once (1.7 WORKDIR)',
      },
    ],
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
    parents: {
      'tsbuild.local/onbuild:1': `FROM ${BASE}\nONBUILD COPY file /copied\nONBUILD ENV TRIGGERED=yes\nONBUILD RUN cat /copied > /ran\n`,
    },
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
    differences: [
      { where: '/who content', tsbuild: 'parent\n', buildah: 'unset\n', rule: 'a stage made from a stage has its arguments (#62, peers)' },
    ],
  },
  {
    title: 'ARG after ENV of the same name',
    dockerfile: `FROM ${BASE}
ENV X=env
ARG X=arg
RUN echo $X > /x
ENV Y=$X
`,
    differences: [
      {
        where: 'config Env',
        tsbuild: ['PATH=/bin', 'BASE_ENV=inherited', 'X=env', 'Y=arg'],
        buildah: ['PATH=/bin', 'BASE_ENV=inherited', 'X=env', 'Y=env'],
        rule: 'the later declaration counts (1.5)',
      },
      { where: '/x content', tsbuild: 'arg\n', buildah: 'env\n', rule: 'the later declaration counts (1.5, #51)' },
    ],
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
    differences: [
      {
        where: '/dir\\name',
        tsbuild: 'file 0644 0:0 "x"',
        buildah: undefined,
        rule: 'with another escape character a backslash is a letter like any other (1.1)',
      },
      {
        where: '/dirname',
        tsbuild: undefined,
        buildah: 'file 0644 0:0 "x"',
        rule: 'with another escape character a backslash is a letter like any other (1.1)',
      },
    ],
  },
  {
    title: 'quotes, escapes and dollars at odd places',
    dockerfile: String.raw`FROM ${BASE}
ENV A="a\"b" B='a"b' C=a\"b D=\x E="$" F=$ G=a$ H='it''s'
ENV X a\ b "c d"
LABEL L="$A" M='$A' N=$A
CMD ["a\tb", "\u00e9", "\"q\"", "\"]
ENTRYPOINT [ "x" ,"y" ]
VOLUME [ "/a" , "/b c" ]
`,
  },
];
