import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { TlsReader } from '../../src/registry/tls.js';
import { toBasic } from '../../src/remote/request.js';
import { missingProgram, scratchDir } from '../helpers/cli.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted, type Script } from '../helpers/scripted-registry.js';
import { freePort, makeAuthority, startProxy } from '../helpers/web.js';

const missing = missingProgram('tinyproxy');
if (missing !== undefined) console.warn(`SKIPPED: registries behind a proxy: ${missing}`);

const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };
const serveManifest: Script = (_, response) => sendJson(response, 200, MANIFEST, { 'content-type': MANIFEST.mediaType });

const scratch = scratchDir('tsbuild-reach-');
const authority = makeAuthority(scratch.path);
afterAll(() => scratch[Symbol.dispose]());

describe('a registry that cannot be reached', () => {
  it.each<[string, string, string]>([
    ['of an unknown host', 'registry.invalid', 'the host "registry.invalid" is not known; correct the name'],
    ['of an unknown host with a port', 'registry.invalid:5000', 'the host "registry.invalid" is not known'],
  ])('%s', async (_, domain, want) => {
    await using client = connectRegistries({ retries: 0 });
    const said = await sayingOf(client.registries.repository({ domain, path: 'app' }).resolve('1'));
    // A machine without any network cannot tell.
    expect(said.replace(/could not be looked up \(EAI_AGAIN\).*/, 'is not known; correct the name')).toContain(want);
  });

  it('where nobody listens', async () => {
    const host = `localhost:${await freePort()}`;
    await using client = connectRegistries();
    const failed = client.registries.repository({ domain: host, path: 'app' }).resolve('1');
    expect(await sayingOf(failed)).toContain(
      `could not read the manifest of ${host}/app:1: ${host} refuses the connection; is the registry running`,
    );
    await expect(failed).rejects.toMatchObject({ kind: 'registry', status: undefined });
  });

  it.each([
    ['https', 'HTTPS_PROXY'],
    ['http', 'HTTP_PROXY'],
  ])('by %s because of its proxy: that one is named, without its password', async (scheme, variable) => {
    const proxy = `localhost:${await freePort()}`;
    const env = { HOME: '/nonexistent', [variable]: `http://someone:secret-pw@${proxy}` };
    const mirror = scheme === 'http' ? { mirrors: [{ host: 'registry.test', mirror: 'http://far.test' }] } : {};
    await using client = connectRegistries({ env, retries: 0, ...mirror });
    const said = await sayingOf(client.registries.repository({ domain: 'registry.test', path: 'app' }).resolve('1'));
    const all = [said, ...client.lines].join('\n');
    expect(all).toMatch(new RegExp(`the proxy ${proxy} cannot be reached: connection refused \\(ECONNREFUSED\\)`));
    if (scheme === 'https') expect(said).toContain('check HTTPS_PROXY and HTTP_PROXY, or name the registry in NO_PROXY');
    expect(all).not.toContain('secret-pw');
  });

  it('that does not speak HTTP', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('220 mail.example ESMTP\r\n'));
    await once(server.listen(0), 'listening');
    const { port } = server.address() as { port: number };
    await using client = connectRegistries({ retries: 0 });
    expect(await sayingOf(client.registries.repository({ domain: `localhost:${port}`, path: 'app' }).resolve('1'))).toContain(
      'does not answer in HTTP',
    );
    server.close();
  });

  it('whose certificate is for another name', async () => {
    await using server = await startScripted(serveManifest, authority);
    await using client = connectRegistries({ env: { SSL_CERT_FILE: authority.ca } });
    const host = server.host.replace('localhost', '127.0.0.2');
    expect(await sayingOf(client.registries.repository({ domain: host, path: 'app' }).resolve('1'))).toContain(
      `the certificate of ${host} is for another name`,
    );
  });

  it('whose certificate nobody vouches for: how to trust it is said', async () => {
    await using server = await startScripted(serveManifest, authority);
    await using client = connectRegistries();
    const said = await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).resolve('1'));
    expect(said).toContain(`the certificate of ${server.host} is not signed by a trusted authority`);
    for (const way of ['SSL_CERT_FILE', `/etc/containers/certs.d/${server.host}`, '--cert-dir', `--insecure-registry ${server.host}`]) {
      expect(said).toContain(way);
    }
    expect(server.asked).toEqual([]);
  });

  it('that would have to be asked over http is not, unless it is this machine or is named', async () => {
    await using server = await startScripted(serveManifest);
    // The name of the proxy stands for a host that is far away.
    const far = `registry.test:${server.origin.split(':')[2]}`;
    using dir = scratchDir('tsbuild-far-');
    if (missing !== undefined) return;
    await using proxy = await startProxy(dir.path);
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, HTTP_PROXY: `http://127.0.0.1:${proxy.port}` };
    await using client = connectRegistries({ env, retries: 0 });
    await sayingOf(client.registries.repository({ domain: far, path: 'app' }).resolve('1'));
    expect(proxy.log()).not.toContain('http://registry.test');
  });
});

