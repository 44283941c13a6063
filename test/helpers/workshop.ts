import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tsbuild, writeFiles, type CliOptions, type FileSpec } from './cli.js';
import { addBusybox, BUSYBOX_BASE } from './image-tools.js';

/** A directory with a store, and contexts to build from; gone with everything in it when the scope ends. */
export class Workshop implements Disposable {
  /** Made when it is first needed: a suite that is skipped makes its workshop too, and disposes of none. */
  readonly dir = join(tmpdir(), `tsbuild-workshop-${randomUUID()}`);
  #count = 0;

  /** Root of the store that builds use when they name no other. */
  get store(): string {
    return this.at('store');
  }

  at(...names: readonly string[]): string {
    return join(this.dir, ...names);
  }

  /** A new build context. */
  context(files: Readonly<Record<string, FileSpec>>): string {
    const dir = this.at(`context-${this.#count++}`);
    mkdirSync(dir, { recursive: true });
    return writeFiles(dir, files);
  }

  /** A new build context whose Dockerfile stands on busybox: `lines` follow the base. */
  busyboxContext(lines: string, files: Readonly<Record<string, FileSpec>> = {}): string {
    const dir = this.context({ ...files, Dockerfile: `${BUSYBOX_BASE}${lines}\n` });
    addBusybox(dir);
    return dir;
  }

  /** A command that has to succeed. @returns its standard output */
  run(args: readonly string[], options: CliOptions = {}): string {
    const { status, stdout, stderr } = tsbuild(args, { ...options, env: { TSBUILD_ROOT: this.store, ...options.env } });
    if (status !== 0) throw new Error(`tsbuild ${args.join(' ')}: status ${status}\n${stderr}`);
    return stdout;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}
