import { statSync } from 'node:fs';
import { BuildError } from '../base/errors.js';
import type { LooseFile } from './copy-entry.js';
import type { FetchedSource, InlineFile } from './copy-request.js';

/** As BuildKit makes them; `--chmod` changes it. */
const HEREDOC_MODE = 0o644;

/**
 * A heredoc of COPY or ADD as a file, named after its delimiter.
 * @throws BuildError `dockerfile` when the delimiter is no file name
 */
export function fromHeredoc({ name, text }: InlineFile, nowSeconds: number): LooseFile {
  checkName(name, 'Name the heredoc as the file, without directories: the destination says where it goes.');
  const bytes = Buffer.from(text, 'utf8');
  return { mode: HEREDOC_MODE, sizeBytes: bytes.length, mtimeSeconds: nowSeconds, content: { kind: 'bytes', bytes } };
}

/** @throws BuildError `dockerfile` when the server's name for it is no file name */
export function fromFetched({ name, path, mode, mtimeSeconds }: Extract<FetchedSource, { kind: 'file' }>): LooseFile {
  checkName(name, 'Name the file in the destination.');
  return { mode, sizeBytes: statSync(path).size, mtimeSeconds, content: { kind: 'path', path } };
}

/** It becomes one component of a path. */
function checkName(name: string, hint: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new BuildError('dockerfile', `no file can have the name "${name}"`, { hint });
  }
}
