import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RegistryOptions } from '../../src/registry/options.js';
import { Registries } from '../../src/registry/registries.js';
import type { Repository } from '../../src/registry/repository.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { noise, toDescriptor } from './fake-registry.js';

const missing = missingRegistry('htpasswd', 'openssl', 'nginx');
if (missing !== undefined) console.warn(`SKIPPED: blobs there and back: ${missing}`);

const USER = { username: 'builder', password: 'not telling' };
const BLOBS = [Buffer.alloc(0), noise(1, 'one'), noise(5000), noise(3_000_000)];

function open(options: RegistryOptions = {}): Registries {
  return new Registries({ options: { env: {}, retryDelayMs: 1, ...options }, warn: () => undefined });
}

function upload(repository: Repository, bytes: Buffer, mountFrom: readonly string[] = []): Promise<string> {
  const read = async function* (offset: number): AsyncGenerator<Buffer> {
    for (let at = offset; at < bytes.length; at += 65_536) yield await Promise.resolve(bytes.subarray(at, at + 65_536));
  };
  return repository.upload({ descriptor: toDescriptor(bytes), open: read, mountFrom });
}

async function download(repository: Repository, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of repository.download({ descriptor: toDescriptor(bytes) })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe.skipIf(missing !== undefined)('with a registry', () => {
  test.each<[title: string, start: () => Promise<TestRegistry>, options: RegistryOptions, prefix: string]>([
    ['over http', () => startRegistry(), {}, ''],
    ['with passwords', () => startRegistry({ htpasswd: USER }), { credentials: USER }, ''],
    ['with tokens', () => startRegistry({ token: { users: [USER] } }), { credentials: USER }, ''],
    [
      'behind nginx, with TLS and tokens',
      () => startRegistry({ tls: true, token: { users: [USER] }, nginxPrefix: 'team' }),
      { credentials: USER },
      'team/',
    ],
    ['with its blobs at another host', () => startRegistry({ redirectBlobs: true }), {}, ''],
  ])('%s, blobs come there, are lent, and come back', async (_title, start, options, prefix) => {
    await using registry = await start();
    await using registries = open({ ...options, ...(registry.certDir === undefined ? {} : { certDir: registry.certDir }) });
    const [app, other] = ['app', 'other'].map((name) => registries.repository({ domain: registry.host, path: `${prefix}${name}` }));
    if (app === undefined || other === undefined) throw new Error('no repositories');
    for (const bytes of BLOBS) {
      expect(await upload(app, bytes)).toBe('uploaded');
      expect(await upload(app, bytes)).toBe('exists');
      expect(await upload(other, bytes, [`${prefix}nowhere`, `${prefix}app`])).toBe('mounted');
      for (const repository of [app, other]) expect((await download(repository, bytes)).equals(bytes)).toBe(true);
    }
    await expect(download(app, noise(5))).rejects.toThrow(/has no such thing \(404\)/);
  });
});

/** Lets through to the registry what is sent to it, and resets connections after so many bytes each has sent or received. */
async function startCutter(
  target: string,
  cuts: { readonly sent?: number; readonly received?: number }[],
): Promise<AsyncDisposable & { host: string }> {
  const [, port] = target.split(':');
  const server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1');
    const reset = (): void => {
      near.resetAndDestroy();
      far.resetAndDestroy();
    };
    near.on('error', reset).on('close', () => far.destroy());
    far.on('error', reset).on('close', () => near.destroy());
    let [sent, received, isCut] = [0, 0, false];
    const check = (): void => {
      if (isCut || (sent <= (cuts[0]?.sent ?? Infinity) && received <= (cuts[0]?.received ?? Infinity))) return;
      isCut = true;
      cuts.shift();
      // What was passed on shall arrive first.
      setTimeout(reset, 10);
    };
    near.on('data', (chunk) => {
      if (isCut) return;
      sent += chunk.length;
      far.write(chunk);
      check();
    });
    far.on('data', (chunk) => {
      if (isCut) return;
      received += chunk.length;
      near.write(chunk);
      check();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

describe.skipIf(missing !== undefined)('connections to a registry that break', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  test('in the middle of an upload do not harm it', async () => {
    const cuts = [{ sent: 2_000_000 }, { sent: 100_000 }];
    await using cutter = await startCutter(registry.host, cuts);
    await using registries = open();
    const repository = registries.repository({ domain: cutter.host, path: 'cut/up' });
    const bytes = noise(4_000_000, 'up');
    expect(await upload(repository, bytes)).toBe('uploaded');
    expect(cuts).toEqual([]);
    expect((await download(repository, bytes)).equals(bytes)).toBe(true);
  });

  test('in the middle of a download are taken up where they broke', async () => {
    const cuts = [1, 2, 3, 4, 5].map(() => ({ received: 700_000 }));
    await using cutter = await startCutter(registry.host, cuts);
    await using registries = open();
    const bytes = noise(4_000_000, 'down');
    await upload(registries.repository({ domain: registry.host, path: 'cut/down' }), bytes);
    expect((await download(registries.repository({ domain: cutter.host, path: 'cut/down' }), bytes)).equals(bytes)).toBe(true);
    expect(cuts).toEqual([]);
    const statuses = [...registry.logs().matchAll(/"GET \/v2\/cut\/down\/blobs\/\S+ HTTP\/1\.1" (\d+)/g)].map(([, status]) => status);
    expect(statuses).toEqual(['200', ...Array<string>(5).fill('206')]);
  });
});
