import { trimBlanks, trimBlanksStart } from './blanks.js';
import { Fault } from './fault.js';
import type { Directives } from './instruction.js';
import { trimLineEnd } from './source.js';

const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+)$/;
const NAMES = new Set(['escape', 'syntax', 'check']);

/** Reads the directive zone line by line: it ends at the first line that is not a known directive. */
export class DirectiveZone {
  readonly #seen = new Map<string, string>();
  readonly #marker: string;
  #open = true;
  escape: Directives['escape'] = '\\';

  /** @param marker what a directive begins with */
  constructor(marker = '#') {
    this.#marker = marker;
  }

  /**
   * @returns whether the line is a directive
   * @throws Fault when a directive comes twice or `escape` is neither `\` nor a backtick
   */
  read(line: string): boolean {
    if (!this.#open) return false;
    const match = line.startsWith(this.#marker) ? DIRECTIVE.exec(trimBlanksStart(line.slice(this.#marker.length))) : null;
    const name = match?.[1]?.toLowerCase() ?? '';
    const value = trimBlanks(match?.[2] ?? '');
    this.#open = NAMES.has(name);
    if (!this.#open) return false;
    if (this.#seen.has(name)) throw new Fault(`only one ${name} parser directive can be used`);
    this.#seen.set(name, value);
    if (name === 'escape') this.escape = checkEscape(value);
    return true;
  }

  value(name: 'syntax' | 'check'): string | undefined {
    return this.#seen.get(name);
  }
}

function checkEscape(value: string): Directives['escape'] {
  if (value === '\\' || value === '`') return value;
  throw new Fault(`invalid escape token '${value}' does not match \` or \\`);
}

/**
 * `syntax` and `check` have a detector of their own in BuildKit: it steps over a shebang, wants `#` in the first column, and leaves complaints
 * to the parser proper.
 */
export function detectDirectives(lines: readonly string[]): Pick<Directives, 'syntax' | 'check'> {
  const zone = detectZone(lines, '#');
  const syntax = firstWord(zone.value('syntax'));
  const check = zone.value('check');
  return { ...(syntax === undefined ? {} : { syntax }), ...(check === undefined ? {} : { check }) };
}

/** The frontend that a text asks for. One that is no Dockerfile does it behind `//`, or is a JSON object. */
export function detectSyntax(lines: readonly string[]): string | undefined {
  for (const marker of ['#', '//']) {
    const syntax = firstWord(detectZone(lines, marker).value('syntax'));
    if (syntax !== undefined) return syntax;
  }
  return lines[0]?.trimStart().startsWith('{') === true ? syntaxOfJson(lines.join('\n')) : undefined;
}

function syntaxOfJson(text: string): string | undefined {
  try {
    const { syntax } = JSON.parse(text) as { syntax?: unknown };
    return typeof syntax === 'string' ? firstWord(syntax) : undefined;
  } catch {
    return undefined;
  }
}

function detectZone(lines: readonly string[], marker: string): DirectiveZone {
  const zone = new DirectiveZone(marker);
  const start = lines[0]?.startsWith('#!') === true ? 1 : 0;
  try {
    for (let index = start; lines[index]?.startsWith(marker) === true; index++) zone.read(trimLineEnd(lines[index] ?? ''));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  return zone;
}

function firstWord(value: string | undefined): string | undefined {
  const word = value?.split(' ', 1)[0];
  return word === '' ? undefined : word;
}
