import { BuildError } from '../../base/errors.js';
import { formatBytes } from '../../base/format.js';
import { findImage } from '../../image/find.js';
import type { Image } from '../../image/image.js';
import { chooseManifest, readImage, readImageOrIndex } from '../../image/read.js';
import type { HistoryEntry, Platform } from '../../oci/types.js';
import { MAX_MANIFEST_BYTES } from '../../oci/validate.js';
import type { CliContext } from '../context.js';
import { formatAge, formatTable } from '../table.js';
import { parsePlatforms } from '../values.js';
import { openStore, readNamedImage } from './store-image.js';
import { withTransfers, type TransportFlags } from './transport-call.js';

const SHOWN_CREATED_BY = 80;

export interface InspectFlags extends TransportFlags {
  readonly raw?: boolean;
  readonly platform?: readonly string[];
}

export interface HistoryFlags {
  readonly root?: string;
  readonly json?: boolean;
}

/** `tsbuild inspect`: an image by its three JSON documents, an index by its own and those of its images. */
export async function inspectImage(name: string, flags: InspectFlags, context: CliContext): Promise<void> {
  const platform = onePlatform(flags.platform);
  if (name.startsWith('docker://')) return inspectRemote({ name, platform }, flags, context);
  const store = await openStore(flags.root);
  const { descriptor } = await findImage(store, name);
  if (flags.raw === true) {
    const chosen = platform === undefined ? descriptor : await chooseManifest(store, descriptor, platform);
    context.stdout.write(await store.readBlob(chosen, MAX_MANIFEST_BYTES));
    return;
  }
  if (platform !== undefined) return show(documentsOf(await readImage(store, descriptor, platform)), context);
  const { images, index } = await readImageOrIndex(store, descriptor);
  const documents = images.map(documentsOf);
  show(index === undefined ? { ...documents[0], descriptor } : { descriptor, index, images: documents }, context);
}

/** The same of an image in a registry, no layer fetched; of an index its own document alone, since each of the others counts as a pull. */
async function inspectRemote({ name, platform }: RemoteImage, flags: InspectFlags, context: CliContext): Promise<void> {
  const transport = await context.transport();
  const wanted = { reference: name, ...(platform === undefined ? {} : { platform }) };
  const found = await withTransfers({ flags }, context, (options) => transport.inspectRemote({ ...options, ...wanted }));
  const { bytes, ...documents } = found;
  if (flags.raw === true) context.stdout.write(bytes);
  else show(documents, context);
}

interface RemoteImage {
  readonly name: string;
  readonly platform: Platform | undefined;
}

function onePlatform(texts: readonly string[] | undefined): Platform | undefined {
  const platforms = parsePlatforms(texts ?? []);
  if (platforms.length > 1) throw new BuildError('usage', 'one platform can be inspected at once');
  return platforms[0];
}

function documentsOf({ descriptor, manifest, config }: Image): object {
  return { descriptor, manifest, config };
}

function show(document: object, context: CliContext): void {
  context.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
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
