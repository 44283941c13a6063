import { BuildError } from '../base/errors.js';
import type { CopyInstruction } from '../parse/instruction.js';
import { checkChmod } from './chmod.js';
import { layerHistory } from './history.js';
import { copyDestination } from './paths.js';
import type { CopyFrom, CopyStep, PlanInput } from './plan.js';
import type { Expand } from './scope.js';
import { findCopyOrigin, type Stage } from './stages.js';
import { notSupportedYet } from './unsupported.js';

export interface CopySettings {
  readonly expand: Expand;
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
  for (const source of sources) checkSource(source, instruction);
  if (chmod !== undefined) checkChmod(chmod);
  return {
    kind: 'copy',
    op,
    from: toCopyFrom(instruction.from, settings),
    sources,
    files: [],
    remotes: [],
    link: false,
    parents: false,
    exclude: [],
    dest: copyDestination(settings.workdir, dest),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    history: layerHistory(copyText(op, [...flagTexts({ chown, chmod }), ...sources, dest])),
  };
}

/** A flag that expansion leaves empty is as good as none. */
function expandFlag(value: string | undefined, expand: Expand): string | undefined {
  const expanded = value === undefined ? '' : expand(value);
  return expanded === '' ? undefined : expanded;
}

function flagTexts({ chown, chmod }: { chown: string | undefined; chmod: string | undefined }): string[] {
  return [...(chown === undefined ? [] : [`--chown=${chown}`]), ...(chmod === undefined ? [] : [`--chmod=${chmod}`])];
}

function copyText(op: 'COPY' | 'ADD', words: readonly string[]): string {
  return `${[op, ...words].join(' ')} # buildkit`;
}

const GIT_URL = /^(?:git:\/\/|ssh:\/\/|git@|https?:\/\/[^?#]*\.git(?:[?#]|$))/;
const HTTP_URL = /^https?:\/\//;

function checkSource(source: string, { op, range }: CopyInstruction): void {
  const remote = GIT_URL.test(source) ? 'a git ref' : HTTP_URL.test(source) ? 'a URL' : undefined;
  if (remote === undefined) return;
  if (op === 'COPY') throw new BuildError('dockerfile', `source can't be ${remote} for COPY`, { hint: 'ADD takes remote sources.' });
  throw notSupportedYet(`ADD of ${remote}`, { range, hint: 'Download it into the context first, or in a RUN step.' });
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
export function overwritesItself({ sources, dest }: CopyParts): boolean {
  return sources.length > 1 && !dest.endsWith('/');
}
