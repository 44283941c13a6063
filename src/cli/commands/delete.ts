import { familiarName, parseReference } from '../../oci/reference.js';
import { BuildError } from '../../base/errors.js';
import type { CliContext } from '../context.js';
import { withTransfers, type TransportFlags } from './transport-call.js';

/** `tsbuild delete`; not of the store, where `rmi` does it. */
export async function deleteRemote(references: readonly string[], flags: TransportFlags, context: CliContext): Promise<void> {
  const local = references.find((reference) => !reference.startsWith('docker://'));
  if (local !== undefined) {
    throw new BuildError('usage', `"${local}" does not say that it is in a registry`, {
      hint: `write docker://${local}; tsbuild rmi removes images of the local store`,
    });
  }
  const transport = await context.transport();
  const deleted = await withTransfers({ flags }, context, (options) => transport.deleteImages({ ...options, references }));
  for (const { name, digest } of deleted) context.stdout.write(`deleted ${familiarName({ ...parseReference(name), digest })}\n`);
  if (flags.quiet !== true) context.stderr.write("The bytes stay until the registry's own garbage collection.\n");
}
