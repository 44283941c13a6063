import { BuildError } from '../../base/errors.js';
import { imageForHost, readImageOrIndex } from '../../image/read.js';
import { formatBytes } from '../../base/format.js';
import { formatPlatform } from '../../oci/platform.js';
import { familiarRepository, parseReference } from '../../oci/reference.js';
import type { Store, StoredImage } from '../../store/store.js';
import type { CliContext } from '../context.js';
import { formatAge, formatTable } from '../table.js';
import { imageId, layerBytes, openStore, SHORT_ID_DIGITS } from './store-image.js';

export interface ImagesFlags {
  readonly root?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface ImageRow {
  readonly names: readonly string[];
  readonly id: string;
  readonly digest: string;
  /** `linux/amd64`; several of an index. */
  readonly platforms: readonly string[];
  readonly created: string | undefined;
  readonly sizeBytes: number;
}

/** `tsbuild images` */
export async function listImages(flags: ImagesFlags, context: CliContext): Promise<void> {
  const store = await openStore(flags.root);
  const rows: ImageRow[] = [];
  for (const stored of await store.images()) {
    const row = await toRow(store, stored, context);
    if (row !== undefined) rows.push(row);
  }
  context.stdout.write(flags.json === true ? `${JSON.stringify(rows, undefined, 2)}\n` : flags.quiet === true ? ids(rows) : table(rows));
}

/** `undefined` for an entry that cannot be read; a damaged one is told and does not hide the others. */
async function toRow(store: Store, stored: StoredImage, context: CliContext): Promise<ImageRow | undefined> {
  try {
    const image = await readImageOrIndex(store, stored.descriptor);
    return {
      names: stored.references,
      id: imageId(image),
      digest: stored.descriptor.digest,
      platforms: image.images.map(({ config }) => formatPlatform(config)),
      created: imageForHost(image).config.created,
      sizeBytes: layerBytes(image),
    };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    context.stderr.write(`WARNING: ${stored.references[0] ?? stored.descriptor.digest}: ${error.message}\n`);
    return undefined;
  }
}

function ids(rows: readonly ImageRow[]): string {
  return rows.map((row) => `${row.id.slice(0, SHORT_ID_DIGITS)}\n`).join('');
}

function table(rows: readonly ImageRow[]): string {
  const now = Date.now();
  const lines = rows.flatMap((row) => {
    const rest = [row.id.slice(0, SHORT_ID_DIGITS), formatAge(row.created, now), formatBytes(row.sizeBytes)];
    const names = row.names.map(parseReference).map((reference) => [familiarRepository(reference), reference.tag ?? '<none>']);
    return (names.length === 0 ? [['<none>', '<none>']] : names).map((name) => [...name, ...rest]);
  });
  return formatTable(['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'], lines);
}
