import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor, ImageIndex, Manifest } from '../../src/oci/types.js';
import { Buildah } from '../helpers/buildah.js';
import { finished, startTsbuild, type CliResult } from '../helpers/cli.js';
import { unpackWithUmoci } from '../helpers/image-tools.js';
import { skopeo } from '../helpers/registry-clients.js';
import type { TestRegistry } from '../helpers/registry.js';

/** Runs tsbuild beside the test, whose servers go on answering, with a home in which nothing is. */
export function runTsbuild(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  return finished(
    startTsbuild(args, { env: { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent', ...env } }),
  );
}

/** The same, and it has to succeed. @returns its standard output */
export async function expectTsbuild(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string> {
  const { status, stdout, stderr } = await runTsbuild(args, env);
  if (status !== 0) throw new Error(`tsbuild ${args.join(' ')}: status ${status}\n${stderr}`);
  return stdout;
}

/** How to get at a registry: what the flags of each client are. */
export class Access {
  readonly registry: TestRegistry;
  readonly #creds: string | undefined;

  /** @param creds `user:password` */
  constructor(registry: TestRegistry, creds?: string) {
    this.registry = registry;
    this.#creds = creds;
  }

  /** For tsbuild. */
  get flags(): string[] {
    const { certDir } = this.registry;
    return [...(certDir === undefined ? [] : ['--cert-dir', certDir]), ...(this.#creds === undefined ? [] : ['--creds', this.#creds])];
  }

  /** For skopeo and buildah, whose flags have a prefix when there are two sides. */
  othersFlags(side: '' | 'src-' | 'dest-' = ''): string[] {
    const { certDir } = this.registry;
    const trust = certDir === undefined ? `--${side}tls-verify=false` : `--${side}cert-dir=${certDir}`;
    return [trust, ...(this.#creds === undefined ? [] : [`--${side}creds=${this.#creds}`])];
  }

  /** A file for `--authfile`, or config.json for DOCKER_CONFIG. */
  writeAuthFile(path: string): string {
    const auth = Buffer.from(this.#creds ?? '').toString('base64');
    writeFileSync(path, JSON.stringify({ auths: { [this.registry.host]: { auth } } }));
    return path;
  }

  /** skopeo brings an image of a layout to the registry. */
  async seed(layout: string, name: string): Promise<void> {
    await skopeo('copy', '-q', '--all', ...this.othersFlags('dest-'), `oci:${layout}`, `docker://${this.registry.host}/${name}`);
  }

  /** skopeo's reading: the document as the registry has it. */
  async raw(name: string): Promise<Manifest & ImageIndex & Pick<Descriptor, 'mediaType'>> {
    const text = await skopeo('inspect', '--raw', ...this.othersFlags(), `docker://${this.registry.host}/${name}`);
    return JSON.parse(text) as Manifest & ImageIndex & Pick<Descriptor, 'mediaType'>;
  }

  /** skopeo's and umoci's reading. @returns the root file system, in `dir`, which is made */
  async unpack(name: string, dir: string, platform: readonly string[] = []): Promise<string> {
    mkdirSync(dir, { recursive: true });
    const layout = join(dir, 'layout');
    await skopeo(...platform, 'copy', '-q', ...this.othersFlags('src-'), `docker://${this.registry.host}/${name}`, `oci:${layout}:1`);
    return unpackWithUmoci(layout, '1', join(dir, 'root'));
  }

  /** buildah's reading. @returns the text of files of the image, in their order */
  async readWithBuildah(name: string, dir: string, paths: readonly string[]): Promise<string[]> {
    mkdirSync(dir, { recursive: true });
    const buildah = new Buildah(dir, 'overlay');
    const script = `
      set -e
      buildah pull -q --policy always ${this.othersFlags().join(' ')} --signature-policy "$PWD/policy.json" "docker://$0" >&2
      container=$(buildah from --pull-never "$0")
      root=$(buildah mount "$container")
      for path in "$@"; do cat "$root/$path"; printf '\\0'; done`;
    writeFileSync(join(dir, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    const { status, stdout, stderr } = await buildah.run('sh', ['-c', script, `${this.registry.host}/${name}`, ...paths]);
    if (status !== 0) throw new Error(`buildah: status ${status}\n${stderr}`);
    return stdout.split('\0').slice(0, -1);
  }
}

/** Digest of the only image of a layout. */
export function layoutDigest(layout: string): string {
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as ImageIndex;
  return manifests[0]?.digest ?? '';
}