describe('--insecure-registry', () => {
  it('allows a certificate that nobody vouches for', async () => {
    await using server = await startScripted(serveManifest, authority);
    await using client = connectRegistries({ insecureRegistries: [server.host] });
    expect(await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1')).toBeDefined();
  });

  it('allows http where https is not spoken, and finds that out once', async () => {
    await using server = await startScripted(serveManifest);
    const host = server.host.replace('localhost', '127.0.0.3');
    await using client = connectRegistries({ insecureRegistries: [host] });
    const repository = client.registries.repository({ domain: host, path: 'app' });
    await repository.manifest('1');
    await repository.manifest('1');
    expect(client.lines.filter((line) => line.includes(`GET http://${host}`))).toHaveLength(2);
  });
});

describe.skipIf(missing !== undefined)('a proxy', () => {
  it.each([
    ['http', undefined],
    ['https', authority],
  ])('leads to a registry over %s, with its own password', async (scheme, own) => {
    await using server = await startScripted(serveManifest, own);
    using dir = scratchDir('tsbuild-proxy-');
    await using proxy = await startProxy(dir.path, 'ann:secret');
    const host = server.host.replace('localhost', '0.0.0.0');
    const url = `http://ann:secret@127.0.0.1:${proxy.port}`;
    const env = { HTTP_PROXY: url, HTTPS_PROXY: url, SSL_CERT_FILE: authority.ca };
    await using client = connectRegistries({ env, ...(scheme === 'http' ? { insecureRegistries: [host] } : {}) });
    const repository = client.registries.repository({ domain: host, path: 'app' });
    expect((await repository.manifest('1')).descriptor.mediaType).toBe(MANIFEST.mediaType);
    expect(proxy.log()).toContain(scheme === 'http' ? `GET http://${host}/v2/app/manifests/1` : `CONNECT ${host}`);
    expect(server.asked[0]?.headers['proxy-authorization']).toBeUndefined();
    expect(client.lines.join('\n')).not.toContain('secret');
  });

  it('may have a password with a percent sign, escaped or not', () => {
    const { username, password } = new URL('http://a%40b:100%@proxy.example');
    expect(toBasic(username, password)).toBe(`Basic ${Buffer.from('a@b:100%').toString('base64')}`);
  });

  it('that wants another password is told apart from the registry', async () => {
    using dir = scratchDir('tsbuild-proxy-');
    await using proxy = await startProxy(dir.path, 'ann:secret');
    const url = `http://ann:guess@127.0.0.1:${proxy.port}`;
    await using client = connectRegistries({ env: { HTTPS_PROXY: url } });
    const said = await sayingOf(client.registries.repository({ domain: '0.0.0.0:1', path: 'app' }).resolve('1'));
    expect(said).toContain(`the proxy 127.0.0.1:${proxy.port}`);
    expect(said).not.toContain('guess');
  });
});

describe('a registry behind a proxy that ends TLS', () => {
  it('may call itself http, and is not read round and round for that', async () => {
    await using server = await startScripted(
      ({ target, headers }, response) =>
        sendJson(response, 200, { tags: ['1'] }, { link: `<http://${headers.host}${target.replace('?n=1000', '?last=1')}>; rel="next"` }),
      authority,
    );
    await using client = connectRegistries({ env: { SSL_CERT_FILE: authority.ca } });
    const tags: string[] = [];
    const read = async (): Promise<void> => {
      for await (const tag of client.registries.repository({ domain: server.host, path: 'app' }).tags()) {
        if (tags.push(tag) > 5) throw new Error('it goes round');
      }
    };
    await expect(read()).rejects.toThrow('a page that it gave before');
    expect(tags).toEqual(['1', '1']);
  });
});

describe('mirrors', () => {
  const blob = Buffer.from('layer');
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(blob), size: blob.length };
  const none: Script = (_, response) => sendError(response, 404, 'MANIFEST_UNKNOWN');

  it('are asked first, and by their own paths', async () => {
    await using mirror = await startScripted(serveManifest);
    await using origin = await startScripted(none);
    await using client = connectRegistries({ mirrors: [{ host: origin.host, mirror: `${mirror.host}/cache` }] });
    await client.registries.repository({ domain: origin.host, path: 'team/app' }).manifest('1');
    expect(mirror.asked.map(({ target }) => target)).toEqual(['/v2/cache/team/app/manifests/1']);
    expect(origin.asked).toEqual([]);
  });

  it.each<[string, Script]>([
    ['lacks it', none],
    ['wants credentials', (_, response) => void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()],
    ['denies it', (_, response) => sendError(response, 403, 'DENIED')],
    ['lies', (_, response) => void response.writeHead(200, { 'content-type': MANIFEST.mediaType }).end('[]')],
    ['breaks', (_, response) => void response.socket?.resetAndDestroy()],
    ['is a web page', (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
  ])('one that %s is passed by, and --creds are not for it', async (_, script) => {
    await using mirror = await startScripted(script);
    await using origin = await startScripted(({ headers }, response, request) =>
      headers.authorization === undefined
        ? void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
        : serveManifest({ method: '', target: '', headers, body: '' }, response, request),
    );
    await using client = connectRegistries({
      mirrors: [{ host: origin.host, mirror: mirror.host }],
      credentials: { username: 'ann', password: 'secret' },
      retries: 1,
    });
    const repository = client.registries.repository({ domain: origin.host, path: 'app' });
    expect((await repository.manifest('1')).bytes.toString()).toBe(JSON.stringify(MANIFEST));
    expect(mirror.asked.length).toBeGreaterThan(0);
    for (const { headers } of mirror.asked) expect(headers.authorization).toBeUndefined();
    expect(client.lines.join('\n')).toMatch(/mirror .* (has no|is passed by)/);
  });

  it('one that is gone is asked once for all', async () => {
    const gone = `localhost:${await freePort()}`;
    await using origin = await startScripted(serveManifest);
    await using client = connectRegistries({ mirrors: [{ host: origin.host, mirror: gone }] });
    await client.registries.repository({ domain: origin.host, path: 'app' }).manifest('1');
    await client.registries.repository({ domain: origin.host, path: 'other' }).manifest('1');
    expect(client.lines.filter((line) => line.includes('is passed by'))).toHaveLength(1);
  });

  it('lend blobs, as far as they come', async () => {
    await using mirror = await startScripted(
      (_, response) => void response.writeHead(200, { 'content-length': 5 }).write('la', () => response.socket?.resetAndDestroy()),
    );
    await using origin = await startScripted(
      (_, response) => void response.writeHead(206, { 'content-range': 'bytes 2-4/5', 'content-length': 3 }).end('yer'),
    );
    await using client = connectRegistries({ mirrors: [{ host: origin.host, mirror: mirror.host }], retries: 0 });
    const chunks: Buffer[] = [];
    for await (const chunk of client.registries.repository({ domain: origin.host, path: 'app' }).download({ descriptor }))
      chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('layer');
    expect(origin.asked[0]?.headers.range).toBe('bytes=2-');
  });

  it('that delivered other bytes than were asked for are not asked again', async () => {
    await using mirror = await startScripted((_, response) => void response.writeHead(200, { 'content-length': 5 }).end('liars'));
    await using origin = await startScripted((_, response) => void response.writeHead(200, { 'content-length': 5 }).end('layer'));
    await using client = connectRegistries({ mirrors: [{ host: origin.host, mirror: mirror.host }] });
    const repository = client.registries.repository({ domain: origin.host, path: 'app' });
    const read = async (): Promise<string> => {
      const chunks: Buffer[] = [];
      for await (const chunk of repository.download({ descriptor })) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    await expect(read()).rejects.toThrow('its bytes have digest');
    expect(await read()).toBe('layer');
    expect(mirror.asked).toHaveLength(1);
  });

  it('are never written to', async () => {
    await using mirror = await startScripted((_, response) => void response.writeHead(201).end());
    await using origin = await startScripted((_, response) => void response.writeHead(201).end());
    await using client = connectRegistries({ mirrors: [{ host: origin.host, mirror: mirror.host }] });
    await client.registries.repository({ domain: origin.host, path: 'app' }).putManifest('1', { bytes: blob, mediaType: 'a/b' });
    expect(mirror.asked).toEqual([]);
    expect(origin.asked).toHaveLength(1);
  });
});

describe('--jobs', () => {
  it('bounds the blobs that are read at once', async () => {
    const blob = Buffer.from('x');
    let [now, most] = [0, 0];
    await using server = await startScripted((_, response) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        response.writeHead(200, { 'content-length': 1 }).end(blob);
      }, 20);
    });
    await using client = connectRegistries({ jobs: 2 });
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    const descriptor = { mediaType: 'a/b', digest: digestOf(blob), size: 1 };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for await (const chunk of repository.download({ descriptor })) expect(chunk.toString()).toBe('x');
      }),
    );
    expect(most).toBe(2);
  });
});

