import { describe, expect, test } from 'vitest';
import { configOf, envOf, historyOf, lastStep, plan, planError, planTarget, stepOf, type PlanOptions } from './helpers.js';

/** Rows of: title, Dockerfile, options, variables of the last RUN without PATH. */
type Row = [title: string, text: string, options: PlanOptions, expected: readonly string[]];

const RUN_ROWS: Row[] = [
  [
    '44: a line of ENV sees the values from before it',
    'FROM scratch\nENV abc=hello\nENV abc=bye def=$abc\nRUN x',
    {},
    ['abc=bye', 'def=hello'],
  ],
  ['45: a line of ARG sees its own earlier arguments', 'FROM scratch\nARG a=1 b=$a\nRUN x', {}, ['a=1', 'b=1']],
  ['47: a stage takes over a global argument', 'ARG X=g\nFROM scratch\nARG X\nRUN x', {}, ['X=g']],
  ['47: a default in the stage goes before the global one', 'ARG X=g\nFROM scratch\nARG X=2\nRUN x', {}, ['X=2']],
  ['a build argument goes before both', 'ARG X=g\nFROM scratch\nARG X=2\nRUN x', { buildArgs: { X: 'b' } }, ['X=b']],
  ['a global argument alone does not enter', 'ARG X=g\nFROM scratch\nRUN x', { buildArgs: { X: 'b' } }, []],
  ['an argument that is never declared does not enter', 'FROM scratch\nRUN x', { buildArgs: { X: 'b' } }, []],
  ['48: ARG without a value is absent, ARG= is empty', 'FROM scratch\nARG FOO\nARG BAR=\nRUN x', {}, ['BAR=']],
  [
    '49: an empty build argument counts as set',
    'FROM scratch\nARG a\nARG b=${a:-def} c=${a-def}\nRUN x',
    { buildArgs: { a: '' } },
    ['a=', 'b=def', 'c='],
  ],
  ['51: ARG after ENV wins', 'FROM scratch\nENV X=1\nARG X=2\nRUN x', {}, ['X=2']],
  ['ENV after ARG wins', 'FROM scratch\nARG X=2\nENV X=1\nRUN x', {}, ['X=1']],
  ['ENV keeps an argument', 'FROM scratch\nARG V=3\nENV V=$V W=${V}1\nRUN x', {}, ['V=3', 'W=31']],
  ['60: single quotes keep words as they are', 'FROM scratch\nENV b=1\nENV a=\'$b\' c="$b"\nRUN x', {}, ['b=1', 'a=$b', 'c=1']],
  ['62: a stage inherits arguments, not global ones', 'ARG G=1\nFROM scratch AS a\nARG X=1\nENV E=2\nFROM a\nRUN x', {}, ['X=1', 'E=2']],
  ['the ENV of a base stage is the start again', 'FROM scratch AS a\nENV X=1\nARG X=2\nFROM a\nRUN x', {}, ['X=1']],
  [
    '53: the platform needs a declaration',
    'FROM scratch\nARG TARGETARCH\nARG BUILDPLATFORM\nRUN x',
    {},
    ['TARGETARCH=amd64', 'BUILDPLATFORM=linux/amd64'],
  ],
  ['53: no declaration, no platform', 'FROM scratch\nENV a=x$TARGETARCH\nRUN x', {}, ['a=x']],
  [
    'the text of the platform can be overridden',
    'FROM scratch\nARG TARGETARCH\nRUN x',
    { buildArgs: { TARGETARCH: 'weird' } },
    ['TARGETARCH=weird'],
  ],
  ['52: TARGETSTAGE of an unnamed last stage', 'FROM scratch\nARG TARGETSTAGE\nRUN x', {}, ['TARGETSTAGE=default']],
  ['52: TARGETSTAGE of a named last stage', 'FROM scratch AS app\nARG TARGETSTAGE\nRUN x', {}, ['TARGETSTAGE=app']],
  ['52: TARGETSTAGE as --target has it', 'FROM scratch AS app\nARG TARGETSTAGE\nRUN x\nFROM app', { target: 'APP' }, ['TARGETSTAGE=APP']],
  ['an SBOM argument is no environment', 'FROM scratch\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nRUN x', {}, []],
  ['46: an overridden default is not even looked at', 'FROM scratch\nARG FOO=${FOO:?msg}\nRUN x', { buildArgs: { FOO: '1' } }, ['FOO=1']],
  [
    'a base image brings its ENV',
    'FROM base\nENV b=$a\nRUN x',
    { images: { base: { Env: ['a=1', 'odd', '=nameless'] } } },
    ['a=1', 'odd=', 'b=1'],
  ],
];

