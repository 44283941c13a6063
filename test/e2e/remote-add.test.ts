import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, startTsbuild, type CliResult } from '../helpers/cli.js';
import { commit, git, gitBackend, makeRepository } from '../helpers/git-server.js';
import { readConfig } from '../helpers/image-tools.js';
import { readTree, type Tree } from '../helpers/tree.js';
import { makeAuthority, serve, startProxy, type Authority, type RunningProxy, type WebServer } from '../helpers/web.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('git', 'openssl', 'tinyproxy');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/remote-add.test.ts: ${missing}\n`);

const TEXT = 'some text\n';
const DIGEST = `sha256:${createHash('sha256').update(TEXT).digest('hex')}`;
const MODIFIED_SECONDS = 1_234_567_890;
const TOKEN = 'very-secret-token-71';

describe.skipIf(missing !== undefined)('ADD', () => {
  const shop = new Workshop();
  let server: WebServer;
  let secure: WebServer;
  let authority: Authority;
  let proxy: RunningProxy;
  let requests: IncomingMessage[] = [];
  let archive: Buffer;
  let count = 0;
  let first = '';

  beforeAll(async () => {
    mkdirSync(shop.at('served'), { recursive: true });
    archive = spawnSync('tar', ['-C', shop.context({ 'in/file': { text: 'packed', mode: 0o640 } }), '-czf', '-', 'in']).stdout;
    const repo = makeRepository(shop.at('served/lib.git'), {
      'lib.c': 'first',
      'sub/x.sh': { text: '#!', mode: 0o755 },
      link: { link: 'lib.c' },
    });
    first = git(repo, 'rev-parse', 'HEAD');
    git(repo, 'tag', 'v1');
    commit(repo, { 'lib.c': 'second' });
    const backend = gitBackend(shop.at('served'));
    const listener: Parameters<typeof serve>[0] = (request, response) => {
      requests.push(request);
      const path = (request.url ?? '').replace(/\?.*/, '');
      if (path.startsWith('/private') && request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return;
      }
      request.url = request.url?.replace('/private', '') ?? '';
      if (path.includes('.git/')) return backend(request, response);
      if (path === '/archive.tgz') response.end(archive);
      else if (path === '/moved') response.writeHead(302, { location: '/file.txt' }).end();
      else if (path === '/none') response.writeHead(404).end();
      else if (path === '/undated') response.end(TEXT);
      else response.setHeader('last-modified', new Date(MODIFIED_SECONDS * 1000).toUTCString()).end(TEXT);
    };
    server = await serve(listener);
    authority = makeAuthority(shop.dir);
    secure = await serve(listener, authority);
    proxy = await startProxy(shop.dir);
  });
  afterAll(async () => {
    for (const each of [server, secure, proxy]) await each?.[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  async function tsbuild(lines: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<CliResult> {
    requests = [];
    const context = shop.context({ Dockerfile: `FROM scratch\n${lines}\n`, 'local.txt': 'local' });
    const result = await finished(startTsbuild(['--root', shop.store, '--progress', 'plain', ...args, context], { env }));
    expect(
      readdirSync(shop.at('store/tmp')).filter((name) => !name.endsWith('.lock')),
      'temporary files',
    ).toEqual([]);
    return result;
  }

  async function build(lines: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Tree> {
    const dest = shop.at(`out-${count++}`);
    const { status, stderr } = await tsbuild(lines, ['-o', dest, ...args], env);
    if (status !== 0) throw new Error(stderr);
    return readTree(dest);
  }

  /** What `build` leaves has the owner of who builds. */
  async function owners(lines: string): Promise<Record<string, string>> {
    const file = shop.at(`out-${count++}.tar`);
    const { status, stderr } = await tsbuild(lines, ['-o', `type=tar,dest=${file}`]);
    expect(status, stderr).toBe(0);
    const listed = spawnSync('tar', ['--numeric-owner', '-tvf', file], { encoding: 'utf8' }).stdout.trim().split('\n');
    return Object.fromEntries(listed.map((line) => line.split(/ +/)).map(([, owner = '', , , , name = '']) => [name, owner]));
  }

  const at = (path: string): string => `${server.origin}${path}`;

  describe('of a URL', () => {
    it('114: makes a file of mode 0600, called as in the URL and dated by the server', async () => {
      const tree = await build(`ADD ${at('/dir/file.txt?x=y')} /d/\nADD ${at('/undated')} /named`);
      expect(tree.get('d/file.txt')).toMatchObject({ type: 'file', mode: '0600', uid: 0, gid: 0, mtimeSeconds: MODIFIED_SECONDS });
      expect(tree.get('named')).toMatchObject({ mode: '0600', mtimeSeconds: 0 });
    });

    it('114: takes mode and owner from its flags', async () => {
      const tree = await build(`ADD --chmod=755 --chown=12:34 ${at('/file.txt')} /d/\nADD --chmod=a+r ${at('/file.txt')} /e/`);
      expect(tree.get('d/file.txt')).toMatchObject({ mode: '0755' });
      expect(tree.get('e/file.txt')).toMatchObject({ mode: '0644' });
      expect(await owners(`ADD --chmod=755 --chown=12:34 ${at('/file.txt')} /d/`)).toEqual({ 'd/': '12/34', 'd/file.txt': '12/34' });
    });

    it('114: names come decoded, and a URL without one gets one', async () => {
      const tree = await build(`ADD ${at('/a%20b%2Fc%20d.txt')} /\nADD ${at('/')} /u/\nADD ${at('/dir/')} /v/`);
      expect([...tree.keys()].filter((path) => tree.get(path)?.type === 'file')).toEqual(['c d.txt', 'u/__unnamed__', 'v/dir']);
      const { stderr } = await tsbuild(`ADD ${at('/')} /u/`);
      expect(stderr).toMatch(/WARN.*__unnamed__/);
    });

    it('114: follows redirects, and is beside files of the context', async () => {
      const tree = await build(`ADD local.txt ${at('/moved')} ${at('/archive.tgz')} /d/`);
      expect(namesOf(tree)).toEqual(['d', 'd/archive.tgz', 'd/local.txt', 'd/moved']);
    });

    it('114: unpacks when asked to', async () => {
      const tree = await build(`ADD --unpack=true ${at('/archive.tgz')} /d/\nADD --unpack ${at('/file.txt')} /e/`);
      expect(tree.get('d/in/file')).toMatchObject({ mode: '0640' });
      expect(tree.get('e/file.txt')).toMatchObject({ mode: '0600' });
    });

    it('115: verifies the checksum, which may come from a variable', async () => {
      expect((await build(`ADD --checksum=${DIGEST} ${at('/file.txt')} /d/`)).has('d/file.txt')).toBe(true);
      expect((await build(`ARG SUM=${DIGEST}\nARG URL=${at('/file.txt')}\nADD --checksum=$SUM $URL /d/`)).has('d/file.txt')).toBe(true);
    });

    it('115: a wrong one is an error with both, at its line', async () => {
      const wrong = `sha256:${'0'.repeat(64)}`;
      const { status, stderr } = await tsbuild(`ADD --checksum=${wrong} ${at('/file.txt')} /d/`);
      expect(status).toBe(1);
      expect(stderr).toContain(`Dockerfile:2:1: digest mismatch for ${at('/file.txt')}: ${DIGEST} (expected: ${wrong})`);
    });

    it('ends the build at once, whatever runs', async () => {
      const { status, stderr } = await tsbuild(`COPY local.txt /\nFROM scratch\nADD ${at('/none')} /d/`);
      expect(status).toBe(1);
      expect(stderr).toContain(`Dockerfile:4:1: cannot download ${at('/none')}: got status 404 Not Found`);
    });

    it('fetches a URL once, however many steps want it', async () => {
      await build(`ADD ${at('/file.txt')} /a\nADD ${at('/file.txt')} /b\nADD --chmod=700 ${at('/file.txt')} /c`);
      expect(requests).toHaveLength(1);
    });

    it('dates the image: SOURCE_DATE_EPOCH is the name of a stage', async () => {
      const layout = shop.at('dated');
      const { status, stderr } = await tsbuild(
        `ADD local.txt /\nFROM scratch AS source\nADD ${at('/file.txt')} /\nFROM scratch\nCOPY --from=source / /`,
        ['--build-arg', 'SOURCE_DATE_EPOCH=source', '--oci-layout', `${layout}:1`],
      );
      expect(status, stderr).toBe(0);
      expect(readConfig(layout, '1').created).toBe(new Date(MODIFIED_SECONDS * 1000).toISOString());
      expect(requests).toHaveLength(1);
    });

    it('by https, through a proxy, with a token of a secret', async () => {
      const url = `https://0.0.0.0:${secure.port}/private/file.txt`;
      const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, SSL_CERT_FILE: authority.ca, T: TOKEN };
      const layout = shop.at('secret');
      const args = ['--secret', 'id=HTTP_AUTH_TOKEN_0.0.0.0,env=T', '--oci-layout', `${layout}:1`];
      const { status, stderr } = await tsbuild(`ADD ${url} /d/`, args, env);
      expect(status, stderr).toBe(0);
      expect(requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${TOKEN}`]);
      expect(proxy.log()).toContain(`CONNECT 0.0.0.0:${secure.port}`);
      expect(stderr).not.toContain(TOKEN);
      expect([shop.store, layout].flatMap(filesWithToken)).toEqual([]);
      expect((await tsbuild(`ADD ${url} /d/`, [], env)).stderr).toMatch(
        /got status 401 Unauthorized[^]*hint: .*HTTP_AUTH_TOKEN_0\.0\.0\.0/,
      );
    });
  });

  describe('of a git repository', () => {
    it('copies its files', async () => {
      const tree = await build(`ADD ${at('/lib.git')} /src`);
      expect(namesOf(tree)).toEqual(['src', 'src/lib.c', 'src/link', 'src/sub', 'src/sub/x.sh']);
      expect(tree.get('src/sub/x.sh')).toMatchObject({ mode: '0755', uid: 0, gid: 0 });
      expect(tree.get('src/link')).toMatchObject({ type: 'symlink' });
    });

    it('takes a tag, a subdirectory, an owner and a mode', async () => {
      const lines = `ADD --chown=1:2 --chmod=u=rwX,go= ${at('/lib.git#v1:sub')} /src/`;
      const tree = await build(lines);
      expect(namesOf(tree)).toEqual(['src', 'src/x.sh']);
      expect(tree.get('src/x.sh')).toMatchObject({ mode: '0700' });
      expect(await owners(lines)).toEqual({ 'src/': '1/2', 'src/x.sh': '1/2' });
    });

    it('keeps .git when asked to', async () => {
      const dest = shop.at('with-git');
      expect((await tsbuild(`ADD --keep-git-dir ${at('/lib.git?tag=v1')} /src`, ['-o', dest])).status).toBe(0);
      expect(git(join(dest, 'src'), '-c', 'safe.directory=*', 'describe', '--tags')).toBe('v1');
    });

    it('115: verifies the commit', async () => {
      expect((await build(`ADD --checksum=${first} ${at('/lib.git#v1')} /src`)).has('src/lib.c')).toBe(true);
      const { status, stderr } = await tsbuild(`ADD --checksum=${first} ${at('/lib.git#main')} /src`);
      expect(status).toBe(1);
      expect(stderr).toMatch(/Dockerfile:2:1: .*expected checksum to match [0-9a-f]{40}, got [0-9a-f]{40}/);
    });

    it('takes a token from a secret, and leaves it nowhere', async () => {
      const layout = shop.at('secret-git');
      const args = ['--secret', 'id=GIT_AUTH_TOKEN,env=T', '--oci-layout', `${layout}:1`];
      const { status, stderr } = await tsbuild(`ADD --keep-git-dir ${at('/private/lib.git')} /src`, args, { T: TOKEN });
      expect(status, stderr).toBe(0);
      expect(requests.at(-1)?.headers.authorization).toBe(`Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString('base64')}`);
      expect(stderr).not.toContain(TOKEN);
      expect([shop.store, layout].flatMap(filesWithToken)).toEqual([]);
    });

    it('that needs one says so', async () => {
      const { status, stderr } = await tsbuild(`ADD ${at('/private/lib.git')} /src`);
      expect(status).toBe(1);
      expect(stderr).toMatch(/Dockerfile:2:1: cannot fetch .*private\/lib\.git: could not read Username[^]*GIT_AUTH_TOKEN/);
    });
  });
});

function namesOf(tree: Tree): string[] {
  return [...tree.keys()].filter((path) => path !== '');
}

/** Layers are compressed: none of them is large here. */
function filesWithToken(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const bytes = readFileSync(path);
      const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? spawnSync('gzip', ['-dc'], { input: bytes }).stdout : bytes;
      return plain.includes(TOKEN) || plain.includes(Buffer.from(`x-access-token:${TOKEN}`).toString('base64'));
    });
}
