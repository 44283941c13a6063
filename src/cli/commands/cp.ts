import { parseLocation } from '../../oci/transports.js';
import type { CliContext } from '../context.js';
import { holdOptimizer } from '../hold-optimizer.js';
import { parseCreds } from '../registry-flags.js';
import { toPlatforms, withTransfers, type TransportFlags } from './transport-call.js';

export interface CpFlags extends TransportFlags {
  readonly platform?: readonly string[];
  readonly srcCreds?: string;
  readonly destCreds?: string;
}

export interface CpArguments {
  readonly source: string;
  readonly destination: string;
}

/** `tsbuild cp`; an archive on standard output is the only thing there. */
export async function copyImage(places: CpArguments, flags: CpFlags, context: CliContext): Promise<void> {
  const isBetweenRegistries = [places.source, places.destination].every((place) => place.startsWith('docker://'));
  using _calm = isBetweenRegistries ? holdOptimizer() : undefined;
  const transport = await context.transport();
  const wanted = {
    ...places,
    ...toPlatforms(flags.platform),
    ...(flags.srcCreds === undefined ? {} : { sourceCredentials: parseCreds('--src-creds', flags.srcCreds) }),
    ...(flags.destCreds === undefined ? {} : { destinationCredentials: parseCreds('--dest-creds', flags.destCreds) }),
  };
  const title = `Copying ${places.source} to ${places.destination}`;
  const { name, descriptor } = await withTransfers({ title, flags }, context, (options) => transport.copy({ ...options, ...wanted }));
  const to = parseLocation(places.destination);
  const line = flags.quiet === true ? descriptor.digest : `copied ${name.replace(/@sha256:.*$/, '')}@${descriptor.digest}`;
  if (!('path' in to) || to.path !== '-') context.stdout.write(`${line}\n`);
}
