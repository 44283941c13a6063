import { BuildError } from '../base/errors.js';
import { goQuote } from '../base/go-quote.js';
import { replaceMatch, trimMatch } from './shell-pattern.js';

/** The value of a variable; `undefined` when it is not set. Whoever wants to know which names were missed asks here. */
export type Lookup = (name: string) => string | undefined;

export interface WordOptions {
  /** The Dockerfile's escape character; the default is `\`. */
  readonly escape?: '\\' | '`';
  /** `keep`: quotes are characters like others, as in the body of a COPY heredoc. The default is `process`. */
  readonly quotes?: 'process' | 'keep';
}

const MAX_NESTING = 200;
/** `ENV a=$a$a` doubles: without a bound thirty lines would fill the memory. */
const MAX_RESULT_CHARS = 16 * 1024 * 1024;
const MAX_SHOWN_CHARS = 200;

/** Nearly all words that have none of these: they stay as they are. */
const SYNTAX = /[$'"\\`]/;
const SPACE = /\p{White_Space}/u;
// The classes of Unicode are large: V8 takes 20 ms to compile these, which most Dockerfiles can do without.
const ASCII_NAME_CHAR = /^[A-Za-z0-9_]$/;
const DIGIT = /^\p{Nd}$/u;
const NAME_CHAR = /^[\p{L}\p{Nd}_]$/u;
const SPECIAL_PARAMETERS = new Set(['@', '*', '#', '?', '-', '$', '!', '0']);

/**
 * One word with its quotes removed and its variables replaced, blanks kept: what ENV, COPY, WORKDIR and most others do.
 * @throws BuildError `dockerfile`, without a range: unbalanced quotes, a malformed `${}`, `${name:?message}`
 */
export function expandWord(word: string, lookup: Lookup, options: WordOptions = {}): string {
  if (!SYNTAX.test(word) && word.length <= MAX_RESULT_CHARS) return word;
  return readAll(word, lookup, options).text;
}

/**
 * The same, split at unquoted blanks; blanks inside the values of variables split too. Empty words vanish. EXPOSE does this.
 * @throws BuildError `dockerfile`, without a range
 */
export function expandWords(word: string, lookup: Lookup, options: WordOptions = {}): string[] {
  return readAll(word, lookup, options).words;
}

function readAll(word: string, lookup: Lookup, options: WordOptions): Expansion {
  try {
    return new WordReader(word, lookup, options).readUntil(undefined);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const shown = word.length > MAX_SHOWN_CHARS ? `${word.slice(0, MAX_SHOWN_CHARS)}…` : word;
    throw new BuildError('dockerfile', `failed to process ${goQuote(shown)}: ${error.message}`, { cause: error });
  }
}

interface Expansion {
  readonly text: string;
  readonly words: string[];
}

/** Collects the text of a word and, next to it, the words that it splits into. */
class Collector {
  text = '';
  readonly words: string[] = [];
  #word = '';

  /** Characters that split where they are blank. */
  add(chars: string): void {
    this.#grow(chars);
    for (const [index, part] of chars.split(SPACE).entries()) {
      if (index > 0) this.#endWord();
      this.#word += part;
    }
  }

  /** Quoted or escaped characters. */
  addWhole(chars: string): void {
    this.#grow(chars);
    this.#word += chars;
  }

  finish(): Expansion {
    this.#endWord();
    return { text: this.text, words: this.words };
  }

  #grow(chars: string): void {
    this.text += chars;
    if (this.text.length > MAX_RESULT_CHARS) throw fault('the result is longer than 16 MiB');
  }

  #endWord(): void {
    if (this.#word !== '') this.words.push(this.#word);
    this.#word = '';
  }
}

const isDigit = (char: string): boolean => (char < '\x80' ? char >= '0' && char <= '9' : DIGIT.test(char));
const isNameChar = (char: string): boolean => (char < '\x80' ? ASCII_NAME_CHAR.test(char) : NAME_CHAR.test(char));

/** Reads a word from left to right; substitutions recurse. The rules are those of BuildKit's lexer, which are near to those of sh. */
class WordReader {
  readonly #chars: readonly string[];
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #quotes: boolean;
  #at = 0;
  #nesting = 0;
  /** Inside a pattern the escapes stay, for the pattern to read. */
  #keepEscapes = false;

  constructor(word: string, lookup: Lookup, { escape = '\\', quotes = 'process' }: WordOptions) {
    this.#chars = Array.from(word);
    this.#lookup = lookup;
    this.#escape = escape;
    this.#quotes = quotes === 'process';
  }

