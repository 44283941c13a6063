import type { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { Outline, OutlineNeed } from './outline.js';
import type { Target } from './targets.js';
import type { LintWarning } from './warning.js';

/** The Dockerfile that a report is about. */
export interface ReportSource {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface CheckReport {
  readonly warnings: readonly LintWarning[];
  /** What a build would fail with. */
  readonly error?: BuildError;
  readonly source: ReportSource;
}

const RULE_LINE = '-'.repeat(20);

/** What `docker build --check` prints. The error is for whoever prints errors. */
export function checkText({ warnings, error, source }: CheckReport): string {
  const [one] = warnings;
  if (one === undefined) return error === undefined ? 'Check complete, no warnings found.\n' : '';
  const count = warnings.length === 1 ? '1 warning has been found!' : `${warnings.length} warnings have been found!`;
  const sorted = warnings.toSorted((a, b) => a.range.startLine - b.range.startLine);
  return `Check complete, ${count}\n${sorted.map((warning) => warningText(warning, source)).join('')}`;
}

function warningText({ ruleName, url, detail, range }: LintWarning, source: ReportSource): string {
  return `\nWARNING: ${ruleName}${url === '' ? '' : ` - ${url}`}\n${detail}\n${frame(range, source)}`;
}

/** The lines of the range, four more around a single line, two around several; fewer on one side are not made up for on the other. */
function frame({ startLine, endLine }: SourceRange, { name, bytes }: ReportSource): string {
  const lines = bytes.toString('utf8').split('\n');
  const around = startLine === endLine ? 4 : 2;
  let [first, last] = [startLine, Math.min(endLine, lines.length)];
  for (let shown = 0; shown < around; shown++) {
    if (first > 1) {
      first--;
      shown++;
    }
    if (last < lines.length) {
      last++;
      shown++;
    }
  }
  const rows = lines.slice(first - 1, last).map((text, offset) => {
    const line = first + offset;
    const mark = line >= startLine && line <= endLine ? '>>>' : '   ';
    return ` ${String(line).padStart(3)} | ${mark} ${text}\n`;
  });
  return `${name}:${startLine}\n${RULE_LINE}\n${rows.join('')}${RULE_LINE}\n`;
}

/** The JSON of `docker build --call=check,format=json`. */
export function checkJson({ warnings, error, source }: CheckReport): string {
  return toJson({
    warnings: warnings.map(({ ruleName, description, url, detail, range }) => ({
      ruleName,
      description,
      ...(url === '' ? {} : { url }),
      detail,
      location: toLocation(range),
    })),
    sources: [{ filename: source.name, language: 'Dockerfile', data: source.bytes.toString('base64') }],
    ...(error === undefined ? {} : { buildError: { message: errorMessage(error), location: toLocation(error.range) } }),
  });
}

/** An error of the parser's says where, as BuildKit's does. */
function errorMessage({ message, range, kind }: BuildError): string {
  return kind === 'dockerfile' && range !== undefined && PARSER_ERRORS.test(message)
    ? `dockerfile parse error on line ${range.startLine}: ${message}`
    : message;
}

/** What only an instruction that cannot be read gets. */
const PARSER_ERRORS =
  /^(?:unknown instruction|unknown flag|invalid name for build stage|[A-Z]+ (?:requires|names|must)|FROM requires|Chaining ONBUILD|invalid boolean|duplicate flag)/;

/** BuildKit has a range for each line, and nothing for what is zero. */
function toLocation(range: SourceRange | undefined): object {
  if (range === undefined) return {};
  const lines = Array.from({ length: range.endLine - range.startLine + 1 }, (_, offset) => ({ line: range.startLine + offset }));
  return { ranges: lines.map((line) => ({ start: line, end: line })) };
}

export function targetsText(targets: readonly Target[]): string {
  const rows = targets.map(({ name, isDefault, description }) => [
    `${name}${isDefault ? `${name === '' ? '' : ' '}(default)` : ''}`,
    description,
  ]);
  return table([['TARGET', 'DESCRIPTION'], ...rows]);
}

export function targetsJson(targets: readonly Target[], source: ReportSource): string {
  return toJson({
    targets: targets.map(({ name, isDefault, description, base, platform, range }) => ({
      ...given({ name, default: isDefault, description, base, platform }),
      location: toLocation(range),
    })),
    sources: [source.bytes.toString('base64')],
  });
}

export function outlineText({ name, description, args, secrets, ssh }: Outline): string {
  const head = name === '' && description === '' ? [] : [['TARGET:', name === '' ? '(default)' : name]];
  const about = description === '' ? [] : [['DESCRIPTION:', description]];
  const argRows = args.map((arg) => [arg.name, arg.value, arg.description]);
  const needRows = (needs: readonly OutlineNeed[]): string[][] => needs.map((need) => [need.name, need.required ? 'true' : '']);
  const tables = [
    head.length === 0 ? '' : table([...head, ...about], 1),
    args.length === 0 ? '' : table([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...argRows]),
    secrets.length === 0 ? '' : table([['SECRET', 'REQUIRED'], ...needRows(secrets)]),
    ssh.length === 0 ? '' : table([['SSH', 'REQUIRED'], ...needRows(ssh)]),
  ];
  return tables.map((text) => (text === '' ? '' : `${text}\n`)).join('');
}

export function outlineJson({ name, description, args, secrets, ssh }: Outline, source: ReportSource): string {
  const needs = (list: readonly OutlineNeed[]): object[] =>
    list.map((need) => ({ name: need.name, ...given({ required: need.required }), location: toLocation(need.range) }));
  return toJson({
    ...given({ name, description }),
    ...(args.length === 0
      ? {}
      : {
          args: args.map((arg) => ({
            name: arg.name,
            ...given({ description: arg.description, value: arg.value }),
            location: toLocation(arg.range),
          })),
        }),
    ...(secrets.length === 0 ? {} : { secrets: needs(secrets) }),
    ...(ssh.length === 0 ? {} : { ssh: needs(ssh) }),
    sources: [source.bytes.toString('base64')],
  });
}

/** Go leaves out what is empty. */
function given(fields: Readonly<Record<string, string | boolean>>): Record<string, string | boolean> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '' && value !== false));
}

/** Columns as wide as their widest cell and the padding; the last as it is. */
function table(rows: readonly (readonly string[])[], padding = 3): string {
  const widthOf = (cell = ''): number => Array.from(cell).length;
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column]))) + padding);
  const toCell = (cell: string, column: number): string => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell));
  return rows.map((row) => `${row.slice(0, -1).map(toCell).join('')}${row.at(-1) ?? ''}\n`).join('');
}

/** As Go writes JSON: two blanks, and no character that HTML would read. */
function toJson(value: object): string {
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(value, undefined, 2).replaceAll(/[<>&\u2028\u2029]/g, escape)}\n`;
}
