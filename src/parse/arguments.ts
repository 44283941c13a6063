import { goQuote } from '../base/go-quote.js';
import { isBlank } from './blanks.js';
import { Fault } from './fault.js';

/** The arguments of an instruction as BuildKit's tree has them. */
export interface Arguments {
  /** ENV and LABEL: name, value and delimiter (`=`, or `''` in the form without one) for each pair. */
  readonly args: readonly string[];
  /** The arguments were a JSON array. */
  readonly json: boolean;
}

type ArgumentParser = (rest: string, escape: string) => Arguments;

const BLANKS = /[\t\v\f\r ]+/;

/** How each instruction's arguments, flags taken off and both ends trimmed, become words. ONBUILD is not here: its argument is an instruction. */
const PARSERS: ReadonlyMap<string, ArgumentParser> = new Map<string, ArgumentParser>([
  ['add', (rest) => parseJsonArray(rest) ?? splitBlanks(rest)],
  ['arg', (rest, escape) => plain(splitWords(rest, escape))],
  ['cmd', (rest) => parseJsonArray(rest) ?? oneArgument(rest)],
  ['copy', (rest) => parseJsonArray(rest) ?? splitBlanks(rest)],
  ['entrypoint', (rest) => parseJsonArray(rest) ?? oneArgument(rest)],
  ['env', (rest, escape) => plain(parsePairs('ENV', rest, escape))],
  ['expose', splitBlanks],
  ['from', splitBlanks],
  ['healthcheck', parseHealthcheck],
  ['label', (rest, escape) => plain(parsePairs('LABEL', rest, escape))],
  ['maintainer', oneArgument],
  ['run', (rest) => parseJsonArray(rest) ?? oneArgument(rest)],
  ['shell', (rest) => parseJsonArray(rest) ?? oneArgument(rest)],
  ['stopsignal', oneArgument],
  ['user', oneArgument],
  ['volume', (rest) => parseJsonArray(rest) ?? splitBlanks(rest)],
  ['workdir', oneArgument],
]);

/** Every keyword, lower case. */
export const KEYWORDS: readonly string[] = [...PARSERS.keys(), 'onbuild'];

/**
 * @param keyword lower case; an unknown one has no arguments
 * @throws Fault
 */
export function parseArguments(keyword: string, rest: string, escape: string): Arguments {
  return PARSERS.get(keyword)?.(rest, escape) ?? plain([]);
}

function plain(args: readonly string[]): Arguments {
  return { args, json: false };
}

function oneArgument(rest: string): Arguments {
  return plain(rest === '' ? [] : [rest]);
}

function splitBlanks(rest: string): Arguments {
  return plain(rest === '' ? [] : rest.split(BLANKS));
}

/** What is not a JSON array is no error: it is the other form. An array with a member that is no string is one. */
function parseJsonArray(rest: string): Arguments | undefined {
  if (!rest.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(rest);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((member) => typeof member === 'string')) {
    throw new Fault('when using JSON array syntax, arrays must be comprised of strings only');
  }
  return { args: value, json: true };
}

function parseHealthcheck(rest: string): Arguments {
  let end = 0;
  while (end < rest.length && !isBlank(rest.charAt(end))) end++;
  if (end === 0) return plain([]);
  let next = end;
  while (next < rest.length && isBlank(rest.charAt(next))) next++;
  const command = rest.slice(next);
  const { args, json } = parseJsonArray(command) ?? oneArgument(command);
  return { args: [rest.slice(0, end), ...args], json };
}

/** The form without `=` takes the rest of the line as one value; the first word decides which form it is. */
function parsePairs(keyword: string, rest: string, escape: string): string[] {
  const words = splitWords(rest, escape);
  const first = words[0];
  if (first === undefined) return [];
  if (!first.includes('=')) {
    const blanks = BLANKS.exec(rest);
    if (blanks === null) throw new Fault(`${keyword} must have two arguments`);
    return [rest.slice(0, blanks.index), rest.slice(blanks.index + blanks[0].length), ''];
  }
  return words.flatMap((word) => {
    const equals = word.indexOf('=');
    if (equals === -1) {
      throw new Fault(`Syntax error - can't find = in ${goQuote(word)}. Must be of the form: name=value`, { word });
    }
    return [word.slice(0, equals), word.slice(equals + 1), '='];
  });
}

/** Words at unquoted blanks. Quotes and escapes stay, for the expansion to take off; an escape character at the end is dropped. */
function splitWords(rest: string, escape: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < rest.length; at++) {
    const char = rest.charAt(at);
    if (quote === '' && isBlank(char)) {
      if (word !== '') words.push(word);
      word = '';
    } else if (char === escape && quote !== "'") {
      if (at + 1 < rest.length) word += char + rest.charAt(++at);
    } else {
      if (quote === '' ? char === "'" || char === '"' : char === quote) quote = quote === '' ? char : '';
      word += char;
    }
  }
  if (word !== '') words.push(word);
  return words;
}
