import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchDir, tsbuild } from '../helpers/cli.js';

const PROJECTS = fileURLToPath(new URL('../real/', import.meta.url));

/** What the linter finds in the Dockerfiles of `test/real`; in all others, nothing. */
const FINDINGS: Readonly<Record<string, readonly string[]>> = {
  'debian-database': ['LegacyKeyValueFormat 24', 'LegacyKeyValueFormat 25', 'LegacyKeyValueFormat 27'],
  'python-wheels': ['JSONArgsRecommended 33'],
  'ruby-rails': ['FromAsCasing 5', 'FromAsCasing 17'],
  'rust-chef': ['LegacyKeyValueFormat 15'],
  'static-site': ['MultipleInstructionsDisallowed 11'],
};

describe('the linter', () => {
  it.each(readdirSync(PROJECTS))('finds in %s what there is, without any of its bases', (project) => {
    using scratch = scratchDir();
    const { status, stdout, stderr } = tsbuild(['build', '--call', 'check,format=json', '--root', scratch.path, join(PROJECTS, project)]);
    const { warnings = [], buildError } = JSON.parse(stdout) as CheckReport;
    expect({ found: warnings.map(toFinding), buildError, stderr }).toEqual({
      found: FINDINGS[project] ?? [],
      buildError: undefined,
      stderr: '',
    });
    expect(status).toBe(FINDINGS[project] === undefined ? 0 : 1);
  });
});

/** Of what the JSON says. */
interface CheckReport {
  readonly warnings?: readonly Warning[];
  readonly buildError?: unknown;
}

interface Warning {
  readonly ruleName: string;
  readonly location: { readonly ranges: readonly { readonly start: { readonly line: number } }[] };
}

function toFinding({ ruleName, location }: Warning): string {
  return `${ruleName} ${location.ranges[0]?.start.line}`;
}
