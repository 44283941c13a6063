import { join } from 'node:path';
import { mkdir } from './base/async-files.js';
import { atRange } from './base/errors.js';
import type { FetchedSource } from './execute/copy-request.js';
import type { CopyStep, Plan, RemoteSource } from './plan/plan.js';
import type { Secrets } from './secrets.js';
import type { SshAgents } from './ssh.js';

/** At a time: they mostly wait, and a server should not feel all of a build's. */
const MAX_AT_ONCE = 4;

export interface FetchInputsRequest {
  /** Private to this build; gets a directory for each source. */
  readonly tempDir: string;
  readonly secrets: Secrets;
  readonly agents: SshAgents;
  readonly maxBytes: number;
  readonly warn: (message: string, step: CopyStep) => void;
  /** Ends the build: by the first source that is not to be had, or by somebody else. */
  readonly stop: AbortController;
}

/** Where a remote source was brought, and when it is from. */
export interface Fetched {
  readonly path: string;
  /** Last-Modified of a file, the commit's time of a repository. */
  readonly seconds?: number;
}

/**
 * What ADD takes from elsewhere. Everything is fetched from the beginning of the build on, each source once, so that a step finds it there and
 * a wrong checksum is known before an hour of other steps. Disposed when nothing is under way any longer.
 */
export class FetchInputs implements AsyncDisposable {
  readonly #request: FetchInputsRequest;
  readonly #started = new Map<string, Promise<Fetched>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(request: FetchInputsRequest) {
    this.#request = request;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#started.values());
  }

  /** Everything that the steps of a plan will ask for. */
  begin({ stages }: Plan): void {
    for (const step of stages.flatMap(({ steps }) => steps)) {
      if (step.kind !== 'copy') continue;
      for (const remote of step.remotes) {
        this.fetch(remote).catch((error: unknown) => this.#request.stop.abort(atRange(error, step.range)));
      }
    }
  }

  /** The sources of a step, in their order. */
  take(step: CopyStep): Promise<FetchedSource[]> {
    return Promise.all(step.remotes.map(async (remote) => this.#toSource(step, remote, await this.fetch(remote))));
  }

  /** @throws BuildError as `download` and `checkout` do */
  fetch(remote: RemoteSource): Promise<Fetched> {
    const key = JSON.stringify(remote);
    const fetched = this.#started.get(key) ?? this.#inTurn(() => this.#bring(remote, `fetched-${this.#started.size}`));
    this.#started.set(key, fetched);
    return fetched;
  }

  #toSource(step: CopyStep, remote: RemoteSource, { path, seconds = 0 }: Fetched): FetchedSource {
    if (remote.kind === 'git') return { kind: 'tree', dir: path };
    const name = nameOf(remote.url);
    if (name === undefined && step.dest.endsWith('/')) {
      this.#request.warn(`the URL names no file: it is called "${UNNAMED}", as BuildKit has it`, step);
    }
    return { kind: 'file', path, name: name ?? UNNAMED, mode: 0o600, mtimeSeconds: seconds, unpack: step.unpack === true };
  }

  async #inTurn(fetch: () => Promise<Fetched>): Promise<Fetched> {
    if (this.#running >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      this.#request.stop.signal.throwIfAborted();
      return await fetch();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #bring(remote: RemoteSource, name: string): Promise<Fetched> {
    const { tempDir, secrets, agents, maxBytes, stop } = this.#request;
    const path = join(tempDir, name);
    if (remote.kind === 'http') {
      const { download } = await import('./remote/http.js');
      const checksum = remote.checksum === undefined ? {} : { checksum: remote.checksum };
      const { lastModifiedSeconds } = await download(remote.url, { file: path, maxBytes, ...checksum, secrets, signal: stop.signal });
      return { path, ...(lastModifiedSeconds === undefined ? {} : { seconds: lastModifiedSeconds }) };
    }
    const { checkout } = await import('./remote/git.js');
    await mkdir(path);
    const sshSocket = await agents.socketOf('default');
    const made = await checkout(remote.remote, {
      dir: path,
      keepGitDir: remote.keepGitDir,
      secrets,
      ...(sshSocket === undefined ? {} : { sshSocket }),
      signal: stop.signal,
    });
    return { path: made.dir, seconds: made.commitSeconds };
  }
}

/** BuildKit's name for a file without one. */
const UNNAMED = '__unnamed__';

/** The last segment of the path, decoded; `undefined` when there is none that could be a name. */
function nameOf(url: string): string | undefined {
  const path = new URL(url).pathname.replace(/\/+$/, '');
  const name = decode(path).replace(/.*\//s, '');
  return ['', '.', '..'].includes(name) || name.includes('\0') ? undefined : name;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
