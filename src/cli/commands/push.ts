import type { CliContext } from '../context.js';
import { resultLine, toPlatforms, withTransfers, type TransportFlags } from './transport-call.js';

export interface PushFlags extends TransportFlags {
  readonly platform?: readonly string[];
  readonly allTags?: boolean;
}

export interface PushArguments {
  readonly source: string;
  readonly destination: string | undefined;
}

/** `tsbuild push` */
export async function pushImages({ source, destination }: PushArguments, flags: PushFlags, context: CliContext): Promise<void> {
  const transport = await context.transport();
  const wanted = {
    source,
    ...(destination === undefined ? {} : { destination }),
    ...toPlatforms(flags.platform),
    allTags: flags.allTags ?? false,
  };
  const pushed = await withTransfers({ title: `Pushing ${destination ?? source}`, flags }, context, (options) =>
    transport.push({ ...options, ...wanted }),
  );
  for (const image of pushed) context.stdout.write(resultLine('pushed', image, flags));
}
