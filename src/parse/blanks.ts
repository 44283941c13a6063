/** Blanks as Go's `unicode.IsSpace` has them: `\s` would take U+FEFF for one and U+0085 for none. */
const BLANK = /^\p{White_Space}$/u;

/** Of one UTF-16 unit: all blanks are in the basic plane. */
export function isBlank(char: string): boolean {
  const code = char.charCodeAt(0);
  return code === 0x20 || code === 0x09 || ((code < 0x20 || code > 0x7f) && BLANK.test(char));
}

export function trimBlanksStart(text: string): string {
  let start = 0;
  while (start < text.length && isBlank(text.charAt(start))) start++;
  return text.slice(start);
}

/** A loop, as a regular expression anchored at the end takes quadratic time on long runs of blanks. */
export function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text.charAt(end - 1))) end--;
  return trimBlanksStart(text.slice(0, end));
}
