import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scratchDir } from './cli.js';

const PROBE = { encoding: 'utf8', timeout: 60_000 } as const;
const ONE_DAY_MS = 24 * 60 * 60 * 1000;

/** Why packages cannot be fetched here; `undefined` when they can. */
export function missingMirror(): string | undefined {
  return failureOf('apt-get', aptUpdate()) ?? failureOf('npm', spawnSync('npm', ['view', 'express', 'version'], PROBE));
}

/** Fetches the package lists to a place of its own. */
function aptUpdate(): SpawnSyncReturns<string> {
  using scratch = scratchDir();
  const lists = join(scratch.path, 'lists');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  const places = [`Dir::State::Lists=${lists}`, `Dir::Cache=${scratch.path}`, 'APT::Sandbox::User=root'];
  const options = ['APT::Update::Error-Mode=any', ...places].flatMap((option) => ['-o', option]);
  return spawnSync('apt-get', ['-q', 'update', ...options], PROBE);
}

function failureOf(program: string, { status, stderr, error }: SpawnSyncReturns<string>): string | undefined {
  if (status === 0) return undefined;
  return `${program} reaches no mirror: ${error?.message ?? stderr.trim().split('\n').at(-1) ?? ''}`;
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
