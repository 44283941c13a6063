import { BuildError } from '../base/errors.js';
import { parseReference } from '../oci/reference.js';
import { detectSyntax } from '../parse/directives.js';
import { lineRange, readSource } from '../parse/source.js';

/** What BuildKit calls the frontend that it has built in. */
const BUILT_IN = 'dockerfile.v0';
/** Of any registry: a company's mirror has them under its own name. */
const DOCKERFILE_FRONTEND = /(?:^|\/)docker\/dockerfile(?:-upstream)?$/;

const HINT =
  'tsbuild reads the language of docker/dockerfile itself and runs no frontend images: if the file is a plain Dockerfile, leave the line out or name docker/dockerfile:1, or pass --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1.';

/**
 * Refuses a file for another frontend than docker/dockerfile, as `# syntax=` names it or, going before that, the build argument
 * `BUILDKIT_SYNTAX`. To be asked before the text is parsed: it may be no Dockerfile at all.
 * @throws BuildError `unsupported`
 */
export function checkSyntax(
  text: string | Buffer,
  { name, buildArgs = {} }: { name: string; buildArgs?: Readonly<Record<string, string>> },
): void {
  const given = buildArgs['BUILDKIT_SYNTAX']?.trim().split(' ', 1)[0] ?? '';
  if (given !== '') {
    if (!isOurs(given)) throw new BuildError('unsupported', `BUILDKIT_SYNTAX asks for the frontend "${given}"`, { hint: HINT });
    return;
  }
  const { file, rawLines } = readSource(text, name);
  const syntax = detectSyntax(rawLines);
  if (syntax === undefined || isOurs(syntax)) return;
  const line = file.lines.findIndex((row) => row.includes(syntax)) + 1;
  throw new BuildError('unsupported', `the file asks for the frontend "${syntax}"`, {
    range: lineRange(file, Math.max(line, 1)),
    hint: HINT,
  });
}

function isOurs(syntax: string): boolean {
  if (syntax === BUILT_IN) return true;
  try {
    return DOCKERFILE_FRONTEND.test(parseReference(syntax).path);
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}
