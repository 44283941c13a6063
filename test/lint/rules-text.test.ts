import { check } from './helpers.js';

const NAME = (name: string): string => `Stage name '${name}' should be lowercase`;
check('StageNameCasing', [
  ['a capital', 'FROM scratch AS BadStageName', ['StageNameCasing', '1', NAME('BadStageName')]],
  ['all capitals', 'FROM scratch AS BASE', ['StageNameCasing', '1', NAME('BASE')]],
  ['lower case with digits', 'FROM scratch AS base-2.x_y'],
  ['no name', 'FROM scratch'],
  ['behind --platform, over two lines', 'FROM --platform=$BUILDPLATFORM scratch \\\n  AS Base', ['StageNameCasing', '1-2', NAME('Base')]],
  ['skipped for one stage', 'FROM scratch AS a\n# check=skip=StageNameCasing\nFROM scratch AS B'],
]);

const AS = (as: string, from: string): string => `'${as}' and '${from}' keywords' casing do not match`;
check('FromAsCasing', [
  ['as behind FROM', 'FROM scratch as base', ['FromAsCasing', '1', AS('as', 'FROM')]],
  ['AS behind from', 'from scratch AS base', ['FromAsCasing', '1', AS('AS', 'from')]],
  ['As behind FROM', 'FROM scratch As base', ['FromAsCasing', '1', AS('As', 'FROM')]],
  ['the same case', 'FROM scratch AS base\nFROM scratch AS base2'],
  ['both lower', 'from scratch as base'],
  [
    'a mixed From is left to another rule',
    'From scratch as base\nFROM scratch AS base2',
    ['ConsistentInstructionCasing', '1', "Command 'From' should match the case of the command majority (uppercase)"],
  ],
  ['skipped for one stage', '# check=skip=FromAsCasing // for now\nFROM scratch as base'],
]);

const EMPTY = 'Empty continuation line';
check('NoEmptyContinuation', [
  [
    '7: points to the last line of the continuation',
    'FROM scratch\nCOPY Dockerfile \\\n\n.\nCOPY Dockerfile \\\n.',
    ['NoEmptyContinuation', '4', EMPTY],
  ],
  ['7: one for several blank lines', 'FROM scratch\nCOPY a \\\n\n \\\n\n\t\nb .', ['NoEmptyContinuation', '7', EMPTY]],
  ['7: a comment is no blank line', 'FROM scratch\nCOPY a \\\n# why\nb .'],
  ['7: heredocs do not count', 'FROM scratch\nCOPY \\\n\n<<A /a\ntext\n\nA', ['NoEmptyContinuation', '4', EMPTY]],
  [
    '7: before every other rule',
    'FROM scratch as a\nCOPY a \\\n\nb .',
    ['NoEmptyContinuation', '4', EMPTY],
    ['FromAsCasing', '1', AS('as', 'FROM')],
  ],
  ['7: skipped for the file', '# check=skip=NoEmptyContinuation\nFROM scratch\nCOPY a \\\n\nb .'],
  [
    '7: a comment above the instruction does not skip it',
    'FROM scratch\n# check=skip=NoEmptyContinuation\nCOPY a \\\n\nb .',
    ['NoEmptyContinuation', '5', EMPTY],
  ],
]);

const CASING = (keyword: string, casing: string): string =>
  `Command '${keyword}' should match the case of the command majority (${casing})`;
check('ConsistentInstructionCasing', [
  ['one lower among uppers', 'FROM scratch\ncopy a /a\nCOPY b /b', ['ConsistentInstructionCasing', '2', CASING('copy', 'uppercase')]],
  ['one upper among lowers', 'from scratch\nCOPY a /a\ncopy b /b', ['ConsistentInstructionCasing', '2', CASING('COPY', 'lowercase')]],
  ['mixed never fits', 'frOM scratch as base\nfrom scratch as base2', ['ConsistentInstructionCasing', '1', CASING('frOM', 'lowercase')]],
  ['from alone', 'from scratch\nCOPY a /\nCOPY b /\nCOPY c /', ['ConsistentInstructionCasing', '1', CASING('from', 'uppercase')]],
  ['FROM alone', 'FROM scratch\ncopy a /\ncopy b /\ncopy c /', ['ConsistentInstructionCasing', '1', CASING('FROM', 'lowercase')]],
  ['a draw is for upper case', 'from scratch\nCOPY a /', ['ConsistentInstructionCasing', '1', CASING('from', 'uppercase')]],
  ['all lower', 'from scratch\ncopy a /a\ncopy b /b'],
  ['all upper', 'FROM scratch\nCOPY a /a\nCOPY b /b'],
  ['heredoc bodies are no instructions', "FROM scratch\nRUN <<'EOT'\nenv\ncopy x\nEOT"],
  ['what ONBUILD holds does not count', 'FROM scratch\nONBUILD copy a /a'],
  ['ARG before FROM is not asked', 'arg A=1\nFROM scratch\nCOPY a /a'],
  [
    'over several lines',
    'FROM scratch\nCOPY a /a\nrun a \\\n b \\\n c',
    ['ConsistentInstructionCasing', '3-5', CASING('run', 'uppercase')],
  ],
]);

