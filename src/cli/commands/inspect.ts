import { formatBytes } from '../../base/format.js';
import type { Image } from '../../image/image.js';
import type { HistoryEntry } from '../../oci/types.js';
import type { CliContext } from '../context.js';
import { formatAge, formatTable } from '../table.js';
import { openStore, readNamed, readNamedImage } from './store-image.js';

const SHOWN_CREATED_BY = 80;

export interface InspectFlags {
  readonly root?: string;
}

export interface HistoryFlags extends InspectFlags {
  readonly json?: boolean;
}

/** `tsbuild inspect`: an image by its three JSON documents, an index by its own and those of its images. */
export async function inspectImage(name: string, flags: InspectFlags, context: CliContext): Promise<void> {
  const { descriptor, images, index } = await readNamed(await openStore(flags.root), name);
  const documents = images.map((image) => ({ descriptor: image.descriptor, manifest: image.manifest, config: image.config }));
  const shown = index === undefined ? { ...documents[0], descriptor } : { descriptor, index, images: documents };
  context.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
}

/** `tsbuild history`: the newest first */
export async function showHistory(name: string, flags: HistoryFlags, context: CliContext): Promise<void> {
  const rows = toHistory(await readNamedImage(await openStore(flags.root), name)).toReversed();
  if (flags.json === true) {
    context.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
    return;
  }
  const now = Date.now();
  const lines = rows.map((row) => [
    formatAge(row.created, now),
    shorten(row.created_by ?? ''),
    formatBytes(row.sizeBytes),
    row.comment ?? '',
  ]);
  context.stdout.write(formatTable(['CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], lines));
}

interface HistoryRow extends HistoryEntry {
  readonly sizeBytes: number;
  readonly digest?: string;
  readonly diffId?: string;
}

/** Layers belong to the entries that are not empty, in order; an image without history shows its layers all the same. */
function toHistory(image: Image): HistoryRow[] {
  const left = [...image.layers];
  const rows = (image.config.history ?? []).map((entry): HistoryRow => {
    const layer = entry.empty_layer === true ? undefined : left.shift();
    return layer === undefined ? { ...entry, sizeBytes: 0 } : { ...entry, ...layerFacts(layer) };
  });
  return [...rows, ...left.map(layerFacts)];
}

function layerFacts({ descriptor, diffId }: Image['layers'][number]): HistoryRow {
  return { sizeBytes: descriptor.size, digest: descriptor.digest, diffId };
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= SHOWN_CREATED_BY ? line : `${line.slice(0, SHOWN_CREATED_BY - 1)}…`;
}
