import type { SourceRange } from '../base/source.js';
import type { Dockerfile } from '../parse/instruction.js';

/** A stage as something to build. */
export interface Target {
  /** `''` when it has none: only the last of those can be built. */
  readonly name: string;
  /** It is built when nothing else is asked for. */
  readonly isDefault: boolean;
  /** From the comment above: `# name what it is`. */
  readonly description: string;
  /** As FROM has it, not expanded; so is the platform, `''` when there is none. */
  readonly base: string;
  readonly platform: string;
  readonly range: SourceRange;
}

/** Lists the stages in the order of the file. */
export function listTargets({ instructions }: Dockerfile): readonly Target[] {
  const froms = instructions.filter((instruction) => instruction.kind === 'from');
  return froms.map(({ name, comments, image, platform, range }, index) => ({
    name: name ?? '',
    isDefault: index === froms.length - 1,
    description: descriptionOf(comments, name),
    base: image,
    platform: platform ?? '',
    range,
  }));
}

/** Of the comments above an instruction, the first that begins with the name, without it. */
export function descriptionOf(comments: readonly string[], name: string | undefined): string {
  const prefix = `${name} `;
  return name === undefined ? '' : (comments.find((comment) => comment.startsWith(prefix))?.slice(prefix.length) ?? '');
}
