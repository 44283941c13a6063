import { spawnSync } from 'node:child_process';
import { renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './image-tools.js';

const ONE_DAY_MS = 24 * 60 * 60 * 1000;

/** Why packages cannot be fetched here; `undefined` when they can. */
export function missingMirror(): string | undefined {
  const indexes = run('apt-get', ['indextargets', '--format', '$(SITE)']).trim();
  if (indexes === '') return 'apt has no sources';
  const npm = spawnSync('npm', ['view', 'express', 'version'], { encoding: 'utf8', timeout: 60_000 });
  if (npm.status !== 0) return `npm reaches no registry: ${npm.stderr.trim().split('\n')[0] ?? ''}`;
  return undefined;
}

/** The root file system of a small Debian as a tar, made once a day and kept beside other temporary files. */
export function debianRootfs(): string {
  const path = join(tmpdir(), 'tsbuild-debian-rootfs.tar');
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && Date.now() - found.mtimeMs < ONE_DAY_MS) return path;
  const temporary = `${path}.${process.pid}.tar`;
  // Without standard input it asks for nothing and takes the mirror that it was built with.
  const made = spawnSync('mmdebstrap', ['--quiet', '--variant=minbase', 'bookworm', temporary], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (made.status !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(`mmdebstrap: ${made.stderr}`);
  }
  renameSync(temporary, path);
  return path;
}
