import { BuildError } from '../../base/errors.js';
import { loadImages } from '../../image/load.js';
import { familiarName, formatReference, parseReference } from '../../oci/reference.js';
import type { CliContext } from '../context.js';
import { openStore } from './store-image.js';

export interface LoadFlags {
  readonly root?: string;
  readonly input?: string;
  readonly tag?: readonly string[];
}

/** `tsbuild load` */
export async function loadSource(source: string | undefined, flags: LoadFlags, context: CliContext): Promise<void> {
  const path = source ?? flags.input;
  if (path === undefined)
    throw new BuildError('usage', 'the archive or directory to load is missing', {
      hint: 'tsbuild load FILE, DIRECTORY or - (standard input)',
    });
  const names = (flags.tag ?? []).map((tag) => formatReference(parseReference(tag)));
  for (const image of await loadImages(await openStore(flags.root), path === '-' ? process.stdin : path, names)) {
    for (const name of image.names) context.stdout.write(`loaded ${familiarName(parseReference(name))}\n`);
    if (image.names.length === 0) context.stdout.write(`loaded ${image.descriptor.digest}\n`);
  }
}
