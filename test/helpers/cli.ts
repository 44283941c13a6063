import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The CLI as it ships: the bundle, started as a user starts it. */
export const TSBUILD = fileURLToPath(new URL('../../bin/tsbuild.js', import.meta.url));

/** Keeps tests from the network, which is not the same everywhere. */
const REGISTRIES_CONF = fileURLToPath(new URL('registries.conf', import.meta.url));

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** For `startTsbuild`: standard input, which is /dev/null otherwise. */
  readonly input?: string | Buffer;
  /** Another copy of the CLI. */
  readonly program?: string;
}

/** Environment of the tests without what would change the output. */
function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { NODE_EXTRA_CA_CERTS: _ca, SOURCE_DATE_EPOCH: _epoch, BUILDKIT_PROGRESS: _progress, ...env } = process.env;
  return { CONTAINERS_REGISTRIES_CONF: REGISTRIES_CONF, ...(env as Record<string, string>), ...extra };
}

export function tsbuild(args: readonly string[], options: CliOptions = {}): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [options.program ?? TSBUILD, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: options.timeoutMs ?? 120_000,
    env: cleanEnvironment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return { status, stdout, stderr };
}

/** The same, beside the test instead of in front of it. */
export function startTsbuild(args: readonly string[], options: CliOptions = {}): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [options.program ?? TSBUILD, ...args], {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: cleanEnvironment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  // It may end without having read everything.
  child.stdin?.on('error', () => undefined).end(options.input);
  return child;
}

/** @returns whether the process was still under way when its time was over */
export async function killAfter(child: ReturnType<typeof spawn>, delayMs: number): Promise<boolean> {
  child.stdout?.resume();
  child.stderr?.resume();
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs);
  const [, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return signal === 'SIGKILL';
}

/** What a process said, when it has ended. */
export async function finished(child: ReturnType<typeof spawn>): Promise<CliResult> {
  const said = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  return { status, ...said };
}

/** A file's text or bytes, a directory (`undefined`), or a symlink. */
export type FileSpec = string | Buffer | undefined | { readonly link: string } | { readonly text: string; readonly mode: number };

/** Writes a build context: paths to contents. */
export function writeFiles(dir: string, files: Readonly<Record<string, FileSpec>>): string {
  for (const [name, spec] of Object.entries(files)) {
    const path = join(dir, name);
    if (spec === undefined) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    if (typeof spec === 'string' || Buffer.isBuffer(spec)) writeFileSync(path, spec);
    else if ('link' in spec) symlinkSync(spec.link, path);
    else writeFileSync(path, spec.text, { mode: spec.mode });
  }
  return dir;
}

/** A directory that is gone when the scope ends. `parent` can be a file system in memory, for tests that would sync to disk again and again. */
export function scratchDir(prefix = 'tsbuild-test-', parent = tmpdir()): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, prefix));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Why a program is not to be had, for `skipIf` with a printed reason; `undefined` when it is there. */
export function missingProgram(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}