const wholeEnvOf = (text: string): readonly string[] =>
  planTarget(text, { images: { base: { Env: ['PATH=/x'] } } }).steps.flatMap((s) => (s.kind === 'run' ? s.env : []));

const proxies = (lines: string, buildArgs: Readonly<Record<string, string>>): readonly string[] => {
  const step = stepOf(`${lines}\nRUN x`, { buildArgs });
  return step.kind === 'run' ? step.proxyEnv : [];
};

describe('the variables of RUN', () => {
  for (const [title, text, options, expected] of RUN_ROWS) test(title, () => expect(envOf(text, options)).toEqual(expected));

  test('PATH is always there, and never twice', () => {
    expect(wholeEnvOf('FROM scratch\nRUN x')).toEqual(['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']);
    expect(wholeEnvOf('FROM base\nRUN x')).toEqual(['PATH=/x']);
    expect(wholeEnvOf('FROM base\nENV PATH=/y:$PATH\nRUN x')).toEqual(['PATH=/y:/x']);
  });

  test('51: the image keeps the ENV that an ARG hides, and a warning says so', () => {
    const made = plan('FROM scratch\nENV X=1\nARG X=2\nRUN x');
    expect(made.stages[0]?.config.Env).toContain('X=1');
    expect(made.warnings).toHaveLength(1);
    expect(made.warnings[0]).toMatchObject({ message: expect.stringMatching(/^ARG "X" hides/), range: { startLine: 3 } });
    expect(plan('FROM scratch\nENV X=1\nARG X\nRUN x').warnings).toEqual([]);
  });

  test('arguments never reach the config', () => {
    expect(configOf('ARG X=1\nARG Y', { buildArgs: { Y: '2' } }).Env).toHaveLength(1);
  });
});

describe('proxy arguments', () => {
  test('61: need no declaration and come in both spellings', () => {
    expect(proxies('', { http_proxy: 'p' })).toEqual(['HTTP_PROXY=p', 'http_proxy=p']);
    expect(proxies('', { NO_PROXY: 'a', no_proxy: 'b' })).toEqual(['NO_PROXY=a', 'no_proxy=b']);
    expect(proxies('', { other_proxy: 'p' })).toEqual([]);
  });

  test('61: leave no trace', () => {
    const stage = planTarget('FROM scratch\nRUN x', { buildArgs: { http_proxy: 'p' } });
    expect(historyOf(stage)).toEqual(['RUN /bin/sh -c x # buildkit']);
    expect(JSON.stringify(stage.config)).not.toContain('proxy');
    expect(lastStep(stage)).toMatchObject({ env: [expect.stringMatching(/^PATH=/)] });
  });

  test('are ordinary once declared', () => {
    expect(proxies('ARG HTTP_PROXY', { HTTP_PROXY: 'p' })).toEqual(['http_proxy=p']);
    expect(historyOf(planTarget('FROM scratch\nARG HTTP_PROXY\nRUN x', { buildArgs: { HTTP_PROXY: 'p' } }))).toEqual([
      'ARG HTTP_PROXY=p',
      'RUN |1 HTTP_PROXY=p /bin/sh -c x # buildkit',
    ]);
  });
});

describe('FROM', () => {
  const rows: [title: string, text: string, options: PlanOptions, key: string][] = [
    ['a global argument', 'ARG V=3\nFROM app:$V', {}, 'app:3'],
    ['a build argument', 'ARG V=3\nFROM app:$V', { buildArgs: { V: '4' } }, 'app:4'],
    ['a build argument without a global ARG is not seen', 'FROM app:${V:-none}', { buildArgs: { V: '4' } }, 'app:none'],
    ['global arguments see earlier ones', 'ARG A=1\nARG B=$A.2\nFROM app:$B', {}, 'app:1.2'],
    ['53: the platform needs no declaration', 'FROM app-$TARGETARCH', {}, 'app-amd64'],
    ['50: modifiers', 'ARG image=idlebox\nFROM busy${image#idle}', {}, 'busybox'],
    ['an argument of a stage is not seen', 'FROM scratch AS a\nARG V=1\nFROM app:${V:-g}', {}, 'app:g'],
  ];
  for (const [title, text, options, key] of rows) {
    test(title, () => {
      expect(planTarget(text, { ...options, images: { [key]: {} } }).base).toMatchObject({ kind: 'image', name: key });
    });
  }
});

