import { describe, expect, test } from 'vitest';
import type { ContainerConfig } from '../../src/oci/types.js';
import { formatGoDuration } from '../../src/plan/history.js';
import { configOf, historyOf, planError, planTarget, stepOf, type PlanOptions } from './helpers.js';

/** Rows of: lines after FROM, `created_by` of the last step, what the config has then. */
type Row = [lines: string, createdBy: string, config: ContainerConfig, options?: PlanOptions];

const ROWS: Row[] = [
  ['ENV a=1 b="two words" c=$a', 'ENV a=1 b=two words c=', { Env: [expect.stringMatching(/^PATH=/), 'a=1', 'b=two words', 'c='] as never }],
  ['ENV a 1  2 ', 'ENV a=1  2', {}],
  ['ENV myenv foo%sbar', 'ENV myenv=foo%sbar', {}],
  ['ENV a=1\nENV b=2\nENV a=3', 'ENV a=3', { Env: [expect.stringMatching(/^PATH=/), 'a=3', 'b=2'] as never }],
  ['LABEL a=1 "b c"="d e"', 'LABEL a=1 b c=d e', { Labels: { a: '1', 'b c': 'd e' } }],
  ['ENV k=key\nLABEL $k=$k __proto__=x', 'LABEL key=key __proto__=x', {}],
  ['CMD echo "hi" $x', 'CMD ["/bin/sh" "-c" "echo \\"hi\\" $x"]', { Cmd: ['/bin/sh', '-c', 'echo "hi" $x'], ArgsEscaped: true }],
  ['CMD ["a", "b\\tc", "é\\u0001"]', 'CMD ["a" "b\\tc" "é\\x01"]', { Cmd: ['a', 'b\tc', 'é\u0001'], ArgsEscaped: true }],
  ['CMD []', 'CMD []', { Cmd: [], ArgsEscaped: true }],
  ['ENTRYPOINT ["e", "f"]', 'ENTRYPOINT ["e" "f"]', { Entrypoint: ['e', 'f'] }],
  [
    'SHELL ["/bin/bash", "-ec"]\nCMD a b',
    'CMD ["/bin/bash" "-ec" "a b"]',
    { Shell: ['/bin/bash', '-ec'], Cmd: ['/bin/bash', '-ec', 'a b'] },
  ],
  ['SHELL ["/bin/bash", "-c"]', 'SHELL [/bin/bash -c]', { Shell: ['/bin/bash', '-c'] }],
  ['CMD one\nSHELL ["x"]', 'SHELL [x]', { Cmd: ['/bin/sh', '-c', 'one'] }],
  ['USER a:b', 'USER a:b', { User: 'a:b' }],
  ['ARG u=me\nUSER ${u}', 'USER me', { User: 'me' }],
  ['VOLUME ["/a", "/b c"]', 'VOLUME [/a /b c]', { Volumes: { '/a': {}, '/b c': {} } }],
  ['VOLUME /a /b\nVOLUME /c', 'VOLUME [/c]', { Volumes: { '/a': {}, '/b': {}, '/c': {} } }],
  ['STOPSIGNAL sigterm', 'STOPSIGNAL sigterm', { StopSignal: 'sigterm' }],
  ['ENV s=9\nSTOPSIGNAL $s', 'STOPSIGNAL 9', { StopSignal: '9' }],
  ['EXPOSE 80', 'EXPOSE [80/tcp]', { ExposedPorts: { '80/tcp': {} } }],
  [
    'EXPOSE 5000 1234/UDP 81-82/sctp',
    'EXPOSE [1234/udp 5000/tcp 81/sctp 82/sctp]',
    { ExposedPorts: { '1234/udp': {}, '5000/tcp': {}, '81/sctp': {}, '82/sctp': {} } },
  ],
  ['ENV PORTS="3000 4000/udp"\nEXPOSE $PORTS', 'EXPOSE [3000/tcp 4000/udp]', { ExposedPorts: { '3000/tcp': {}, '4000/udp': {} } }],
  ['EXPOSE 127.0.0.1:80:8080/tcp 90:91', 'EXPOSE [8080/tcp 91/tcp]', { ExposedPorts: { '8080/tcp': {}, '91/tcp': {} } }],
  [
    'HEALTHCHECK --interval=5m --timeout=3s --retries=2 CMD curl x',
    'HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:5m0s Timeout:3s StartPeriod:0s StartInterval:0s Retries:2}',
    { Healthcheck: { Test: ['CMD-SHELL', 'curl x'], Interval: 300e9, Timeout: 3e9, Retries: 2 } },
  ],
  [
    'SHELL ["x"]\nHEALTHCHECK --start-period=1.5s --start-interval=250ms CMD ["a", "b"]',
    'HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:0s StartPeriod:1.5s StartInterval:250ms Retries:0}',
    { Healthcheck: { Test: ['CMD', 'a', 'b'], StartPeriod: 1.5e9, StartInterval: 250e6 } },
  ],
  [
    'HEALTHCHECK CMD x\nHEALTHCHECK NONE',
    'HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}',
    { Healthcheck: { Test: ['NONE'] } },
  ],
  ['MAINTAINER Some One <a@b>', 'MAINTAINER Some One <a@b>', {}],
  ['ARG a=1 b', 'ARG a=1 b', {}],
  ['ARG TARGETARCH', 'ARG TARGETARCH=amd64', {}],
  ['WORKDIR /', 'WORKDIR /', { WorkingDir: '/' }],
];

