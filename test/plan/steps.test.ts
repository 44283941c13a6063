import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { planBuild } from '../../src/plan/planner.js';
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../cases/fuzz.js';
import { fromImage, HOST, historyOf, lastStep, plan, planError, planTarget, stepOf, toInput, type PlanOptions } from './helpers.js';

describe('RUN', () => {
  const rows: [lines: string, args: readonly string[], createdBy: string][] = [
    ['RUN echo  $x # c', ['/bin/sh', '-c', 'echo  $x # c'], 'RUN /bin/sh -c echo  $x # c # buildkit'],
    ['RUN ["a", "b c"]', ['a', 'b c'], 'RUN a b c # buildkit'],
    ['SHELL ["/bin/bash", "-ec"]\nRUN x', ['/bin/bash', '-ec', 'x'], 'RUN /bin/bash -ec x # buildkit'],
    ['ARG a=1\nARG b\nRUN x', ['/bin/sh', '-c', 'x'], 'RUN |2 a=1 b= /bin/sh -c x # buildkit'],
    ['ARG a=1\nARG b=2\nARG a=3\nRUN x', ['/bin/sh', '-c', 'x'], 'RUN |2 a=3 b=2 /bin/sh -c x # buildkit'],
    ['ARG a=1\nENV a=9\nRUN x', ['/bin/sh', '-c', 'x'], 'RUN |1 a=9 /bin/sh -c x # buildkit'],
    ['RUN <<EOF\none\ntwo\nEOF', ['/bin/sh', '-c', 'one\ntwo\n'], 'RUN /bin/sh -c one\ntwo\n # buildkit'],
    ['SHELL ["/bin/awk"]\nRUN <<EOF\nBEGIN{}\nEOF', ['/bin/awk', 'BEGIN{}\n'], 'RUN /bin/awk BEGIN{}\n # buildkit'],
    [
      'RUN cat <<A | tr ; cat <<B\n1\nA\n2\nB',
      ['/bin/sh', '-c', 'cat <<A | tr ; cat <<B\n1\nA\n2\nB'],
      'RUN /bin/sh -c cat <<A | tr ; cat <<B\n1\nA\n2\nB # buildkit',
    ],
    [
      'RUN python3 <<"EOF"\n#!x $y\nEOF',
      ['/bin/sh', '-c', 'python3 <<"EOF"\n#!x $y\nEOF'],
      'RUN /bin/sh -c python3 <<"EOF"\n#!x $y\nEOF # buildkit',
    ],
  ];
  for (const [lines, args, createdBy] of rows) {
    test(lines.replaceAll('\n', ' / '), () => {
      const step = stepOf(lines);
      expect(step).toMatchObject({ kind: 'run', args, history: { created_by: createdBy, comment: 'buildkit.dockerfile.v0' } });
      expect(step.history).not.toHaveProperty('empty_layer');
    });
  }

  test('70: takes no ENTRYPOINT, but WORKDIR and USER', () => {
    expect(stepOf('ENTRYPOINT ["e"]\nWORKDIR /a/../b/\nUSER u:g\nRUN x')).toMatchObject({
      args: ['/bin/sh', '-c', 'x'],
      cwd: '/b',
      user: 'u:g',
    });
    expect(stepOf('RUN x')).toMatchObject({ cwd: '/', user: '' });
  });

  test('has the network that it names, else the build’s', () => {
    expect(stepOf('RUN x', { network: 'none' })).toMatchObject({ network: 'none' });
    expect(stepOf('RUN --network=default x', { network: 'none' })).toMatchObject({ network: 'none' });
    expect(stepOf('RUN --network=host x')).toMatchObject({ network: 'host' });
    expect(stepOf('RUN --network=none x')).toMatchObject({ network: 'none' });
  });
});

