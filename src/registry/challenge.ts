/** One way to authorize that a server names in WWW-Authenticate (RFC 9110, 11.6.1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** `name=value` or `name="value"`, with the comma that may follow. A quoted value may hold commas and escapes; one that never ends, ends with the text. */
const PARAMETER = new RegExp(String.raw`\s*(${TOKEN})\s*=\s*(?:"((?:[^"\\]|\\[^])*)(?:"|$)|([^\s,"]*))\s*(?:,|$)?`, 'y');
/** What is skipped as a whole: to look for a scheme in each of its suffixes took seconds for a long one. */
const WORD = new RegExp(`${TOKEN}|[^]`, 'y');
const SEPARATORS = /[\s,]+/y;
/** A scheme, and after it the parameters or one token in base 64, which no registry sends. */
const SCHEME = new RegExp(String.raw`(${TOKEN})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?(?=\s|,|$)`, 'y');

/** Of all challenges in all headers, in their order. What is malformed is skipped: servers write all sorts of things. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap(parseHeader);
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  while (at < text.length) {
    at += matchAt(SEPARATORS, text, at)?.[0].length ?? 0;
    const scheme = matchAt(SCHEME, text, at);
    if (scheme === null) {
      at += matchAt(WORD, text, at)?.[0].length ?? 1;
      continue;
    }
    at += scheme[0].length;
    const parameters = new Map<string, string>();
    for (let match = matchAt(PARAMETER, text, at); match !== null; match = matchAt(PARAMETER, text, at)) {
      const [whole, name = '', quoted, plain = ''] = match;
      at += whole.length;
      if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), quoted?.replace(/\\([^])/g, '$1') ?? plain);
    }
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters });
  }
  return challenges;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
