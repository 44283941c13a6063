import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType, type Descriptor } from '../../src/oci/types.js';
import type { RegistryOptions } from '../../src/registry/options.js';
import { Registries } from '../../src/registry/registries.js';
import type { Repository } from '../../src/registry/repository.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';

const missing = missingRegistry('htpasswd', 'openssl', 'nginx');
if (missing !== undefined) console.warn(`SKIPPED: registries: ${missing}`);

const USER = { username: 'ann', password: 'open sesame:"1"' };
const opened: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function connect(options: RegistryOptions = {}): { registries: Registries; lines: string[] } {
  const lines: string[] = [];
  const registries = new Registries({
    options: { env: { HOME: '/nonexistent' }, retryDelayMs: 5, ...options },
    warn: (message) => lines.push(`warning: ${message}`),
    debug: (message) => lines.push(message),
  });
  opened.push(registries);
  return { registries, lines };
}

async function start(...args: Parameters<typeof startRegistry>): Promise<TestRegistry> {
  const registry = await startRegistry(...args);
  opened.push(registry);
  return registry;
}

function blobOf(
  bytes: Buffer,
  mediaType: string = MediaType.ociLayer,
): { descriptor: Descriptor; open: (offset: number) => AsyncIterable<Buffer> } {
  const open = async function* (offset: number): AsyncGenerator<Buffer> {
    for (let at = offset; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  };
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, open };
}

/** Layers and a config, then the manifest by digest and by tag. */
async function push(repository: Repository, tag: string, layers: readonly Buffer[]): Promise<{ bytes: Buffer; layers: Descriptor[] }> {
  const config = blobOf(Buffer.from('{"architecture":"amd64","os":"linux"}'), MediaType.ociConfig);
  const blobs = layers.map((layer) => blobOf(layer));
  for (const blob of [config, ...blobs]) await repository.upload(blob);
  const descriptors = blobs.map(({ descriptor }) => descriptor);
  const manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: config.descriptor, layers: descriptors };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await repository.putManifest(digestOf(bytes), { bytes, mediaType: MediaType.ociManifest });
  await repository.putManifest(tag, { bytes, mediaType: MediaType.ociManifest });
  return { bytes, layers: descriptors };
}

