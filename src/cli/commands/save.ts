import { BuildError } from '../../base/errors.js';
import { findImage } from '../../image/find.js';
import { imageForHost, readImageOrIndex } from '../../image/read.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import { checkOutput } from '../../output/check.js';
import { saveDockerArchive } from '../../output/docker-archive.js';
import { saveOciArchive, type NamedImage } from '../../output/oci-archive.js';
import { writeOciLayout } from '../../output/oci-layout.js';
import type { Store } from '../../store/store.js';
import type { CliContext } from '../context.js';
import { parseWord } from '../values.js';
import { openStore } from './store-image.js';

export interface SaveFlags {
  readonly root?: string;
  readonly output?: string;
  readonly format?: string;
}

const FORMATS = ['docker-archive', 'oci-archive', 'oci-dir'] as const;

/** `tsbuild save`; an archive of docker holds the one image of an index that is for this machine. */
export async function saveImages(names: readonly string[], flags: SaveFlags, context: CliContext): Promise<void> {
  const format = parseWord('--format', flags.format ?? 'docker-archive', FORMATS);
  const dest = flags.output ?? '-';
  if (format === 'oci-dir' && dest === '-') throw new BuildError('usage', '--format oci-dir needs --output DIRECTORY');
  checkOutput({ type: 'oci', dest, tar: format !== 'oci-dir', names: [], annotations: {} });
  const store = await openStore(flags.root);
  // Nothing may be collected as garbage while it is read.
  using _lease = store.lease();
  const images = await collect(store, names);
  switch (format) {
    case 'docker-archive':
      await saveDockerArchive(
        store,
        images.map((named) => ({ ...named, image: imageForHost(named.image) })),
        dest,
      );
      break;
    case 'oci-archive':
      await saveOciArchive(store, images, dest);
      break;
    case 'oci-dir':
      for (const { image, names: given } of images) {
        await writeOciLayout({ store, image, names: given, spec: { type: 'oci', dest, tar: false, names: [], annotations: {} } });
      }
  }
  if (dest !== '-') context.stderr.write(`saved ${images.length === 1 ? '1 image' : `${images.length} images`} to ${dest}\n`);
}

/** One entry for each image or index, with all of the given names that it has. */
async function collect(store: Store, names: readonly string[]): Promise<NamedImage[]> {
  const images = new Map<string, { image: NamedImage['image']; names: string[] }>();
  for (const name of names) {
    const found = await findImage(store, name);
    const image = await readImageOrIndex(store, found.descriptor);
    const entry = images.get(image.descriptor.digest) ?? { image, names: [] };
    images.set(image.descriptor.digest, entry);
    if (found.reference !== undefined) entry.names.push(formatReference(parseReference(found.reference)));
  }
  return [...images.values()];
}
