import { spawn } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, hexOf } from '../../src/oci/digest.js';
import { MediaType, type Descriptor, type Manifest } from '../../src/oci/types.js';
import { finished, type CliResult } from './cli.js';

/** buildah with a storage of its own: nothing of it is seen or left elsewhere. */
export class Buildah {
  readonly #dir: string;
  readonly #env: Readonly<Record<string, string>>;

  /** @param dir an empty directory of the caller's, who removes it */
  constructor(dir: string, driver: 'overlay' | 'vfs') {
    this.#dir = dir;
    const conf = join(dir, 'storage.conf');
    writeFileSync(conf, `[storage]\ndriver = "${driver}"\ngraphroot = "${dir}/graph"\nrunroot = "${dir}/run"\n`);
    const registries = join(dir, 'registries.conf');
    writeFileSync(registries, 'unqualified-search-registries = []\n');
    mkdirSync(join(dir, 'tmp'));
    this.#env = { CONTAINERS_STORAGE_CONF: conf, CONTAINERS_REGISTRIES_CONF: registries, TMPDIR: join(dir, 'tmp'), LC_ALL: 'C' };
  }

  /** The image `tag` of an OCI layout becomes `name` in the storage. */
  async load(layout: string, tag: string, name: string): Promise<void> {
    expectSuccess(await this.run('skopeo', ['copy', '-q', `oci:${layout}:${tag}`, `containers-storage:${name}`]));
  }

  /**
   * Builds, layer by layer, and in docker's format, which unlike OCI's has HEALTHCHECK, ONBUILD and SHELL.
   *
   * @param name in the storage, or `dir:PATH`
   */
  build(context: string, name: string, args: readonly string[] = []): Promise<CliResult> {
    const isolation = ['--isolation', 'oci', '--runtime', 'runc', '--network', 'host'];
    const image = ['--format', 'docker', '--layers', '--identity-label=false', '--pull-never', '-t', name];
    return this.run('buildah', ['bud', '-q', ...isolation, ...image, ...args, context]);
  }

  run(command: string, args: readonly string[]): Promise<CliResult> {
    // buildah leaves its storage mounted, and after a failure a container's root, too: with a mount namespace of its own, only while it runs.
    const child = spawn('unshare', ['--mount', command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.#dir,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.#dir, ...this.#env },
    });
    return finished(child);
  }
}

function expectSuccess({ status, stderr }: CliResult): void {
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
}

interface DockerManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const OCI_MEDIA_TYPES: Readonly<Record<string, string>> = {
  [MediaType.dockerConfig]: MediaType.ociConfig,
  [MediaType.dockerLayer]: MediaType.ociLayer,
  [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip,
};

/** An OCI layout, for umoci, of what buildah wrote as `dir:`. The config stays docker's, word for word: converting it would lose fields. */
export function dirToLayout(dir: string, layout: string, tag: string): void {
  const docker = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as DockerManifest;
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const adopt = (descriptor: Descriptor): Descriptor => {
    const hex = hexOf(descriptor.digest);
    try {
      linkSync(join(dir, hex), join(blobs, hex));
    } catch (error) {
      // Two layers can be one blob.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const mediaType = OCI_MEDIA_TYPES[descriptor.mediaType];
    if (mediaType === undefined) throw new Error(`${dir}: unknown media type ${descriptor.mediaType}`);
    return { ...descriptor, mediaType };
  };
  const manifest: Manifest = { schemaVersion: 2, config: adopt(docker.config), layers: docker.layers.map(adopt) };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  writeFileSync(join(blobs, hexOf(digest)), bytes);
  const annotations = { 'org.opencontainers.image.ref.name': tag };
  const descriptor: Descriptor = { mediaType: MediaType.ociManifest, digest, size: bytes.length, annotations };
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}
