import { BuildError } from '../base/errors.js';
import { parseBool, splitCsv } from '../base/csv.js';
import { didYouMean } from '../base/suggest.js';
import type { RawBuildFlags } from './flags.js';

const METHODS = ['build', 'check', 'outline', 'targets'] as const;
const FORMATS = ['text', 'json'] as const;

/** What `--call` asks for. */
export interface Call {
  readonly method: (typeof METHODS)[number];
  readonly format: (typeof FORMATS)[number];
  /** Warnings leave the exit status at 0. */
  readonly ignoresStatus: boolean;
}

/**
 * `--call=METHOD[,format=text|json][,ignorestatus=true]`, or `--check` for `--call=check`.
 * @throws BuildError `usage`
 */
export function parseCall({ check, call: text }: Pick<RawBuildFlags, 'check' | 'call'>): Call {
  const call = text === undefined ? undefined : parseSpec(text);
  if (check !== true) return call ?? { method: 'build', format: 'text', ignoresStatus: false };
  if (call !== undefined && call.method !== 'check' && call.method !== 'build') {
    throw new BuildError('usage', `--check and --call=${call.method} ask for different things`, { hint: 'give one of them' });
  }
  return { format: 'text', ignoresStatus: false, ...call, method: 'check' };
}

function parseSpec(text: string): Call {
  const [name = '', ...fields] = splitCsv(text) ?? [];
  const method = name === 'lint' ? 'check' : METHODS.find((known) => known === name);
  if (method === undefined) throw invalid(text, `there is no method ${JSON.stringify(name)}${didYouMean(name, METHODS)}`);
  let call: Call = { method, format: 'text', ignoresStatus: false };
  for (const field of fields) call = { ...call, ...parseField(field, text) };
  return call;
}

function parseField(field: string, text: string): Partial<Call> {
  const [key = '', ...rest] = field.split('=');
  const value = rest.join('=');
  if (key === 'format') {
    const format = FORMATS.find((known) => known === value);
    if (format === undefined) throw invalid(text, `there is no format ${JSON.stringify(value)}${didYouMean(value, FORMATS)}`);
    return { format };
  }
  const ignoresStatus = key === 'ignorestatus' ? parseBool(rest.length === 0 ? 'true' : value) : undefined;
  if (ignoresStatus === undefined) throw invalid(text, `${JSON.stringify(field)} means nothing here`);
  return { ignoresStatus };
}

function invalid(text: string, why: string): BuildError {
  return new BuildError('usage', `invalid --call ${JSON.stringify(text)}: ${why}`, {
    hint: `write ${METHODS.join(', ')}, or one of them with ,format=json`,
  });
}
