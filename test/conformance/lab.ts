import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, lutimesSync, mkdirSync, readdirSync, rmSync, statfsSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { toFsPath } from '../../src/base/bytes.js';
import { Buildah, dirToLayout } from '../helpers/buildah.js';
import { finished, missingProgram, startTsbuild, TSBUILD, writeFiles, type CliResult } from '../helpers/cli.js';
import { compareImages, type Difference } from '../helpers/differences.js';
import { imageFacts, type ImageFacts } from '../helpers/image-facts.js';
import { BASE, BASE_CONTEXT, BASE_DOCKERFILE, CONTEXT_SECONDS, type ConformanceCase } from './cases/case.js';

/** Why nothing can be built and compared here; `undefined` when it can. */
export function whyNoLab(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  if (spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0) return 'needs the right to mount';
  return missingProgram('buildah', 'skopeo', 'umoci', 'runc', 'busybox');
}

/** What one builder made of a case. */
export interface Outcome {
  /** `undefined` when the build failed. */
  readonly image: ImageFacts | undefined;
  /** What the builder said. */
  readonly said: string;
}

/** Of every layout that the lab makes. */
export const TAG = '1';

/** tsbuild and buildah side by side, each with a store of its own that has the same base image. */
export class Lab implements Disposable {
  /** In lower case: buildah makes the name of an image that it pulls from a layout of the path. */
  readonly dir = join(fastPlace(), `tsbuild-conformance-${randomUUID()}`);
  readonly buildah: Buildah;
  readonly #program = join(this.dir, 'program/bin/tsbuild.js');
  readonly #store = join(this.dir, 'store');
  /** Older than any file that a build makes, by more than the clock of the file system lags. */
  readonly #bornSeconds = Math.floor(Date.now() / 1000) - 1;
  #count = 0;

  private constructor() {
    const storage = join(this.dir, 'buildah');
    mkdirSync(storage, { recursive: true, mode: 0o700 });
    this.buildah = new Buildah(storage, canOverlay(this.dir) ? 'overlay' : 'vfs');
  }

