import { describe, expect, it } from 'vitest';
import { formatChecks } from '../../src/cli/progress/checks.js';
import { plainRenderer } from '../../src/cli/progress/plain.js';
import { quietRenderer } from '../../src/cli/progress/quiet.js';
import { ttyRenderer } from '../../src/cli/progress/tty.js';
import type { Renderer } from '../../src/cli/progress/renderer.js';
import { lint } from '../lint/helpers.js';

const { warnings } = lint({ text: 'FROM scratch as base\nENV URL=https://me:pw@host/$x\nCMD hello' });
const LINES = ` - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)
 - UndefinedVar: Usage of undefined variable '$x' (line 2)
 - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 3)
`;

/** What a build writes that has nothing else to tell. */
function written(renderer: Renderer): string {
  const events = warnings.map((warning, timeMs) => renderer.event({ type: 'check', timeMs, warning }));
  return events.join('') + renderer.end();
}

describe('warnings about the Dockerfile', () => {
  it('are told at the end, in short', () => {
    expect(written(plainRenderer())).toBe(` 3 warnings found (use --check to expand):\n${LINES}`);
  });

  it('with a blank line before them below a picture', () => {
    const size = (): { columns: number; rows: number } => ({ columns: 80, rows: 24 });
    expect(written(ttyRenderer({ size, color: false }))).toMatch(/\)\n\n 3 warnings found \(use --check to expand\):\n - From/);
    expect(written(ttyRenderer({ size, color: true }))).toContain(
      `\n\n \x1b[33m3 warnings found (use --check to expand):\x1b[0m\n${LINES}`,
    );
  });

  it('not in quiet', () => expect(written(quietRenderer())).toBe(''));

  it('of which there are none are not told', () => expect(formatChecks([], { color: true })).toBe(''));

  it('show no passwords', () => {
    const [secret] = lint({ text: 'FROM scratch\nWORKDIR https://me:pw@host/x' }).warnings;
    expect(formatChecks(secret === undefined ? [] : [secret], { color: false })).not.toContain('pw@');
  });
});
