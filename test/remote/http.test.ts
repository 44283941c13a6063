import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, type Downloaded, type DownloadRequest } from '../../src/remote/http.js';
import { missingProgram, scratchDir } from '../helpers/cli.js';
import { freePort, makeAuthority, serve, startProxy, type Authority, type RunningProxy, type WebServer } from '../helpers/web.js';

const TEXT = 'the quick brown fox\n'.repeat(1000);
const MODIFIED = 'Thu, 01 Jan 2015 10:00:00 GMT';

const missing = missingProgram('openssl', 'tinyproxy');
if (missing !== undefined) process.stderr.write(`skipped: test/remote/http.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('download', () => {
  let place: ReturnType<typeof scratchDir>;
  let authority: Authority;
  let server: WebServer;
  let secure: WebServer;
  let proxy: RunningProxy;
  let requests: IncomingMessage[] = [];
  let count = 0;

  beforeAll(async () => {
    place = scratchDir();
    authority = makeAuthority(place.path);
    server = await serve((request, response) => answer(request, response));
    secure = await serve((request, response) => answer(request, response), authority);
    proxy = await startProxy(place.path, 'someone:password');
  });
  afterAll(async () => {
    for (const each of [server, secure, proxy]) await each?.[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  const routes: Readonly<Record<string, RequestListener>> = {
    '/file': (_, response) => response.setHeader('last-modified', MODIFIED).end(TEXT),
    '/empty': (_, response) => response.end(),
    '/gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(TEXT)),
    '/relative': (_, response) => response.writeHead(302, { location: 'file' }).end(),
    '/other-host': (_, response) => response.writeHead(307, { location: `http://localhost:${server.port}/file` }).end(),
    '/to-plain': (_, response) => response.writeHead(301, { location: `${server.origin}/file` }).end(),
    '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
    '/to-file': (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/private': (request, response) => response.writeHead(request.headers.authorization === undefined ? 401 : 200).end(TEXT),
    '/busy': (_, response) => response.writeHead(requests.length < 3 ? 503 : 200).end(TEXT),
    '/down': (_, response) => response.writeHead(500).end(),
    '/reset': (request, response) => (requests.length === 1 ? void request.socket.resetAndDestroy() : void response.end(TEXT)),
    '/short': (_, response) => {
      response.writeHead(200, { 'content-length': TEXT.length });
      if (requests.length > 1) response.end(TEXT);
      else response.write(TEXT.slice(0, 10), () => response.destroy());
    },
  };

  function answer(request: IncomingMessage, response: ServerResponse): void {
    requests.push(request);
    const path = (request.url ?? '').replace(/\?.*/, '');
    const route = routes[path];
    if (route === undefined) response.writeHead(404).end();
    else route(request, response);
  }

  /** The file that comes out, and what `download` tells of it. */
  async function fetch(
    url: string,
    options: Partial<DownloadRequest> & { readonly given?: Readonly<Record<string, string>> } = {},
  ): Promise<Downloaded & { readonly text: string; readonly file: string }> {
    requests = [];
    const file = join(place.path, `file-${count++}`);
    const { given = {}, ...rest } = options;
    const secrets = { read: (id: string) => (given[id] === undefined ? undefined : Buffer.from(given[id])) };
    const signal = new AbortController().signal;
    try {
      const got = await download(url, { file, maxBytes: 1 << 20, secrets, signal, env: {}, ...rest });
      return { ...got, text: readFileSync(file, 'utf8'), file };
    } catch (error) {
      expect(existsSync(file), 'a file is left').toBe(false);
      throw error;
    }
  }

  it('writes the body, for its owner alone, and tells digest, size and time', async () => {
    const { text, file, ...facts } = await fetch(`${server.origin}/file`);
    expect(text).toBe(TEXT);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(facts).toEqual({ digest: digestOf(TEXT), sizeBytes: TEXT.length, lastModifiedSeconds: 1420106400 });
    expect(await fetch(`${server.origin}/empty`)).toMatchObject({ text: '', sizeBytes: 0 });
    expect(await fetch(`${server.origin}/empty`)).not.toHaveProperty('lastModifiedSeconds');
  });

  it('decompresses what was compressed for the way', async () => {
    expect(await fetch(`${server.origin}/gzip`, { checksum: digestOf(TEXT) })).toMatchObject({ text: TEXT });
  });

  it('checks the digest, and says both', async () => {
    const wrong = `sha256:${'0'.repeat(64)}`;
    await expect(fetch(`${server.origin}/file?signature=x`, { checksum: wrong })).rejects.toMatchObject({
      kind: 'input',
      message: `digest mismatch for ${server.origin}/file?…: ${digestOf(TEXT)} (expected: ${wrong})`,
    });
  });

  it.each(['/relative', '/other-host'])('follows the redirect %s', async (path) => {
    expect(await fetch(server.origin + path)).toMatchObject({ text: TEXT, lastModifiedSeconds: 1420106400 });
  });

  it.each([
    ['/loop', /cannot download .*\/loop: stopped after 10 redirects/],
    ['/to-file', /redirected to "file:\/\/\/etc\/passwd", which is no http URL/],
    ['/none', /cannot download .*\/none: got status 404 Not Found/],
    ['/private', /got status 401 Unauthorized/],
    ['/down', /got status 500 Internal Server Error/],
  ])('%s is an error', async (path, message) => {
    await expect(fetch(server.origin + path)).rejects.toMatchObject({ kind: 'input', message: expect.stringMatching(message) as string });
  });

  it('says who does not answer', async () => {
    const port = await freePort();
    await expect(fetch(`http://user:secret@127.0.0.1:${port}/x`)).rejects.toThrow(
      `cannot download http://***@127.0.0.1:${port}/x: connection refused (ECONNREFUSED)`,
    );
    await expect(fetch('http://no-such-host.invalid/x')).rejects.toThrow(/no-such-host\.invalid\/x: the host is not known/);
  });

  it.each(['/busy', '/reset', '/short'])('tries again: %s', async (path) => {
    expect(await fetch(server.origin + path)).toMatchObject({ text: TEXT });
    expect(requests.length).toBeGreaterThan(1);
  });

  it('does not try again what will not change', async () => {
    await expect(fetch(`${server.origin}/none`)).rejects.toThrow('404');
    expect(requests).toHaveLength(1);
    await expect(fetch(`${server.origin}/down`)).rejects.toThrow('500');
    expect(requests).toHaveLength(3);
  });

  it('stops at the bound', async () => {
    await expect(fetch(`${server.origin}/file`, { maxBytes: 100 })).rejects.toThrow('is too large: want at most 100 B');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const silent = await serve(() => stop.abort());
    await expect(fetch(`${silent.origin}/x`, { signal: stop.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    await silent[Symbol.asyncDispose]();
  });

  describe('credentials', () => {
    const seen = (): (string | undefined)[] => requests.map(({ headers }) => headers.authorization);

    it.each([
      ['a token', { 'HTTP_AUTH_TOKEN_127.0.0.1': 'abc\n' }, 'Bearer abc'],
      ['a header', { 'HTTP_AUTH_HEADER_127.0.0.1': 'Basic xyz' }, 'Basic xyz'],
      ['one for another host', { HTTP_AUTH_TOKEN_localhost: 'abc' }, undefined],
    ])('%s', async (_, given, want) => {
      await fetch(`${server.origin}/private`, { given }).catch(() => undefined);
      expect(seen()).toEqual([want]);
    });

    it('of the URL', async () => {
      await fetch(`http://some%20one:s%40crect@127.0.0.1:${server.port}/private`);
      expect(seen()).toEqual([`Basic ${Buffer.from('some one:s@crect').toString('base64')}`]);
    });

    it('stay with their host', async () => {
      const given = { 'HTTP_AUTH_TOKEN_127.0.0.1': 'abc', HTTP_AUTH_TOKEN_localhost: 'def' };
      await fetch(`${server.origin}/other-host`, { given });
      expect(seen()).toEqual(['Bearer abc', undefined]);
    });

    it('are not sent unencrypted after a redirect', async () => {
      const given = { 'HTTP_AUTH_TOKEN_127.0.0.1': 'abc' };
      await fetch(`${secure.origin}/to-plain`, { given, env: { SSL_CERT_FILE: authority.ca } });
      expect(seen()).toEqual(['Bearer abc', undefined]);
    });
  });

  describe('https', () => {
    it.each(['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'])('trusts the authority in %s', async (name) => {
      expect(await fetch(`${secure.origin}/file`, { env: { [name]: authority.ca } })).toMatchObject({ text: TEXT });
    });

    it('and nobody whom it does not know', async () => {
      await expect(fetch(`${secure.origin}/file`)).rejects.toMatchObject({
        message: expect.stringMatching(/127\.0\.0\.1:\d+\/file: unable to|self-signed/) as string,
        hint: expect.stringContaining('SSL_CERT_FILE') as string,
      });
      await expect(fetch(`${secure.origin}/file`, { env: { SSL_CERT_FILE: '/none' } })).rejects.toThrow(
        'cannot read SSL_CERT_FILE "/none": no such file or directory (ENOENT)',
      );
    });
  });

  // 0.0.0.0 is this machine too, but unlike 127.0.0.1 no address that is never reached by a proxy.
  describe('through a proxy', () => {
    const proxyUrl = (): string => `http://someone:pass%77ord@127.0.0.1:${proxy.port}`;

    it('with a password', async () => {
      const url = `http://0.0.0.0:${server.port}/file?plain`;
      expect(await fetch(url, { env: { http_proxy: proxyUrl() } })).toMatchObject({ text: TEXT });
      expect(proxy.log()).toContain(`GET ${url}`);
      expect(requests.map(({ url: path, headers }) => [path, headers['proxy-authorization']])).toEqual([['/file?plain', undefined]]);
    });

    it('to an https server, which it connects and does not read', async () => {
      const env = { HTTPS_PROXY: proxyUrl(), SSL_CERT_FILE: authority.ca };
      expect(await fetch(`https://0.0.0.0:${secure.port}/file`, { env })).toMatchObject({ text: TEXT });
      expect(proxy.log()).toContain(`CONNECT 0.0.0.0:${secure.port}`);
    });

    it.each([
      ['http', () => server.port, 'HTTP_PROXY'],
      ['https', () => secure.port, 'HTTPS_PROXY'],
    ])('that refuses: %s', async (scheme, port, name) => {
      const env = { [name]: `someone:wrong@127.0.0.1:${proxy.port}`, SSL_CERT_FILE: authority.ca };
      await expect(fetch(`${scheme}://0.0.0.0:${port()}/file`, { env })).rejects.toThrow(/ 40[17] /);
      expect(requests).toEqual([]);
    });

    it.each([
      ['http', 'HTTP_PROXY'],
      ['https', 'HTTPS_PROXY'],
    ])('that is not there is named, without its password: %s', async (scheme, name) => {
      const gone = `localhost:${await freePort()}`;
      const failed = fetch(`${scheme}://files.test/file`, { env: { [name]: `someone:secret-pw@${gone}`, SSL_CERT_FILE: authority.ca } });
      await expect(failed).rejects.toThrow(
        `${scheme}://files.test/file: the proxy ${gone} cannot be reached: connection refused (ECONNREFUSED)`,
      );
    });

    it('that is not for this host', async () => {
      const env = { http_proxy: proxyUrl(), no_proxy: 'example.org, 0.0.0.0/8' };
      await fetch(`http://0.0.0.0:${server.port}/file?direct`, { env });
      expect(proxy.log()).not.toContain('file?direct');
    });
  });
});

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
