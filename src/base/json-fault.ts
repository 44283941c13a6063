const BLANK = /[ \t\n\r]*/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const ATOM = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.+-])/y;

/**
 * Where a text stops being JSON (RFC 8259), as `LINE:COLUMN` from 1; `undefined` when it is JSON. The messages of JSON.parse quote what they
 * stumble over, which in a file of passwords must not be shown, and do not always say where.
 */
export function jsonFault(text: string): string | undefined {
  const scan: Scan = { text, at: 0 };
  try {
    skipValue(scan);
    skip(scan, BLANK);
    if (scan.at === text.length) return undefined;
  } catch (error) {
    if (error !== scan) throw error;
  }
  const before = text.slice(0, scan.at).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

interface Scan {
  readonly text: string;
  at: number;
}

function skipValue(scan: Scan): void {
  skip(scan, BLANK);
  if (skipChar(scan, '{')) {
    skipList(scan, '}', () => {
      need(scan, skip(scan, TEXT));
      skip(scan, BLANK);
      need(scan, skipChar(scan, ':'));
      skipValue(scan);
    });
  } else if (skipChar(scan, '[')) skipList(scan, ']', () => skipValue(scan));
  else need(scan, skip(scan, TEXT) || skip(scan, ATOM));
}

function skipList(scan: Scan, end: string, skipItem: () => void): void {
  skip(scan, BLANK);
  if (skipChar(scan, end)) return;
  do {
    skip(scan, BLANK);
    skipItem();
    skip(scan, BLANK);
  } while (skipChar(scan, ','));
  need(scan, skipChar(scan, end));
}

function skip(scan: Scan, pattern: RegExp): boolean {
  pattern.lastIndex = scan.at;
  if (!pattern.test(scan.text)) return false;
  scan.at = pattern.lastIndex;
  return true;
}

function skipChar(scan: Scan, char: string): boolean {
  if (scan.text[scan.at] !== char) return false;
  scan.at++;
  return true;
}

function need(scan: Scan, isThere: boolean): void {
  // The scan itself is what is thrown: it has the place.
  // eslint-disable-next-line no-throw-literal
  if (!isThere) throw scan;
}
