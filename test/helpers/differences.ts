import { isDeepStrictEqual } from 'node:util';
import type { ImageFacts, NodeFacts } from './image-facts.js';

/** Where two images differ: `build`, `config Env`, `history`, `/path`, `/path mode`. `undefined` is: has it not. */
export interface Difference {
  readonly where: string;
  readonly tsbuild: unknown;
  readonly buildah: unknown;
}

/** In a fixed order: config, history, then the tree's. */
export function compareImages(tsbuild: ImageFacts, buildah: ImageFacts): Difference[] {
  return [
    ...compareRecords('config ', tsbuild.config, buildah.config),
    ...compareRecords('', { history: tsbuild.history }, { history: buildah.history }),
    ...compareTrees(tsbuild.tree, buildah.tree),
  ];
}

function compareTrees(tsbuild: ReadonlyMap<string, NodeFacts>, buildah: ReadonlyMap<string, NodeFacts>): Difference[] {
  const paths = [...new Set([...tsbuild.keys(), ...buildah.keys()])].toSorted();
  return paths.flatMap((path) => {
    const ours = tsbuild.get(path);
    const theirs = buildah.get(path);
    if (ours === undefined || theirs === undefined) {
      return [{ where: path, tsbuild: ours && summary(ours), buildah: theirs && summary(theirs) }];
    }
    return compareRecords(`${path} `, { ...ours }, { ...theirs });
  });
}

function compareRecords(
  prefix: string,
  tsbuild: Readonly<Record<string, unknown>>,
  buildah: Readonly<Record<string, unknown>>,
): Difference[] {
  const keys = [...new Set([...Object.keys(tsbuild), ...Object.keys(buildah)])];
  return keys
    .filter((key) => !isDeepStrictEqual(tsbuild[key], buildah[key]))
    .map((key) => ({ where: prefix + key, tsbuild: tsbuild[key], buildah: buildah[key] }));
}

/** One line about a file: `file 0644 0:0 "text"`. */
function summary({ type, mode, owner, content, target, device }: NodeFacts): string {
  const rest = target ?? device ?? (content === undefined ? undefined : JSON.stringify(content));
  return [type, mode, owner, rest].filter((word) => word !== undefined).join(' ');
}

/** What `where` of a difference stands for in one image; a path alone is the file's one line. */
export function factAt(image: ImageFacts, where: string): unknown {
  if (where === 'history') return image.history;
  if (where.startsWith('config ')) return image.config[where.slice('config '.length)];
  const node = image.tree.get(where);
  return node && summary(node);
}
