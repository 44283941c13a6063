import { familiarName, parseReference } from '../../oci/reference.js';
import type { Platform } from '../../oci/types.js';
import type { MovedImage, TransportOptions } from '../../transport/options.js';
import type { CliContext } from '../context.js';
import { parseProgress } from '../flags.js';
import { startTransferProgress } from '../progress/progress.js';
import { toRegistryOptions, type RawRegistryFlags } from '../registry-flags.js';
import { redact } from '../redact.js';
import { parsePlatforms } from '../values.js';

/** Flags of all commands that talk to registries. */
export interface TransportFlags extends RawRegistryFlags {
  readonly root?: string;
  readonly progress?: string;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export interface TransportCall {
  /** At the head of a terminal's picture: `Pulling app:1`. A command that moves nothing has none, and no picture. */
  readonly title?: string;
  readonly flags: TransportFlags;
}

/** Runs a command with its progress on standard error, which is over before the result is written. */
export async function withTransfers<Result>(
  { title, flags }: TransportCall,
  context: CliContext,
  run: (options: TransportOptions) => Promise<Result>,
): Promise<Result> {
  const options = toTransportOptions(flags, context);
  const asked = parseProgress(flags);
  const mode = title === undefined && asked !== 'quiet' ? 'plain' : asked;
  const progress = startTransferProgress({ title: title ?? '', mode, stream: context.stderr, env: context.env });
  try {
    return await run({ ...options, onEvent: progress.sink });
  } finally {
    progress.stop();
  }
}

function toTransportOptions(flags: TransportFlags, context: CliContext): TransportOptions {
  const debug = (message: string): unknown => context.stderr.write(`debug: ${redact(message)}\n`);
  return {
    registry: toRegistryOptions(flags, context.env),
    signal: context.signal,
    ...(flags.root === undefined ? {} : { root: flags.root }),
    ...(flags.debug === true ? { onDebug: debug } : {}),
  };
}

/** `--platform`; the environment's DOCKER_DEFAULT_PLATFORM does not stand in for it where a command takes all platforms. */
export function toPlatforms(texts: readonly string[] | undefined): { readonly platforms?: readonly Platform[] } {
  return texts === undefined ? {} : { platforms: parsePlatforms(texts) };
}

/** `app:1@sha256:…`; for scripts the digest alone. */
export function resultLine(verb: string, { name, descriptor }: MovedImage, { quiet }: { readonly quiet?: boolean }): string {
  if (quiet === true) return `${descriptor.digest}\n`;
  return `${verb} ${familiarName({ ...parseReference(name), digest: descriptor.digest })}\n`;
}
