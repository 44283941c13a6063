import { baseOf } from '../base/paths.js';
import type { SourceRange } from '../base/source.js';
import type { ArgInstruction, Dockerfile, FromInstruction } from '../parse/instruction.js';
import { mountFrom, type MountFields } from '../parse/mount.js';
import type { PlanInput } from '../plan/plan.js';
import { globalScope } from '../plan/scope.js';
import { findCopyOrigin, findMountOrigin, findTarget, splitStages, type Origin, type Stage } from '../plan/stages.js';
import { walkStages, type WalkedStage } from './lint.js';
import { Linter } from './linter.js';
import { parseCheck } from './options.js';
import type { StageListener } from './stage.js';
import { descriptionOf } from './targets.js';
import { expandTracked } from './words.js';

/** What a build of one target can be given. */
export interface Outline {
  /** Of the stage; `''` when it has none. */
  readonly name: string;
  readonly description: string;
  /** In the order of the file, as the rest is. */
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineNeed[];
  readonly ssh: readonly OutlineNeed[];
}

export interface OutlineArg {
  readonly name: string;
  /** From the comment above: `# NAME what it is`. */
  readonly description: string;
  /** What the build would use: a build argument or the default, expanded. */
  readonly value: string;
  readonly range: SourceRange;
}

export interface OutlineNeed {
  readonly name: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

interface KnownArg extends OutlineArg {
  /** What its default is made of. */
  readonly uses: ReadonlySet<string>;
}

/** What one stage takes. */
interface StageNotes {
  readonly args: Map<string, KnownArg>;
  /** By its FROM, and those of the stages below. */
  readonly usedInFrom: ReadonlySet<string>;
  readonly used: Set<string>;
  readonly secrets: Map<string, OutlineNeed>;
  readonly ssh: Map<string, OutlineNeed>;
}

/**
 * Lists what the target takes, and the stages that it needs: arguments that one of them uses, secrets, agents.
 * @throws BuildError when the Dockerfile is wrong
 */
export function outlineDockerfile(dockerfile: Dockerfile, plan: PlanInput): Outline {
  const { escape } = dockerfile.directives;
  const { globalArgs, sources } = splitStages(dockerfile.instructions);
  const globals = readGlobalArgs(globalArgs, { plan, targetName: plan.target ?? sources.at(-1)?.from.name ?? 'default', escape });
  const notes = new Map<number, StageNotes>();
  const listen = (stage: Stage): StageListener => {
    const own = startNotes(stage, notes, { globals, escape });
    notes.set(stage.index, own);
    return listener(own);
  };
  const walked = walkStages(dockerfile, { plan, stages: 'target' }, { linter: new Linter(parseCheck('skip=all')), listen });
  const stages = walked.map(({ stage }) => stage);
  const target = findTarget(plan.target, stages);
  const ordered = inOrderOfNeed(target, walked, plan).flatMap(({ index }) => notes.get(index) ?? []);
  return {
    name: target.from.name ?? '',
    description: descriptionOf(target.from.comments, target.from.name),
    args: collect(ordered.map(usedArgs)).map(({ uses: _uses, ...arg }) => arg),
    secrets: collect(ordered.map(({ secrets }) => secrets.values())),
    ssh: collect(ordered.map(({ ssh }) => ssh.values())),
  };
}

interface GlobalArgs {
  readonly args: ReadonlyMap<string, KnownArg>;
  readonly values: ReadonlyMap<string, string>;
}

function readGlobalArgs(
  instructions: readonly ArgInstruction[],
  { plan, ...rest }: { plan: PlanInput; targetName: string; escape: '\\' | '`' },
): GlobalArgs {
  const values = new Map(globalScope([], { ...plan, ...rest }));
  const args = new Map<string, KnownArg>();
  for (const { args: declared, range, comments } of instructions) {
    for (const { name, value } of declared) {
      const given = plan.buildArgs.get(name);
      const { text, matched } = expandTracked(given === undefined ? (value ?? '') : '', (key) => values.get(key), rest);
      const result = given ?? (value === undefined ? undefined : text);
      if (result !== undefined) values.set(name, result);
      // A default may build on an earlier value of the same name.
      const uses = new Set([...matched, ...(matched.has(name) ? (args.get(name)?.uses ?? []) : [])].filter((key) => key !== name));
      args.set(name, { name, value: result ?? '', description: descriptionOf(comments, name), range, uses });
    }
  }
  return { args, values };
}

interface NotesContext {
  readonly globals: GlobalArgs;
  readonly escape: '\\' | '`';
}

function startNotes({ base, from }: Stage, notes: ReadonlyMap<number, StageNotes>, context: NotesContext): StageNotes {
  const below = base.kind === 'stage' ? notes.get(base.stage)?.usedInFrom : undefined;
  const usedInFrom = new Set([...(below ?? []), ...namesInFrom(from, context)]);
  return { args: new Map(context.globals.args), usedInFrom, used: new Set(usedInFrom), secrets: new Map(), ssh: new Map() };
}

function namesInFrom({ image, platform = '' }: FromInstruction, { globals, escape }: NotesContext): string[] {
  return [image, platform].flatMap((word) => [...expandTracked(word, (name) => globals.values.get(name), { escape }).matched]);
}

function listener({ args, used, secrets, ssh }: StageNotes): StageListener {
  return {
    onArg({ range, comments }, { name, value = '', isInherited }) {
      used.add(name);
      if (isInherited) return;
      const description = descriptionOf(comments, name) || (args.get(name)?.description ?? '');
      args.set(name, { name, value, description, range, uses: new Set() });
    },
    onMount({ range }, mount) {
      const name = needName(mount);
      const needs = mount.type === 'secret' ? secrets : mount.type === 'ssh' ? ssh : undefined;
      if (needs?.has(name) === false) needs.set(name, { name, required: mount.required, range });
    },
  };
}

function needName({ type, id = '', source = '', target = '' }: MountFields): string {
  if (type === 'ssh') return id === '' ? 'default' : id;
  return source !== '' ? source : id !== '' ? id : baseOf(target);
}

/** Depth first, bases before what is copied or mounted: of two arguments with one name the nearer to the target is listed. */
function inOrderOfNeed(target: Stage, walked: readonly WalkedStage[], plan: PlanInput): Stage[] {
  const byIndex = new Map(walked.map((entry) => [entry.stage.index, entry]));
  const stages = walked.map(({ stage }) => stage);
  const found = new Set<Stage>();
  const pending = [target.index];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const entry = byIndex.get(index);
    if (entry === undefined || found.has(entry.stage)) continue;
    found.add(entry.stage);
    const origins = [entry.stage.base, ...originsOf(entry, stages, plan)];
    pending.push(...origins.flatMap((origin) => (origin.kind === 'stage' ? [origin.stage] : [])).toReversed());
  }
  return [...found];
}

function originsOf({ instructions }: WalkedStage, stages: readonly Stage[], plan: PlanInput): Origin[] {
  return instructions.flatMap((instruction) => {
    if (instruction.kind === 'copy' && instruction.from !== undefined) return [findCopyOrigin(instruction.from, stages, plan)];
    if (instruction.kind !== 'run') return [];
    return instruction.mounts.flatMap((text) => {
      const from = mountFrom(text);
      return from === undefined ? [] : [findMountOrigin(from, stages, plan)];
    });
  });
}

/** With what their defaults are made of. */
function usedArgs({ args, used }: StageNotes): KnownArg[] {
  const all = new Set(used);
  for (const name of all) for (const more of args.get(name)?.uses ?? []) all.add(more);
  return [...all].flatMap((name) => args.get(name) ?? []);
}

function collect<Entry extends { readonly name: string; readonly range: SourceRange }>(lists: readonly Iterable<Entry>[]): Entry[] {
  const byName = new Map<string, Entry>();
  for (const list of lists) for (const entry of list) if (!byName.has(entry.name)) byName.set(entry.name, entry);
  return [...byName.values()].toSorted((a, b) => a.range.startLine - b.range.startLine);
}
