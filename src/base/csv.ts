/**
 * The fields of one CSV record as Go's encoding/csv reads it, which is what the values of docker's flags are: a field in double quotes may
 * hold commas, and `""` stands for one quote.
 *
 * @returns `undefined` when a quote is not closed or stands inside a bare field
 */
export function splitCsv(text: string): string[] | undefined {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const match = /^(?:"((?:[^"]|"")*)"|([^",]*))(?:(,)|$)/.exec(rest);
    if (match === null) return undefined;
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === undefined) return fields;
    rest = rest.slice(match[0].length);
  }
}

/** Go's `strconv.ParseBool`. */
export function parseBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}