check('DuplicateStageName', [
  ['twice', 'FROM scratch AS b\nFROM scratch AS b', ['DuplicateStageName', '2', 'Duplicate stage name "b", stage names should be unique']],
  [
    'in another case',
    'FROM scratch AS b\nFROM scratch AS B',
    ['StageNameCasing', '2', NAME('B')],
    ['DuplicateStageName', '2', 'Duplicate stage name "b", stage names should be unique'],
  ],
  [
    'three times',
    'FROM scratch AS b\nFROM scratch AS b\nFROM scratch AS b',
    ['DuplicateStageName', '2', 'Duplicate stage name "b", stage names should be unique'],
    ['DuplicateStageName', '3', 'Duplicate stage name "b", stage names should be unique'],
  ],
  ['two names', 'FROM scratch AS b1\nFROM scratch AS b2'],
  ['no names', 'FROM scratch\nFROM scratch'],
]);

const RESERVED = (name: string): string => `Stage name should not use the same name as reserved stage "${name}"`;
check('ReservedStageName', [
  [
    'scratch and context',
    'FROM scratch AS scratch\nFROM scratch AS context',
    ['ReservedStageName', '1', RESERVED('scratch')],
    ['ReservedStageName', '2', RESERVED('context')],
  ],
  [
    'in another case',
    'FROM scratch AS Context',
    ['StageNameCasing', '1', NAME('Context')],
    ['ReservedStageName', '1', RESERVED('context')],
  ],
  ['as a base', 'FROM scratch\nFROM scratch AS a'],
]);

const MAINTAINER = 'Maintainer instruction is deprecated in favor of using label';
check('MaintainerDeprecated', [
  ['MAINTAINER', 'FROM scratch\nMAINTAINER me@example.org', ['MaintainerDeprecated', '2', MAINTAINER]],
  ['a label', 'FROM scratch\nLABEL org.opencontainers.image.authors="me@example.org"'],
  ['skipped for one instruction', 'FROM scratch\n# check=skip=MaintainerDeprecated\nMAINTAINER me@example.org'],
  [
    'in a stage that nothing needs',
    { text: 'FROM scratch\nMAINTAINER me\nFROM scratch', build: true },
    ['MaintainerDeprecated', '2', MAINTAINER],
  ],
]);

const DESCRIBE = (keyword: string, name: string): string => `Comment for ${keyword} should follow the format: \`# ${name} <description>\``;
const ON = '# check=experimental=InvalidDefinitionDescription\n';
check('InvalidDefinitionDescription', [
  ['off unless asked for', '# bar this is the bar\nARG foo=bar\nFROM scratch'],
  [
    'good descriptions',
    '# check=skip=all;experimental=InvalidDefinitionDescription\n# foo this is the foo\nARG foo=bar\n\n# base this is the base image\nFROM scratch AS base\n\n# version this is the version number\nARG version=latest\n\n# baz this is the baz\nARG foo=baz bar=qux baz=quux\n#\nARG bit=bat\n\n# comment for something else\nCOPY Dockerfile .',
  ],
  [
    'another name above a global ARG',
    `${ON}# bar this is the bar\nARG foo=bar\nFROM scratch`,
    ['InvalidDefinitionDescription', '3', DESCRIBE('ARG', 'foo')],
  ],
  [
    'the name in another case above FROM',
    `${ON}# BasE this is the BasE image\nFROM scratch AS base`,
    ['InvalidDefinitionDescription', '3', DESCRIBE('FROM', 'base')],
  ],
  [
    'no name above ARG',
    `${ON}#\nFROM scratch\n# definitely a bad comment\nARG version=latest`,
    ['InvalidDefinitionDescription', '5', DESCRIBE('ARG', 'version')],
  ],
  [
    'above an ARG of several',
    `${ON}#\nFROM scratch\n# definitely a bad comment\nARG a=1 b=2`,
    ['InvalidDefinitionDescription', '5', DESCRIBE('ARG', '<arg_key>')],
  ],
  ['above a stage without a name', `${ON}# whatever\nFROM scratch`],
  ['a bare # between', `${ON}# license\n#\nARG a=1\nFROM scratch`],
  [
    'all experimental rules',
    '# check=experimental=all\n# x\nARG foo=bar\nFROM scratch',
    ['InvalidDefinitionDescription', '3', DESCRIBE('ARG', 'foo')],
  ],
]);