  static async open(): Promise<Lab> {
    const lab = new Lab();
    try {
      await lab.#makeBase();
    } catch (error) {
      lab[Symbol.dispose]();
      throw error;
    }
    return lab;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  async #makeBase(): Promise<void> {
    copyProgram(join(this.dir, 'program'));
    const context = writeFiles(this.path(), { ...BASE_CONTEXT, Dockerfile: BASE_DOCKERFILE });
    execFileSync('sh', ['-c', 'cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" busybox'], { cwd: context });
    setTimes(context);
    const layout = this.path();
    expectSuccess(BASE, await this.#tsbuild(['-t', BASE, '-o', 'type=image', '-o', `type=oci,tar=false,dest=${layout}`, context]));
    await this.buildah.load(layout, TAG, BASE);
  }

  /** A fresh path. */
  path(): string {
    return join(this.dir, String(this.#count++));
  }

  /** Builds a case with both at the same time. */
  async build(request: ConformanceCase): Promise<{ readonly tsbuild: Outcome; readonly buildah: Outcome }> {
    const context = this.context(request);
    const [tsbuild, buildah] = await Promise.all([this.#withTsbuild(context, request), this.#withBuildah(context, request)]);
    rmSync(context, { recursive: true });
    return { tsbuild, buildah };
  }

  context({ context = {}, dockerfile, script, parents = {} }: ConformanceCase): string {
    const dir = this.path();
    mkdirSync(dir);
    writeFiles(dir, context);
    if (script !== undefined) execFileSync('sh', ['-e', '-c', script], { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
    writeFiles(dir, { Dockerfile: dockerfile });
    for (const [index, text] of Object.values(parents).entries()) writeFiles(dir, { [`Dockerfile.parent${index}`]: text });
    setTimes(dir);
    return dir;
  }

  /** tsbuild's image of a context, as an OCI layout whose only tag is `1`. */
  async buildLayout(context: string, { parents = {}, args = [] }: ConformanceCase): Promise<CliResult & { readonly layout: string }> {
    for (const [index, name] of Object.keys(parents).entries()) {
      expectSuccess(name, await this.#tsbuild(['-t', name, '-f', join(context, `Dockerfile.parent${index}`), context]));
    }
    const layout = this.path();
    const result = await this.#tsbuild([...args, '-t', `case:${TAG}`, '-o', `type=oci,tar=false,dest=${layout}`, context]);
    return { layout, ...result };
  }

  async #withTsbuild(context: string, request: ConformanceCase): Promise<Outcome> {
    const { status, stderr, layout } = await this.buildLayout(context, request);
    return { said: stderr, image: status === 0 ? this.#facts(layout) : undefined };
  }

  async #withBuildah(context: string, { parents = {}, args = [] }: ConformanceCase): Promise<Outcome> {
    for (const [index, name] of Object.keys(parents).entries()) {
      expectSuccess(name, await this.buildah.build(context, name, ['-f', join(context, `Dockerfile.parent${index}`)]));
    }
    const dir = this.path();
    const { status, stderr } = await this.buildah.build(context, `dir:${dir}`, args);
    if (status !== 0) return { said: stderr, image: undefined };
    const layout = this.path();
    dirToLayout(dir, layout, TAG);
    return { said: stderr, image: withBuildKitHistory(this.#facts(layout)) };
  }

  /** Of a layout that is not needed any more. */
  #facts(layout: string): ImageFacts {
    const facts = imageFacts(layout, TAG, { bundle: this.path(), bornSeconds: this.#bornSeconds });
    rmSync(layout, { recursive: true });
    return facts;
  }

  #tsbuild(args: readonly string[]): Promise<CliResult> {
    return finished(
      startTsbuild(['build', '--progress', 'plain', ...args], { program: this.#program, env: { TSBUILD_ROOT: this.#store } }),
    );
  }
}

/** The tests take minutes; a bundle that is built anew in the meantime is gone for a moment. */
function copyProgram(dir: string): void {
  const checkout = join(dirname(TSBUILD), '..');
  for (const name of ['bin', 'dist', 'package.json']) cpSync(join(checkout, name), join(dir, name), { recursive: true });
  symlinkSync(join(checkout, 'node_modules'), join(dir, 'node_modules'));
}

function expectSuccess(name: string, { status, stderr }: CliResult): void {
  if (status !== 0) throw new Error(`${name}: exit code ${status}: ${stderr}`);
}

/** `build` is a difference like any other: that one of them makes no image. */
export function compareOutcomes(tsbuild: Outcome, buildah: Outcome): Difference[] {
  if (tsbuild.image !== undefined && buildah.image !== undefined) {
    return compareImages(tsbuild.image, buildah.image).filter((difference) => !isHabit(difference));
  }
  const word = ({ image }: Outcome): string => (image === undefined ? 'failed' : 'done');
  return word(tsbuild) === word(buildah) ? [] : [{ where: 'build', tsbuild: word(tsbuild), buildah: word(buildah) }];
}

/** buildah mounts a file into `/run` for every RUN, and the stub that it removes again has left its trace. */
function isHabit({ where, buildah }: Difference): boolean {
  return where === '/run mtime' && buildah === 'new';
}

/**
 * Where buildah's history differs from BuildKit's always, it is made alike, so that count and flags can be compared in all cases: BuildKit has a layer
 * for every WORKDIR but that of `/`, and does not record ONBUILD.
 */
function withBuildKitHistory(image: ImageFacts): ImageFacts {
  const history = image.history
    .filter((entry) => entry !== 'ONBUILD (empty)')
    .map((entry) => (entry === 'WORKDIR (empty)' ? 'WORKDIR' : entry));
  return { ...image, history };
}

/** The context's own directory, too. */
function setTimes(dir: string): void {
  const names = readdirSync(dir, { recursive: true, encoding: 'latin1' });
  for (const name of [...names, '']) lutimesSync(toFsPath(`${dir}/${name}`), CONTEXT_SECONDS, CONTEXT_SECONDS);
}

const WANTED_BYTES = 2 ** 31;

/** Memory, where it is large enough and can do what a disk can: buildah waits for the disk most of its time. */
function fastPlace(): string {
  const memory = '/dev/shm';
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  const script = 'f=$(mktemp -p "$0") && setfattr -n user.probe -v 1 "$f"; s=$?; rm -f "$f"; exit $s';
  const hasXattrs = spawnSync('sh', ['-c', script, memory], { stdio: 'ignore' }).status === 0;
  return bavail * bsize >= WANTED_BYTES && hasXattrs ? memory : tmpdir();
}

function canOverlay(dir: string): boolean {
  const script =
    'cd "$0" && mkdir l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m; s=$?; umount m; rm -r l u w m; exit $s';
  return spawnSync('unshare', ['--mount', 'sh', '-c', script, dir], { stdio: 'ignore' }).status === 0;
}