  /** Up to `stop`, which is consumed, or up to the end. */
  readUntil(stop: string | undefined): Expansion {
    const out = new Collector();
    for (let char = this.#peek(); char !== undefined; char = this.#peek()) {
      if (char === stop) {
        this.#at++;
        return out.finish();
      }
      if (char === '$') out.add(this.#readDollar());
      else if (char === "'" && this.#quotes) out.addWhole(this.#readSingleQuoted());
      else if (char === '"' && this.#quotes) out.addWhole(this.#readDoubleQuoted());
      else if (char === this.#escape) out.addWhole(this.#readEscaped());
      else out.add(this.#readPlain(stop));
    }
    if (stop !== undefined) throw fault(`unexpected end of statement while looking for matching ${stop}`);
    return out.finish();
  }

  /** One character at least, and as many as mean nothing. */
  #readPlain(stop: string | undefined): string {
    const start = this.#at++;
    for (let char = this.#peek(); char !== undefined && char !== stop && !SYNTAX.test(char); char = this.#peek()) this.#at++;
    return this.#chars.slice(start, this.#at).join('');
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string | undefined {
    return this.#chars[this.#at++];
  }

  /** The escape character makes the next one ordinary; at the end of the word it vanishes. */
  #readEscaped(): string {
    this.#at++;
    return (this.#keepEscapes ? this.#escape : '') + (this.#next() ?? '');
  }

  #readSingleQuoted(): string {
    const start = this.#at + 1;
    const end = this.#chars.indexOf("'", start);
    if (end === -1) throw fault('unexpected end of statement while looking for matching single-quote');
    this.#at = end + 1;
    return this.#chars.slice(start, end).join('');
  }

  #readDoubleQuoted(): string {
    this.#at++;
    let text = '';
    for (;;) {
      const char = this.#peek();
      if (char === undefined) throw fault('unexpected end of statement while looking for matching double-quote');
      if (char === '$') {
        text += this.#readDollar();
        continue;
      }
      this.#at++;
      if (char === '"') return text;
      text += char === this.#escape ? this.#escapedInDoubleQuotes() : char;
    }
  }

  /** Only `"`, `$` and the escape character can be escaped here; before any other character it stands for itself. */
  #escapedInDoubleQuotes(): string {
    const kept = this.#keepEscapes ? this.#escape : '';
    const next = this.#peek();
    if (next === undefined) return kept;
    if (next !== '"' && next !== '$' && next !== this.#escape) return kept + this.#escape;
    this.#at++;
    return kept + next;
  }

  #readDollar(): string {
    this.#at++;
    if (this.#peek() === '{') {
      this.#at++;
      return this.#readBraces();
    }
    const name = this.#readName();
    return name === '' ? '$' : (this.#lookup(name) ?? '');
  }

  /** A name, a positional parameter (all its digits) or a special parameter; `''` when there is none. */
  #readName(): string {
    const start = this.#at;
    const first = this.#peek();
    if (first === undefined) return '';
    if (isDigit(first)) this.#skip(isDigit);
    else if (SPECIAL_PARAMETERS.has(first)) this.#at++;
    else this.#skip(isNameChar);
    return this.#chars.slice(start, this.#at).join('');
  }

  #skip(belongs: (char: string) => boolean): void {
    for (let char = this.#peek(); char !== undefined && belongs(char); char = this.#peek()) this.#at++;
  }

  /** What follows `${`. */
  #readBraces(): string {
    const first = this.#peek();
    if (first === undefined) throw fault("syntax error: missing '}'");
    if (first === '{' || first === '}' || first === ':') throw fault('syntax error: bad substitution');
    if (this.#nesting === MAX_NESTING) throw fault('syntax error: substitutions are nested too deeply');
    this.#nesting++;
    const value = this.#substitute(this.#readName());
    this.#nesting--;
    return value;
  }

  #substitute(name: string): string {
    const operator = this.#next();
    switch (operator) {
      case undefined:
        throw fault("syntax error: missing '}'");
      case '}':
        return this.#lookup(name) ?? '';
      case ':':
        return this.#substituteDefault(name, { operator: this.#next() ?? '', emptyIsUnset: true });
      case '-':
      case '+':
      case '?':
        return this.#substituteDefault(name, { operator, emptyIsUnset: false });
      case '#':
      case '%':
        return this.#trim(name, operator);
      case '/':
        return this.#replace(name);
      default:
        throw fault(`unsupported modifier (${operator}) in substitution`);
    }
  }

  #substituteDefault(name: string, { operator, emptyIsUnset }: { operator: string; emptyIsUnset: boolean }): string {
    const word = this.#readOperand('}', { keepEscapes: false, missing: '}' });
    const value = this.#lookup(name);
    const isSet = value !== undefined && !(emptyIsUnset && value === '');
    switch (operator) {
      case '-':
        return isSet ? value : word;
      case '+':
        return isSet ? word : '';
      case '?':
        if (isSet) return value;
        throw fault(`${name}: ${word !== '' ? word : `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`}`);
      default:
        throw fault(`unsupported modifier (:${operator}) in substitution`);
    }
  }

  #trim(name: string, operator: '#' | '%'): string {
    const operand = this.#readOperand('}', { keepEscapes: true, missing: '}' });
    const longest = operand.startsWith(operator);
    const side = operator === '#' ? 'prefix' : 'suffix';
    return trimMatch(this.#lookup(name) ?? '', longest ? operand.slice(1) : operand, { side, longest });
  }

  #replace(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#at++;
    const pattern = this.#readOperand('/', { keepEscapes: true, missing: '/' });
    const replacement = this.#readOperand('}', { keepEscapes: true, missing: '}' });
    return replaceMatch(this.#lookup(name) ?? '', pattern, { replacement, all });
  }

  #readOperand(stop: string, { keepEscapes, missing }: { keepEscapes: boolean; missing: '}' | '/' }): string {
    const outer = this.#keepEscapes;
    this.#keepEscapes = keepEscapes;
    try {
      return this.readUntil(stop).text;
    } catch (error) {
      if (this.#peek() !== undefined) throw error;
      throw fault(missing === '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'");
    } finally {
      this.#keepEscapes = outer;
    }
  }
}

function fault(message: string): BuildError {
  return new BuildError('dockerfile', message);
}