describe('instructions of the config', () => {
  for (const [lines, createdBy, config, options] of ROWS) {
    test(lines.replaceAll('\n', ' / '), () => {
      expect(stepOf(lines, options)).toMatchObject({
        kind: 'config',
        history: { created_by: createdBy, comment: 'buildkit.dockerfile.v0', empty_layer: true },
      });
      expect(configOf(lines, options)).toMatchObject(config);
    });
  }

  test('MAINTAINER is the author', () => expect(planTarget('FROM scratch\nMAINTAINER me').author).toBe('me'));

  test('a label may have any name', () => {
    expect(Object.keys(configOf('LABEL __proto__=x constructor=y').Labels ?? {})).toEqual(['__proto__', 'constructor']);
  });
});

describe('WORKDIR', () => {
  const rows: [lines: string, createdBy: string, workingDir: string, path: string][] = [
    ['WORKDIR /a', 'WORKDIR /a', '/a', '/a'],
    ['WORKDIR /a/', 'WORKDIR /a/', '/a/', '/a'],
    ['WORKDIR a', 'WORKDIR /a', '/a', '/a'],
    ['WORKDIR /a\nWORKDIR test2', 'WORKDIR /a/test2', '/a/test2', '/a/test2'],
    ['WORKDIR /a/b/c\nWORKDIR ../x', 'WORKDIR /a/b/x', '/a/b/x', '/a/b/x'],
    ['WORKDIR ../../x', 'WORKDIR /x', '/x', '/x'],
    ['WORKDIR /a b', 'WORKDIR /a b', '/a b', '/a b'],
    ['ENV d=/q\nWORKDIR ${d}/r', 'WORKDIR /q/r', '/q/r', '/q/r'],
    ['WORKDIR /a\nWORKDIR $nothing', 'WORKDIR /a', '/a', '/a'],
  ];
  for (const [lines, createdBy, workingDir, path] of rows) {
    test(lines.replaceAll('\n', ' / '), () => {
      const step = stepOf(lines);
      expect(step).toMatchObject({ kind: 'workdir', path, user: '', history: { created_by: createdBy } });
      expect(step.history).not.toHaveProperty('empty_layer');
      expect(configOf(lines).WorkingDir).toBe(workingDir);
    });
  }

  test('makes no layer for the root', () =>
    expect(stepOf('WORKDIR /a\nWORKDIR ..')).toMatchObject({ kind: 'config', history: { created_by: 'WORKDIR /' } }));

  test('74: belongs to the USER', () => expect(stepOf('USER u\nWORKDIR /a')).toMatchObject({ user: 'u' }));

  test('goes on from the base', () => {
    expect(planTarget('FROM base\nWORKDIR a', { images: { base: { WorkingDir: '/srv' } } }).config.WorkingDir).toBe('/srv/a');
    expect(planTarget('FROM base', { images: { base: { WorkingDir: 'srv' } } }).config.WorkingDir).toBe('/srv');
  });
});

