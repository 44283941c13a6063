import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { readConfig } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';
import { configOf, envOf, planError, planTarget, stepOf } from '../plan/helpers.js';
import { builtFiles } from './built.js';

describe('what is expanded', () => {
  it.each<[title: string, lines: string, keys: string[]]>([
    ['54: a value with two ports', 'ENV PORTS="3000 4000/udp"\nEXPOSE $PORTS', ['3000/tcp', '4000/udp']],
    ['54: a value inside of double quotes', 'ENV PORT=3000\nEXPOSE "$PORT" 80', ['3000/tcp', '80/tcp']],
    ['54: nothing', 'EXPOSE $NONE 80', ['80/tcp']],
    ['54: a default', 'EXPOSE ${NONE:-81-82}/udp', ['81/udp', '82/udp']],
  ])('%s', (_, lines, keys) => {
    expect(Object.keys(configOf(lines).ExposedPorts ?? {})).toEqual(keys);
  });

  it.each<[title: string, lines: string, step: object]>([
    ['55: sources', 'ENV FOO=bar\nCOPY $FOO ${FOO}* baz/', { sources: ['bar', 'bar*'], dest: '/baz/' }],
    ['55: the destination', 'ENV D=/d\nCOPY a ${D}/e', { dest: '/d/e' }],
    ['55: --chown', 'ARG u=1\nARG g=2\nCOPY --chown=${u}:${g} a b', { chown: '1:2' }],
    ['55: --chmod', 'ARG m=0640\nCOPY --chmod=${m} a b', { chmod: '0640' }],
    ['55: those of ADD', 'ARG u=me m=u+x\nADD --chown=$u --chmod=$m a b', { chown: 'me', chmod: 'u+x' }],
    ['55: JSON members', 'ENV FOO="a b"\nCOPY ["$FOO", "/c d/"]', { sources: ['a b'], dest: '/c d/' }],
    ['59: a destination of nothing', 'WORKDIR /w\nCOPY a $none', { dest: '/w/' }],
    ['59: a destination of an empty value', 'WORKDIR /w\nENV none=\nADD a ${none}', { dest: '/w/' }],
  ])('%s', (_, lines, step) => {
    expect(stepOf(lines)).toMatchObject(step);
  });

  it('60: single quotes block it everywhere', () => {
    expect(configOf("ENV b=1\nENV a='$b' c=x'${b}'y\nLABEL l='$b'\nWORKDIR /'$b'\nUSER '$b'\nVOLUME /'$b'\nEXPOSE '80'")).toMatchObject({
      Env: [expect.any(String), 'b=1', 'a=$b', 'c=x${b}y'],
      Labels: { l: '$b' },
      WorkingDir: '/$b',
      User: '$b',
      Volumes: { '/$b': {} },
      ExposedPorts: { '80/tcp': {} },
    });
    expect(stepOf("ENV b=1\nCOPY '$b' /'$b'")).toMatchObject({ sources: ['$b'], dest: '/$b' });
  });

  it('what a shell or nobody expands stays as it is', () => {
    const { config } = planTarget(
      'FROM scratch\nENV x=1\nCMD echo $x\nENTRYPOINT ["$x"]\nSHELL ["$x"]\nHEALTHCHECK CMD test $x\nONBUILD RUN $x\nMAINTAINER $x',
    );
    expect(config).toMatchObject({
      Cmd: ['/bin/sh', '-c', 'echo $x'],
      Entrypoint: ['$x'],
      Shell: ['$x'],
      Healthcheck: { Test: ['CMD-SHELL', 'test $x'] },
      OnBuild: ['RUN $x'],
    });
    expect(stepOf('ENV x=1\nRUN echo $x')).toMatchObject({ args: ['/bin/sh', '-c', 'echo $x'] });
  });
});

