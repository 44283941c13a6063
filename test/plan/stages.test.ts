import { describe, expect, test } from 'vitest';
import { fromImage, HOST, image, lastStep, plan, planError, planTarget, tryPlan } from './helpers.js';

const names = (text: string, target?: string): string[] =>
  plan(text, target === undefined ? {} : { target }).stages.map(({ name }) => name);

describe('the target', () => {
  const text = 'FROM scratch AS a\nRUN 1\nFROM scratch AS b\nRUN 2\nFROM a\nRUN 3';

  test('is the last stage, and brings what it needs in the order of the file', () => {
    expect(names(text)).toEqual(['a', 'stage-2']);
    expect(plan(text)).toMatchObject({
      targets: [{ platform: HOST, stage: 2 }],
      stages: [
        { index: 0, needs: [] },
        { index: 2, needs: [0], base: { kind: 'stage', stage: 0 } },
      ],
    });
  });

  test('63: is found by name in any case', () => expect(names(text, 'B')).toEqual(['b']));

  test('is not found by its position', () => {
    expect(planError(text, { target: '0' })).toMatchObject({
      kind: 'usage',
      message: 'target stage "0" could not be found (did you mean a?)',
    });
  });

  test('134: that is missing gets a suggestion', () => {
    expect(planError('FROM scratch AS build', { target: 'biuld' }).message).toBe(
      'target stage "biuld" could not be found (did you mean build?)',
    );
    expect(planError('FROM scratch AS build', { target: 'elsewhere' }).message).toBe('target stage "elsewhere" could not be found');
  });

  test('of two stages with one name is the later', () =>
    expect(plan('FROM scratch AS a\nRUN 1\nFROM scratch AS a', { target: 'a' }).targets).toEqual([{ platform: HOST, stage: 1 }]));
});