describe('COPY and ADD', () => {
  const rows: [lines: string, expected: object, createdBy: string][] = [
    ['COPY a b /c/', { op: 'COPY', from: { kind: 'context' }, sources: ['a', 'b'], dest: '/c/' }, 'COPY a b /c/ # buildkit'],
    ['ADD a* b/ .', { op: 'ADD', sources: ['a*', 'b/'], dest: '/' }, 'ADD a* b/ . # buildkit'],
    ['WORKDIR /w\nCOPY a .', { dest: '/w/' }, 'COPY a . # buildkit'],
    ['WORKDIR /w\nCOPY a ./', { dest: '/w/' }, 'COPY a ./ # buildkit'],
    ['WORKDIR /w\nCOPY a b', { dest: '/w/b' }, 'COPY a b # buildkit'],
    ['WORKDIR /w\nCOPY a b/.', { dest: '/w/b/' }, 'COPY a b/. # buildkit'],
    ['WORKDIR /w/v\nCOPY a ../', { dest: '/w/' }, 'COPY a ../ # buildkit'],
    ['COPY a ../../b', { dest: '/b' }, 'COPY a ../../b # buildkit'],
    ['COPY a /b/../../c//d', { dest: '/c/d' }, 'COPY a /b/../../c//d # buildkit'],
    ['WORKDIR /w\nCOPY a $empty', { dest: '/w/' }, 'COPY a  # buildkit'],
    ['ENV F=f D=/d\nCOPY $F "${D}"/x', { sources: ['f'], dest: '/d/x' }, 'COPY f /d/x # buildkit'],
    ['COPY ["a b", "c\\\\d"]', { sources: ['a b'], dest: '/cd' }, 'COPY a b cd # buildkit'],
    [
      'ARG u=1 g=2 m=755\nCOPY --chown=${u}:${g} --chmod=${m} a b',
      { chown: '1:2', chmod: '755' },
      'COPY --chown=1:2 --chmod=755 a b # buildkit',
    ],
    ['COPY --chmod=u=rwX,go-w a b', { chmod: 'u=rwX,go-w' }, 'COPY --chmod=u=rwX,go-w a b # buildkit'],
    ['COPY --chown=$nobody a b', { sources: ['a'] }, 'COPY a b # buildkit'],
    ['COPY --from=img a b', { from: fromImage('img') }, 'COPY a b # buildkit'],
    ['COPY a --chown=x b/', { sources: ['a', '--chown=x'], dest: '/b/' }, 'COPY a --chown=x b/ # buildkit'],
  ];
  for (const [lines, expected, createdBy] of rows) {
    test(lines.replaceAll('\n', ' / '), () => {
      const step = stepOf(lines, { images: { img: {} } });
      expect(step).toMatchObject({ kind: 'copy', ...expected, history: { created_by: createdBy } });
      expect(step.history).not.toHaveProperty('empty_layer');
    });
  }

  test('the escape character of the file holds for them', () => {
    const text = '# escape=`\nFROM scratch\nENV x=1\nCOPY `$x a\\b /$x';
    expect(lastStep(planTarget(text))).toMatchObject({ sources: ['$x', 'a\\b'], dest: '/1' });
  });

  test('several sources and no slash are warned of', () => {
    expect(plan('FROM scratch\nCOPY a b /c').warnings).toMatchObject([
      { message: expect.stringMatching(/^COPY has several sources/), range: { startLine: 2 } },
    ]);
    expect(plan('FROM scratch\nCOPY a b /c/\nCOPY a b .\nADD a b /\nCOPY a /c').warnings).toEqual([]);
  });

  const refused: [lines: string, message: string][] = [
    ['COPY --chmod=64a a b', "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777"],
    ['COPY --chmod=10000 a b', "invalid chmod parameter: '10000'. it should be octal string and between 0 and 07777"],
    ['COPY --chmod=u+ä a b', "invalid chmod parameter: 'u+ä'. it should be octal string and between 0 and 07777"],
    ['COPY http://x/y a', "source can't be a URL for COPY"],
    ['ENV u=https://x/y\nCOPY $u a', "source can't be a URL for COPY"],
    ['COPY https://x/y.git#main a', "source can't be a git ref for COPY"],
    ['COPY git@x:y a', "source can't be a git ref for COPY"],
  ];
  for (const [lines, message] of refused)
    test(lines, () => expect(planError(`FROM scratch\n${lines}`)).toMatchObject({ kind: 'dockerfile', message }));
});

describe('not supported yet', () => {
  const rows: [lines: string, what: string][] = [['RUN --device=a y', 'RUN --device']];
  for (const [lines, what] of rows) {
    test(what, () => {
      const error = planError(`FROM scratch\n${lines}`);
      expect(error).toMatchObject({ kind: 'unsupported', message: `not supported yet: ${what}`, range: { startLine: 2 } });
      expect(error.hint).toMatch(/^[A-Z].*\.$/);
    });
  }

  test('Windows', () => {
    const windows = { ...HOST, os: 'windows', rootfs: { type: 'layers' as const, diff_ids: [] } };
    expect(planError('FROM w', { bases: { w: windows } })).toMatchObject({ kind: 'unsupported', range: { startLine: 1 } });
    const platform = { os: 'windows', architecture: 'amd64' };
    expect(planError('FROM scratch', { platform })).toMatchObject({ kind: 'unsupported', range: { startLine: 1 } });
  });

  test('is said before images are asked for', () => expect(planError('FROM app\nRUN --device=x y').kind).toBe('unsupported'));
});

