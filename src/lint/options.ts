import { parseBool } from '../base/csv.js';
import { BuildError } from '../base/errors.js';
import { goQuote } from '../base/go-quote.js';
import type { Rule } from './rules.js';

/** Which rules run, and whether a warning of theirs fails the build. */
export interface CheckOptions {
  readonly skip: ReadonlySet<string> | 'all';
  /** Of the experimental rules, those that run. */
  readonly experimental: ReadonlySet<string> | 'all';
  /** `error=true` */
  readonly failsBuild: boolean;
}

/** The three keys; BuildKit splits no further. */
const MAX_PARTS = 3;
const NONE: ReadonlySet<string> = new Set();
const DEFAULTS: CheckOptions = { skip: NONE, experimental: NONE, failsBuild: false };
const CHECK_COMMENT = /^check[\t\n\f\r ]*=[\t\n\f\r ]*(.+)$/i;

/**
 * The value of `# check=` or of the build argument BUILDKIT_DOCKERFILE_CHECK: `skip=A,B;error=true;experimental=C`, with `all` for every rule.
 * @throws BuildError `dockerfile`, without a range
 */
export function parseCheck(text: string): CheckOptions {
  const trimmed = text.trim();
  let options = DEFAULTS;
  if (trimmed === '') return options;
  const parts = trimmed.split(';');
  for (const part of [...parts.slice(0, MAX_PARTS - 1), ...restOf(parts)]) options = { ...options, ...parsePart(part) };
  return options;
}

function restOf(parts: readonly string[]): string[] {
  return parts.length < MAX_PARTS ? [] : [parts.slice(MAX_PARTS - 1).join(';')];
}

function parsePart(part: string): Partial<CheckOptions> {
  const equals = part.indexOf('=');
  if (equals === -1) throw new BuildError('dockerfile', `invalid check option ${goQuote(part)}`);
  const key = part.slice(0, equals).trim();
  const value = part.slice(equals + 1).trim();
  switch (key) {
    case 'skip':
    case 'experimental':
      return { [key]: value === 'all' ? value : new Set(value.split(',').map((name) => name.trim())) };
    case 'error': {
      const failsBuild = parseBool(value);
      if (failsBuild !== undefined) return { failsBuild };
      throw new BuildError(
        'dockerfile',
        `failed to parse check option ${goQuote(part)}: strconv.ParseBool: parsing ${goQuote(value)}: invalid syntax`,
      );
    }
    default:
      throw new BuildError('dockerfile', `invalid check option ${goQuote(key)}`);
  }
}

/**
 * What holds for a whole file. The directive ends at its first blank; the build argument, which stands in for the directive, does not.
 * @throws BuildError `dockerfile`, without a range
 */
export function fileOptions(directive: string | undefined, buildArg: string | undefined): CheckOptions {
  const [text, what] = buildArg === undefined ? [firstWord(directive ?? ''), 'check options'] : [buildArg, 'BUILDKIT_DOCKERFILE_CHECK'];
  try {
    return parseCheck(text);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError('dockerfile', `failed to parse ${what}: ${error.message}`, {
      hint: 'write for example: skip=JSONArgsRecommended,UndefinedVar;error=true',
      cause: error,
    });
  }
}

/** What the comments above an instruction add for it alone: the first that is a `check=` counts, and one that is malformed says nothing. */
export function commentOptions(comments: readonly string[]): CheckOptions {
  const value = comments.map((comment) => CHECK_COMMENT.exec(comment)?.[1]).find((found) => found !== undefined);
  if (value === undefined) return DEFAULTS;
  try {
    return parseCheck(firstWord(value.trim()));
  } catch (error) {
    if (error instanceof BuildError) return DEFAULTS;
    throw error;
  }
}

/** Words may follow that say why. */
function firstWord(text: string): string {
  return text.split(' ', 1)[0] ?? '';
}

export function isOn({ name, experimental }: Rule, options: readonly CheckOptions[]): boolean {
  const named = (list: CheckOptions['skip']): boolean => list === 'all' || list.has(name);
  return experimental ? options.some((option) => named(option.experimental)) : !options.some((option) => named(option.skip));
}
