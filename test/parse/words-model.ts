/*
 * What section 1.5 of dockerfile-semantics says about words, written down as plainly as possible: a word is parsed into a tree, the tree is
 * evaluated, patterns are tried against every prefix. Slow, and independent of src: it exists to be compared with.
 *
 * Where the section leaves a choice open, BuildKit's code decides: operands are evaluated whether they are needed or not, a pattern keeps the
 * escapes that were in it, `##` counts after the pattern has been expanded, and `\` is what escapes in a pattern even where a backtick does elsewhere.
 */

export interface ModelOptions {
  readonly escape: '\\' | '`';
  readonly quotes: 'process' | 'keep';
}

export interface ModelResult {
  readonly text: string;
  readonly words: readonly string[];
}

type Env = Readonly<Record<string, string>>;

type Node =
  /** Blanks in it split words. */
  | { readonly kind: 'plain'; readonly text: string }
  /** Quoted or escaped: blanks are kept. */
  | { readonly kind: 'whole'; readonly nodes: readonly (string | Variable)[] }
  | Variable;

type Variable =
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'default'; readonly name: string; readonly operator: string; readonly colon: boolean; readonly word: readonly Node[] }
  | { readonly kind: 'trim'; readonly name: string; readonly operator: string; readonly word: readonly Node[] }
  | {
      readonly kind: 'replace';
      readonly name: string;
      readonly all: boolean;
      readonly pattern: readonly Node[];
      readonly by: readonly Node[];
    };

class ModelError extends Error {}

/** `'error'` for whatever BuildKit refuses. */
export function modelWord(word: string, env: Env, options: ModelOptions): ModelResult | 'error' {
  try {
    const nodes = new Parser(word, options).parse(undefined, { raw: false });
    return { text: textOf(nodes, env), words: wordsOf(nodes, env) };
  } catch (error) {
    if (error instanceof ModelError) return 'error';
    throw error;
  }
}

class Parser {
  readonly #input: string[];
  readonly #options: ModelOptions;

  constructor(word: string, options: ModelOptions) {
    this.#input = Array.from(word);
    this.#options = options;
  }

