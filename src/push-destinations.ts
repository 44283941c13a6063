import { BuildError } from './base/errors.js';
import { familiarName, formatReference, parseReference, type Reference } from './oci/reference.js';
import type { OutputSpec, RegistryOutput } from './output/output.js';
import type { RegistryOptions } from './registry/options.js';

/** A registry output and where it goes. */
export interface PushDestination {
  readonly output: RegistryOutput;
  /** Each once; without tags when the output is pushed by digest. */
  readonly targets: readonly [Reference, ...Reference[]];
}

/**
 * @param names of the build
 * @throws BuildError `usage` when there is no name to push under, before anything is built
 */
export function pushDestinations(outputs: readonly OutputSpec[], names: readonly string[]): readonly PushDestination[] {
  return outputs.flatMap((output) => {
    if (output.type !== 'registry') return [];
    const all = [...names, ...output.names].map((name) => toTarget(parseReference(name), output));
    const [first, ...others] = new Map(all.map((target) => [formatReference(target), target])).values();
    if (first !== undefined) return [{ output, targets: [first, ...others] }];
    throw new BuildError('usage', 'nothing says where to push to: the image has no name', {
      hint: 'give it one that begins with the registry: -t registry.example/app:1',
    });
  });
}

/** `registry.insecure=true` is as good as `--insecure-registry` with the host of each name. */
export function withInsecureHosts(options: RegistryOptions, destinations: readonly PushDestination[]): RegistryOptions {
  const hosts = destinations.flatMap(({ output, targets }) => (output.insecure === true ? targets.map(({ domain }) => domain) : []));
  return hosts.length === 0 ? options : { ...options, insecureRegistries: [...(options.insecureRegistries ?? []), ...hosts] };
}

function toTarget(reference: Reference, { byDigest }: RegistryOutput): Reference {
  const { domain, path, digest } = reference;
  if (digest !== undefined) {
    throw new BuildError('usage', `cannot push to ${JSON.stringify(familiarName(reference))}: a digest cannot be chosen`, {
      hint: 'leave out everything from "@" on',
    });
  }
  return byDigest === true ? { domain, path } : reference;
}