describe('certs.d', () => {
  const at = (...names: string[]): string => join(scratch.path, ...names);
  const host = 'registry.example:5000';

  it('is read for its host alone, from the first directory that has it', () => {
    mkdirSync(at('first', host), { recursive: true });
    mkdirSync(at('second', host), { recursive: true });
    copyFileSync(authority.ca, at('first', host, 'ca.crt'));
    writeFileSync(at('second', host, 'ca.crt'), 'not looked at');
    const reader = new TlsReader({ env: {} }, [at('none'), at('first'), at('second')]);
    const own = reader.settingsFor(host, { isVerified: true });
    expect(own.rejectUnauthorized).toBe(true);
    expect(reader.settingsFor(host, { isVerified: true })).toBe(own);
    const [one, other] = ['one.example', 'other.example'].map((name) => reader.settingsFor(name, { isVerified: true }));
    expect(one?.secureContext).toBe(other?.secureContext);
    expect(one?.secureContext).not.toBe(own.secureContext);
    // A host that a redirect may name.
    const inner = new TlsReader({ env: {} }, [at('second', host)]);
    const [up, any] = ['..', 'one.example'].map((name) => inner.settingsFor(name, { isVerified: true }));
    expect(up?.secureContext).toBe(any?.secureContext);
  });

  it('is read for a host whose directory has the port of https, which URLs leave out', () => {
    mkdirSync(at('ported', 'written.example:443'), { recursive: true });
    copyFileSync(authority.ca, at('ported', 'written.example:443', 'ca.crt'));
    const reader = new TlsReader({ env: {} }, [at('none'), at('ported')]);
    const [own, other] = ['written.example', 'other.example'].map((name) => reader.settingsFor(name, { isVerified: true }));
    expect(own?.secureContext).not.toBe(other?.secureContext);
  });

  it.each<[string, Record<string, string>, string]>([
    ['a key without certificate', { 'client.key': '' }, 'client.key" has no client.cert beside it'],
    ['a certificate without key', { 'client.cert': '' }, 'client.cert" has no client.key beside it'],
    ['what is no certificate', { 'client.cert': 'x', 'client.key': 'y' }, 'cannot be used'],
  ])('with %s is an error', (title, files, want) => {
    const dir = at(title);
    mkdirSync(dir);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    expect(() => new TlsReader({ env: {}, certDir: dir }).settingsFor(host, { isVerified: true })).toThrow(want);
  });

  it('that --cert-dir names is there', () => {
    expect(() => new TlsReader({ env: {}, certDir: at('none') }).settingsFor(host, { isVerified: true })).toThrow('there is no directory');
  });
});
