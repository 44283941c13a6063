import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { lintDockerfile } from '../../src/lint/lint.js';
import { outlineDockerfile } from '../../src/lint/outline.js';
import { parseIgnore } from '../../src/context/dockerignore.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { toInput } from '../plan/helpers.js';

const WORDS = ['a', '$a', '${a:-$b}', '"x$c"', "'$d'", '/x', '../y', 'a/./b', '${e/x/y}', '*.txt', '${f:?no}'];
const PORTS = ['80', '80/TCP', '1:2', '[::1]:8:8/udp', '$p', '7-9'];
/** `W` stands for a word, `P` for a port. */
const TEMPLATES = [
  'FROM W',
  'FROM s AS A',
  'from --platform=linux/amd64 s as b',
  'FROM --platform=$p scratch',
  'FROM s',
  'FROM scratch AS W',
  'ARG x=W y',
  'ARG a',
  'ARG TOKEN=W',
  'ENV x=W y=W',
  'ENV key W',
  'env $a=W',
  'LABEL x=W',
  'LABEL key W',
  'USER W',
  'WORKDIR W',
  'COPY W W W',
  'ADD W https://example.com/W W',
  'COPY --from=0 --chown=W W W',
  'COPY --from=W W W',
  'COPY <<E W\n$x W\nE',
  'COPY a \\\n\n W',
  'RUN W',
  'RUN --mount=type=secret,id=W true',
  'RUN --mount=from=s,target=/W true',
  'RUN <<E\n$x\nE',
  'VOLUME W W',
  'STOPSIGNAL 9',
  'EXPOSE P P',
  'CMD W',
  'cmd ["W"]',
  'ENTRYPOINT W',
  'SHELL ["/bin/sh", "-c"]',
  'HEALTHCHECK CMD W',
  'HEALTHCHECK NONE',
  'MAINTAINER W',
  'ONBUILD CMD W',
  'ONBUILD COPY --from=s W W',
  'ONBUILD ENV a W',
  'Nonsense W',
];
const COMMENTS = ['# check=skip=all', '# check=skip=UndefinedVar;experimental=all', '# check=x', '# a describes', '#', ''];

const instruction = fc
  .tuple(fc.constantFrom(...TEMPLATES), fc.array(fc.constantFrom(...WORDS), { minLength: 3, maxLength: 3 }), fc.constantFrom(...PORTS))
  .map(([template, [first = '', ...rest], port]) =>
    template
      .replace(/\bW\b/, () => first)
      .replaceAll(/\bW\b/g, () => rest[0] ?? '')
      .replaceAll(/\bP\b/g, () => port),
  );
const line = fc.oneof({ weight: 4, arbitrary: instruction }, { weight: 1, arbitrary: fc.constantFrom(...COMMENTS) });
const file = fc.array(line, { maxLength: 12 }).map((lines) => ['ARG p=linux/amd64', 'FROM scratch AS s', ...lines].join('\n'));

function tryCatch(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof BuildError) || error.kind === 'internal') throw error;
  }
}

test('whatever a file holds, its check ends in warnings that lie inside of it, or in an error of the file', () => {
  const ignore = parseIgnore('**\n!x\n', '.dockerignore');
  fc.assert(
    fc.property(file, fc.boolean(), (text, isBuild) => {
      tryCatch(() => {
        const dockerfile = parseDockerfile(text);
        const input = { plan: toInput({}), stages: isBuild ? 'target' : 'all', ignore } as const;
        const { warnings } = lintDockerfile(dockerfile, input);
        for (const { range, detail } of warnings) {
          expect(range.startLine).toBeGreaterThan(0);
          expect(range.endLine).toBeLessThanOrEqual(dockerfile.file.lines.length);
          expect(detail).not.toBe('');
        }
        expect(lintDockerfile(dockerfile, input).warnings).toEqual(warnings);
        tryCatch(() => outlineDockerfile(dockerfile, input.plan));
      });
    }),
    { numRuns: 1500 },
  );
});
