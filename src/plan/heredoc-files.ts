import type { Heredoc } from '../parse/instruction.js';
import { expandWord, type Lookup } from '../parse/words.js';
import type { CopyStep } from './plan.js';

/**
 * The heredocs of COPY or ADD as files, in order. Variables in them are expanded and `\\` makes the next character ordinary, whatever the
 * file's escape character is; quotes are text. A quoted delimiter leaves everything as it is.
 * @throws BuildError `dockerfile`, without a range
 */
export function toFiles(heredocs: readonly Heredoc[], lookup: Lookup): CopyStep['files'] {
  return heredocs.map(({ name, body, expand }) => ({ name, text: expand ? expandWord(body, lookup, { quotes: 'keep' }) : body }));
}
