import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { readConfig } from '../helpers/image-tools.js';
import { readTree } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';
import { configOf, historyOf, plan, planTarget, stepOf } from '../plan/helpers.js';
import { builtFiles, builtRoot } from './built.js';

describe('CMD and ENTRYPOINT', () => {
  it('68: an ENTRYPOINT drops what it inherits, not what its stage says', () => {
    const images = { base: { Cmd: ['old'] } };
    expect(planTarget('FROM base\nENTRYPOINT ["e"]', { images }).config).not.toHaveProperty('Cmd');
    expect(planTarget('FROM base\nCMD ["own"]\nENTRYPOINT ["e"]', { images }).config.Cmd).toEqual(['own']);
    expect(planTarget('FROM base\nENTRYPOINT ["e"]\nCMD ["own"]', { images }).config.Cmd).toEqual(['own']);
  });

  it('69: the text is for the SHELL of its line', () => {
    const { config } = planTarget('FROM scratch\nCMD one\nSHELL ["/bin/bash", "-e", "-c"]\nENTRYPOINT two');
    expect(config).toMatchObject({ Entrypoint: ['/bin/bash', '-e', '-c', 'two'], Shell: ['/bin/bash', '-e', '-c'] });
    expect(configOf('CMD one\nSHELL ["x"]').Cmd).toEqual(['/bin/sh', '-c', 'one']);
    expect(planTarget('FROM scratch AS a\nSHELL ["x"]\nFROM a\nCMD one').config.Cmd).toEqual(['x', 'one']);
    expect(planTarget('FROM base\nCMD one', { images: { base: { Shell: ['y', '-c'] } } }).config.Cmd).toEqual(['y', '-c', 'one']);
  });
});

describe('WORKDIR', () => {
  it.each<[title: string, lines: string, workingDir: string]>([
    ['75: above', 'WORKDIR /a/b\nWORKDIR ..', '/a'],
    ['75: below', 'WORKDIR /test1\nWORKDIR test2', '/test1/test2'],
    ['75: beside', 'WORKDIR /a/b\nWORKDIR ../c', '/a/c'],
    ['75: never above the root', 'WORKDIR ../../..', '/'],
    ['75: an absolute one is kept as it is written', 'WORKDIR /a\nWORKDIR /b/../c/', '/b/../c/'],
    ['75: a relative one is cleaned', 'WORKDIR /a\nWORKDIR b//c/', '/a/b/c'],
  ])('%s', (_, lines, workingDir) => {
    expect(configOf(lines).WorkingDir).toBe(workingDir);
  });

  it('that names nothing changes nothing, and is told', () => {
    const made = plan('FROM scratch\nWORKDIR /a\nWORKDIR $none\nWORKDIR /b$none');
    expect(made.warnings).toMatchObject([
      { message: 'WORKDIR names nothing once its variables are expanded: the directory stays "/a"', range: { startLine: 3 } },
    ]);
    expect(configOf('WORKDIR /a\nWORKDIR $none').WorkingDir).toBe('/a');
  });
});

describe('the config', () => {
  it('79: --label goes over LABEL and leaves the others', () => {
    const labels = { both: 'cli', cli: '1' };
    expect(planTarget('FROM base\nLABEL both=file file=1', { labels, images: { base: { Labels: { base: '1' } } } }).config.Labels).toEqual({
      base: '1',
      both: 'cli',
      file: '1',
      cli: '1',
    });
  });

  it('80: HEALTHCHECK NONE in a child switches that of its parent off', () => {
    const text = 'FROM scratch AS a\nHEALTHCHECK --interval=5s --retries=3 CMD true\nFROM a\nHEALTHCHECK NONE';
    expect(planTarget(text).config.Healthcheck).toEqual({ Test: ['NONE'] });
    expect(planTarget(text, { target: 'a' }).config.Healthcheck).toEqual({ Test: ['CMD-SHELL', 'true'], Interval: 5e9, Retries: 3 });
  });

  it('81: VOLUME takes words or JSON, and adds to what is there', () => {
    for (const lines of ['VOLUME ["/a", "/b"]', 'VOLUME /a /b', 'VOLUME /a\nVOLUME ["/b"]']) {
      expect(configOf(lines).Volumes).toEqual({ '/a': {}, '/b': {} });
    }
    expect(stepOf('VOLUME /a').kind).toBe('config');
  });

  it('140: the history has each argument once, with its last value', () => {
    const stage = planTarget('FROM scratch AS a\nARG x=1\nARG y\nRUN one\nFROM a\nARG x=2\nARG y=3\nARG x=4\nRUN two');
    expect(historyOf(stage).at(-1)).toBe('RUN |2 x=4 y=3 /bin/sh -c two # buildkit');
  });
});

