import { BuildError } from '../base/errors.js';
import { isBlank } from './blanks.js';
import type { Heredoc } from './instruction.js';
import { expandWord, expandWords } from './words.js';

/** A heredoc token. Heredocs always escape with `\`, whatever the file's directive says. */
export type HeredocToken = Omit<Heredoc, 'body' | 'rawBody'>;

/** A heredoc whose body still has the tabs that `<<-` drops: an ONBUILD trigger stores it so. */
export interface RawHeredoc extends HeredocToken {
  readonly rawBody: string;
}

const TOKEN = /^(\d*)<<(-?)[\t\n\f\r ]*([^<]*)$/;
const NAME = /\p{Nd}+|[@*#?$!0-]|[\p{L}\p{Nd}_]*/uy;
/** Characters that mean nothing to a shell's lexer, nor to a substitution. */
const ORDINARY = /[^\s\u0085'"$\\<}/]+/y;
const MAX_NESTING = 200;

/** The heredocs that a logical line announces, in order; none when the line cannot be split into shell words. */
export function findHeredocs(line: string): HeredocToken[] {
  if (!line.includes('<<')) return [];
  return (new RawWords(line).split() ?? []).map(parseToken).filter((token) => token !== undefined);
}

/** A single word of COPY or ADD, or the whole text of RUN, as a heredoc token; `undefined` when it is none. */
export function parseHeredocWord(word: string): HeredocToken | undefined {
  try {
    return parseToken(word);
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

function parseToken(word: string): HeredocToken | undefined {
  const match = TOKEN.exec(word);
  const delimiter = match?.[3] ?? '';
  if (match === null || delimiter === '') return undefined;
  // A variable in a delimiter stands for itself.
  if (expandWords(delimiter, (name) => `$${name}`).length !== 1) return undefined;
  const name = expandWord(delimiter, (variable) => `$${variable}`);
  return { name, fd: Number(match[1] ?? ''), expand: !hasQuotes(delimiter), stripTabs: match[2] === '-' };
}

function hasQuotes(delimiter: string): boolean {
  return /['"]/.test(delimiter.replaceAll(/\\./gsu, ''));
}

export function toHeredoc({ rawBody, ...token }: RawHeredoc): Heredoc {
  return { ...token, body: token.stripTabs ? rawBody.replaceAll(/^\t+/gm, '') : rawBody, rawBody };
}

/**
 * Splits a line at its unquoted blanks as a shell would, everything left as written. Blanks after `<<` belong to the word, so `<< EOF` is one.
 * What BuildKit's lexer refuses (an open quote, a malformed `${}`) has no words.
 */
class RawWords {
  readonly #line: string;
  readonly #words: string[] = [];
  #at = 0;
  #nesting = 0;

  constructor(line: string) {
    this.#line = line;
  }

  split(): string[] | undefined {
    let word = '';
    while (this.#at < this.#line.length) {
      const start = this.#at;
      if (this.#line.startsWith('<<', start)) {
        this.#at += 2;
        while (isBlank(this.#peek())) this.#at++;
      } else if (!this.#skipOne()) return undefined;
      const text = this.#line.slice(start, this.#at);
      if (isBlank(text)) {
        this.#endWord(word);
        word = '';
      } else if (text.startsWith('${')) {
        // Blanks inside a substitution split like others; those in quotes or after an escape do not.
        const pieces = text.split(/\p{White_Space}/u);
        for (const piece of pieces.slice(0, -1)) {
          this.#endWord(word + piece);
          word = '';
        }
        word += pieces.at(-1) ?? '';
      } else word += text;
    }
    this.#endWord(word);
    return this.#words;
  }

  #endWord(word: string): void {
    if (word !== '') this.#words.push(word);
  }

  #peek(): string {
    return this.#line.charAt(this.#at);
  }

  /** Over one character, quotation or substitution, or over a run of ordinary characters; false when that has no end. */
  #skipOne(): boolean {
    ORDINARY.lastIndex = this.#at;
    if (ORDINARY.test(this.#line)) {
      this.#at = ORDINARY.lastIndex;
      return true;
    }
    switch (this.#peek()) {
      case "'":
        return this.#skipSingleQuoted();
      case '"':
        return this.#skipDoubleQuoted();
      case '$':
        return this.#skipDollar();
      case '\\':
        this.#at = Math.min(this.#at + 2, this.#line.length);
        return true;
      default:
        this.#at++;
        return true;
    }
  }

  #skipSingleQuoted(): boolean {
    const end = this.#line.indexOf("'", this.#at + 1);
    this.#at = end + 1;
    return end !== -1;
  }

  #skipDoubleQuoted(): boolean {
    for (this.#at++; this.#at < this.#line.length;) {
      const char = this.#peek();
      if (char === '$') {
        if (!this.#skipDollar()) return false;
        continue;
      }
      this.#at++;
      if (char === '"') return true;
      if (char === '\\' && /["$\\]/.test(this.#peek())) this.#at++;
    }
    return false;
  }

  #skipDollar(): boolean {
    this.#at++;
    if (this.#peek() !== '{') {
      if (this.#peek() === '$') this.#at++;
      return true;
    }
    this.#at++;
    if (this.#nesting === MAX_NESTING || /^[{}:]?$/.test(this.#peek())) return false;
    this.#nesting++;
    const ended = this.#skipSubstitution();
    this.#nesting--;
    return ended;
  }

  #skipSubstitution(): boolean {
    NAME.lastIndex = this.#at;
    this.#at += NAME.exec(this.#line)?.[0].length ?? 0;
    const operator = this.#peek();
    this.#at++;
    if (operator === '}') return true;
    if (operator === '/') {
      if (this.#peek() === '/') this.#at++;
      return this.#skipPast('/') && this.#skipPast('}');
    }
    if (operator === ':') this.#at++;
    return operator !== '' && ':+-?#%'.includes(operator) && this.#skipPast('}');
  }

  #skipPast(stop: string): boolean {
    while (this.#at < this.#line.length) {
      if (this.#peek() === stop) {
        this.#at++;
        return true;
      }
      if (!this.#skipOne()) return false;
    }
    return false;
  }
}