async function read(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

async function listOf(names: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = [];
  for await (const name of names) list.push(name);
  return list;
}

describe.skipIf(missing !== undefined)('a real registry', () => {
  const layer = randomBytes(3_000_000);

  it.each<[string, Parameters<typeof startRegistry>[0], (registry: TestRegistry) => RegistryOptions, string]>([
    ['over http on this machine', {}, () => ({}), 'team/app'],
    ['over TLS, the authority in SSL_CERT_FILE', { tls: true }, ({ caFile }) => ({ env: { SSL_CERT_FILE: caFile } }), 'app'],
    ['over TLS, the authority in --cert-dir', { tls: true }, ({ certDir }) => ({ certDir: certDir ?? '' }), 'app'],
    ['that wants a certificate', { tls: { client: true } }, ({ certDir }) => ({ certDir: certDir ?? '' }), 'app'],
    ['over TLS that nobody looks at', { tls: true }, () => ({ tlsVerify: false }), 'app'],
    ['with htpasswd', { htpasswd: USER }, () => ({ credentials: USER }), 'app'],
    ['with tokens', { token: { users: [USER] } }, () => ({ credentials: USER }), 'app'],
    ['with tokens for anybody', { token: { anonymous: ['pull', 'push'] } }, () => ({}), 'app'],
    [
      'with tokens over TLS',
      { tls: true, token: { users: [USER] } },
      ({ caFile }) => ({ credentials: USER, env: { SSL_CERT_FILE: caFile } }),
      'app',
    ],
    [
      'behind nginx as Harbor',
      { nginxPrefix: 'library', tls: true, token: { users: [USER] } },
      ({ caFile }) => ({ credentials: USER, env: { SSL_CERT_FILE: caFile } }),
      'library/app',
    ],
    ['with its blobs elsewhere', { redirectBlobs: true, htpasswd: USER }, () => ({ credentials: USER }), 'app'],
  ])('%s takes an image and gives it back', async (_, lab, optionsFor, path) => {
    const registry = await start(lab);
    const { registries, lines } = connect(optionsFor(registry));
    const repository = registries.repository({ domain: registry.host, path });
    const { bytes, layers } = await push(repository, '1', [layer, Buffer.from('small')]);

    const resolved = await repository.resolve('1');
    expect(resolved).toEqual({ mediaType: MediaType.ociManifest, digest: digestOf(bytes), size: bytes.length });
    const manifest = await repository.manifest('1');
    expect(manifest).toEqual({ descriptor: resolved, bytes });
    for (const [index, descriptor] of layers.entries()) {
      expect(digestOf(await read(repository.download({ descriptor })))).toBe(layers[index]?.digest);
    }
    expect(await repository.resolve('2')).toBeUndefined();
    expect(await repository.hasBlob(digestOf('nothing'))).toBe(false);
    expect(await repository.hasBlob(digestOf(layer))).toBe(true);
    expect(await listOf(repository.tags())).toEqual(['1']);
    expect(lines.join('\n')).not.toMatch(/sesame|Bearer|Basic/);
    expect(lines.filter((line) => line.startsWith('warning'))).toEqual([]);
  });

  it('lists, deletes, mounts', async () => {
    const registry = await start({ deleteEnabled: true, token: { users: [USER] } });
    const { registries } = connect({ credentials: USER });
    const one = registries.repository({ domain: registry.host, path: 'one' });
    const two = registries.repository({ domain: registry.host, path: 'two' });
    const { bytes } = await push(one, '1', [layer]);
    expect(await two.upload({ ...blobOf(layer), mountFrom: ['one'] })).toBe('mounted');
    expect(await two.upload(blobOf(layer))).toBe('exists');
    expect(await listOf(registries.catalog(registry.host))).toEqual(['one', 'two']);
    await one.deleteManifest(digestOf(bytes));
    expect(await one.resolve('1')).toBeUndefined();
    await expect(one.deleteManifest(digestOf(bytes))).rejects.toMatchObject({ status: 404 });
  });

  it('that forbids to delete says so', async () => {
    const registry = await start();
    const { registries } = connect();
    const { bytes } = await push(registries.repository({ domain: registry.host, path: 'app' }), '1', []);
    const gone = registries.repository({ domain: registry.host, path: 'app' }).deleteManifest(digestOf(bytes));
    await expect(gone).rejects.toMatchObject({ status: 405, kind: 'registry', codes: ['UNSUPPORTED'] });
  });

  it.each([
    ['htpasswd', { htpasswd: USER }],
    ['tokens', { token: { users: [USER] } }],
  ])('with %s tells who may come in', async (_, lab) => {
    const registry = await start(lab);
    const { registries } = connect();
    await registries.checkLogin(registry.host, USER);
    const wrong = { username: 'ann', password: 'guess' };
    await expect(registries.checkLogin(registry.host, wrong)).rejects.toMatchObject({ kind: 'credentials', status: 401 });
    const closed = registries.repository({ domain: registry.host, path: 'app' }).resolve('1');
    await expect(closed).rejects.toMatchObject({ kind: 'credentials', hint: expect.stringContaining('tsbuild login') });
  });

  it('with a certificate of its own is told how to be trusted', async () => {
    const registry = await start({ tls: true });
    const { registries } = connect();
    const failed = registries.repository({ domain: registry.host, path: 'app' }).resolve('1');
    await expect(failed).rejects.toThrow(`the certificate of ${registry.host} is not signed by a trusted authority`);
    await expect(failed).rejects.toMatchObject({ hint: expect.stringContaining('SSL_CERT_FILE') });
  });
});
