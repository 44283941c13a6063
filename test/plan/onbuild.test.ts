import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../src/parse/parser.js';
import { planBuild } from '../../src/plan/planner.js';
import { fromImage, historyOf, image, lastStep, plan, planError, planTarget, toInput, tryPlan } from './helpers.js';

describe('triggers of an image', () => {
  const images = { base: { OnBuild: ['RUN one', 'ENV A=$B', 'CMD ["x"]'], Env: ['B=2'] } };

  test('76: run first in the child, and are gone from its config', () => {
    const stage = planTarget('FROM base\nRUN two $A', { images });
    expect(historyOf(stage)).toEqual(['RUN /bin/sh -c one # buildkit', 'ENV A=2', 'CMD ["x"]', 'RUN /bin/sh -c two $A # buildkit']);
    expect(stage.steps[0]).toMatchObject({ text: 'ONBUILD RUN one', range: { startLine: 1 }, index: 2 });
    expect(stage.config).not.toHaveProperty('OnBuild');
    expect(stage.config).toMatchObject({ Env: ['B=2', expect.stringMatching(/^PATH=/), 'A=2'], Cmd: ['x'] });
  });

  test('76: do not run in the grandchild', () => expect(planTarget('FROM base AS a\nFROM a', { images }).steps).toEqual([]));

  test('a CMD among them counts as one of the stage', () => {
    expect(planTarget('FROM base\nENTRYPOINT ["e"]', { images }).config).toMatchObject({ Cmd: ['x'], Entrypoint: ['e'] });
  });

  test('see the arguments of the child as they come', () => {
    const text = 'ARG G=1\nFROM base\nRUN y';
    const stage = planTarget(text, { images: { base: { OnBuild: ['ARG G', 'RUN x'] } } });
    expect(historyOf(stage)).toEqual(['ARG G=1', 'RUN |1 G=1 /bin/sh -c x # buildkit', 'RUN |1 G=1 /bin/sh -c y # buildkit']);
  });

  test('that are malformed are an error at the FROM', () => {
    for (const trigger of ['FROM x', 'NONSENSE x', 'RUN a\nRUN b', '', 'COPY a']) {
      expect(planError('FROM scratch\nFROM base', { images: { base: { OnBuild: [trigger] } } }), trigger).toMatchObject({
        kind: 'dockerfile',
        range: { startLine: 2 },
      });
    }
  });

  test('that are not supported are refused', () => {
    expect(planError('FROM base', { images: { base: { OnBuild: ['RUN --device=x y'] } } })).toMatchObject({ kind: 'unsupported' });
  });
});

describe('triggers of a stage', () => {
  const text = 'FROM scratch AS a\nONBUILD RUN one\nRUN zero\nFROM a AS b\nRUN two\nFROM b\nRUN three';

  test('77: are stored, and run in the stage based on it', () => {
    const [a, b, c] = plan(text).stages;
    expect(a?.config.OnBuild).toEqual(['RUN one']);
    expect(a?.steps).toHaveLength(1);
    expect(b && historyOf(b)).toEqual(['RUN /bin/sh -c one # buildkit', 'RUN /bin/sh -c two # buildkit']);
    expect(b?.config).not.toHaveProperty('OnBuild');
    expect(c && historyOf(c)).toEqual(['RUN /bin/sh -c three # buildkit']);
  });

  test('41: keep their heredocs', () => {
    const stage = planTarget('FROM scratch AS a\nONBUILD RUN <<EOF\nline\nEOF\nFROM a');
    expect(lastStep(stage)).toMatchObject({ kind: 'run', args: ['/bin/sh', '-c', 'line\n'] });
  });

  test('are not expanded when they are stored', () => {
    expect(planTarget('FROM scratch\nENV x=1\nONBUILD COPY $x /').config.OnBuild).toEqual(['COPY $x /']);
  });
});

describe('COPY --from in a trigger', () => {
  test('78: names stages of the child and makes them needed', () => {
    const made = plan('FROM scratch AS tools\nFROM base', { images: { base: { OnBuild: ['COPY --from=tools a b'] } } });
    expect(made.stages.map(({ name }) => name)).toEqual(['tools', 'stage-1']);
    expect(made.stages[1]).toMatchObject({ needs: [0], steps: [{ from: { kind: 'stage', stage: 0 } }] });
  });

  test('78: asks for further images, until nothing is missing', () => {
    const registry = new Map([
      ['base', image({ OnBuild: ['COPY --from=second a b'] })],
      ['other', image({ OnBuild: ['COPY --from=third a b'] })],
      ['second', image({})],
      ['third', image({})],
    ]);
    const dockerfile = parseDockerfile('FROM other AS o\nFROM base\nCOPY --from=o x y');
    const bases = new Map();
    const rounds: string[][] = [];
    for (;;) {
      const result = planBuild(dockerfile, { ...toInput({}), bases });
      if (result.kind === 'plan') {
        expect(result.plan.stages.flatMap(({ steps }) => steps.map((step) => (step.kind === 'copy' ? step.from : undefined)))).toEqual([
          fromImage('third'),
          fromImage('second'),
          { kind: 'stage', stage: 0 },
        ]);
        break;
      }
      if (result.kind !== 'needs-bases') throw new Error('no time is asked for');
      rounds.push(result.bases.map(({ name }) => name).toSorted());
      for (const { key, name } of result.bases) bases.set(key, registry.get(name));
    }
    expect(rounds).toEqual([
      ['base', 'other'],
      ['second', 'third'],
    ]);
  });

  test('cannot name the child itself', () => {
    expect(planError('FROM base AS me', { images: { base: { OnBuild: ['COPY --from=me a b'] } } }).message).toBe(
      'cannot copy from stage "me", it needs to be defined before current stage "me"',
    );
  });

  test('is found even when nothing else needs the stage', () => {
    expect(tryPlan('FROM app AS tools\nFROM base', { images: { base: { OnBuild: ['COPY --from=tools a b'] } } })).toMatchObject({
      bases: [{ name: 'app' }],
    });
  });
});
