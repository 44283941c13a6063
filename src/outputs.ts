import type { OutputDemand } from './demand.js';
import type { Image } from './image/image.js';
import { formatReference, parseReference } from './oci/reference.js';
import type { OutputSpec } from './output/output.js';
import type { Progress } from './progress.js';
import type { ViewLayer } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';
import type { Store } from './store/store.js';

function isTree({ type }: OutputSpec): boolean {
  return type === 'local' || type === 'tar';
}

function isStore({ type }: OutputSpec): boolean {
  return type === 'image';
}

export function outputDemand(outputs: readonly OutputSpec[]): OutputDemand {
  return { image: !outputs.every(isTree), files: outputs.some(isTree) };
}

export interface OutputRequest {
  readonly outputs: readonly OutputSpec[];
  readonly store: Store;
  /** There when any output needs one. */
  readonly image: Image | undefined;
  /** Full names of the build. */
  readonly references: readonly string[];
  /** The finished root file system, topmost layer first. */
  readonly view: readonly ViewLayer[];
  readonly epochSeconds: number | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Writes every output, unless the signal fires: an archive or layout that is under way is finished first. Names move last: the store's tags only when all else is in place. */
export async function writeOutputs(request: OutputRequest): Promise<void> {
  const ordered = request.outputs.toSorted((a, b) => Number(isStore(a)) - Number(isStore(b)));
  for (const output of ordered) {
    request.signal.throwIfAborted();
    const startedMs = request.progress.elapsedMs();
    const what = await writeOutput(output, request);
    request.progress.emit({ type: 'output-written', what, durationMs: request.progress.elapsedMs() - startedMs });
  }
}

/** @returns what was written and where, for people */
async function writeOutput(output: OutputSpec, request: OutputRequest): Promise<string> {
  const { store, epochSeconds, progress, signal } = request;
  if (output.type === 'local' || output.type === 'tar') {
    const tree = {
      root: openRootView(request.view),
      dest: output.dest,
      ...(epochSeconds === undefined ? {} : { clampSeconds: epochSeconds }),
    };
    const { writeTreeFiles, writeTreeTar } = await import('./output/file-tree.js');
    if (output.type === 'tar') {
      await writeTreeTar(tree);
      return `root file system to ${toPlace(output.dest)}`;
    }
    const skipped = await writeTreeFiles({ ...tree, signal });
    if (skipped.length > 0) progress.warn(`left out of ${output.dest}: ${skipped.length} devices and FIFOs`);
    return `root file system to ${output.dest}`;
  }
  if (request.image === undefined) throw new Error(`output ${output.type} needs an image`);
  const { image } = request;
  const names = [...request.references, ...output.names.map((name) => formatReference(parseReference(name)))];
  switch (output.type) {
    case 'image':
      await store.tag(image.descriptor, names);
      return names.length === 0 ? 'image to the store, without a name' : `image to the store as ${names.join(', ')}`;
    case 'docker':
      await (await import('./output/docker-archive.js')).writeDockerArchive({ store, image, spec: output, names });
      return `docker archive to ${toPlace(output.dest)}`;
    case 'oci':
      if (output.tar) await (await import('./output/oci-archive.js')).writeOciArchive({ store, image, spec: output, names });
      else await (await import('./output/oci-layout.js')).writeOciLayout({ store, image, spec: output, names });
      return `OCI ${output.tar ? 'archive' : 'layout'} to ${toPlace(output.dest)}`;
  }
}

function toPlace(dest: string): string {
  return dest === '-' ? 'standard output' : dest;
}
