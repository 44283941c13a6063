import { isAbsolute, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { mkdir } from './base/async-files.js';
import { parseBool } from './base/csv.js';
import { BuildError } from './base/errors.js';
import { toShownUrl } from './base/url.js';
import { findDockerfile, findInContext, readIgnoreText, type IgnoreText } from './context/context.js';
import type { CopySource } from './jobs.js';
import type { BuildOptions, ContextSpec, NamedContext } from './options.js';
import type { Progress } from './progress.js';
import type { BringRequest, BroughtContext } from './remote-contexts.js';
import type { Secrets } from './secrets.js';
import { openSshAgents } from './ssh.js';
import type { TempDir } from './store/temp.js';

export interface ContextsRequest {
  readonly options: BuildOptions;
  /** Asked for when something has to be brought here. */
  readonly tempDir: () => Promise<TempDir>;
  readonly secrets: Secrets;
  readonly signal: AbortSignal;
  /** Shows what is being brought here. */
  readonly progress?: Progress;
}

/** The Dockerfile of a build, and what it is built from. */
export interface MainContext {
  /** As messages name it. */
  readonly name: string;
  readonly bytes: Buffer;
  /** Where COPY reads. */
  readonly dir: string;
  /** Of a directory of the user's, what hides its files. Contexts from elsewhere have none. */
  readonly ignore?: IgnoreText;
  readonly isLocal: boolean;
}

/** Of one archive, as of one download: nobody means more. */
export const DEFAULT_MAX_BYTES = 64 * 2 ** 30;

/** A context that is a directory, or becomes one. */
export type DirectoryContext = Exclude<NamedContext, { kind: 'oci-layout' | 'image' }>;

export function isDirectoryContext(context: NamedContext): context is DirectoryContext {
  return context.kind === 'directory' || context.kind === 'http' || context.kind === 'git';
}

/**
 * The contexts of one build: directories as they are; those from elsewhere are brought into a temporary directory, each once and when it is first asked
 * for, and go when this is disposed.
 */
export class Contexts implements AsyncDisposable {
  readonly #request: ContextsRequest;
  readonly #brought = new Map<string, Promise<BroughtContext>>();
  #main: Promise<MainContext> | undefined;
  #temp: Promise<TempDir> | undefined;
  #count = 0;

  constructor(request: ContextsRequest) {
    this.#request = request;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#brought.values());
    const temp = await this.#temp?.catch(() => undefined);
    await temp?.[Symbol.asyncDispose]();
  }

  /** @throws BuildError `usage` when there is no Dockerfile or standard input is asked for twice; and as bringing the context does */
  main(): Promise<MainContext> {
    return (this.#main ??= this.#openMain());
  }

  /** What COPY reads: of the build's context or, by a name, one of `--build-context`, which has an ignore file of its own. */
  async sourceOf(name: string | undefined): Promise<CopySource> {
    if (name === undefined) {
      const { dir, ignore } = await this.main();
      return toSource(dir, ignore);
    }
    const context = this.#named(name);
    if (context.kind !== 'directory') return toSource((await this.#bring(context)).dir);
    const dir = resolve(context.path);
    return toSource(dir, readIgnoreText(dir, undefined));
  }

  /** What SOURCE_DATE_EPOCH means by it, in seconds since 1970; a directory of this machine has no time of its own. */
  async epochOf(name: string | undefined): Promise<number | undefined> {
    const context = name === undefined ? specOf(this.#request.options) : this.#request.options.buildContexts?.[name];
    if (context === undefined || context.kind === 'directory' || context.kind === 'oci-layout' || context.kind === 'image')
      return undefined;
    return (await this.#bring(context)).epoch();
  }

  #named(name: string): DirectoryContext {
    const context = this.#request.options.buildContexts?.[name];
    if (context === undefined || !isDirectoryContext(context)) throw new Error(`"${name}" is no directory of --build-context`);
    return context;
  }

  async #openMain(): Promise<MainContext> {
    const { options } = this.#request;
    const spec = specOf(options);
    const { file } = options;
    if (spec.kind === 'stdin' && file === '-') throw new BuildError('usage', "can't use stdin for both build context and dockerfile");
    if (spec.kind === 'directory') return this.#openDirectory(resolve(spec.path));
    const { dir, dockerfile } = await this.#bring(spec);
    const main = { dir, isLocal: false };
    const place = placeOf(spec);
    const isElsewhere = file !== undefined && (file === '-' || isUrl(file) || isAbsolute(file));
    const isOneTooMany = spec.kind === 'stdin' && dockerfile !== undefined;
    if (isElsewhere && !isOneTooMany) return { ...main, ...(await this.#readElsewhere(dir, file)) };
    if (dockerfile !== undefined && /^\s*<(?:!doctype|html)/i.test(dockerfile.toString('latin1', 0, 256))) {
      throw new BuildError('input', `${place} is a web page, neither an archive nor a Dockerfile`, {
        hint: 'the URL of a git repository ends in .git',
      });
    }
    if (dockerfile === undefined) return { ...main, ...findInContext(dir, { place, ...(file === undefined ? {} : { file }) }) };
    if (file !== undefined)
      throw new BuildError('usage', `ambiguous Dockerfile source: both ${place} and --file correspond to Dockerfiles`);
    return { ...main, name: spec.kind === 'http' ? toShownUrl(spec.url) : '<stdin>', bytes: dockerfile };
  }

  async #openDirectory(dir: string): Promise<MainContext> {
    const { file } = this.#request.options;
    const isElsewhere = file !== undefined && (file === '-' || isUrl(file));
    const found: Found = isElsewhere ? await this.#readElsewhere(dir, file) : findDockerfile(dir, file);
    const ignore = readIgnoreText(dir, found.path);
    return { name: found.name, bytes: found.bytes, dir, isLocal: true, ...(ignore === undefined ? {} : { ignore }) };
  }

  /** A Dockerfile from standard input, a URL or a path of this machine. */
  async #readElsewhere(dir: string, file: string): Promise<Found> {
    if (file !== '-' && !isUrl(file)) return findDockerfile(dir, file);
    const { bringDockerfile, readDockerfileStream } = await import('./remote-contexts.js');
    if (file === '-') return { name: '<stdin>', bytes: await readDockerfileStream(this.#stdin(), this.#request.signal) };
    return { name: toShownUrl(file), bytes: await bringDockerfile(file, await this.#newRequest()) };
  }

  #bring(spec: Exclude<ContextSpec, { kind: 'directory' }>): Promise<BroughtContext> {
    const key = JSON.stringify(spec);
    const brought = this.#brought.get(key) ?? this.#shown(spec, () => this.#bringNew(spec));
    this.#brought.set(key, brought);
    return brought;
  }

  #shown<T>(spec: Exclude<ContextSpec, { kind: 'directory' }>, bring: () => Promise<T>): Promise<T> {
    const { progress } = this.#request;
    const id = `context-${this.#brought.size}`;
    return progress === undefined
      ? bring()
      : progress.step({ id, stage: 'context', index: 1, total: 1, text: `load ${placeOf(spec)}` }, bring);
  }

  async #bringNew(spec: Exclude<ContextSpec, { kind: 'directory' }>): Promise<BroughtContext> {
    const { bringGit, bringStream, bringUrl } = await import('./remote-contexts.js');
    const request = await this.#newRequest();
    if (spec.kind === 'stdin') return bringStream(this.#stdin(), request);
    if (spec.kind === 'http') return bringUrl(spec.url, request);
    const { options } = this.#request;
    const keeps = spec.remote.keepGitDir === true || parseBool(options.buildArgs?.['BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? '') === true;
    await using agents = openSshAgents(options.ssh ?? [], request.dir);
    return await bringGit(spec.remote, { ...request, keepGitDir: keeps, sshSocket: await agents.socketOf('default') });
  }

  async #newRequest(): Promise<BringRequest> {
    const { options, tempDir, secrets, signal } = this.#request;
    const temp = await (this.#temp ??= tempDir());
    const dir = join(temp.path, `context-${this.#count++}`);
    await mkdir(dir);
    return { dir, secrets, maxBytes: options.maxArchiveBytes ?? DEFAULT_MAX_BYTES, signal };
  }

  #stdin(): Readable {
    return this.#request.options.stdin ?? process.stdin;
  }
}

/** A Dockerfile, and where it lies if it is a file of this machine. */
interface Found {
  readonly name: string;
  readonly bytes: Buffer;
  readonly path?: string;
}

function specOf({ context }: BuildOptions): ContextSpec {
  return typeof context === 'string' ? { kind: 'directory', path: context } : context;
}

function isUrl(file: string): boolean {
  return /^https?:\/\//.test(file);
}

function placeOf(spec: Exclude<ContextSpec, { kind: 'directory' }>): string {
  if (spec.kind === 'stdin') return 'standard input';
  return toShownUrl(spec.kind === 'http' ? spec.url : spec.remote.url);
}

function toSource(dir: string, ignore?: IgnoreText): CopySource {
  return { kind: 'context', dir, ...(ignore === undefined ? {} : { ignore }) };
}
