import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import { findProgram, runProgram } from '../../os/process.js';
import type { CliContext } from '../context.js';
import { tsbuildVersion } from '../version.js';

export interface VersionFlags {
  readonly json?: boolean;
  readonly runtime?: string;
}

/** `tsbuild version` */
export async function showVersion(flags: VersionFlags, context: CliContext): Promise<void> {
  const facts = {
    version: tsbuildVersion(),
    node: process.versions.node,
    platform: formatPlatform(hostPlatform()),
    runtime: await describeRuntime(flags.runtime ?? 'runc'),
  };
  if (flags.json === true) {
    context.stdout.write(`${JSON.stringify(facts, undefined, 2)}\n`);
    return;
  }
  const { runtime } = facts;
  const shown = 'version' in runtime ? `${runtime.name} ${runtime.version} (${runtime.path})` : `${runtime.name} not found`;
  context.stdout.write(`tsbuild ${facts.version}\nnode ${facts.node}\nplatform ${facts.platform}\nruntime ${shown}\n`);
}

type Runtime = { readonly name: string } | { readonly name: string; readonly path: string; readonly version: string };

async function describeRuntime(name: string): Promise<Runtime> {
  const path = findProgram(name);
  if (path === undefined) return { name };
  const { stdout } = await runProgram(path, ['--version'], { timeoutMs: 5000 });
  return { name, path, version: /version (\S+)/.exec(stdout)?.[1] ?? 'unknown' };
}
