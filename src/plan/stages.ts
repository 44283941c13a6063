import { atRange, BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { familiarName, parseReference } from '../oci/reference.js';
import type { Platform } from '../oci/types.js';
import type { ArgInstruction, FromInstruction, Instruction } from '../parse/instruction.js';
import { expandWord, type Lookup } from '../parse/words.js';
import type { PlanInput, StageBase } from './plan.js';

/** A FROM with what follows it, nothing expanded. */
export interface StageSource {
  /** Position in the Dockerfile, 0-based. */
  readonly index: number;
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/** What a name behind FROM or `--from` leads to. */
export type Origin = StageBase | { readonly kind: 'directory'; readonly name: string };

/** A stage with its FROM read. */
export interface Stage extends StageSource {
  /** For display: the name, or `stage-N`. */
  readonly name: string;
  readonly base: Origin;
  /** The base's name, expanded. */
  readonly baseName: string;
  /** As `--platform` has it. */
  readonly platform?: Platform;
}

/** Cuts the file at its FROMs. The parser has seen to it that there is one, and nothing but ARG before it. */
export function splitStages(instructions: readonly Instruction[]): { globalArgs: ArgInstruction[]; sources: StageSource[] } {
  const globalArgs: ArgInstruction[] = [];
  const sources: (StageSource & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    if (instruction.kind === 'from') sources.push({ index: sources.length, from: instruction, instructions: [] });
    else if (sources.length > 0) sources.at(-1)?.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
  }
  return { globalArgs, sources };
}

export interface StageNames {
  readonly input: PlanInput;
  readonly lookup: Lookup;
  readonly escape: '\\' | '`';
}

/**
 * Reads every FROM. A base is a named context, then a stage above, then an image; the name of a stage must be written as it is stored, in lower
 * case.
 * @throws BuildError `dockerfile`
 */
export function readStages(sources: readonly StageSource[], names: StageNames): Stage[] {
  const byName = new Map<string, Origin>();
  return sources.map((source) => {
    const { from, index } = source;
    try {
      const baseName = expandWord(from.image, names.lookup, names);
      if (baseName === '') throw new BuildError('dockerfile', `base name (${from.image}) should not be blank`);
      const platform = readPlatform(from, names);
      const place = { input: names.input, platform: platform ?? names.input.targetPlatform };
      const base = byName.get(baseName) ?? originOutside(baseName, place);
      const hiding = from.name === undefined ? undefined : namedContext(from.name, place);
      if (from.name !== undefined) byName.set(from.name, hiding ?? { kind: 'stage', stage: index });
      const stage = { ...source, name: from.name ?? `stage-${index}`, base, baseName, ...(platform === undefined ? {} : { platform }) };
      return hiding === undefined ? stage : { ...stage, base: hiding, instructions: [] };
    } catch (error) {
      throw atRange(error, from.range);
    }
  });
}

function readPlatform({ platform }: FromInstruction, names: StageNames): Platform | undefined {
  if (platform === undefined) return undefined;
  const text = expandWord(platform, names.lookup, names);
  if (text === '') throw new BuildError('dockerfile', `empty platform value from expression ${platform}`);
  try {
    return parsePlatform(text);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    throw new BuildError('dockerfile', `failed to parse platform ${platform}: ${error.message}`, { cause: error });
  }
}

/** Where a name is looked up, and for which platform. */
interface Lookout {
  readonly input: PlanInput;
  readonly platform: Platform;
}

/** A name that is no stage's. */
function originOutside(name: string, place: Lookout): Origin {
  return namedContext(name, place) ?? (name === 'scratch' ? { kind: 'scratch' } : imageOrigin(name, place));
}

function imageOrigin(name: string, { platform }: Lookout): Origin {
  return { kind: 'image', key: baseKey(name, platform), name, platform };
}

/** Finds an image in `PlanInput.bases`: `alpine linux/arm64`. */
export function baseKey(name: string, platform: Platform): string {
  return `${name} ${formatPlatform(platform)}`;
}

/**
 * What `--build-context` gave a name to; `name::os/arch` goes before `name`. It hides stages and images of that name, except for the two names
 * that the builder keeps.
 */
function namedContext(name: string, place: Lookout): Origin | undefined {
  const { directoryContexts, imageContexts } = place.input;
  if (directoryContexts.size + (imageContexts?.size ?? 0) === 0) return undefined;
  if (name.toLowerCase() === 'scratch' || name.toLowerCase() === 'context') return undefined;
  const wanted = shortName(name);
  return findContext(`${wanted}::${formatPlatform(place.platform)}`, place) ?? findContext(wanted, place);
}

function findContext(wanted: string, place: Lookout): Origin | undefined {
  const { directoryContexts, imageContexts = [] } = place.input;
  const isMeant = (given: string): boolean => shortContextName(given) === wanted;
  const directory = [...directoryContexts].find(isMeant);
  if (directory !== undefined) return { kind: 'directory', name: directory };
  const image = [...imageContexts].find(isMeant);
  if (image !== undefined && place.input.scratchContexts?.has(image) === true) return { kind: 'scratch' };
  return image === undefined ? undefined : imageOrigin(image, place);
}

/** `alpine::linux/arm64` for `docker.io/library/alpine::linux/arm64` */
function shortContextName(given: string): string {
  const [name = '', ...platform] = given.split('::');
  return [shortName(name), ...platform].join('::');
}

/** `alpine` for `docker.io/library/alpine:latest`; a name that is no image's stays. */
function shortName(name: string): string {
  try {
    return familiarName(parseReference(name)).replace(/:latest$/, '');
  } catch {
    return name;
  }
}

/**
 * What `COPY --from` names: a stage by its position or by its name in any case (the last one of that name), or else what FROM would find.
 * @throws BuildError `dockerfile`
 */
export function findCopyOrigin(from: string, stages: readonly Stage[], input: PlanInput): Origin {
  if (expandWord(from, () => undefined) !== from) {
    throw new BuildError(
      'dockerfile',
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
    );
  }
  const isIndex = /^[-+]?[0-9]+$/.test(from);
  const stage = isIndex ? stages[Number(from)] : findStage(from, stages);
  if (stage === undefined && isIndex) throw new BuildError('dockerfile', `invalid stage index ${Number(from)}`);
  return originOf(stage, from, input);
}

/** What `from=` of a RUN --mount names: as `COPY --from`, but no stage by its position. */
export function findMountOrigin(from: string, stages: readonly Stage[], input: PlanInput): Origin {
  return originOf(findStage(from, stages), from, input);
}

function originOf(stage: Stage | undefined, from: string, input: PlanInput): Origin {
  const place = { input, platform: input.targetPlatform };
  if (stage === undefined) return originOutside(from, place);
  const hiding =
    stage.from.name === undefined ? undefined : namedContext(stage.from.name, { input, platform: stage.platform ?? place.platform });
  return hiding ?? { kind: 'stage', stage: stage.index };
}

/** @throws BuildError `usage` for a target that is not there */
export function findTarget(target: string | undefined, stages: readonly Stage[]): Stage {
  const found = target === undefined ? stages.at(-1) : findStage(target, stages);
  if (found !== undefined) return found;
  const hint = didYouMean(
    target ?? '',
    stages.map(({ name }) => name),
  );
  throw new BuildError('usage', `target stage ${JSON.stringify(target)} could not be found${hint}`);
}

function findStage(name: string, stages: readonly Stage[]): Stage | undefined {
  return stages.findLast((stage) => stage.from.name === name.toLowerCase());
}
