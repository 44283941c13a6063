import { BuildError } from '../../base/errors.js';
import type { CliContext } from '../context.js';
import { resultLine, withTransfers, type TransportFlags } from './transport-call.js';

export interface IndexCreateFlags extends TransportFlags {
  readonly tag?: readonly string[];
}

/** `tsbuild index create` */
export async function createIndex(images: readonly string[], flags: IndexCreateFlags, context: CliContext): Promise<void> {
  const targets = flags.tag ?? [];
  if (targets.length === 0) {
    throw new BuildError('usage', 'the name of the index is missing', { hint: `tsbuild index create -t REF ${images.join(' ')}` });
  }
  const transport = await context.transport();
  const title = `Creating index ${targets.join(', ')}`;
  const made = await withTransfers({ title, flags }, context, (options) => transport.createIndex({ ...options, targets, images }));
  for (const image of made) context.stdout.write(resultLine('created', image, flags));
}
