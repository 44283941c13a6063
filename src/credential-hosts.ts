import { BuildError } from './base/errors.js';
import { parseReference } from './oci/reference.js';
import type { ImageLocation } from './oci/transports.js';
import type { BuildOptions } from './options.js';
import type { HostCredentials, RegistryOptions, UserPassword } from './registry/options.js';

/** `credentials` for these registries alone; without any of them for all, as they are. */
export function restrictCredentials(options: RegistryOptions, domains: readonly string[]): RegistryOptions {
  const { credentials, ...others } = options;
  if (credentials === undefined || domains.length === 0) return options;
  const restricted = [...new Set(domains)].map((host) => ({ host, ...credentials }));
  return { ...others, hostCredentials: [...(options.hostCredentials ?? []), ...restricted] };
}

/** The registries that a build would push to; none when its names are missing, which a check need not mind. */
export function pushedDomains({ outputs = [], tags = [] }: Pick<BuildOptions, 'outputs' | 'tags'>): readonly string[] {
  return outputs.flatMap((output) =>
    output.type === 'registry' ? [...tags, ...output.names].map((name) => parseReference(name).domain) : [],
  );
}

export interface CopyCredentials {
  readonly from: ImageLocation;
  readonly to: ImageLocation;
  readonly sourceCredentials?: UserPassword | undefined;
  readonly destinationCredentials?: UserPassword | undefined;
}

/**
 * The credentials of a copy, each for its own side: `credentials` are for the registry of the destination, or of the source when the destination is
 * in none. Within one registry there is one side.
 * @throws BuildError `usage` for credentials of a side that is in no registry, or a registry that is given two
 */
export function withCopyCredentials(options: RegistryOptions, copy: CopyCredentials): RegistryOptions {
  const [source, destination] = [domainOf(copy.from), domainOf(copy.to)];
  const main = destination ?? source;
  const { credentials, ...others } = options;
  const given = [
    ...sideOf('--dest-creds', destination, copy.destinationCredentials),
    ...sideOf('--src-creds', source, copy.sourceCredentials),
    ...(main === undefined ? [] : sideOf('--creds', main, credentials)),
  ];
  for (const [position, one] of given.entries()) {
    const other = given.slice(position + 1).find(({ host }) => host === one.host);
    if (other === undefined || (other.username === one.username && other.password === one.password)) continue;
    throw new BuildError('usage', `${other.source} and ${one.source} give two credentials for one registry, "${one.host}"`);
  }
  return { ...others, hostCredentials: [...(options.hostCredentials ?? []), ...given] };
}

function sideOf(source: string, host: string | undefined, credentials: UserPassword | undefined): readonly Required<HostCredentials>[] {
  if (credentials === undefined) return [];
  if (host !== undefined) return [{ host, ...credentials, source }];
  const side = source === '--src-creds' ? 'source' : 'destination';
  throw new BuildError('usage', `${source} is given, but the ${side} is in no registry`, { hint: 'one in a registry is docker://REF' });
}

function domainOf(location: ImageLocation): string | undefined {
  return location.kind === 'registry' ? location.reference.domain : undefined;
}
