import { BuildError } from '../base/errors.js';
import type { CopyInstruction } from '../parse/instruction.js';
import type { Lookup } from '../parse/words.js';
import { checkChmod } from './chmod.js';
import { toFiles } from './heredoc-files.js';
import { copyText, layerHistory } from './history.js';
import { copyDestination } from './paths.js';
import type { CopyFrom, CopyStep, PlanInput } from './plan.js';
import type { Expand } from './scope.js';
import { splitRemotes } from './remote-sources.js';
import { findCopyOrigin, type Stage } from './stages.js';

export interface CopySettings {
  readonly expand: Expand;
  /** For heredocs, which have an escape character of their own. */
  readonly lookup: Lookup;
  readonly workdir: string;
  readonly stage: Stage;
  readonly stages: readonly Stage[];
  readonly input: PlanInput;
}

export type CopyParts = Omit<CopyStep, 'id' | 'index' | 'text' | 'range'>;

/** What a COPY or ADD does, expanded. Whether the sources exist is for the step to find out. */
export function toCopyParts(instruction: CopyInstruction, settings: CopySettings): CopyParts {
  const { op } = instruction;
  const sources = instruction.sources.map(settings.expand);
  const dest = settings.expand(instruction.dest);
  const chown = expandFlag(instruction.chown, settings.expand);
  const chmod = expandFlag(instruction.chmod, settings.expand);
  const { paths, remotes } = splitRemotes(sources, {
    op,
    checksum: expandFlag(instruction.checksum, settings.expand),
    keepGitDir: instruction.keepGitDir,
  });
  if (chmod !== undefined) checkChmod(chmod);
  const files = toFiles(instruction.heredocs, settings.lookup);
  const { parents, exclude, unpack } = instruction;
  return {
    kind: 'copy',
    op,
    from: toCopyFrom(instruction.from, settings),
    sources: paths,
    files,
    remotes,
    // BuildKit's rule: with a mode of its own the layer is made over what is below.
    link: instruction.link && chmod === undefined,
    parents,
    exclude,
    ...(unpack === undefined ? {} : { unpack }),
    dest: copyDestination(settings.workdir, dest),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    history: layerHistory(copyText(op, { flags: { parents, chown, chmod }, sources: sources.map(withoutPassword), files, dest })),
  };
}

/** A directory that a stage is based on. */
export function wholeContext(name: string): CopyParts {
  return {
    kind: 'copy',
    op: 'COPY',
    from: { kind: 'context', name },
    sources: ['.'],
    files: [],
    remotes: [],
    link: false,
    parents: false,
    exclude: [],
    dest: '/',
    history: layerHistory(`FROM ${name}`),
  };
}

/** A flag that expansion leaves empty is as good as none. */
function expandFlag(value: string | undefined, expand: Expand): string | undefined {
  const expanded = value === undefined ? '' : expand(value);
  return expanded === '' ? undefined : expanded;
}

/** History is for everybody who has the image. */
function withoutPassword(source: string): string {
  return source.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1***@');
}

function toCopyFrom(from: string | undefined, { stage, stages, input }: CopySettings): CopyFrom {
  if (from === undefined) return { kind: 'context' };
  const origin = findCopyOrigin(from, stages, input);
  if (origin.kind === 'directory') return { kind: 'context', name: origin.name };
  if (origin.kind === 'scratch') throw new BuildError('dockerfile', 'nothing can be copied from "scratch": it has no files');
  if (origin.kind === 'stage' && origin.stage >= stage.index) {
    throw new BuildError('dockerfile', `cannot copy from stage "${from}", it needs to be defined before current stage "${stage.name}"`);
  }
  return origin;
}

/** A file overwrites the one before when the destination turns out not to be a directory; BuildKit says nothing then. */
export function overwritesItself({ sources, remotes, files, parents, dest }: CopyParts): boolean {
  return !parents && sources.length + remotes.length + files.length > 1 && !dest.endsWith('/');
}