const missing = missingProgram('runc', 'busybox', 'umoci');
if (missing !== undefined) process.stderr.write(`skipped: the builds of test/cases/config.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('in containers', () => {
  const shop = new Workshop();
  const passwd = 'root:x:0:0::/:\nme:x:1001:1002::/home:\nalso:x:7:8::/:\n';
  const group = 'root:x:0:\nmine:x:1002:\nextra:x:2000:me,also\n';
  beforeAll(() => {
    shop.run(['-t', 'base', shop.busyboxContext('COPY etc /etc/', { 'etc/passwd': passwd, 'etc/group': group })]);
  });
  afterAll(() => shop[Symbol.dispose]());

  it('70: RUN takes no ENTRYPOINT', () => {
    expect(builtFiles(shop, ['FROM base', 'ENTRYPOINT ["/bin/false"]', 'RUN echo ran > /ran'], ['ran'])).toEqual(['ran\n']);
  });

  it.each([
    ['72: a number alone', '4242', 'uid=4242 gid=0'],
    ['72: a number of the passwd file', '1001', 'uid=1001(me) gid=1002(mine) groups=1002(mine),2000(extra)'],
    ['72: a name', 'me', 'uid=1001(me) gid=1002(mine) groups=1002(mine),2000(extra)'],
    ['72: a user and a group', 'me:extra', 'uid=1001(me) gid=2000(extra) groups=2000(extra)'],
    ['72: two numbers', '5:6', 'uid=5 gid=6'],
  ])('%s', (_, user, ids) => {
    const lines = ['FROM base', 'RUN mkdir -m 777 /out', `USER ${user}`, 'RUN id > /out/id'];
    const [text = ''] = builtFiles(shop, lines, ['out/id']);
    expect(
      text
        .trim()
        .replace('gid=0(root)', 'gid=0')
        .replace(/ groups=(?:0\(root\)|6|0)$/, ''),
    ).toBe(ids);
  });

  it('74: WORKDIR makes its directory for the USER, and leaves one that is there', () => {
    const lines = [
      'FROM base',
      'RUN mkdir /there',
      'USER me',
      'WORKDIR /there',
      'WORKDIR made/deep',
      'RUN stat -c "%u:%g %a" . .. /there > owners',
    ];
    expect(builtFiles(shop, lines, ['there/made/deep/owners'])).toEqual(['1001:1002 755\n1001:1002 755\n0:0 755\n']);
  });

  it('81: VOLUME changes no files: what later steps write there is kept', () => {
    const root = builtRoot(shop, ['FROM base', 'VOLUME /data /none', 'RUN mkdir /data && echo kept > /data/file']);
    expect([...readTree(`${root}/data`).keys()]).toEqual(['', 'file']);
    expect(readTree(root).has('none')).toBe(false);
  });

  it('80: the config of a child says NONE', () => {
    shop.run(['-t', 'checked', shop.context({ Dockerfile: 'FROM base\nHEALTHCHECK CMD true\n' })]);
    const layout = shop.at('unchecked');
    shop.run(['--oci-layout', `${layout}:1`, shop.context({ Dockerfile: 'FROM checked\nHEALTHCHECK NONE\n' })]);
    expect(readConfig(layout, '1').config?.Healthcheck).toEqual({ Test: ['NONE'] });
  });
});
