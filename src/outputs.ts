import { join } from 'node:path';
import type { BuildPush } from './build-push.js';
import type { OutputDemand } from './demand.js';
import type { Image } from './image/image.js';
import type { ImageOrIndex } from './image/index.js';
import { familiarName, formatReference, parseReference } from './oci/reference.js';
import type { Platform } from './oci/types.js';
import type { PushedImage } from './options.js';
import type { OutputSpec, RegistryOutput, TreeOutput } from './output/output.js';
import type { Progress } from './progress.js';
import type { ViewLayer } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';
import type { Store } from './store/store.js';
import { epochOf } from './times.js';

function isTree({ type }: OutputSpec): boolean {
  return type === 'local' || type === 'tar';
}

function isStore(output: OutputSpec): output is Extract<OutputSpec, { type: 'image' }> {
  return output.type === 'image';
}

/** Of a place in the file system. */
function isFile(output: OutputSpec): output is Exclude<OutputSpec, RegistryOutput | { type: 'image' }> {
  return output.type !== 'image' && output.type !== 'registry';
}

export function outputDemand(outputs: readonly OutputSpec[]): OutputDemand {
  return { image: !outputs.every(isTree), files: outputs.some(isTree) };
}

export interface OutputRequest {
  readonly outputs: readonly OutputSpec[];
  readonly store: Store;
  /** There when any output needs one. */
  readonly image: ImageOrIndex | undefined;
  /** Full names of the build. */
  readonly references: readonly string[];
  readonly trees: readonly FinishedTree[];
  /** The build is for several platforms. */
  readonly isIndex: boolean;
  readonly epochSeconds: number | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** There when any output is a registry. */
  readonly push: BuildPush | undefined;
}

/** A finished root file system, topmost layer first. */
export interface FinishedTree {
  readonly platform: Platform;
  readonly view: readonly ViewLayer[];
}

/**
 * Writes every output, unless the signal fires: an archive or layout that is under way is finished first. Names move last, when all else is in place:
 * the tags of registries, then those of the store.
 *
 * @returns what was pushed
 */
export async function writeOutputs(request: OutputRequest): Promise<readonly PushedImage[]> {
  const { outputs, image, push } = request;
  for (const output of outputs.filter(isFile)) await tell(request, () => writeOutput(output, request));
  let pushed: readonly PushedImage[] = [];
  if (push !== undefined && image !== undefined) {
    await tell(request, async () => {
      pushed = await push.finish(image);
      return `${nounOf(image)} to ${pushed.map(formatPushed).join(', ')}`;
    });
  }
  for (const output of outputs.filter(isStore)) await tell(request, () => writeOutput(output, request));
  return pushed;
}

async function tell({ signal, progress }: OutputRequest, write: () => Promise<string>): Promise<void> {
  signal.throwIfAborted();
  const startedMs = progress.elapsedMs();
  const what = await write();
  progress.emit({ type: 'output-written', what, durationMs: progress.elapsedMs() - startedMs });
}

/** `registry.example/app:1@sha256:…` */
function formatPushed({ reference, descriptor }: PushedImage): string {
  return `${familiarName(parseReference(reference))}@${descriptor.digest}`;
}

/** @returns what was written and where, for people */
async function writeOutput(output: Exclude<OutputSpec, RegistryOutput>, request: OutputRequest): Promise<string> {
  const { store, image } = request;
  if (output.type === 'local' || output.type === 'tar') return writeTrees(output, request);
  if (image === undefined) throw new Error(`output ${output.type} needs an image`);
  const names = [...request.references, ...output.names.map((name) => formatReference(parseReference(name)))];
  const noun = nounOf(image);
  switch (output.type) {
    case 'image':
      await store.tag(image.descriptor, names);
      return names.length === 0 ? `${noun} to the store, without a name` : `${noun} to the store as ${names.join(', ')}`;
    case 'docker':
      await (await import('./output/docker-archive.js')).writeDockerArchive({ store, image: onlyImage(image), spec: output, names });
      return `docker archive to ${toPlace(output.dest)}`;
    case 'oci':
      if (output.tar) await (await import('./output/oci-archive.js')).writeOciArchive({ store, image, spec: output, names });
      else await (await import('./output/oci-layout.js')).writeOciLayout({ store, image, spec: output, names });
      return `OCI ${output.tar ? 'archive' : 'layout'} to ${toPlace(output.dest)}`;
  }
}

function nounOf({ index }: ImageOrIndex): string {
  return index === undefined ? 'image' : 'index';
}

function onlyImage({ images: [image] }: ImageOrIndex): Image {
  if (image === undefined) throw new Error('an index without images');
  return image;
}

async function writeTrees(output: TreeOutput, { trees, isIndex, epochSeconds, progress, signal }: OutputRequest): Promise<string> {
  const isSplit = output.platformSplit ?? isIndex;
  const roots = trees.map(({ platform, view }) => ({ platform, root: openRootView(view) }));
  const time = epochOf(output, epochSeconds);
  const common = time === undefined ? {} : { timeSeconds: time };
  const what = trees.length === 1 ? 'root file system' : `root file systems of ${trees.length} platforms`;
  const { writeTreeFiles, writeTreeTar } = await import('./output/file-tree.js');
  if (output.type === 'tar') {
    await writeTreeTar({ trees: roots, isSplit, dest: output.dest, ...common });
    return `${what} to ${toPlace(output.dest)}`;
  }
  const { checkDisjoint, directoryOf } = await import('./output/split.js');
  if (!isSplit && roots.length > 1) checkDisjoint(roots);
  for (const { platform, root } of roots) {
    const dest = isSplit ? join(output.dest, directoryOf(platform)) : output.dest;
    const skipped = await writeTreeFiles({ root, dest, ...common, signal });
    if (skipped.length > 0) progress.warn(`left out of ${dest}: ${skipped.length} devices and FIFOs`);
  }
  return `${what} to ${output.dest}`;
}

function toPlace(dest: string): string {
  return dest === '-' ? 'standard output' : dest;
}
