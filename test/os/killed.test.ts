import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';
import { runtimeSpecJson } from '../../src/execute/runtime-spec.js';
import { rootfsOf } from '../../src/os/chain.js';
import { findRuntime } from '../../src/os/runtime.js';
import { Sandbox, whyNoContainers } from '../execute/sandbox.js';

const reason = whyNoContainers('runc');
if (reason !== undefined) console.warn(`skipped: a killed build: ${reason}`);

/** The module under test as plain JavaScript, so that a process of its own can be killed. */
function bundleContainer(dir: string): string {
  const outfile = join(dir, 'container.mjs');
  const entry = fileURLToPath(new URL('../../src/os/container.ts', import.meta.url));
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  return outfile;
}

function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && pid !== String(process.pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
    } catch {
      return false;
    }
  });
}

test.skipIf(reason !== undefined)('kill -9 of the build leaves no process, no mount and no cgroup', async () => {
  const sandbox = new Sandbox();
  const bundleDir = sandbox.path('bundle');
  mkdirSync(bundleDir);
  symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(bundleDir, 'node_modules'));
  try {
    const base = sandbox.busybox({ 'dev/': '', 'proc/': '', 'sys/': '' });
    const marker = `98${Date.now()}`;
    const dirs = { dir: sandbox.path('temp'), upper: sandbox.path('upper'), work: sandbox.path('work') };
    for (const dir of Object.values(dirs)) mkdirSync(dir);
    const config = runtimeSpecJson({
      hostname: 'x',
      args: ['sh', '-c', `sleep ${marker} & echo up; sleep ${marker}`],
      env: ['PATH=/bin'],
      cwd: '/',
      user: { uid: 0, gid: 0, groups: [] },
      rootfs: rootfsOf(dirs.dir),
      network: 'host',
      files: [],
      mounts: [],
      shmSizeBytes: 1 << 20,
      ulimits: [],
      devices: ['null'].filter((name) => existsSync(`/dev/${name}`)),
    });
    const script = `
      import { prepareContainer } from ${JSON.stringify(bundleContainer(bundleDir))};
      const container = prepareContainer(${JSON.stringify({ dir: dirs.dir, runtime: findRuntime('runc') })});
      await container.run({
        ...${JSON.stringify({ upper: dirs.upper, work: dirs.work, lowers: [base.path], sources: [], config })},
        signal: new AbortController().signal, onLine: (line) => console.log(line),
      });`;
    writeFileSync(join(bundleDir, 'main.mjs'), script);
    const parent = spawn(process.execPath, [join(bundleDir, 'main.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    // The second one may just be starting.
    await expect.poll(() => processesWith(marker).length, { timeout: 5000 }).toBeGreaterThanOrEqual(2);
    parent.kill('SIGKILL');
    for (let tries = 0; tries < 100 && processesWith(marker).length > 0; tries++) await sleep(10);
    expect(processesWith(marker)).toEqual([]);
    expect(processesWith(dirs.dir)).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(sandbox.dir);
    expect(cgroupsNamed(`tsbuild-${parent.pid}-`)).toEqual([]);
  } finally {
    await sandbox.dispose();
  }
});

function cgroupsNamed(prefix: string): string[] {
  const top = '/sys/fs/cgroup';
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true, encoding: 'utf8' }).filter((path) => path.includes(prefix));
}