describe('the text of a step', () => {
  const rows: [lines: string, text: string][] = [
    ['RUN a \\\n    &&   b', 'RUN a && b'],
    ['run  a\tb', 'run a b'],
    ['RUN <<EOF\n\n  first\nsecond\nEOF', 'RUN <<EOF (first...)'],
    ['RUN <<EOF\nonly\nEOF', 'RUN <<EOF (only)'],
    ['COPY --chown=1   a b', 'COPY --chown=1 a b'],
  ];
  for (const [lines, text] of rows) test(text, () => expect(stepOf(lines).text).toBe(text));

  test('stages show their base expanded', () => {
    expect(planTarget('ARG v=3\nFROM app:$v AS Web', { images: { 'app:3': {} } }).text).toBe('FROM app:3 AS web');
  });

  test('ids and positions count the steps', () => {
    const stage = planTarget('FROM scratch AS a\nFROM scratch\nENV a=1\nONBUILD RUN x\nRUN y');
    expect(stage.steps.map(({ id, index }) => [id, index])).toEqual([
      ['1.1', 2],
      ['1.2', 3],
    ]);
  });
});

test('the history of a whole file', () => {
  const lines = [
    'ARG V=1',
    'FROM scratch AS base',
    'ENV P=/opt',
    'FROM base',
    'ARG V',
    'WORKDIR $P/app',
    'COPY --from=base --chmod=644 x $P/',
    'RUN make V=$V',
    'USER 1000',
    'CMD ["run"]',
  ];
  expect(historyOf(planTarget(lines.join('\n')))).toEqual([
    'ARG V=1',
    'WORKDIR /opt/app',
    'COPY --chmod=644 x /opt/ # buildkit',
    'RUN |1 V=1 /bin/sh -c make V=$V # buildkit',
    'USER 1000',
    'CMD ["run"]',
  ]);
});

describe('whatever the file holds', () => {
  const word = fc.oneof(
    fc.constantFrom('a', '$x', '${x:-/y}', '/b', '..', '"q r"', 'x=1', 'x', '80', 'http://h/p', '--from=s', '["a", "b"]', '['),
    fc.string({ maxLength: 4 }),
  );
  const keyword = fc.constantFrom(
    'ARG',
    'ENV',
    'LABEL',
    'RUN',
    'COPY',
    'ADD',
    'WORKDIR',
    'USER',
    'EXPOSE',
    'VOLUME',
    'CMD',
    'ENTRYPOINT',
    'STOPSIGNAL',
    'ONBUILD RUN',
    'ONBUILD COPY',
  );
  const line = fc.oneof(
    fc.tuple(keyword, fc.array(word, { minLength: 1, maxLength: 4 })).map(([key, words]) => [key, ...words].join(' ')),
    fc.constantFrom('FROM scratch AS s', 'FROM s', 'FROM base', 'FROM base AS $x', 'ARG x=s', 'FROM $x', 'FROM elsewhere'),
  );
  const text = fc.array(line, { maxLength: 12 }).map((rows) => ['FROM scratch AS s', ...rows].join('\n'));
  const options: PlanOptions = {
    images: { base: { Env: ['=', 'x', 'PATH'], OnBuild: ['COPY --from=s a b', 'ENV x=$x$x'], WorkingDir: '../..', Shell: [] } },
  };

  test('it is planned, or a BuildError with a range says why not', { timeout: FUZZ_TIMEOUT_MS }, () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(text, (dockerfile) => {
        try {
          const result = planBuild(parseDockerfile(dockerfile), toInput(options));
          outcomes.add(result.kind);
          if (result.kind !== 'plan') return;
          const seen = new Set<number>();
          for (const stage of result.plan.stages) {
            expect(stage.needs.every((index) => seen.has(index))).toBe(true);
            seen.add(stage.index);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BuildError);
          expect(['dockerfile', 'unsupported']).toContain((error as BuildError).kind);
          expect((error as BuildError).range).toBeDefined();
          outcomes.add('error');
        }
      }),
      fuzzRuns(2000),
    );
    expect([...outcomes].toSorted()).toEqual(['error', 'needs-bases', 'plan']);
  });
});
