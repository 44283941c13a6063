import { spawn, spawnSync } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { writeFiles, type FileSpec } from './cli.js';

/** Second of the commits that `commit` makes. */
export const COMMIT_SECONDS = 1_500_000_000;

/** git(1) in a directory, without what the machine has configured. @returns its standard output, trimmed */
export function git(dir: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('git', ['-C', dir, ...args], {
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: '/nonexistent',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'C',
      GIT_COMMITTER_EMAIL: 'c@example.org',
      GIT_AUTHOR_DATE: `${COMMIT_SECONDS} +0000`,
      GIT_COMMITTER_DATE: `${COMMIT_SECONDS} +0000`,
    },
  });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** A repository on the branch main, with one commit. */
export function makeRepository(dir: string, files: Readonly<Record<string, FileSpec>>): string {
  writeFiles(dir, files);
  git(dir, 'init', '--quiet', '-b', 'main');
  // Smart servers hide what they are not asked to export.
  git(dir, 'config', 'http.receivepack', 'false');
  commit(dir);
  return dir;
}

/** Everything as it stands. @returns the name of the commit */
export function commit(dir: string, files: Readonly<Record<string, FileSpec>> = {}): string {
  writeFiles(dir, files);
  git(dir, 'add', '--all');
  git(dir, 'commit', '--quiet', '--allow-empty', '-m', 'a commit');
  return git(dir, 'rev-parse', 'HEAD');
}

/** Serves the repositories below a directory by git-http-backend(1), the program that web servers run. */
export function gitBackend(root: string): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method ?? 'GET',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    backend.stdin.on('error', () => undefined);
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.on('close', () => {
      const said = Buffer.concat(chunks);
      const end = said.indexOf('\r\n\r\n');
      for (const line of said.subarray(0, end).toString('latin1').split('\r\n')) {
        const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(line) ?? [];
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else if (name !== '') response.setHeader(name, value);
      }
      response.end(said.subarray(end + 4));
    });
  };
}
