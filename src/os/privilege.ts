import { readFileSync } from 'node:fs';
import { BuildError } from '../base/errors.js';
import { findRuntime, type Runtime } from './container.js';
import { requireProgram, runProgram } from './process.js';

/** `CAP_SYS_ADMIN` of capabilities(7). */
const SYS_ADMIN_BIT = 21n;

/**
 * Whether this machine lets RUN steps run; takes less than a millisecond. Told before any step begins.
 * @throws BuildError `environment` when a program is missing, `privilege` when mounting is not allowed
 */
export function checkRunAbility(runtimeName: string): Runtime {
  if (process.platform !== 'linux') {
    throw new BuildError('environment', `RUN needs Linux, this is ${process.platform}`, {
      hint: 'Dockerfiles without RUN build on any system.',
    });
  }
  const runtime = findRuntime(runtimeName);
  for (const program of ['setpriv', 'unshare', 'mount']) requireProgram(program, program === 'mount' ? 'mount' : 'util-linux');
  requireMountPrivilege(process.geteuid?.() ?? 0, readFileSync('/proc/self/status', 'utf8'));
  return runtime;
}

/**
 * @param status text of /proc/self/status
 * @throws BuildError `privilege`
 */
export function requireMountPrivilege(euid: number, status: string): void {
  if (euid !== 0) {
    throw new BuildError('privilege', `RUN needs root: it mounts layers and starts containers, and this is user ${euid}`, {
      hint: 'Run tsbuild with sudo. Dockerfiles without RUN build without root.',
    });
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  if (((effective >> SYS_ADMIN_BIT) & 1n) === 0n) {
    throw new BuildError('privilege', 'RUN needs the capability CAP_SYS_ADMIN to mount layers, and this root has not got it', {
      hint: 'Inside a container, start that container with --privileged.',
    });
  }
}

/** `runc 1.1.5+ds1`: name and version as the runtime tells them; `undefined` when it does not. */
export async function runtimeVersion(runtime: Runtime): Promise<string | undefined> {
  const { stdout } = await runProgram(runtime.program, ['--version'], { timeoutMs: 10_000 });
  const [, name, version] = /^(\w+) version (\S+)/.exec(stdout) ?? [];
  return name === undefined || version === undefined ? undefined : `${name} ${version}`;
}

/** First fixed release of each line of runc for CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881. */
const FIXED_RUNC = [
  [1, 2, 8],
  [1, 3, 3],
] as const;

/** What to tell about a version as `runtimeVersion` returns it; `undefined` when nothing is known against it. */
export function vulnerabilityWarning(version: string): string | undefined {
  const [, major, minor, patch] = /^runc (\d+)\.(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
  if (major === undefined || minor === undefined || patch === undefined || major > 1) return undefined;
  const fixed = FIXED_RUNC.find((line) => line[1] === minor);
  if (major === 1 && (fixed === undefined ? minor > 3 : patch >= fixed[2])) return undefined;
  return `${version} is older than the fixes for CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881; unless your distribution has added them, do not build Dockerfiles that you do not trust`;
}
