import { atRange, BuildError } from '../base/errors.js';
import type { SourceRange } from '../base/source.js';
import type { ArgInstruction } from '../parse/instruction.js';
import { expandWord, type Lookup } from '../parse/words.js';
import type { EpochRequest, EpochSource, PlanInput, RemoteSource } from './plan.js';
import { splitRemotes } from './remote-sources.js';
import type { StageSource } from './stages.js';

const NAME = 'SOURCE_DATE_EPOCH';

export interface EpochSources {
  readonly input: PlanInput;
  readonly globals: ReadonlyMap<string, string>;
  readonly globalArgs: readonly ArgInstruction[];
  readonly sources: readonly StageSource[];
  readonly escape: '\\' | '`';
}

export type Epoch =
  | { readonly kind: 'known'; readonly seconds: number | undefined }
  /** The time is that of something which is not looked at yet. */
  | { readonly kind: 'asked'; readonly request: EpochRequest };

/**
 * Seconds since 1970 from the build argument SOURCE_DATE_EPOCH or the global ARG of that name; an empty value is none. In place of a number it may
 * name what has a time: `context`, a named context, or a stage that does nothing but ADD one remote source.
 * @throws BuildError `usage` or `dockerfile`, whichever of them is wrong
 */
export function sourceDateEpoch(given: EpochSources): Epoch {
  const { input, globals, globalArgs } = given;
  const fromFlag = input.buildArgs.get(NAME);
  const value = fromFlag ?? globals.get(NAME) ?? '';
  if (value === '') return { kind: 'known', seconds: undefined };
  const seconds = Number(value);
  if (/^[-+]?[0-9]+$/.test(value) && Number.isSafeInteger(seconds)) return { kind: 'known', seconds };
  if (input.epochs?.has(value) === true) return { kind: 'known', seconds: input.epochs.get(value) };
  const range = fromFlag === undefined ? rangeOf(globalArgs) : undefined;
  const source = findSource(value, given);
  if (source !== undefined) return { kind: 'asked', request: { value, source, ...(range === undefined ? {} : { range }) } };
  throw new BuildError(range === undefined ? 'usage' : 'dockerfile', `invalid ${NAME}: ${value}`, {
    hint: 'Give seconds since 1970, "context", or the name of a --build-context or of a stage with one remote ADD.',
    ...(range === undefined ? {} : { range }),
  });
}

/** What ARG lines see of it: the time itself, or nothing when there is none. */
export function withEpoch(values: ReadonlyMap<string, string>, seconds: number | undefined): ReadonlyMap<string, string> {
  if (!values.has(NAME)) return values;
  const kept = new Map(values);
  if (seconds === undefined) kept.delete(NAME);
  else kept.set(NAME, String(seconds));
  return kept;
}

function findSource(value: string, { input, globals, sources, escape }: EpochSources): EpochSource | undefined {
  if (value === 'context') return { kind: 'context' };
  if (input.directoryContexts.has(value) || input.imageContexts?.has(value) === true) return { kind: 'named-context', name: value };
  const stage = sources.find(({ from }) => from.name === value.toLowerCase());
  if (stage === undefined) return undefined;
  try {
    return { kind: 'remote', remote: onlyRemote(stage, { input, globals, escape }) };
  } catch (error) {
    throw atRange(error, stage.from.range);
  }
}

/** The texts are BuildKit's. */
function onlyRemote({ from, instructions }: StageSource, given: Pick<EpochSources, 'input' | 'globals' | 'escape'>): RemoteSource {
  const values = new Map(given.globals);
  values.delete(NAME);
  const lookup: Lookup = (name) => values.get(name);
  const expand = (word: string): string => expandWord(word, lookup, given);
  if (expand(from.image) !== 'scratch') throw wrong(`${NAME} stage must use FROM scratch`);
  let found: RemoteSource | undefined;
  for (const instruction of instructions) {
    if (instruction.kind === 'arg') {
      for (const { name, value } of instruction.args) {
        const set = given.input.buildArgs.get(name) ?? (value === undefined ? undefined : expand(value));
        if (set !== undefined) values.set(name, set);
      }
      continue;
    }
    if (instruction.kind !== 'copy' || instruction.op !== 'ADD') {
      const name = instruction.kind === 'copy' ? instruction.op : instruction.kind.toUpperCase();
      throw wrong(`${NAME} stage does not meet source-only requirements: unsupported ${name} instruction`);
    }
    if (found !== undefined) throw wrong(`${NAME} stage must contain exactly one remote ADD`);
    if (instruction.heredocs.length > 0 || instruction.sources.length !== 1)
      throw wrong(`${NAME} stage must contain exactly one remote ADD source`);
    const checksum = instruction.checksum === undefined ? undefined : expand(instruction.checksum);
    const { remotes } = splitRemotes(instruction.sources.map(expand), { op: 'ADD', checksum, keepGitDir: instruction.keepGitDir });
    if (remotes[0] === undefined) throw wrong(`${NAME} stage source must be a single HTTP(S) or Git ADD`);
    found = remotes[0];
  }
  if (found === undefined) throw wrong(`${NAME} stage must contain exactly one remote ADD`);
  return found;
}

function wrong(message: string): BuildError {
  return new BuildError('dockerfile', message);
}

function rangeOf(globalArgs: readonly ArgInstruction[]): SourceRange | undefined {
  return globalArgs.findLast(({ args }) => args.some(({ name }) => name === NAME))?.range;
}
