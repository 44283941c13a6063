import { atRange, BuildError } from '../base/errors.js';
import { suggest } from '../base/suggest.js';
import type { SourceRange } from '../base/source.js';
import type { Instruction } from '../parse/instruction.js';
import { mountFrom } from '../parse/mount.js';
import { parseTrigger } from '../parse/parser.js';
import type { BaseRequest, PlanInput } from './plan.js';
import { findCopyOrigin, findMountOrigin, type Origin, type Stage } from './stages.js';
import { refuseUnsupported } from './unsupported.js';

export interface ReachedInstruction {
  readonly instruction: Instruction;
  /** It came by ONBUILD from the base. */
  readonly isTrigger: boolean;
}

/** A stage that the target needs. The triggers of its base stand before its own instructions. */
export interface ReachedStage {
  readonly stage: Stage;
  readonly instructions: readonly ReachedInstruction[];
}

export interface Reach {
  /** In the order of the file. */
  readonly reached: readonly ReachedStage[];
  /** Images whose configs are not in the input yet. While there are any, triggers that they bring are missing from `reached`. */
  readonly requests: readonly BaseRequest[];
}

/**
 * Follows bases and copies from the target. Other stages could hold anything: nobody looks.
 * @throws BuildError `dockerfile` for a malformed trigger, `unsupported` for what no stage can do yet
 */
export function reachFrom(target: Stage, stages: readonly Stage[], input: PlanInput): Reach {
  const reached = new Map<number, ReachedStage>();
  const requests = new Map<string, BaseRequest>();
  const pending = [target];
  for (let stage = pending.pop(); stage !== undefined; stage = pending.pop()) {
    if (reached.has(stage.index)) continue;
    const instructions = instructionsOf(stage, stages, input);
    reached.set(stage.index, { stage, instructions });
    for (const { origin, range } of originsOf(stage, instructions, { stages, input })) {
      const needed = origin.kind === 'stage' ? stages[origin.stage] : undefined;
      if (needed !== undefined) pending.push(needed);
      if (origin.kind !== 'image' || input.bases.has(origin.key) || requests.has(origin.key)) continue;
      const { key, name, platform } = origin;
      requests.set(key, { key, name, platform, range, ...similarStage(name, stages) });
    }
  }
  return { reached: [...reached.values()].toSorted((a, b) => a.stage.index - b.stage.index), requests: [...requests.values()] };
}

function similarStage(name: string, stages: readonly Stage[]): Pick<BaseRequest, 'similarStage'> {
  const names = stages.flatMap(({ from }) => from.name ?? []);
  const similar = suggest(name, names);
  return similar === undefined ? {} : { similarStage: similar };
}

function instructionsOf(stage: Stage, stages: readonly Stage[], input: PlanInput): ReachedInstruction[] {
  const triggers = triggersOf(stage, stages, input).flatMap((trigger) => parseTrigger(trigger, stage.from.range));
  for (const instruction of [...triggers, ...stage.instructions]) refuseUnsupported(instruction);
  return [
    ...triggers.map((instruction) => ({ instruction, isTrigger: true })),
    ...stage.instructions.map((instruction) => ({ instruction, isTrigger: false })),
  ];
}

/** Triggers go one generation far: those that a base stage has from its own base ran there. */
function triggersOf({ base }: Stage, stages: readonly Stage[], input: PlanInput): readonly string[] {
  if (base.kind === 'image') return input.bases.get(base.key)?.config?.OnBuild ?? [];
  if (base.kind !== 'stage') return [];
  return (stages[base.stage]?.instructions ?? []).flatMap((instruction) => (instruction.kind === 'onbuild' ? [instruction.trigger] : []));
}

interface Need {
  readonly origin: Origin;
  readonly range: SourceRange;
}

function originsOf(stage: Stage, instructions: readonly ReachedInstruction[], of: { stages: readonly Stage[]; input: PlanInput }): Need[] {
  const copies = copiesOf(
    instructions.map(({ instruction }) => instruction),
    of,
  );
  return [{ origin: stage.base, range: stage.from.range }, ...copies];
}

function copiesOf(instructions: readonly Instruction[], { stages, input }: { stages: readonly Stage[]; input: PlanInput }): Need[] {
  const needs: Need[] = [];
  for (const instruction of instructions) {
    const { range } = instruction;
    try {
      for (const origin of originsIn(instruction, { stages, input })) needs.push({ origin, range });
    } catch (error) {
      throw atRange(error, range);
    }
  }
  return needs;
}

function originsIn(instruction: Instruction, { stages, input }: { stages: readonly Stage[]; input: PlanInput }): Origin[] {
  if (instruction.kind === 'copy' && instruction.from !== undefined) return [findCopyOrigin(instruction.from, stages, input)];
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.flatMap((mount) => mountFrom(mount) ?? []).map((from) => findMountOrigin(from, stages, input));
}

/**
 * Stages that copy or mount from each other in a circle make no order possible. Looks at every `--from` of the file, so that those of unreached
 * stages are checked as well.
 * @throws BuildError `dockerfile`
 */
export function checkCopies(stages: readonly Stage[], input: PlanInput): void {
  const edges = stages.map((stage) => copiesOf(stage.instructions, { stages, input }).filter(({ origin }) => origin.kind === 'stage'));
  const done = new Set<number>();
  for (const { index, name } of stages) {
    const circle = findCircle(index, edges, done);
    if (circle !== undefined) throw new BuildError('dockerfile', `circular dependency detected on stage: ${name}`, { range: circle.range });
  }
}

/** Depth first, with a stack of its own: a file can have more stages than the call stack has frames. Returns the edge that closes a circle. */
function findCircle(start: number, edges: readonly (readonly Need[])[], done: Set<number>): Need | undefined {
  const path = [{ stage: start, next: 0 }];
  const onPath = new Set([start]);
  for (let here = path.at(-1); here !== undefined; here = path.at(-1)) {
    const edge = done.has(here.stage) ? undefined : edges[here.stage]?.[here.next++];
    if (edge === undefined) {
      done.add(here.stage);
      onPath.delete(here.stage);
      path.pop();
    } else if (edge.origin.kind === 'stage') {
      if (onPath.has(edge.origin.stage)) return edge;
      onPath.add(edge.origin.stage);
      path.push({ stage: edge.origin.stage, next: 0 });
    }
  }
  return undefined;
}