describe('CMD and ENTRYPOINT', () => {
  const base = { Cmd: ['c'], Entrypoint: ['e'] };
  const commandOf = (lines: string): unknown[] => {
    const { Cmd, Entrypoint } = planTarget(`FROM base\n${lines}`, { images: { base } }).config;
    return [Entrypoint, Cmd];
  };

  test('68: an ENTRYPOINT drops the CMD of the base', () => expect(commandOf('ENTRYPOINT ["x"]')).toEqual([['x'], undefined]));
  test('68: a CMD of the stage stays, before or after', () => {
    expect(commandOf('CMD ["y"]\nENTRYPOINT ["x"]')).toEqual([['x'], ['y']]);
    expect(commandOf('ENTRYPOINT ["x"]\nCMD ["y"]')).toEqual([['x'], ['y']]);
  });
  test('a CMD leaves the ENTRYPOINT', () => expect(commandOf('CMD ["y"]')).toEqual([['e'], ['y']]));
  test('68: the CMD of a base stage is inherited, not the stage’s own', () => {
    expect(planTarget('FROM scratch AS a\nCMD ["y"]\nFROM a\nENTRYPOINT ["x"]').config).not.toHaveProperty('Cmd');
  });
  test('both can be emptied', () => expect(commandOf('ENTRYPOINT []\nCMD []')).toEqual([[], []]));
});

describe('what a base brings', () => {
  test('is merged', () => {
    const base = {
      ExposedPorts: { '1/tcp': {} },
      Volumes: { '/v': {} },
      Labels: { a: '1', b: '2' },
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['CMD', 'x'] },
    };
    expect(planTarget('FROM base\nEXPOSE 2\nVOLUME /w\nLABEL b=3\nHEALTHCHECK NONE', { images: { base } }).config).toMatchObject({
      ExposedPorts: { '1/tcp': {}, '2/tcp': {} },
      Volumes: { '/v': {}, '/w': {} },
      Labels: { a: '1', b: '3' },
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['NONE'] },
    });
  });
});

describe('--label', () => {
  test('79: goes over the Dockerfile, for the target alone and without history', () => {
    const stage = planTarget('FROM scratch\nLABEL a=1 b=2', { labels: { b: '3', c: '4' } });
    expect(stage.config.Labels).toEqual({ a: '1', b: '3', c: '4' });
    expect(historyOf(stage)).toEqual(['LABEL a=1 b=2']);
  });
});

describe('refused values', () => {
  const rows: [lines: string, message: string][] = [
    ['EXPOSE x', 'invalid containerPort: x'],
    ['EXPOSE 70000', 'invalid containerPort: 70000'],
    ['EXPOSE 80-70', 'invalid containerPort: 80-70'],
    ['EXPOSE 1-2-3', 'invalid containerPort: 1-2-3'],
    ['EXPOSE 80/icmp', 'invalid proto: icmp'],
    ['EXPOSE /tcp', 'no port specified: /tcp<empty>'],
    ['EXPOSE x:80', 'invalid hostPort: x'],
    ['EXPOSE 1-3:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 1-3'],
    ['EXPOSE 999.1.1.1:80:80', 'invalid IP address: 999.1.1.1'],
    ['STOPSIGNAL SIGNOPE', 'invalid signal: SIGNOPE'],
    ['STOPSIGNAL 0', 'invalid signal: 0'],
    ['STOPSIGNAL -0', 'invalid signal: -0'],
    ['STOPSIGNAL 9x', 'invalid signal: 9x'],
    ['STOPSIGNAL RTMIN+0', 'invalid signal: RTMIN+0'],
    ['STOPSIGNAL RTMIN+16', 'invalid signal: RTMIN+16'],
  ];
  for (const [lines, message] of rows) {
    test(lines, () => expect(planError(`FROM scratch\n${lines}`)).toMatchObject({ kind: 'dockerfile', message, range: { startLine: 2 } }));
  }
});

test.each(['TERM', 'SIGKILL', 'sigrtmin+3', 'RTMAX-14', '15', '-1', '+9', 'SIGWINCH'])('signal %s', (name) => {
  expect(configOf(`STOPSIGNAL ${name}`).StopSignal).toBe(name);
});

test.each([
  [0, '0s'],
  [1, '1ns'],
  [1500, '1.5µs'],
  [2_000_000, '2ms'],
  [999_500_000, '999.5ms'],
  [1_000_000_000, '1s'],
  [61_500_000_000, '1m1.5s'],
  [3600_000_000_000, '1h0m0s'],
  [100 * 3600_000_000_000 + 1, '100h0m0.000000001s'],
])('%d ns is %s', (durationNs, text) => expect(formatGoDuration(durationNs)).toBe(text));