describe('errors carry the instruction', () => {
  const rows: [text: string, line: number, message: string | RegExp][] = [
    ['FROM scratch\nARG FOO=${FOO:?msg}', 2, 'failed to process "${FOO:?msg}": FOO: msg'],
    ['ARG X=${Y?}\nFROM scratch', 1, 'failed to process "${Y?}": Y: is not allowed to be unset'],
    ['FROM $x', 1, 'base name ($x) should not be blank'],
    ['FROM scratch\nFROM ${y', 2, /missing '}'/],
    ['FROM scratch\nENV a=1\nENV $b=2', 3, 'ENV names can not be blank'],
    ['FROM scratch\nLABEL $b=2', 2, 'LABEL names can not be blank'],
    ["FROM scratch\nWORKDIR 'a", 2, /matching single-quote/],
    ['FROM scratch\nCOPY ["\'a", "b"]', 2, /matching single-quote/],
    ['FROM scratch\nCOPY --chmod=$x${y:?none} a b', 2, /y: none/],
    ['FROM scratch\nVOLUME $x', 2, 'VOLUME specified can not be an empty string'],
    ['FROM --platform=$x scratch', 1, 'empty platform value from expression $x'],
    ['FROM --platform=a/b/c/d scratch', 1, /^failed to parse platform a\/b\/c\/d: invalid platform/],
  ];
  for (const [text, line, message] of rows) {
    test(text.replaceAll('\n', ' / '), () => {
      const error = planError(text);
      expect(error).toMatchObject({ kind: 'dockerfile', range: { startLine: line } });
      if (typeof message === 'string') expect(error.message).toBe(message);
      else expect(error.message).toMatch(message);
    });
  }
});

describe('SOURCE_DATE_EPOCH', () => {
  test('comes from the build argument or the global ARG', () => {
    expect(plan('FROM scratch').sourceDateEpoch).toBeUndefined();
    expect(plan('FROM scratch', { buildArgs: { SOURCE_DATE_EPOCH: '17' } }).sourceDateEpoch).toBe(17);
    expect(plan('ARG SOURCE_DATE_EPOCH=18\nFROM scratch').sourceDateEpoch).toBe(18);
    expect(plan('ARG SOURCE_DATE_EPOCH=18\nFROM scratch', { buildArgs: { SOURCE_DATE_EPOCH: '19' } }).sourceDateEpoch).toBe(19);
    expect(plan('ARG SOURCE_DATE_EPOCH=18\nFROM scratch', { buildArgs: { SOURCE_DATE_EPOCH: '' } }).sourceDateEpoch).toBeUndefined();
    expect(plan('FROM scratch\nARG SOURCE_DATE_EPOCH=18').sourceDateEpoch).toBeUndefined();
  });

  test('is visible to RUN only when the stage declares it', () => {
    expect(envOf('FROM scratch\nRUN x', { buildArgs: { SOURCE_DATE_EPOCH: '17' } })).toEqual([]);
    expect(envOf('FROM scratch\nARG SOURCE_DATE_EPOCH\nRUN x', { buildArgs: { SOURCE_DATE_EPOCH: '17' } })).toEqual([
      'SOURCE_DATE_EPOCH=17',
    ]);
  });

  test('must be a number', () => {
    expect(planError('FROM scratch', { buildArgs: { SOURCE_DATE_EPOCH: 'now' } })).toMatchObject({
      kind: 'usage',
      message: 'invalid SOURCE_DATE_EPOCH: now',
    });
    expect(planError('ARG SOURCE_DATE_EPOCH=1.5\nFROM scratch')).toMatchObject({ kind: 'dockerfile', range: { startLine: 1 } });
    expect(planError('FROM scratch', { buildArgs: { SOURCE_DATE_EPOCH: '9'.repeat(30) } }).kind).toBe('usage');
  });
});
