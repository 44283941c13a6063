import { mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { parseGitRemote } from '../../src/base/git-url.js';
import { checkout, type Checkout, type CheckoutRequest } from '../../src/remote/git.js';
import { scratchDir } from '../helpers/cli.js';
import { commit, git, gitBackend, makeRepository } from '../helpers/git-server.js';
import { makeAuthority, serve, type Authority, type WebServer } from '../helpers/web.js';

export interface FetchOptions extends Partial<CheckoutRequest> {
  /** Secrets by name. */
  readonly given?: Readonly<Record<string, string>>;
}

/**
 * A web server with repositories: app.git (branches main and side/branch, tags v1 and v1-annotated), lib.git, and parent.git, which has lib.git as
 * a submodule. Below /private they want an authorization, below /old they speak the first version of the protocol.
 */
export class GitLab implements AsyncDisposable {
  #place: ReturnType<typeof scratchDir> | undefined;
  readonly commits = { first: '', middle: '', second: '', side: '' };
  /** Since the last `fetch` began. */
  requests: IncomingMessage[] = [];
  #server: WebServer | undefined;
  #secure: WebServer | undefined;
  #authority: Authority | undefined;
  #count = 0;

  at(...names: readonly string[]): string {
    return join(started(this.#place).path, ...names);
  }

  async start(): Promise<void> {
    this.#place = scratchDir();
    mkdirSync(this.at('served'));
    this.#makeRepositories();
    const backend = gitBackend(this.at('served'));
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response, backend);
    this.#server = await serve(answer);
    this.#authority = makeAuthority(this.at());
    this.#secure = await serve(answer, this.#authority);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.#server, this.#secure]) await each?.[Symbol.asyncDispose]();
    this.#place?.[Symbol.dispose]();
  }

  get server(): WebServer {
    return started(this.#server);
  }

  /** By https, with a certificate of `authority`. */
  get secure(): WebServer {
    return started(this.#secure);
  }

  get authority(): Authority {
    return started(this.#authority);
  }

  app(suffix = ''): string {
    return `${this.server.origin}/app.git${suffix}`;
  }

  fetch(url: string, { given = {}, ...options }: FetchOptions = {}): Promise<Checkout> {
    this.requests = [];
    const remote = parseGitRemote(url, 'add');
    if (remote === undefined) throw new Error('no git repository');
    const dir = this.at(`checkout-${this.#count++}`);
    mkdirSync(dir);
    const secrets = { read: (id: string) => (given[id] === undefined ? undefined : Buffer.from(given[id])) };
    const env = { PATH: process.env['PATH'] };
    return checkout(remote, { dir, keepGitDir: false, secrets, signal: new AbortController().signal, env, ...options });
  }

  #makeRepositories(): void {
    const repo = makeRepository(this.at('served/app.git'), {
      'file.txt': 'first\n',
      'run.sh': { text: '#!/bin/sh\n', mode: 0o755 },
      'sub/inner.txt': 'inner\n',
      link: { link: 'sub' },
      escape: { link: '/etc' },
    });
    this.commits.first = git(repo, 'rev-parse', 'HEAD');
    git(repo, 'tag', 'v1');
    git(repo, 'tag', '-a', '-m', 'annotated', 'v1-annotated');
    git(repo, 'checkout', '--quiet', '-b', 'side/branch');
    this.commits.side = commit(repo, { 'file.txt': 'side\n' });
    git(repo, 'checkout', '--quiet', 'main');
    this.commits.middle = commit(repo, { 'file.txt': 'middle\n' });
    this.commits.second = commit(repo, { 'file.txt': 'second\n' });
    makeRepository(this.at('served/lib.git'), { 'lib.txt': 'lib\n' });
    const parent = makeRepository(this.at('served/parent.git'), { 'top.txt': 'top\n' });
    git(parent, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', '-b', 'main', '../lib.git', 'deps/lib');
    commit(parent);
  }

  #answer(request: IncomingMessage, response: ServerResponse, backend: ReturnType<typeof gitBackend>): void {
    this.requests.push(request);
    const [, special, path] = /^\/(private|old)(\/.*)$/.exec(request.url ?? '') ?? [];
    if (special === 'private' && request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return;
    }
    // Without this header only the tips of branches and tags can be asked for.
    if (special === 'old') delete request.headers['git-protocol'];
    request.url = path ?? request.url ?? '';
    backend(request, response);
  }
}

function started<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error('not started');
  return thing;
}

export function textOf({ dir }: Pick<Checkout, 'dir'>, name = 'file.txt'): string {
  return readFileSync(join(dir, name), 'utf8').trim();
}
