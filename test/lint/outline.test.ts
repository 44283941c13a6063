import { describe, expect, test } from 'vitest';
import { outlineDockerfile } from '../../src/lint/outline.js';
import { outlineText, outlineJson, targetsJson, targetsText } from '../../src/lint/report.js';
import { listTargets } from '../../src/lint/targets.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { toInput, type PlanOptions } from '../plan/helpers.js';

const ARGS = `ARG inherited=box
ARG inherited2=box2
ARG unused=abc\${inherited2}
# sfx is a suffix
ARG sfx="usy\${inherited}"

FROM b\${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN true

FROM alpine\${unused} AS second
ARG BAZ
RUN true

FROM scratch AS third
ARG ABC=a

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /

FROM second
`;

function outline(text: string, options: PlanOptions = {}): ReturnType<typeof outlineDockerfile> {
  return outlineDockerfile(parseDockerfile(text), toInput(options));
}

describe('outline', () => {
  test('of a target: what it and the stages that it needs take', () => {
    const { name, description, args } = outline(ARGS, { target: 'target', buildArgs: { BAR: '678' } });
    expect({ name, description }).toEqual({ name: 'target', description: 'defines build target' });
    expect(args.map((arg) => [arg.name, arg.value, arg.description, arg.range.startLine])).toEqual([
      ['inherited', 'box', '', 1],
      ['sfx', 'usybox', 'is a suffix', 5],
      ['FOO', '123', '', 9],
      ['BAR', '678', 'is a number', 11],
      ['ABC', 'a', '', 19],
    ]);
  });

  test('of the default', () => {
    const { name, args } = outline(ARGS);
    expect(name).toBe('');
    expect(args.map((arg) => [arg.name, arg.value])).toEqual([
      ['inherited2', 'box2'],
      ['unused', 'abcbox2'],
      ['BAZ', ''],
    ]);
  });

  test('a global argument that a stage takes over is listed where it is declared', () => {
    const { args } = outline('# V the version\nARG V=1\nFROM scratch\nARG V\nARG TARGETARCH');
    expect(args.map((arg) => [arg.name, arg.value, arg.description, arg.range.startLine])).toEqual([['V', '1', 'the version', 2]]);
  });

  test('secrets and agents', () => {
    const text = `
FROM busybox AS first
RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true

FROM alpine AS second
RUN --mount=type=secret,id=unused --mount=type=ssh,id=ssh2 true

FROM scratch AS third
ARG BAR
RUN --mount=type=secret,id=second\${BAR} true

FROM third AS target
COPY --from=first /foo /
RUN --mount=type=ssh,id=ssh3,required true

FROM second
`;
    const { secrets, ssh } = outline(text, { target: 'target', buildArgs: { BAR: '678' } });
    const shown = (needs: typeof secrets): unknown => needs.map(({ name, required, range }) => [name, required, range.startLine]);
    expect(shown(secrets)).toEqual([
      ['passwd', true, 3],
      ['second678', false, 10],
    ]);
    expect(shown(ssh)).toEqual([
      ['default', false, 3],
      ['ssh3', true, 14],
    ]);
  });

  test('of stages that are mounted from', () => {
    const { args } = outline('FROM scratch AS tools\nARG T=1\nFROM scratch\nRUN --mount=from=tools,target=/t true');
    expect(args.map((arg) => arg.name)).toEqual(['T']);
  });

  test('as text', () => {
    const text =
      '# V the version\nARG V=1\n# app runs\nFROM scratch AS app\nARG V\nARG LONGNAME=x\nRUN --mount=type=secret,id=s,required --mount=type=ssh true';
    expect(outlineText(outline(text))).toBe(
      [
        'TARGET:      app',
        'DESCRIPTION: runs',
        '',
        'BUILD ARG   VALUE   DESCRIPTION',
        'V           1       the version',
        'LONGNAME    x       ',
        '',
        'SECRET   REQUIRED',
        's        true',
        '',
        'SSH       REQUIRED',
        'default   ',
        '',
        '',
      ].join('\n'),
    );
    expect(outlineText(outline('FROM scratch'))).toBe('');
  });

  test('as JSON', () => {
    const text = 'FROM scratch AS app\n# A what <it> is\nARG A=1 \\\n  B=\nRUN --mount=type=secret,id=s,required true';
    const json = outlineJson(outline(text), { name: 'Dockerfile', bytes: Buffer.from(text) });
    expect(json).toContain('what \\u003cit\\u003e is');
    expect(JSON.parse(json)).toEqual({
      name: 'app',
      args: [
        {
          name: 'A',
          description: 'what <it> is',
          value: '1',
          location: {
            ranges: [
              { start: { line: 3 }, end: { line: 3 } },
              { start: { line: 4 }, end: { line: 4 } },
            ],
          },
        },
        {
          name: 'B',
          location: {
            ranges: [
              { start: { line: 3 }, end: { line: 3 } },
              { start: { line: 4 }, end: { line: 4 } },
            ],
          },
        },
      ],
      secrets: [{ name: 's', required: true, location: { ranges: [{ start: { line: 5 }, end: { line: 5 } }] } }],
      sources: [Buffer.from(text).toString('base64')],
    });
  });
});

describe('targets', () => {
  const text = `
# build defines stage for compiling the binary
FROM --platform=$BUILDPLATFORM alpine:$V AS build
RUN true

FROM busybox as second
RUN false

FROM alpine
RUN false

# binary returns the compiled binary
FROM second AS binary
`;
  const targets = listTargets(parseDockerfile(text));

  test('are the stages, as they are written', () => {
    expect(targets.map(({ range, ...target }) => ({ ...target, line: range.startLine }))).toEqual([
      {
        name: 'build',
        isDefault: false,
        description: 'defines stage for compiling the binary',
        base: 'alpine:$V',
        platform: '$BUILDPLATFORM',
        line: 3,
      },
      { name: 'second', isDefault: false, description: '', base: 'busybox', platform: '', line: 6 },
      { name: '', isDefault: false, description: '', base: 'alpine', platform: '', line: 9 },
      { name: 'binary', isDefault: true, description: 'returns the compiled binary', base: 'second', platform: '', line: 13 },
    ]);
  });

  test('as text', () => {
    expect(targetsText(targets)).toBe(
      [
        'TARGET             DESCRIPTION',
        'build              defines stage for compiling the binary',
        'second             ',
        '                   ',
        'binary (default)   returns the compiled binary',
        '',
      ].join('\n'),
    );
    expect(targetsText(listTargets(parseDockerfile('FROM scratch')))).toBe('TARGET      DESCRIPTION\n(default)   \n');
  });

  test('as JSON', () => {
    expect(JSON.parse(targetsJson(targets.slice(2), { name: 'Dockerfile', bytes: Buffer.from('x') }))).toEqual({
      targets: [
        { base: 'alpine', location: { ranges: [{ start: { line: 9 }, end: { line: 9 } }] } },
        {
          name: 'binary',
          default: true,
          description: 'returns the compiled binary',
          base: 'second',
          location: { ranges: [{ start: { line: 13 }, end: { line: 13 } }] },
        },
      ],
      sources: ['eA=='],
    });
  });
});
