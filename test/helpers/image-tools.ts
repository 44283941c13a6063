import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { ByteString } from '../../src/base/bytes.js';
import type { Descriptor, ImageConfig, ImageIndex, Manifest } from '../../src/oci/types.js';

/** Runs a program that has to succeed. @returns its standard output, one character a byte */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly input?: Buffer } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'latin1',
    maxBuffer: 1 << 30,
    env: { ...process.env, ...options.env },
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')}: ${error === undefined ? `status ${status}` : error.message}\n${stderr}`);
}

/** A Dockerfile's first lines for a root of one static program, with an applet for every common command. */
export const BUSYBOX_BASE = [
  'FROM scratch',
  'COPY --chmod=755 busybox /bin/busybox',
  'RUN ["/bin/busybox", "--install", "-s", "/bin"]',
  '',
].join('\n');

/** Puts what `BUSYBOX_BASE` copies into a build context. */
export function addBusybox(contextDir: string): void {
  copyFileSync(programPath('busybox'), join(contextDir, 'busybox'));
}

/** Puts programs of this machine, with the libraries that they load, into `<contextDir>/rootfs`, to be copied to `/`. */
export function addPrograms(contextDir: string, names: readonly string[]): void {
  for (const name of names) {
    const program = programPath(name);
    const libraries = run('ldd', [program]).match(/\/\S+/g) ?? [];
    for (const [from, to] of [[program, `/bin/${basename(program)}`] as const, ...libraries.map((path) => [path, path] as const)]) {
      const target = join(contextDir, 'rootfs', to);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(from, target);
      chmodSync(target, 0o755);
    }
  }
}

/** A program of this machine, one character a byte. */
export function programBytes(name: string): ByteString {
  return readFileSync(programPath(name), 'latin1');
}

function programPath(name: string): string {
  return run('sh', ['-c', 'PATH=$PATH:/usr/sbin:/sbin command -v "$0"', name]).trim();
}

export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', ...digest.split(':'));
}

function readBlob(layout: string, digest: string): unknown {
  return JSON.parse(readFileSync(blobPath(layout, digest), 'utf8'));
}

/** The only image of an OCI layout, or the one of a tag. */
export function readDescriptor(layout: string, tag?: string): Descriptor {
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as ImageIndex;
  const found = index.manifests.filter((entry) => tag === undefined || entry.annotations?.['org.opencontainers.image.ref.name'] === tag);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  throw new Error(`${layout} has ${found.length} manifests${tag === undefined ? '' : ` with the tag ${tag}`}`);
}

export function readManifest(layout: string, tag?: string): Manifest {
  return readBlob(layout, readDescriptor(layout, tag).digest) as Manifest;
}

export function readConfig(layout: string, tag?: string): ImageConfig {
  return readBlob(layout, readManifest(layout, tag).config.digest) as ImageConfig;
}

/** Names of a layer's members as GNU tar sees them, in order; directories end in a slash. */
export function listLayer(layout: string, digest: string): ByteString[] {
  return run('tar', ['--quoting-style=literal', '--show-transformed-names', '-tf', blobPath(layout, digest)], { env: { LC_ALL: 'C' } })
    .split('\n')
    .slice(0, -1);
}

/** umoci's reading of an image of an OCI layout: its root file system in a new directory. */
export function unpackWithUmoci(layout: string, tag: string, dir: string): string {
  run('umoci', ['raw', 'unpack', '--image', `${layout}:${tag}`, dir]);
  return dir;
}

/** buildah's reading of an image: a mount in the mount namespace of a child, with a storage of its own, so that nothing stays behind. */
export class BuildahMount {
  readonly #child: ChildProcess;
  readonly #dir: string;
  /** Reaches the mounted root from outside. */
  readonly path: string;

  private constructor(child: ChildProcess, dir: string, path: string) {
    this.#child = child;
    this.#dir = dir;
    this.path = path;
  }

  static async open(layout: string, tag: string): Promise<BuildahMount> {
    const dir = mkdtempSync(join(tmpdir(), 'tsbuild-test-buildah-'));
    const conf = join(dir, 'storage.conf');
    writeFileSync(conf, `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/graph"\nrunroot = "${dir}/run"\n`);
    const script =
      'skopeo copy -q "oci:$0" containers-storage:localhost/test:1 && c=$(buildah from --pull-never localhost/test:1) && buildah mount "$c" && read -r _; umount -R "$1/graph" 2> /dev/null';
    const child = spawn('unshare', ['-m', 'sh', '-c', script, `${layout}:${tag}`, dir], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, CONTAINERS_STORAGE_CONF: conf, TMPDIR: dir },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    if (line.done === true) {
      rmSync(dir, { recursive: true, force: true });
      throw new Error(`buildah could not read the image:\n${stderr}`);
    }
    return new BuildahMount(child, dir, `/proc/${child.pid}/root${line.value}`);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.end();
    await ended;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
