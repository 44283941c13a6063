import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { finished, scratchDir, startTsbuild, writeFiles, type CliResult, type FileSpec } from '../helpers/cli.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { writeRawLayout, type RawLayout } from '../helpers/raw-layout.js';
import { startRegistry, type TestRegistry } from '../helpers/registry.js';
import { skopeo } from '../helpers/registry-clients.js';

/** A registry that images are built from, a proxy before it that counts, and stores to build in. */
export class PullLab implements AsyncDisposable {
  readonly registry: TestRegistry;
  /** In front of the registry, without faults. */
  readonly proxy: FaultProxy;
  readonly #scratch: ReturnType<typeof scratchDir>;
  #places = 0;

  private constructor(registry: TestRegistry, proxy: FaultProxy) {
    this.registry = registry;
    this.proxy = proxy;
    this.#scratch = scratchDir('tsbuild-pull-');
  }

  static async start(): Promise<PullLab> {
    const registry = await startRegistry({ deleteEnabled: true });
    return new PullLab(registry, await startFaultProxy({ target: registry.host, seed: 1 }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.registry[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }

  /** A path that nothing has. */
  place(): string {
    return join(this.#scratch.path, String(++this.#places));
  }

  /** skopeo brings an image there. @returns its name, as it is asked for through the proxy */
  async seed(name: string, raw: RawLayout): Promise<string> {
    return this.seedLayout(name, writeRawLayout(this.place(), raw));
  }

  async seedLayout(name: string, layout: string): Promise<string> {
    await skopeo('copy', '-q', '--all', '--dest-tls-verify=false', `oci:${layout}`, `docker://${this.registry.host}/${name}`);
    this.proxy.forget();
    return `${this.proxy.host}/${name}`;
  }

  /** Builds beside the test, whose servers go on answering. */
  async build(store: string, files: Readonly<Record<string, FileSpec>>, ...flags: string[]): Promise<CliResult> {
    const context = writeFiles(this.place(), files);
    return this.tsbuild('build', '--root', store, '--progress', 'plain', '--retry', '1', '--retry-delay', '100ms', ...flags, context);
  }

  /** The same, and it has to succeed. @returns what it said */
  async expectBuild(store: string, files: Readonly<Record<string, FileSpec>>, ...flags: string[]): Promise<string> {
    const { status, stderr } = await this.build(store, files, ...flags);
    if (status !== 0) throw new Error(`status ${status}\n${stderr}`);
    return stderr;
  }

  tsbuild(...args: string[]): Promise<CliResult> {
    const env = { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
    return finished(startTsbuild(args, { env }));
  }

  /** The names that a store has. */
  async names(store: string): Promise<string[]> {
    const { stdout } = await this.tsbuild('images', '--root', store, '--json');
    return (JSON.parse(stdout) as { readonly names?: string[] }[]).flatMap(({ names = [] }) => names).toSorted();
  }
}

export interface StoreContent {
  readonly blobs: string[];
  readonly layers: number;
  readonly indexes: number;
  readonly indexNames: string[];
  readonly temporary: string[];
}

/** What a store holds: blobs, layer directories and indexes of layers, and whatever should not be there. */
export function contentOf(store: string): StoreContent {
  const list = (dir: string): string[] => {
    try {
      return readdirSync(join(store, dir));
    } catch {
      return [];
    }
  };
  const layers = list('layers');
  const blobs = list('blobs/sha256');
  const indexNames = layers.filter((name) => name.endsWith('.index'));
  return {
    blobs: blobs.filter((name) => /^[0-9a-f]{64}$/.test(name)),
    layers: layers.filter((name) => /^[0-9a-f]{64}$/.test(name)).length,
    indexes: indexNames.length,
    indexNames,
    temporary: [...list('tmp'), ...blobs, ...layers].filter((name) => !/^[0-9a-f]{64}(?:\.json|\.index)?$/.test(name)),
  };
}
