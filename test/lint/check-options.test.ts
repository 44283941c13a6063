import { describe, expect, test } from 'vitest';
import { commentOptions, parseCheck } from '../../src/lint/options.js';
import { lint } from './helpers.js';

const TEXT = 'FROM scratch as base\ncopy Dockerfile .\n';
const BOTH = ['FromAsCasing', 'ConsistentInstructionCasing'];

function namesOf(text: string, buildArg?: string): string[] {
  return lint({ text, ...(buildArg === undefined ? {} : { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: buildArg } }) }).warnings.map(
    ({ ruleName }) => ruleName,
  );
}

describe('# check=', () => {
  test.each([
    ['nothing', TEXT, BOTH],
    ['skip=all', `#check=skip=all\n${TEXT}`, []],
    ['a list', `#check=skip=ConsistentInstructionCasing,FromAsCasing\n${TEXT}`, []],
    ['a list, spread out', `# check = skip=FromAsCasing\n${TEXT}`, ['ConsistentInstructionCasing']],
    ['one rule', `#check=skip=ConsistentInstructionCasing\n${TEXT}`, ['FromAsCasing']],
    ['behind syntax', `# syntax=docker/dockerfile:1\n# check=skip=all\n${TEXT}`, []],
    ['rules that do not exist', `#check=skip=Nonsense\n${TEXT}`, BOTH],
    ['the case of a rule matters', `#check=skip=fromascasing\n${TEXT}`, BOTH],
    [
      'what follows a blank is no part of it',
      `#check=skip=FromAsCasing, ConsistentInstructionCasing\n${TEXT}`,
      ['ConsistentInstructionCasing'],
    ],
    ['too late: behind a blank line', `\n#check=skip=ConsistentInstructionCasing\n${TEXT}`, BOTH],
    [
      'skip=all does not hide experimental rules',
      `#check=skip=all;experimental=all\n# x\nARG a\nFROM scratch`,
      ['InvalidDefinitionDescription'],
    ],
  ])('%s', (_title, text, expected) => expect(namesOf(text)).toEqual(expected));

  test('is replaced by the build argument', () => {
    expect(namesOf(`#check=skip=all\n${TEXT}`, 'skip=ConsistentInstructionCasing')).toEqual(['FromAsCasing']);
    expect(namesOf(TEXT, 'skip = FromAsCasing, ConsistentInstructionCasing')).toEqual([]);
  });
});

describe('error=true', () => {
  test('makes an error of warnings', () => {
    expect(lint({ text: `#check=error=true\n${TEXT}` }).failure).toMatchObject({
      kind: 'dockerfile',
      message: 'lint violation found for rules: FromAsCasing, ConsistentInstructionCasing',
      range: { startLine: 2 },
    });
  });

  test.each([
    ['without warnings', `#check=error=true\nFROM scratch`],
    ['when all are skipped', `#check=skip=all;error=true\n${TEXT}`],
    ['when it is off', `#check=error=false\n${TEXT}`],
  ])('%s there is none', (_title, text) => expect(lint({ text }).failure).toBeUndefined());

  test('comes from the build argument too, and goes with it', () => {
    const given = (check: string): unknown =>
      lint({ text: `#check=error=true\n${TEXT}`, buildArgs: { BUILDKIT_DOCKERFILE_CHECK: check } }).failure;
    expect(given('skip=FromAsCasing;error=1')).toMatchObject({ message: 'lint violation found for rules: ConsistentInstructionCasing' });
    expect(given('skip=FromAsCasing')).toBeUndefined();
  });
});

describe('a malformed option', () => {
  test.each([
    ['skip', 'invalid check option "skip"'],
    ['skpi=all', 'invalid check option "skpi"'],
    ['error=maybe', 'failed to parse check option "error=maybe": strconv.ParseBool: parsing "maybe": invalid syntax'],
    ['skip=A;', 'invalid check option ""'],
  ])('%s', (text, message) => expect(() => parseCheck(text)).toThrow(message));

  test('is an error of the file, at its line', () => {
    expect(() => lint({ text: `# escape=\\\n# check=skpi=all\n${TEXT}` })).toThrow(
      expect.objectContaining({
        kind: 'dockerfile',
        message: 'failed to parse check options: invalid check option "skpi"',
        range: expect.objectContaining({ startLine: 2 }) as unknown,
      }),
    );
  });

  test('or of the build', () => {
    expect(() => lint({ text: TEXT, buildArgs: { BUILDKIT_DOCKERFILE_CHECK: 'x' } })).toThrow(
      expect.objectContaining({ message: 'failed to parse BUILDKIT_DOCKERFILE_CHECK: invalid check option "x"', range: undefined }),
    );
  });

  test('above an instruction says nothing', () => {
    expect(commentOptions(['check=skip'])).toMatchObject({ failsBuild: false, skip: new Set() });
    expect(lint({ text: 'FROM scratch\n# check=skpi=all\nCMD a' }).warnings).toHaveLength(1);
  });
});

describe('comments above an instruction', () => {
  test.each([
    ['the first check counts', '# check=skip=JSONArgsRecommended\n# check=skip=Other\nCMD a', []],
    ['and no other', '# check=skip=Other\n# check=skip=JSONArgsRecommended\nCMD a', ['JSONArgsRecommended']],
    ['with words around', '# why\n# check=skip=JSONArgsRecommended because\n# so\nCMD a', []],
    ['with a blank line below', '# check=skip=JSONArgsRecommended\n\nCMD a', []],
    ['not for the next one', '# check=skip=JSONArgsRecommended\nUSER x\nCMD a', ['JSONArgsRecommended']],
    ['switch experimental rules on', '# x\n# check=experimental=all\n# y\nARG a', ['InvalidDefinitionDescription']],
  ])('%s', (_title, rest, expected) => expect(namesOf(`FROM scratch\n${rest}`)).toEqual(expected));
});

test('what is wrong ends the check, with the warnings until then', () => {
  expect(namesOf('FROM scratch as a\nMAINTAINER me\nENV a=${b:?no}\nCMD x')).toEqual([
    'FromAsCasing',
    'MaintainerDeprecated',
    'UndefinedVar',
  ]);
  expect(namesOf('FROM $nothing as a\nCMD x')).toEqual(['FromAsCasing', 'InvalidDefaultArgInFrom', 'UndefinedArgInFrom']);
  expect(namesOf('FROM scratch\nCMD x\nEXPOSE 1/TCP x/TCP\nCMD ["y"]')).toEqual(['JSONArgsRecommended', 'ExposeProtoCasing']);
});
