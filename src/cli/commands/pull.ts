import type { CliContext } from '../context.js';
import { resultLine, toPlatforms, withTransfers, type TransportFlags } from './transport-call.js';

export interface PullFlags extends TransportFlags {
  readonly platform?: readonly string[];
  readonly allPlatforms?: boolean;
  readonly extract?: boolean;
  readonly unpack?: boolean;
}

/** `tsbuild pull` */
export async function pullImages(references: readonly string[], flags: PullFlags, context: CliContext): Promise<void> {
  const transport = await context.transport();
  const byDefault = flags.allPlatforms === true ? '' : (context.env['DOCKER_DEFAULT_PLATFORM'] ?? '');
  const wanted = {
    references,
    ...toPlatforms(flags.platform ?? (byDefault === '' ? undefined : [byDefault])),
    allPlatforms: flags.allPlatforms ?? false,
    extract: flags.extract ?? flags.unpack ?? false,
  };
  const pulled = await withTransfers({ title: `Pulling ${references.join(', ')}`, flags }, context, (options) =>
    transport.pull({ ...options, ...wanted }),
  );
  for (const image of pulled) context.stdout.write(resultLine('pulled', image, flags));
}
