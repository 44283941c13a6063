import { BuildError } from '../base/errors.js';
import { openContext } from '../context/context.js';
import type { IgnoreMatcher } from '../context/dockerignore.js';
import { missingSourceHint } from '../context/hints.js';
import type { CopyRequest } from './copy-request.js';
import { firstMissing } from './copy-sources.js';

export interface FailedCopy {
  readonly request: CopyRequest;
  readonly contextDir: string;
  readonly ignore: IgnoreMatcher | undefined;
}

/**
 * The error of a COPY from the build context, with a hint where the missing source may be, if one is missing. Apart from `copyEntries` since the
 * search takes time and promises, which only a failed build spends.
 */
export async function explainCopyError(error: unknown, { request, contextDir, ignore }: FailedCopy): Promise<unknown> {
  if (!(error instanceof BuildError) || error.kind !== 'input' || error.hint !== undefined) return error;
  const source = firstMissing(request, openContext(contextDir, ignore));
  const hint = source === undefined ? undefined : await missingSourceHint({ contextDir, ignore, source });
  return hint === undefined ? error : new BuildError(error.kind, error.message, { hint, cause: error });
}
