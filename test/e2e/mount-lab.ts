import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { tsbuild, type CliResult, type FileSpec, type startTsbuild } from '../helpers/cli.js';
import { readLayoutImage } from '../helpers/image-facts.js';
import { Workshop } from '../helpers/workshop.js';

const BASE_LINES = [
  'RUN mkdir -p /tmp /data/dir && echo image >/data/file && ln -s dir /data/link && ln -s /nowhere/deep /dangling && ln -s /data /alias',
  'RUN mkdir -p /etc && echo "app:x:1001:1002::/:/bin/sh" >/etc/passwd',
].join('\n');

type Files = Readonly<Record<string, FileSpec>>;

export interface Built extends CliResult {
  /** What the steps wrote, step by step. */
  readonly lines: readonly string[];
}

/** Builds on an image `base`, a busybox with some files in /data, for tests of what steps see. */
export class MountLab implements Disposable {
  readonly shop = new Workshop();
  #baseLayers = 0;
  #layouts = 0;

  /** Builds the base. */
  open(): void {
    const context = this.shop.busyboxContext(BASE_LINES);
    this.shop.run(['-t', 'base', context]);
    this.shop.run(['--oci-layout', `${this.shop.at('base')}:1`, context]);
    this.#baseLayers = readLayoutImage(this.shop.at('base')).manifest.layers.length;
  }

  [Symbol.dispose](): void {
    this.shop[Symbol.dispose]();
  }

  /** Arguments of a build of a whole Dockerfile. */
  args(dockerfile: string, files: Files = {}): string[] {
    return ['--root', this.shop.store, '--progress', 'plain', this.shop.context({ ...files, Dockerfile: `${dockerfile}\n` })];
  }

  /** The lines stand behind `FROM base`. */
  tryBuild(lines: string, files: Files = {}, flags: readonly string[] = []): Built {
    return toBuilt(tsbuild([...flags, ...this.args(`FROM base\n${lines}`, files)]));
  }

  build(lines: string, files: Files = {}, flags: readonly string[] = []): Built {
    return succeeded(this.tryBuild(lines, files, flags));
  }

  /** What the steps of a whole Dockerfile write. */
  linesOf(dockerfile: string, files: Files = {}, flags: readonly string[] = []): readonly string[] {
    return succeeded(toBuilt(tsbuild([...flags, ...this.args(dockerfile, files)]))).lines;
  }

  /** The members of every layer above those of the base. */
  layersOf(lines: string, files: Files = {}): string[][] {
    const layout = this.shop.at(`layout-${this.#layouts++}`);
    this.build(lines, files, ['--oci-layout', `${layout}:1`]);
    return readLayoutImage(layout)
      .manifest.layers.slice(this.#baseLayers)
      .map(({ digest }) => execFileSync('tar', ['-tf', join(layout, 'blobs', digest.replace(':', '/'))], { encoding: 'utf8' }))
      .map((text) => text.split('\n').filter((name) => name !== ''));
  }
}

function succeeded(built: Built): Built {
  if (built.status !== 0) throw new Error(`status ${built.status}\n${built.stderr}`);
  return built;
}

export function toBuilt(result: CliResult): Built {
  return { ...result, lines: result.stderr.split('\n').flatMap((line) => /^#\d+ \d+\.\d+ (.*)$/.exec(line)?.[1] ?? []) };
}

/** Resolves when a step of a build under way has written a line that begins so. */
export function saysLine(child: ReturnType<typeof startTsbuild>, beginning: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer | string) => {
      said += chunk.toString();
      if (said.split('\n').some((line) => /^#\d+ \d+\.\d+ (.*)$/.exec(line)?.[1]?.startsWith(beginning) === true)) resolve();
    });
    child.once('close', () => reject(new Error(`it never said "${beginning}":\n${said}`)));
  });
}
