import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { KEYWORDS } from '../../src/parse/arguments.js';
import type { Dockerfile } from '../../src/parse/instruction.js';
import { parseDockerfile, parseTrigger } from '../../src/parse/parser.js';
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../cases/fuzz.js';

const SAMPLE = `# syntax=docker/dockerfile:1
# escape=\\
ARG base=alpine:3 x="1 2"
FROM --platform=$BUILDPLATFORM \${base} AS Build
ENV A=1 B="x y" C=z\\ w
LABEL some thing with blanks
RUN --mount=type=cache,target=/c --network=none \\
  # note
  apk add a && \\

  make
COPY --link --chown=1:2 --exclude=*.md a <<-"one.txt" <<two /dest/
\tbody $a
\tone.txt
two's body
two
ONBUILD RUN <<EOF cat
\${x:-y}
EOF
ADD ["a b", "/c"]
HEALTHCHECK --interval=1m30s --retries=3 CMD ["curl", "-f"]
SHELL ["/bin/bash", "-c"]
EXPOSE 80/tcp 443
VOLUME /a /b
STOPSIGNAL SIGTERM
USER me
WORKDIR /a b
ENTRYPOINT ["x"]
CMD echo hi
`;

const PIECE = fc.oneof(
  fc.constantFrom(...KEYWORDS, ...KEYWORDS.map((word) => word.toUpperCase())),
  fc.constantFrom(
    ' ',
    '\t',
    '\n',
    '\\\n',
    '\r\n',
    '`\n',
    '# ',
    '\uFEFF',
    '\u0085',
    '\0',
    '<<EOF',
    '<<-',
    'EOF\n',
    '--',
    '--from=',
    '--mount',
  ),
  fc.constantFrom('[', ']', '["a"]', '"', "'", '\\', '$', '${', '}', ':-', '=', ',', 'escape=`', 'syntax=', '1h', '\ud800', '💾'),
  fc.string({ maxLength: 6 }),
);

const MUTATION = fc.record({ at: fc.nat(SAMPLE.length), length: fc.nat(12), insert: fc.array(PIECE, { maxLength: 3 }) });

/** What may come out: a Dockerfile whose ranges are in the file and in order, or a BuildError that points into it. */
function checkOutcome(text: string): 'parsed' | 'refused' {
  let dockerfile: Dockerfile;
  try {
    dockerfile = parseDockerfile(text);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    expect(error.kind).toBe('dockerfile');
    expect(error.range).toBeDefined();
    return 'refused';
  }
  let line = 0;
  for (const { range, keyword } of dockerfile.instructions) {
    expect(range.startLine).toBeGreaterThan(line);
    expect(range.endLine).toBeGreaterThanOrEqual(range.startLine);
    expect(KEYWORDS).toContain(keyword.toLowerCase());
    line = range.endLine;
  }
  expect(line).toBeLessThanOrEqual(dockerfile.file.lines.length);
  return 'parsed';
}

describe('the parser', () => {
  it('takes the sample', () => {
    expect(checkOutcome(SAMPLE)).toBe('parsed');
  });

  it('throws nothing but BuildErrors at arbitrary text', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const pieces = fc.array(PIECE, { maxLength: 40 });
    fc.assert(
      fc.property(pieces, fc.boolean(), (words, inStage) => {
        checkOutcome((inStage ? 'FROM a\n' : '') + words.join(''));
      }),
      fuzzRuns(3000),
    );
  });

  it('throws nothing but BuildErrors at mutated Dockerfiles', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const outcomes = new Set<string>();
    const property = fc.property(fc.array(MUTATION, { minLength: 1, maxLength: 4 }), (mutations) => {
      let text = SAMPLE;
      for (const { at, length, insert } of mutations) text = text.slice(0, at) + insert.join('') + text.slice(at + length);
      outcomes.add(checkOutcome(text));
    });
    fc.assert(property, fuzzRuns(1500));
    expect([...outcomes].toSorted()).toEqual(['parsed', 'refused']);
  });

  it('throws nothing but BuildErrors at bytes', { timeout: FUZZ_TIMEOUT_MS }, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseDockerfile(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(BuildError);
          expect(error).toMatchObject({ kind: 'dockerfile', range: expect.anything() });
        }
      }),
      fuzzRuns(1000),
    );
  });

  it('reads back the trigger of an ONBUILD as the instruction that it holds', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const bodyLine = fc.string({ maxLength: 8 }).filter((line) => !/[\r\n]/.test(line) && line !== 'END');
    fc.assert(
      fc.property(fc.array(bodyLine, { maxLength: 5 }), (lines) => {
        const copy = `COPY <<END /x\n${[...lines, 'END'].join('\n')}`;
        const { instructions } = parseDockerfile(`FROM a\n${copy}\nONBUILD ${copy}\n`);
        const [, plain, onbuild] = instructions;
        if (plain === undefined || onbuild?.kind !== 'onbuild') throw new Error('not parsed');
        expect(onbuild.trigger).toBe(copy);
        expect(parseTrigger(onbuild.trigger, plain.range)).toEqual([plain]);
      }),
      fuzzRuns(500),
    );
  });

  it.each<[string, string]>([
    ['nested ONBUILDs', 'ONBUILD \\\n'.repeat(50_000)],
    ['nested substitutions beside a heredoc', `RUN <<E ${'${a:-\\\n'.repeat(20_000)}`],
    ['nested substitutions in a delimiter', `RUN <<E${'${a:-\\\n'.repeat(20_000)}${'}\\\n'.repeat(20_000)}`],
    ['nested JSON', `CMD ${'['.repeat(30_000)}`],
    ['a run of blanks', `RUN a${' '.repeat(60_000)}b`],
    ['a run of CRs', `RUN a${'\r'.repeat(60_000)}b`],
    ['a directive of blanks', `# escape=${' '.repeat(60_000)}x`],
    ['many continuations', 'RUN a\\\n'.repeat(50_000)],
    ['many errors to place', `COPY --x \\\n${'a \\\n'.repeat(5_000)}b`],
  ])('does not choke on %s', (_, text) => {
    const start = performance.now();
    checkOutcome(text);
    checkOutcome(`FROM a\n${text}`);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('is quick: 1000 instructions', () => {
    const pair = 'RUN apt-get update && \\\n  # note\n  apt-get install -y x\nCOPY --chown=1:1 a b <<E /c\nbody\nE\n';
    const text = `FROM a\n${pair.repeat(500)}`;
    const durations = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(parseDockerfile(text).instructions).toHaveLength(1001);
      return performance.now() - start;
    });
    // The best of five, as the machine may be busy with other tests.
    expect(Math.min(...durations)).toBeLessThan(100);
  });
});
