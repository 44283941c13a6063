import { readFileSync } from 'node:fs';
import { BuildError } from '../base/errors.js';
import { requireProgram } from './process.js';
import { findRuntime, type Runtime } from './runtime.js';

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
