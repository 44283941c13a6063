import { basename } from 'node:path';
import { BuildError } from '../base/errors.js';
import { findProgram, runProgram } from './process.js';

/** A program that runs OCI bundles. */
export interface Runtime {
  /** Absolute path. */
  readonly program: string;
  /** What options it takes. */
  readonly kind: 'runc' | 'crun' | 'other';
}

/** @throws BuildError `environment` when there is no such program */
export function findRuntime(name: string): Runtime {
  const program = findProgram(name);
  if (program === undefined) {
    throw new BuildError('environment', `OCI runtime "${name}" not found${name.includes('/') ? '' : ' on PATH'}`, {
      hint: 'RUN needs runc or crun; on Debian: apt-get install runc.',
    });
  }
  const base = basename(program);
  return { program, kind: base.startsWith('runc') ? 'runc' : base.startsWith('crun') ? 'crun' : 'other' };
}

/** `runc 1.1.5+ds1`: name and version as the runtime tells them; `undefined` when it does not. */
export async function runtimeVersion(runtime: Runtime): Promise<string | undefined> {
  // Nothing of the environment, in which there may be credentials, is its business.
  const { stdout } = await runProgram(runtime.program, ['--version'], { timeoutMs: 10_000, env: {}, isWholeEnv: true });
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
