import { BASE, type ConformanceCase, type ExplainedDifference } from './case.js';

/** buildah knows them from 1.33 on: what is expected is written out from section 1.6. */
const NEWER: readonly ExplainedDifference[] = [
  { where: 'build', tsbuild: 'done', buildah: 'failed', rule: 'heredocs are part of the language (1.6)' },
];

export const heredocCases: readonly ConformanceCase[] = [
  {
    title: 'RUN <<EOF: a script, of which the last command decides',
    dockerfile: `FROM ${BASE}
ARG NAME=argument
RUN <<EOF
false
NAME=\${NAME}-of-the-script
echo "$NAME" > /script

EOF
`,
    differences: NEWER,
    shows: { '/script': 'file 0644 0:0 "argument-of-the-script\\n"' },
  },
  {
    title: 'RUN <<EOF with an interpreter of its own',
    dockerfile: `FROM ${BASE}
RUN <<EOF
#!/bin/awk -f
BEGIN { print "from awk" > "/awk" }
EOF
`,
    differences: NEWER,
    shows: { '/awk': 'file 0644 0:0 "from awk\\n"', '/dev/pipes': undefined },
  },
  {
    title: 'RUN with a command and two heredocs',
    dockerfile: `FROM ${BASE}
RUN cat <<ONE > /one && cat <<-"TWO" > /two
home is $HOME
ONE
\thome is $HOME
\tTWO
`,
    differences: NEWER,
    shows: { '/one': 'file 0644 0:0 "home is /root\\n"', '/two': 'file 0644 0:0 "home is $HOME\\n"' },
  },
  {
    title: 'COPY <<EOF: files, expanded and not',
    dockerfile: `FROM ${BASE}
ARG WHO=world
COPY <<plain <<"raw" local /many/
hello "$WHO", \\$WHO \\\\
plain
hello "$WHO" \\
raw
COPY --chmod=600 --chown=alice:staff <<-script /usr/bin/one
\t#!/bin/sh
\t  echo \${WHO:+known}
\tscript
`,
    context: { local: 'of the context' },
    differences: NEWER,
    shows: {
      '/many': 'directory 0755 0:0',
      '/many/plain': 'file 0644 0:0 "hello \\"world\\", $WHO \\\\\\n"',
      '/many/raw': 'file 0644 0:0 "hello \\"$WHO\\" \\\\\\n"',
      '/many/local': 'file 0644 0:0 "of the context"',
      '/usr/bin/one': 'file 0600 1000:50 "#!/bin/sh\\n  echo known\\n"',
    },
  },
  {
    title: 'ONBUILD RUN <<EOF keeps its body for the child',
    dockerfile: `FROM ${BASE} AS parent
ONBUILD RUN <<EOF
echo "in $(pwd)" > /child
EOF
FROM parent
`,
    differences: NEWER,
    shows: { '/child': 'file 0644 0:0 "in /\\n"' },
  },
];
