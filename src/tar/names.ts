import { toText, type ByteString } from '../base/bytes.js';
import { BuildError } from '../base/errors.js';

/** An empty component, `.` or `..`, or a slash at either end. */
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * The path that a member's name means: relative to the root whatever it starts with, `.` and `..` resolved lexically, as all tools do.
 * @throws BuildError `input` when it climbs above the root
 */
export function toEntryPath(name: ByteString): ByteString {
  if (!UNCLEAN.test(name)) return name;
  const kept: ByteString[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') kept.push(part);
    else if (kept.pop() === undefined) throw new BuildError('input', `path "${toText(name)}" climbs above the root`);
  }
  return kept.join('/');
}
