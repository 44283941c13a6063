import type { FetchedSource } from './execute/copy-request.js';
import type { LayerOptions } from './image/layer.js';
import { isSmallCopy, unpacksArchive, type CopyJob, type CopySource, type WrittenStep } from './jobs.js';
import type { CopyStep } from './plan/plan.js';
import type { JobPool } from './pool.js';
import { makeUpper } from './snapshot/apply.js';
import type { ViewLayer } from './snapshot/root-view.js';
import { openRootView } from './snapshot/view.js';

export interface StepDemand {
  /** Later steps need the files as a directory. */
  readonly onDisk: boolean;
  /** A later step looks into what this one leaves. */
  readonly wantsIndex: boolean;
}

/** What a step has left: a directory in the overlay format that is still to become a layer, or the layer itself. */
export type MadeStep =
  | { readonly kind: 'directory'; readonly dir: string }
  | { readonly kind: 'layer'; readonly written: WrittenStep; readonly layer: LayerOptions };

export interface CopyFilesRequest {
  readonly step: CopyStep;
  readonly demand: StepDemand;
  readonly source: CopySource;
  /** The files of the stage so far, topmost layer first. */
  readonly view: readonly ViewLayer[];
  readonly pool: JobPool;
  /** What `step.remotes` stand for, brought here. */
  readonly fetched?: readonly FetchedSource[];
  /** Of one archive, unpacked. */
  readonly maxArchiveBytes: number | undefined;
  readonly warn: (message: string) => void;
  readonly newDirectory: () => string;
  readonly layer: LayerOptions;
}

/** One COPY or ADD. */
export async function copyFiles(request: CopyFilesRequest): Promise<MadeStep> {
  const { demand, pool, layer } = request;
  const copy = toJob(request);
  const unpacks = await unpacksArchive(copy);
  // What an archive holds cannot be told from its size.
  const inline = !unpacks && isSmallCopy(copy);
  if (!demand.onDisk && !unpacks) {
    const written = await pool.run('copyToLayer', { copy, layer, wantsIndex: demand.wantsIndex }, { inline });
    for (const warning of written.warnings ?? []) request.warn(warning);
    return { kind: 'layer', written, layer };
  }
  const dir = request.newDirectory();
  makeUpper(dir, openRootView(request.view));
  const { warnings } = await pool.run('copyToDirectory', { copy, dir }, { inline });
  for (const warning of warnings) request.warn(warning);
  return { kind: 'directory', dir };
}

function toJob({ step, fetched = [], source, view, maxArchiveBytes }: CopyFilesRequest): CopyJob {
  const { op, sources, files, dest, chown, chmod, parents, exclude, unpack, link } = step;
  return {
    op,
    sources,
    fetched,
    files,
    dest,
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    parents,
    exclude,
    ...(unpack === undefined ? {} : { unpack }),
    nowSeconds: Math.floor(Date.now() / 1000),
    source,
    below: link ? [] : view,
    ...(maxArchiveBytes === undefined ? {} : { maxArchiveBytes }),
  };
}
