// Escape sequences (CSI, OSC, two-character ones) and control characters; a terminal would act on them instead of showing them.
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const ZERO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** One line of a program's output as it would stand on a terminal: what a carriage return overwrote is gone, escape sequences too. */
export function toVisible(line: string): string {
  const trimmed = line.replace(/\r+$/, '');
  const lastReturn = trimmed.lastIndexOf('\r');
  return trimmed
    .slice(lastReturn + 1)
    .replaceAll('\t', '    ')
    .replace(ESCAPES, '')
    .replace(CONTROLS, '');
}

/** Columns that the text takes on a terminal. */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** At most `columns` columns; what is cut off leaves `…`. */
export function clip(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let width = 0;
  let clipped = '';
  for (const character of text) {
    width += characterWidth(character);
    if (width > columns - 1) break;
    clipped += character;
  }
  return columns < 1 ? '' : `${clipped}…`;
}

/** The text at the left and the other at the right end of a line. */
export function justify(left: string, right: string, columns: number): string {
  const room = columns - displayWidth(right) - 1;
  if (room < 8) return clip(left, columns);
  const clipped = clip(left, room);
  return `${clipped}${' '.repeat(columns - displayWidth(clipped) - displayWidth(right))}${right}`;
}

function characterWidth(character: string): number {
  if (character <= '~') return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
