import { BuildError } from '../base/errors.js';

const MAX_MODE = 0o7777;
const CLAUSE = '[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+';
const SYMBOLIC = new RegExp(`^${CLAUSE}(?:,${CLAUSE})*$`);

/**
 * `--chmod` takes an octal mode or what chmod(1) takes as a symbolic one.
 * @throws BuildError `dockerfile`
 */
export function checkChmod(chmod: string): void {
  if (/^[0-7]+$/.test(chmod) ? Number.parseInt(chmod, 8) <= MAX_MODE : SYMBOLIC.test(chmod)) return;
  throw new BuildError('dockerfile', `invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`, {
    hint: 'Give an octal mode such as 755, or a symbolic one such as u=rwX,go=rX.',
  });
}
