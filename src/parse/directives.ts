import { trimBlanks, trimBlanksStart } from './blanks.js';
import { Fault } from './fault.js';
import type { Directives } from './instruction.js';
import { trimLineEnd } from './source.js';

const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+)$/;
const NAMES = new Set(['escape', 'syntax', 'check']);

/** Reads the directive zone line by line: it ends at the first line that is not a known directive. */
export class DirectiveZone {
  readonly #seen = new Map<string, string>();
  #open = true;
  escape: Directives['escape'] = '\\';

  /** @throws Fault when a directive comes twice or `escape` is neither `\` nor a backtick */
  read(line: string): void {
    if (!this.#open) return;
    const match = line.startsWith('#') ? DIRECTIVE.exec(trimBlanksStart(line.slice(1))) : null;
    const name = match?.[1]?.toLowerCase() ?? '';
    const value = trimBlanks(match?.[2] ?? '');
    this.#open = NAMES.has(name);
    if (!this.#open) return;
    if (this.#seen.has(name)) throw new Fault(`only one ${name} parser directive can be used`);
    this.#seen.set(name, value);
    if (name !== 'escape') return;
    if (value !== '\\' && value !== '`') throw new Fault(`invalid escape token '${value}' does not match \` or \\`);
    this.escape = value;
  }

  value(name: 'syntax' | 'check'): string | undefined {
    return this.#seen.get(name);
  }
}

/**
 * `syntax` and `check` have a detector of their own in BuildKit: it steps over a shebang, wants `#` in the first column, and leaves complaints
 * to the parser proper.
 */
export function detectDirectives(lines: readonly string[]): Pick<Directives, 'syntax' | 'check'> {
  const zone = new DirectiveZone();
  const start = lines[0]?.startsWith('#!') === true ? 1 : 0;
  try {
    for (let index = start; lines[index]?.startsWith('#') === true; index++) zone.read(trimLineEnd(lines[index] ?? ''));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  const syntax = zone.value('syntax')?.split(' ', 1)[0];
  const check = zone.value('check');
  return { ...(syntax === undefined ? {} : { syntax }), ...(check === undefined ? {} : { check }) };
}
