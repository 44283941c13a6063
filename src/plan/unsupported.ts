import { BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { CopyInstruction, Instruction, RunInstruction } from '../parse/instruction.js';

/** The one way in which a build says that it does not do something yet. */
export function notSupportedYet(what: string, { range, hint }: { range: SourceRange | undefined; hint: string }): BuildError {
  return new BuildError('unsupported', `not supported yet: ${what}`, range === undefined ? { hint } : { range, hint });
}

interface Refusal {
  readonly what: string;
  readonly isAsked: boolean;
  readonly hint: string;
}

/**
 * Refuses the flags that nothing implements. Called for stages that the target reaches, before any image is asked for.
 * @throws BuildError `unsupported`
 */
export function refuseUnsupported(instruction: Instruction): void {
  const refusals = refusalsOf(instruction);
  const refused = refusals.find(({ isAsked }) => isAsked);
  if (refused !== undefined) throw notSupportedYet(refused.what, { range: instruction.range, hint: refused.hint });
}

function refusalsOf(instruction: Instruction): Refusal[] {
  if (instruction.kind === 'run') return runRefusals(instruction);
  if (instruction.kind === 'copy') return copyRefusals(instruction);
  return [];
}

function runRefusals({ mounts, security, devices }: RunInstruction): Refusal[] {
  return [
    { what: 'RUN --mount', isAsked: mounts.length > 0, hint: 'Copy what the step needs with COPY, or leave the cache mount out.' },
    {
      what: 'RUN --security',
      isAsked: security !== undefined && security !== 'sandbox',
      hint: 'Leave --security out: steps run in the sandbox.',
    },
    { what: 'RUN --device', isAsked: devices.length > 0, hint: 'Leave --device out.' },
  ];
}

function copyRefusals({ op, heredocs, link, parents, exclude, checksum, keepGitDir, unpack }: CopyInstruction): Refusal[] {
  return [
    { what: `a heredoc of ${op}`, isAsked: heredocs.length > 0, hint: 'Put the text into a file of the context, or write it with RUN.' },
    { what: `${op} --link`, isAsked: link, hint: 'Leave --link out: the files come out the same.' },
    { what: `${op} --parents`, isAsked: parents, hint: 'Give each directory a COPY of its own.' },
    { what: `${op} --exclude`, isAsked: exclude.length > 0, hint: 'Put the patterns into .dockerignore.' },
    { what: 'ADD --checksum', isAsked: checksum !== undefined, hint: 'Download the file into the context.' },
    { what: 'ADD --keep-git-dir', isAsked: keepGitDir !== undefined, hint: 'Clone the repository into the context.' },
    { what: 'ADD --unpack', isAsked: unpack !== undefined, hint: 'Use COPY to keep an archive as it is.' },
  ];
}
