import { describe, expect, test } from 'vitest';
import { parseIgnore } from '../../src/context/dockerignore.js';
import { lintDockerfile, type LintResult } from '../../src/lint/lint.js';
import type { LintWarning } from '../../src/lint/warning.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { toInput, type PlanOptions } from '../plan/helpers.js';

/** Descriptions and pages as BuildKit has them, written out: what the sources compute is compared with this. */
const TEXTS: Readonly<Record<string, readonly [slug: string, description: string]>> = {
  StageNameCasing: ['stage-name-casing', 'Stage names should be lowercase'],
  FromAsCasing: ['from-as-casing', "The 'as' keyword should match the case of the 'from' keyword"],
  NoEmptyContinuation: ['no-empty-continuation', 'Empty continuation lines will become errors in a future release'],
  ConsistentInstructionCasing: [
    'consistent-instruction-casing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
  ],
  DuplicateStageName: ['duplicate-stage-name', 'Stage names should be unique'],
  ReservedStageName: ['reserved-stage-name', 'Reserved words should not be used as stage names'],
  JSONArgsRecommended: [
    'json-args-recommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  ],
  MaintainerDeprecated: [
    'maintainer-deprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  ],
  UndefinedArgInFrom: ['undefined-arg-in-from', 'FROM command must use declared ARGs'],
  WorkdirRelativePath: [
    'workdir-relative-path',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  ],
  UndefinedVar: ['undefined-var', 'Variables should be defined before their use'],
  MultipleInstructionsDisallowed: [
    'multiple-instructions-disallowed',
    'Multiple instructions of the same type should not be used in the same stage',
  ],
  LegacyKeyValueFormat: ['legacy-key-value-format', 'Legacy key/value format with whitespace separator should not be used'],
  InvalidBaseImagePlatform: ['', 'Base image platform does not match expected target platform'],
  RedundantTargetPlatform: [
    'redundant-target-platform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  ],
  SecretsUsedInArgOrEnv: ['secrets-used-in-arg-or-env', 'Sensitive data should not be used in the ARG or ENV commands'],
  InvalidDefaultArgInFrom: ['invalid-default-arg-in-from', 'Default value for global ARG results in an empty or invalid base image name'],
  FromPlatformFlagConstDisallowed: ['from-platform-flag-const-disallowed', 'FROM --platform flag should not use a constant value'],
  CopyIgnoredFile: ['copy-ignored-file', 'Attempting to Copy file that is excluded by .dockerignore'],
  InvalidDefinitionDescription: [
    'invalid-definition-description',
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
  ],
  ExposeProtoCasing: ['expose-proto-casing', 'Protocol in EXPOSE instruction should be lowercase'],
  ExposeInvalidFormat: [
    'expose-invalid-format',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  ],
};

export const RULE_NAMES = Object.keys(TEXTS);

export interface CheckCase extends PlanOptions {
  /** The Dockerfile; its first line is line 1. */
  readonly text: string;
  readonly ignore?: string;
  /** What the target needs alone, as a build checks it. */
  readonly build?: true;
}

/** A warning as a test writes it: rule, lines (`3` or `3-5`), message. */
export type Expected = readonly [rule: string, lines: string, detail: string];

export function lint({ text, ignore, build, ...options }: CheckCase): LintResult {
  return lintDockerfile(parseDockerfile(text), {
    plan: toInput(options),
    stages: build === true ? 'target' : 'all',
    ...(ignore === undefined ? {} : { ignore: parseIgnore(ignore, '.dockerignore') }),
  });
}

/** Everything that a warning says, with its range as lines. */
function shown(warnings: readonly LintWarning[]): object[] {
  return warnings.map(({ range, ...rest }) => ({
    ...rest,
    lines: range.startLine === range.endLine ? `${range.startLine}` : `${range.startLine}-${range.endLine}`,
  }));
}

function expected([ruleName, lines, detail]: Expected): object {
  const [slug, description] = TEXTS[ruleName] ?? ['', 'no such rule'];
  const url = slug === '' ? '' : `https://docs.docker.com/go/dockerfile/rule/${slug}/`;
  return { ruleName, description, url, detail, level: 1, lines };
}

/** A title, a Dockerfile (or one with its surroundings), and every warning that it gets. */
export type Row = readonly [title: string, given: string | CheckCase, ...warnings: readonly Expected[]];

/** Tests what the whole check says of Dockerfiles that are about one rule. */
export function check(rule: string, rows: readonly Row[]): void {
  describe(rule, () => {
    test.each(rows.map(([title, given, ...warnings]) => ({ title, given, warnings })))('$title', ({ given, warnings }) => {
      const result = lint(typeof given === 'string' ? { text: given } : given);
      expect(shown(result.warnings)).toEqual(warnings.map(expected));
    });
  });
}