describe('bases', () => {
  test('63: are stages above, by their lower-case names', () => {
    expect(planTarget('FROM scratch AS Build\nFROM build').base).toEqual({ kind: 'stage', stage: 0 });
    expect(tryPlan('FROM scratch AS Build\nFROM Build')).toMatchObject({ kind: 'needs-bases', bases: [{ name: 'Build' }] });
  });

  test('are images when the stage comes later or is the stage itself', () => {
    expect(tryPlan('FROM b AS a\nFROM scratch AS b\nFROM a')).toMatchObject({ bases: [{ name: 'b' }] });
    expect(tryPlan('FROM a AS a')).toMatchObject({ bases: [{ name: 'a' }] });
  });

  test('are the latest stage of the name', () => {
    expect(planTarget('FROM scratch AS a\nFROM scratch AS a\nFROM a').base).toEqual({ kind: 'stage', stage: 1 });
  });

  test('66: without instructions are fine', () => expect(names('FROM scratch AS a\nFROM a AS b\nFROM b')).toEqual(['a', 'b', 'stage-2']));

  test('hand on config, author, platform and shell', () => {
    const base = image({ User: 'u', WorkingDir: '/w' }, { author: 'me', architecture: 'amd64' });
    const stage = planTarget('FROM base AS a\nSHELL ["/bin/bash", "-c"]\nENV A=1\nFROM a\nRUN x', { bases: { base } });
    expect(stage).toMatchObject({ author: 'me', config: { User: 'u', WorkingDir: '/w', Env: [expect.stringMatching(/^PATH=/), 'A=1'] } });
    expect(lastStep(stage)).toMatchObject({ args: ['/bin/bash', '-c', 'x'], cwd: '/w', user: 'u' });
  });

  test('bring nothing that a build does not know', () => {
    const config = {
      Hostname: 'h',
      Env: ['A=1'],
      Cmd: null,
      Entrypoint: [],
      Volumes: {},
      User: '',
      WorkingDir: '',
      ArgsEscaped: false,
      Labels: { a: 'b' },
    };
    expect(planTarget('FROM base', { images: { base: config } }).config).toEqual({
      Env: ['A=1', expect.stringMatching(/^PATH=/)],
      Labels: { a: 'b' },
    });
  });

  test('82: of another platform are used; the linter tells of them', () => {
    const made = plan('FROM base', { bases: { base: image({}, { architecture: 'arm64', variant: 'v8' }) } });
    expect(made.stages[0]?.platform).toEqual({ os: 'linux', architecture: 'arm64', variant: 'v8' });
    expect(made.warnings).toEqual([]);
  });

  test('named for the platform of the host are not refused, and the config gets that platform', () => {
    const made = plan('FROM --platform=$BUILDPLATFORM base', { bases: { base: image({}, { architecture: 's390x' }) } });
    expect(made.stages[0]?.platform).toEqual({ os: 'linux', architecture: 'amd64' });
  });

  test('71: scratch has PATH and a WorkingDir', () => {
    expect(planTarget('FROM scratch')).toMatchObject({
      base: { kind: 'scratch' },
      config: { WorkingDir: '/', Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
      text: 'FROM scratch',
    });
  });
});

describe('asking for images', () => {
  test('names what reached stages need, once each, and nothing else', () => {
    const text = 'ARG V=1\nFROM unused\nFROM base:$V AS a\nCOPY --from=tools x y\nFROM base:$V\nCOPY --from=a x y\nCOPY --from=tools z z';
    expect(tryPlan(text)).toEqual({
      kind: 'needs-bases',
      bases: expect.toSatisfy(
        (bases: { name: string }[]) =>
          bases
            .map(({ name }) => name)
            .toSorted()
            .join() === 'base:1,tools',
      ),
    });
  });

  test('says for which platform and where', () => {
    expect(tryPlan('FROM scratch\nFROM app')).toMatchObject({
      bases: [{ name: 'app', platform: { os: 'linux', architecture: 'amd64' }, range: { startLine: 2 } }],
    });
  });
});

const source = (from: string, more = ''): unknown => {
  const step = lastStep(
    planTarget(`FROM scratch AS Build\nFROM scratch${more}\nCOPY --from=${from} a b`, { images: { busybox: {} }, directories: ['src'] }),
  );
  return step.kind === 'copy' ? step.from : undefined;
};

describe('COPY --from', () => {
  test('63, 65: finds a stage by name in any case, by position, or an image', () => {
    expect(source('bUILd')).toEqual({ kind: 'stage', stage: 0 });
    expect(source('0')).toEqual({ kind: 'stage', stage: 0 });
    expect(source('busybox')).toEqual(fromImage('busybox'));
    expect(source('src')).toEqual({ kind: 'context', name: 'src' });
  });

  test('makes the stage needed', () => {
    expect(plan('FROM scratch AS a\nFROM scratch\nCOPY --from=a x y').stages.at(-1)?.needs).toEqual([0]);
    expect(plan('FROM scratch AS a\nFROM scratch\nCOPY --from=0 x y').stages).toHaveLength(2);
  });

  const rows: [title: string, text: string, line: number, message: string][] = [
    [
      '64: a later stage',
      'FROM scratch AS x\nCOPY --from=later a b\nFROM scratch AS later\nFROM x',
      2,
      'cannot copy from stage "later", it needs to be defined before current stage "x"',
    ],
    [
      '64: a later stage by its position',
      'FROM scratch AS x\nCOPY --from=1 a b\nFROM scratch AS later\nFROM x',
      2,
      'cannot copy from stage "1", it needs to be defined before current stage "x"',
    ],
    ['67: the stage itself', 'FROM scratch AS x\nCOPY --from=x a b', 2, 'circular dependency detected on stage: x'],
    ['67: the stage itself by its position', 'FROM scratch\nCOPY --from=0 a b', 2, 'circular dependency detected on stage: stage-0'],
    [
      '67: two stages',
      'FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nCOPY --from=a x y',
      4,
      'circular dependency detected on stage: a',
    ],
    [
      '67: three stages',
      'FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nCOPY --from=c x y\nFROM scratch AS c\nCOPY --from=a x y\nFROM scratch',
      6,
      'circular dependency detected on stage: a',
    ],
    [
      '56: a variable',
      'FROM scratch\nCOPY --from=$x a b\nFROM scratch',
      2,
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
    ],
    ['a position that is none', 'FROM scratch\nCOPY --from=7 a b', 2, 'invalid stage index 7'],
    ['scratch', 'FROM scratch\nCOPY --from=scratch a b', 2, 'nothing can be copied from "scratch": it has no files'],
  ];
  for (const [title, text, line, message] of rows) {
    test(`${title}: ${message}`, () => expect(planError(text)).toMatchObject({ kind: 'dockerfile', message, range: { startLine: line } }));
  }

  test('long chains of stages are no trouble', () => {
    const count = 3000;
    const lines = Array.from({ length: count }, (_, n) => `FROM scratch AS s${n}\nCOPY --from=s${n + 1} a b`);
    expect(planError(`${lines.join('\n')}\nFROM scratch AS s${count}\nCOPY --from=s0 a b`).message).toBe(
      'circular dependency detected on stage: s0',
    );
    const chain = Array.from({ length: count }, (_, n) => `FROM ${n === 0 ? 'scratch' : `s${n - 1}`} AS s${n}`);
    expect(plan(chain.join('\n')).stages).toHaveLength(count);
  });
});

describe('named contexts', () => {
  test('hide stages', () => {
    const text = 'FROM scratch AS dep\nRUN x\nFROM scratch\nCOPY --from=dep a b\nCOPY --from=0 a b';
    const froms = (options: Parameters<typeof plan>[1]): unknown =>
      planTarget(text, options).steps.map((step) => (step.kind === 'copy' ? step.from : undefined));
    expect(froms({ directories: ['dep'] })).toEqual([
      { kind: 'context', name: 'dep' },
      { kind: 'context', name: 'dep' },
    ]);
    expect(froms({ imageContexts: ['dep'], images: { dep: {} } })).toEqual([fromImage('dep'), fromImage('dep')]);
    expect(plan(text, { directories: ['dep'] }).stages).toHaveLength(1);
  });

  test('hide images under any spelling of their names', () => {
    expect(tryPlan('FROM docker.io/library/alpine:latest', { imageContexts: ['alpine'] })).toMatchObject({ bases: [{ name: 'alpine' }] });
    expect(tryPlan('FROM alpine', { imageContexts: ['docker.io/library/alpine'] })).toMatchObject({
      bases: [{ name: 'docker.io/library/alpine' }],
    });
    expect(tryPlan('FROM alpine:3', { imageContexts: ['alpine'] })).toMatchObject({ bases: [{ name: 'alpine:3' }] });
  });

  test('hide a stage that is a base or the target', () => {
    const options = { imageContexts: ['dep'], images: { dep: { User: 'u' } } };
    expect(planTarget('FROM scratch AS dep\nRUN x\nFROM dep', options)).toMatchObject({
      base: fromImage('dep'),
      config: { User: 'u' },
    });
    expect(planTarget('FROM scratch AS dep\nRUN x', options)).toMatchObject({ base: fromImage('dep'), steps: [] });
  });

  test('do not hide scratch', () => expect(planTarget('FROM scratch', { directories: ['scratch'] }).base).toEqual({ kind: 'scratch' }));
});

describe('unreached stages', () => {
  test('may hold what no stage can do', () => {
    expect(names('FROM --platform=linux/riscv64 scratch\nRUN --mount=type=cache,target=/x y\nADD http://x/y z\nFROM scratch')).toEqual([
      'stage-1',
    ]);
  });
});
