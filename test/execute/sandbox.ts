import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SourceRange } from '../../src/base/source.js';
import { prepareStep, runStep, type RunRequest } from '../../src/execute/run.js';
import type { PreparedContainer } from '../../src/os/container.js';
import type { RunStep } from '../../src/plan/plan.js';
import type { LayerDir } from '../../src/snapshot/root-view.js';
import { openRootView } from '../../src/snapshot/view.js';

/** Why no container can run here; `undefined` when one can. */
export function whyNoContainers(runtime: string): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  if (!existsSync('/bin/busybox')) return 'needs /bin/busybox (Debian: busybox-static)';
  if (spawnSync(runtime, ['--version']).status !== 0) return `needs ${runtime}`;
  if (spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0) return 'needs the right to mount';
  return undefined;
}

const RANGE: SourceRange = { file: { name: 'Dockerfile', lines: [] }, startLine: 1, startColumn: 1, endLine: 1, endColumn: 1 };

const APPLETS = (
  'sh ls cat id env pwd mount umount unshare mknod head wc stat touch mkdir rm ln cp mv chmod chown grep sleep printf seq true false ulimit ' +
  'hostname readlink find df ip ifconfig od kill test yes tail tr dd echo sort su'
).split(' ');

type Tree = Readonly<Record<string, string | { readonly link: string | Buffer } | { readonly mode: number; readonly text?: string }>>;

/** Writes files (text), symlinks and directories (`name/`) below a directory. */
function writeTree(dir: string, tree: Tree): void {
  for (const [path, content] of Object.entries(tree)) {
    const target = join(dir, path);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof content === 'object' && 'link' in content) symlinkSync(content.link, target);
    else if (path.endsWith('/')) mkdirSync(target, { recursive: true });
    else writeFileSync(target, typeof content === 'string' ? content : (content.text ?? ''));
    if (typeof content === 'object' && 'mode' in content) chmodSync(target, content.mode);
  }
}

/** A directory with layers for containers, and everything their runs leave, removed by `dispose`. */
export class Sandbox {
  readonly #runtime: string;
  #dir: string | undefined;
  #count = 0;
  readonly #containers: PreparedContainer[] = [];

  constructor(runtime = 'runc') {
    this.#runtime = runtime;
  }

  /** Made when first asked for: the body of a skipped `describe` runs, its `afterAll` does not. */
  get dir(): string {
    this.#dir ??= mkdtempSync(join(tmpdir(), 'tsbuild-run-'));
    return this.#dir;
  }

  /** Those that never came to run, for steps that failed before. */
  async stopContainers(): Promise<void> {
    for (const container of this.#containers) await container[Symbol.asyncDispose]();
  }

  async dispose(): Promise<void> {
    await this.stopContainers();
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  layer(tree: Tree): LayerDir {
    const path = this.path(`layer-${this.#count++}`);
    mkdirSync(path);
    writeTree(path, tree);
    return { path };
  }

  /** A static busybox with links for its applets, and nothing else. */
  busybox(tree: Tree = {}): LayerDir {
    const layer = this.layer({ ...tree, 'bin/': '' });
    copyFileSync('/bin/busybox', join(layer.path, 'bin/busybox'));
    chmodSync(join(layer.path, 'bin/busybox'), 0o755);
    for (const name of APPLETS) if (!existsSync(join(layer.path, 'bin', name))) symlinkSync('busybox', join(layer.path, 'bin', name));
    return layer;
  }

  request(
    layers: readonly LayerDir[],
    step: Partial<RunStep>,
    { runtime = this.#runtime, ...rest }: Partial<RunRequest> & { readonly runtime?: string } = {},
  ): RunRequest {
    const run = this.path(`run-${this.#count++}`);
    const dirs = { upper: join(run, 'upper'), work: join(run, 'work') };
    const tempDir = join(run, 'temp');
    for (const dir of [...Object.values(dirs), tempDir]) mkdirSync(dir, { recursive: true });
    const container = prepareStep(tempDir, runtime);
    this.#containers.push(container);
    return {
      step: {
        kind: 'run',
        id: 's',
        index: 2,
        text: 'RUN',
        range: RANGE,
        history: {},
        args: ['true'],
        env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
        proxyEnv: [],
        cwd: '/',
        user: '',
        network: 'default',
        mounts: [],
        scripts: [],
        security: 'sandbox',
        hostname: 'buildkitsandbox',
        ...step,
      },
      layers,
      root: openRootView(layers),
      ...dirs,
      container,
      mounts: [],
      mountSources: [],
      addHosts: [],
      shmSizeBytes: 64 * 1024 * 1024,
      ulimits: [],
      readSecret: () => undefined,
      agentSocketOf: () => Promise.resolve(undefined),
      onLine: () => undefined,
      signal: new AbortController().signal,
      ...rest,
    };
  }

  /** Runs `sh -c script` and resolves to its lines and the upper directory. */
  async sh(layers: readonly LayerDir[], script: string, step: Partial<RunStep> = {}, rest: Partial<RunRequest> = {}): Promise<ShellRun> {
    const lines: string[] = [];
    const request = this.request(layers, { args: ['sh', '-c', script], ...step }, { onLine: (line) => lines.push(line), ...rest });
    await runStep(request);
    return { lines, upper: request.upper };
  }
}

export interface ShellRun {
  readonly lines: readonly string[];
  readonly upper: string;
}

/** Every path below a directory, sorted. */
export function listTree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).toSorted();
}
