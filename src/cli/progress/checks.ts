import { shortForm, type LintWarning } from '../../lint/warning.js';
import { redact } from '../redact.js';

/** What a build says at its end of the warnings that its Dockerfile got; nothing when there are none. A blank line belongs before it. */
export function formatChecks(warnings: readonly LintWarning[], { color }: { readonly color: boolean }): string {
  if (warnings.length === 0) return '';
  const head = `${warnings.length === 1 ? '1 warning' : `${warnings.length} warnings`} found (use --check to expand):`;
  const lines = warnings.map((warning) => ` - ${redact(shortForm(warning))}\n`);
  return ` ${color ? `\x1b[33m${head}\x1b[0m` : head}\n${lines.join('')}`;
}