  /** @param raw escapes stay in the text: the operand is a pattern */
  parse(stop: string | undefined, mode: { raw: boolean }): Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const char = this.#input.shift();
      if (char === undefined) {
        if (stop !== undefined) throw new ModelError(`missing ${stop}`);
        return nodes;
      }
      if (char === stop) return nodes;
      const quoted = this.#options.quotes === 'process';
      if (char === "'" && quoted) nodes.push({ kind: 'whole', nodes: this.#singleQuoted() });
      else if (char === '"' && quoted) nodes.push({ kind: 'whole', nodes: this.#doubleQuoted(mode) });
      else if (char === this.#options.escape) nodes.push({ kind: 'whole', nodes: [mode.raw ? char : '', this.#input.shift() ?? ''] });
      else if (char === '$') nodes.push(this.#dollar());
      else nodes.push({ kind: 'plain', text: char });
    }
  }

  #singleQuoted(): string[] {
    const text: string[] = [];
    for (;;) {
      const char = this.#input.shift();
      if (char === undefined) throw new ModelError('open single quote');
      if (char === "'") return text;
      text.push(char);
    }
  }

  #doubleQuoted(mode: { raw: boolean }): (string | Variable)[] {
    const parts: (string | Variable)[] = [];
    for (;;) {
      const char = this.#input.shift();
      if (char === undefined) throw new ModelError('open double quote');
      if (char === '"') return parts;
      if (char === '$') {
        const node = this.#dollar();
        parts.push(node.kind === 'plain' ? node.text : node);
      } else if (char === this.#options.escape) {
        if (mode.raw) parts.push(char);
        const next = this.#input[0] ?? '';
        parts.push(['"', '$', this.#options.escape].includes(next) ? (this.#input.shift() ?? '') : char);
      } else parts.push(char);
    }
  }

  #dollar(): Variable | { readonly kind: 'plain'; readonly text: string } {
    if (this.#input[0] !== '{') {
      const name = this.#name();
      return name === '' ? { kind: 'plain', text: '$' } : { kind: 'value', name };
    }
    this.#input.shift();
    const first = this.#input.at(0);
    if (first === undefined || '{}:'.includes(first)) throw new ModelError('bad substitution');
    const name = this.#name();
    const operator = this.#input.shift() ?? '';
    if (operator === '}') return { kind: 'value', name };
    if (operator === ':') return this.#default(name, this.#input.shift() ?? '', true);
    if (operator === '#' || operator === '%') return { kind: 'trim', name, operator, word: this.parse('}', { raw: true }) };
    if (operator === '/') {
      const all = this.#input.at(0) === '/';
      if (all) this.#input.shift();
      const pattern = this.parse('/', { raw: true });
      return { kind: 'replace', name, all, pattern, by: this.parse('}', { raw: true }) };
    }
    return this.#default(name, operator, false);
  }

  #default(name: string, operator: string, colon: boolean): Variable {
    if (!['-', '+', '?'].includes(operator)) throw new ModelError('unsupported modifier');
    return { kind: 'default', name, operator, colon, word: this.parse('}', { raw: false }) };
  }

  #name(): string {
    const rest = this.#input.join('');
    const name = /^(?:\p{Nd}+|[@*#?$!-]|[\p{L}_][\p{L}\p{Nd}_]*)/u.exec(rest)?.[0] ?? '';
    this.#input.splice(0, Array.from(name).length);
    return name;
  }
}

function textOf(nodes: readonly Node[], env: Env): string {
  return nodes.map((node) => nodeText(node, env)).join('');
}

function nodeText(node: Node, env: Env): string {
  if (node.kind === 'plain') return node.text;
  if (node.kind === 'whole') return node.nodes.map((part) => (typeof part === 'string' ? part : valueOf(part, env))).join('');
  return valueOf(node, env);
}

/** Blanks outside of quotes part words, in values as well; words without characters are none. */
function wordsOf(nodes: readonly Node[], env: Env): string[] {
  const words = [''];
  for (const node of nodes) {
    const pieces = node.kind === 'whole' ? [nodeText(node, env)] : nodeText(node, env).split(/\p{White_Space}/u);
    words.push((words.pop() ?? '') + (pieces[0] ?? ''), ...pieces.slice(1));
  }
  return words.filter((word) => word !== '');
}

function valueOf(variable: Variable, env: Env): string {
  const value = Object.hasOwn(env, variable.name) ? env[variable.name] : undefined;
  switch (variable.kind) {
    case 'value':
      return value ?? '';
    case 'default':
      return defaultOf(variable, value, textOf(variable.word, env));
    case 'trim':
      return trimmed(value ?? '', variable.operator, textOf(variable.word, env));
    case 'replace':
      return replaced(value ?? '', textOf(variable.pattern, env), { by: textOf(variable.by, env), all: variable.all });
  }
}

function defaultOf({ operator, colon }: { operator: string; colon: boolean }, value: string | undefined, word: string): string {
  const isSet = value !== undefined && (value !== '' || !colon);
  if (operator === '-') return isSet ? value : word;
  if (operator === '+') return isSet ? word : '';
  if (!isSet) throw new ModelError('not set');
  return value;
}

function trimmed(value: string, operator: string, operand: string): string {
  const longest = operand.startsWith(operator);
  const isMatch = compile(longest ? operand.slice(1) : operand);
  const chars = Array.from(value);
  const lengths = chars.map((_, index) => index).concat(chars.length);
  if (longest) lengths.reverse();
  for (const length of lengths) {
    const cut = operator === '#' ? length : chars.length - length;
    const [head, tail] = [chars.slice(0, cut).join(''), chars.slice(cut).join('')];
    if (isMatch(operator === '#' ? head : tail)) return operator === '#' ? tail : head;
  }
  return value;
}

/** From the left, the longest match at each place; an empty one right behind another match does not count. */
function replaced(value: string, pattern: string, { by, all }: { by: string; all: boolean }): string {
  const isMatch = compile(pattern);
  const chars = Array.from(value);
  let result = '';
  let behindMatch = false;
  for (let at = 0; at <= chars.length;) {
    let end = chars.length;
    while (end >= at && !isMatch(chars.slice(at, end).join(''))) end--;
    if (end > at || (end === at && !behindMatch)) {
      result += by;
      if (!all) return result + chars.slice(end).join('');
      behindMatch = true;
      if (end > at) {
        at = end;
        continue;
      }
    }
    behindMatch = false;
    result += chars[at++] ?? '';
  }
  return result;
}

/** `*` and `?` take anything but a newline, `\*` `\?` `\\` stand for themselves, `\}` and `\/` for what could not be written otherwise. */
function compile(pattern: string): (text: string) => boolean {
  const source = pattern.replaceAll(/\\([}/])|\\(.?)|(.)/gsu, (_, bracket?: string, escaped?: string, char = '') => {
    if (bracket !== undefined) return literal(bracket);
    if (escaped !== undefined) {
      if (!['*', '?', '\\'].includes(escaped)) throw new ModelError('invalid escape');
      return literal(escaped);
    }
    return char === '*' ? '[^\\n]*' : char === '?' ? '[^\\n]' : literal(char);
  });
  const expression = new RegExp(`^(?:${source})$`, 'u');
  return (text) => expression.test(text);
}

function literal(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
