import { expandWord, type Lookup, type WordOptions } from '../parse/words.js';

/** A word expanded, and the names that it asked for, in the order in which they were first asked for. */
export interface Expanded {
  /** `''` when the word is malformed. */
  readonly text: string;
  readonly matched: ReadonlySet<string>;
  readonly unmatched: ReadonlySet<string>;
  /** Why the word cannot be expanded: the names asked for until then are told all the same. */
  readonly error?: unknown;
}

const SPECIAL = /[$'"\\`]/;
const NONE: ReadonlySet<string> = new Set();

/** Names count as asked for wherever they stand, even where a default takes their place. */
export function expandTracked(word: string, lookup: Lookup, options: WordOptions = {}): Expanded {
  if (!SPECIAL.test(word)) return { text: word, matched: NONE, unmatched: NONE };
  const matched = new Set<string>();
  const unmatched = new Set<string>();
  const tracked: Lookup = (name) => {
    const value = lookup(name);
    (value === undefined ? unmatched : matched).add(name);
    return value;
  };
  try {
    return { text: expandWord(word, tracked, options), matched, unmatched };
  } catch (error) {
    return { text: '', matched, unmatched, error };
  }
}