describe('ARG', () => {
  it.each<[title: string, text: string, line: number, message: string]>([
    ['46: in a stage', 'FROM scratch\nARG FOO=${FOO:?msg}', 2, 'FOO: msg'],
    ['46: before FROM', 'ARG FOO=${FOO:?msg}\nFROM scratch', 1, 'FOO: msg'],
    ['46: over two lines', 'FROM scratch\nARG A \\\n  FOO=${FOO:?msg}', 2, 'FOO: msg'],
    ['46: without a message', 'FROM scratch\nARG FOO=${FOO?}', 2, 'FOO: is not allowed to be unset'],
    ['46: of an empty value', 'FROM scratch\nARG BAR=\nARG FOO=${BAR:?}', 3, 'BAR: is not allowed to be empty'],
    ['46: in FROM', 'FROM ${BASE:?missing}', 1, 'BASE: missing'],
  ])('%s: ${…:?} fails', (_, text, line, message) => {
    expect(planError(text)).toMatchObject({ kind: 'dockerfile', message: expect.stringContaining(message), range: { startLine: line } });
  });

  it('46: a build argument goes before it', () => {
    expect(envOf('FROM scratch\nARG FOO=${FOO:?msg}\nRUN x', { buildArgs: { FOO: 'given' } })).toEqual(['FOO=given']);
    expect(envOf('ARG FOO=${FOO:?msg}\nFROM scratch\nARG FOO\nRUN x', { buildArgs: { FOO: '' } })).toEqual(['FOO=']);
  });

  it('49: an empty build argument is set, and falls to the default behind a colon', () => {
    const text = 'FROM scratch\nARG my_arg\nENV colon=${my_arg:-def} plain=${my_arg-def} plus=${my_arg:+alt} set=${my_arg+alt}\nRUN x';
    expect(envOf(text, { buildArgs: { my_arg: '' } })).toEqual(['my_arg=', 'colon=def', 'plain=', 'plus=', 'set=alt']);
    expect(envOf(text)).toEqual(['colon=def', 'plain=def', 'plus=', 'set=']);
  });

  it('62: a child stage goes on with the values of its parent, for words as well', () => {
    const text = 'ARG G=g\nFROM scratch AS a\nARG A=1\nARG G\nFROM a AS b\nENV E=$A$G\nARG A=2\nFROM b\nENV F=$A$G$NONE\nRUN x';
    expect(envOf(text)).toEqual(['E=1g', 'A=2', 'G=g', 'F=2g'].toSorted((a, b) => envOf(text).indexOf(a) - envOf(text).indexOf(b)));
    expect(configOf('ARG H=1\nFROM scratch\nENV F=x$H').Env?.slice(1)).toEqual(['F=x']);
  });
});

const missing = missingProgram('runc', 'busybox', 'umoci');
if (missing !== undefined) process.stderr.write(`skipped: the builds of test/cases/variables.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('what a step sees', () => {
  const shop = new Workshop();
  beforeAll(() => {
    shop.run(['-t', 'base', shop.busyboxContext('ENV OF_BASE=inherited')]);
  });
  afterAll(() => shop[Symbol.dispose]());

  /** What `env` prints, without what every process has. */
  function seen(lines: readonly string[], args: readonly string[] = []): string[] {
    const [text = ''] = builtFiles(shop, [...lines, 'RUN env | sort > /seen'], ['seen'], { args });
    return text.split('\n').filter((line) => line !== '' && !/^(?:PATH|HOME|PWD|SHLVL|OF_BASE)=/.test(line));
  }

  it('44, 45: ENV the values from before its line, ARG those of its own', () => {
    expect(seen(['FROM base', 'ENV abc=hello', 'ENV abc=bye def=$abc', 'ARG a=1 b=$a c=$OF_BASE'])).toEqual([
      'a=1',
      'abc=bye',
      'b=1',
      'c=inherited',
      'def=hello',
    ]);
  });

  it('47, 48: what is declared and has a value, an empty one too', () => {
    const lines = ['ARG GLOBAL=g', 'ARG HIDDEN=h', 'FROM base', 'ARG GLOBAL', 'ARG FOO', 'ARG BAR=', 'ARG GIVEN=default'];
    expect(seen(lines, ['--build-arg', 'GIVEN=given', '--build-arg', 'UNKNOWN=1'])).toEqual(['BAR=', 'GIVEN=given', 'GLOBAL=g']);
  });

  it('51: the ARG, where the image keeps the ENV', () => {
    const layout = shop.at('arg-over-env');
    const dir = shop.context({ Dockerfile: 'FROM base\nENV X=env\nARG X=arg\nRUN [ "$X" = arg ]\n' });
    shop.run(['--oci-layout', `${layout}:1`, dir]);
    expect(readConfig(layout, '1').config?.Env).toContain('X=env');
  });

  it('52, 53: the platform and the target, once they are declared', () => {
    const lines = ['FROM --platform=$BUILDPLATFORM base', 'ARG TARGETSTAGE', 'ARG TARGETOS BUILDOS', 'ENV not=${TARGETARCH}declared'];
    expect(seen(lines)).toEqual(['BUILDOS=linux', 'TARGETOS=linux', 'TARGETSTAGE=default', 'not=declared']);
  });

  it('61: a proxy in both spellings, of which the image knows nothing', () => {
    const layout = shop.at('proxy');
    const dir = shop.context({ Dockerfile: 'FROM base\nRUN [ "$HTTP_PROXY$http_proxy" = pp ]\n' });
    shop.run(['--oci-layout', `${layout}:1`, '--build-arg', 'http_proxy=p', dir]);
    expect(JSON.stringify(readConfig(layout, '1'))).not.toMatch(/proxy=|PROXY=/);
  });
});
