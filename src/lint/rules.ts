import { goQuote } from '../base/go-quote.js';

/** A check. Names, texts and pages are those of BuildKit. */
export interface Rule {
  readonly name: string;
  readonly description: string;
  readonly url: string;
  /** Off, unless the file or the build asks for it. */
  readonly experimental: boolean;
}

const PAGES = 'https://docs.docker.com/go/dockerfile/rule/';

function rule(name: string, description: string, { page = true, experimental = false } = {}): Rule {
  return { name, description, url: page ? `${PAGES}${toSlug(name)}/` : '', experimental };
}

/** `json-args-recommended` for `JSONArgsRecommended` */
function toSlug(name: string): string {
  return name
    .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
}

export const RULES = {
  stageNameCasing: rule('StageNameCasing', 'Stage names should be lowercase'),
  fromAsCasing: rule('FromAsCasing', "The 'as' keyword should match the case of the 'from' keyword"),
  noEmptyContinuation: rule('NoEmptyContinuation', 'Empty continuation lines will become errors in a future release'),
  consistentInstructionCasing: rule(
    'ConsistentInstructionCasing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
  ),
  duplicateStageName: rule('DuplicateStageName', 'Stage names should be unique'),
  reservedStageName: rule('ReservedStageName', 'Reserved words should not be used as stage names'),
  jsonArgsRecommended: rule(
    'JSONArgsRecommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  ),
  maintainerDeprecated: rule(
    'MaintainerDeprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  ),
  undefinedArgInFrom: rule('UndefinedArgInFrom', 'FROM command must use declared ARGs'),
  workdirRelativePath: rule(
    'WorkdirRelativePath',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  ),
  undefinedVar: rule('UndefinedVar', 'Variables should be defined before their use'),
  multipleInstructionsDisallowed: rule(
    'MultipleInstructionsDisallowed',
    'Multiple instructions of the same type should not be used in the same stage',
  ),
  legacyKeyValueFormat: rule('LegacyKeyValueFormat', 'Legacy key/value format with whitespace separator should not be used'),
  invalidBaseImagePlatform: rule('InvalidBaseImagePlatform', 'Base image platform does not match expected target platform', {
    page: false,
  }),
  redundantTargetPlatform: rule(
    'RedundantTargetPlatform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  ),
  secretsUsedInArgOrEnv: rule('SecretsUsedInArgOrEnv', 'Sensitive data should not be used in the ARG or ENV commands'),
  invalidDefaultArgInFrom: rule('InvalidDefaultArgInFrom', 'Default value for global ARG results in an empty or invalid base image name'),
  fromPlatformFlagConstDisallowed: rule('FromPlatformFlagConstDisallowed', 'FROM --platform flag should not use a constant value'),
  copyIgnoredFile: rule('CopyIgnoredFile', 'Attempting to Copy file that is excluded by .dockerignore'),
  invalidDefinitionDescription: rule(
    'InvalidDefinitionDescription',
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    { experimental: true },
  ),
  exposeProtoCasing: rule('ExposeProtoCasing', 'Protocol in EXPOSE instruction should be lowercase'),
  exposeInvalidFormat: rule(
    'ExposeInvalidFormat',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  ),
} as const satisfies Readonly<Record<string, Rule>>;

/** What a rule says of one place. */
export const DETAILS = {
  stageNameCasing: (name: string) => `Stage name '${name}' should be lowercase`,
  fromAsCasing: (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  noEmptyContinuation: () => 'Empty continuation line',
  consistentInstructionCasing: (keyword: string, casing: 'lowercase' | 'uppercase') =>
    `Command '${keyword}' should match the case of the command majority (${casing})`,
  duplicateStageName: (name: string) => `Duplicate stage name ${goQuote(name)}, stage names should be unique`,
  reservedStageName: (name: string) => `Stage name should not use the same name as reserved stage ${goQuote(name)}`,
  jsonArgsRecommended: (keyword: string) =>
    `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`,
  maintainerDeprecated: () => 'Maintainer instruction is deprecated in favor of using label',
  undefinedArgInFrom: (name: string, meant: string | undefined) =>
    `FROM argument '${name}' is not declared${meant === undefined ? '' : ` (did you mean ${meant}?)`}`,
  workdirRelativePath: (path: string) => `Relative workdir ${goQuote(path)} can have unexpected results if the base image changes`,
  undefinedVar: (name: string, meant: string | undefined) =>
    `Usage of undefined variable '$${name}'${meant === undefined ? '' : ` (did you mean $${meant}?)`}`,
  multipleInstructionsDisallowed: (keyword: string) =>
    `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`,
  legacyKeyValueFormat: (keyword: string) => `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
  invalidBaseImagePlatform: (image: string, { expected, actual }: { expected: string; actual: string }) =>
    `Base image ${image} was pulled with platform ${goQuote(actual)}, expected ${goQuote(expected)} for current build`,
  redundantTargetPlatform: (word: string) => `Setting platform to predefined ${word} in FROM is redundant as this is the default behavior`,
  secretsUsedInArgOrEnv: (keyword: 'ARG' | 'ENV', name: string) =>
    `Do not use ARG or ENV instructions for sensitive data (${keyword} ${goQuote(name)})`,
  invalidDefaultArgInFrom: (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  fromPlatformFlagConstDisallowed: (platform: string) => `FROM --platform flag should not use constant value ${goQuote(platform)}`,
  copyIgnoredFile: (op: 'Copy' | 'Add', file: string) => `Attempting to ${op} file ${goQuote(file)} that is excluded by .dockerignore`,
  invalidDefinitionDescription: (keyword: 'ARG' | 'FROM', name: string) =>
    `Comment for ${keyword} should follow the format: \`# ${name} <description>\``,
  exposeProtoCasing: (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  exposeInvalidFormat: (port: string) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
} as const;
