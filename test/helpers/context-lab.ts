import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { finished, startTsbuild, writeFiles, type CliOptions, type CliResult, type FileSpec } from './cli.js';
import { COMMIT_SECONDS, gitBackend } from './git-server.js';
import { readTree } from './tree.js';
import { serve, type WebServer } from './web.js';
import { Workshop } from './workshop.js';

/** A workshop with a web server for contexts that lie elsewhere: files, dated like the commits, and git repositories. */
export class ContextLab implements AsyncDisposable {
  readonly shop = new Workshop();
  /** Paths that were asked for since the last build began. */
  requests: string[] = [];
  #server: WebServer | undefined;
  #count = 0;

  async start(): Promise<void> {
    mkdirSync(this.shop.at('served'), { recursive: true });
    const backend = gitBackend(this.shop.at('served'));
    this.#server = await serve((request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      const file = this.shop.at('served', path);
      if (path.includes('.git/')) backend(request, response);
      else if (!existsSync(file)) response.writeHead(404).end();
      else response.setHeader('last-modified', new Date(COMMIT_SECONDS * 1000).toUTCString()).end(readFileSync(file));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.shop[Symbol.dispose]();
  }

  get origin(): string {
    return this.#server?.origin ?? '';
  }

  /** Puts files onto the server. */
  publish(files: Readonly<Record<string, FileSpec>>): void {
    writeFiles(this.shop.at('served'), files);
  }

  /** The server is in this process, which must not wait for the build in a single call. */
  async tsbuild(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    this.requests = [];
    const result = await finished(startTsbuild(['--root', this.shop.store, '--progress', 'plain', ...args], options));
    const left = this.leftovers();
    if (left.length > 0) throw new Error(`temporary files are left: ${left.join(', ')}`);
    return result;
  }

  /** What builds left among the temporary files of the store. */
  leftovers(): string[] {
    const dir = this.shop.at('store/tmp');
    return existsSync(dir) ? readdirSync(dir).filter((name) => !name.endsWith('.lock')) : [];
  }

  /** Texts of the files that come out, by path. */
  async build(args: readonly string[], options: CliOptions = {}): Promise<Record<string, string>> {
    const dest = this.shop.at(`files-${this.#count++}`);
    const { status, stderr } = await this.tsbuild([...args, '-o', dest], options);
    if (status !== 0) throw new Error(stderr);
    const files = [...readTree(dest)].filter(([, node]) => node.type === 'file').map(([path]) => path);
    return Object.fromEntries(files.map((path) => [path, readFileSync(`${dest}/${path}`, 'utf8').trim()]));
  }

  /** An archive of some files. */
  tar(files: Readonly<Record<string, FileSpec>>, ...flags: readonly string[]): Buffer {
    return spawnSync('tar', ['-C', this.shop.context(files), ...flags, '-cf', '-', '.'], { maxBuffer: 1 << 26 }).stdout;
  }
}
