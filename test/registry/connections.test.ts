import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted } from '../helpers/scripted-registry.js';

const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };
const DIGEST = digestOf('a blob');

const closed: (() => void)[] = [];
afterAll(() => closed.forEach((close) => close()));

async function listen(server: Server): Promise<number> {
  await once(server.listen(0), 'listening');
  closed.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Takes connections, and never says a word. */
async function startSilent(): Promise<{ readonly host: string; readonly connected: Promise<{ readonly ended: Promise<unknown> }> }> {
  const server = createServer();
  const connected = once(server, 'connection').then((args) => {
    const [socket] = args as [Socket];
    return {
      ended: once(
        socket.on('error', () => undefined),
        'close',
      ),
    };
  });
  // Not an address that is taken for this machine: https alone is tried, by the connections that are kept.
  return { host: `[::ffff:7f00:1]:${await listen(server)}`, connected };
}

describe('connections', () => {
  it('to a server that says nothing do not outlive an abort, nor the command', async () => {
    const server = await startSilent();
    const stop = new AbortController();
    {
      await using client = connectRegistries({}, stop.signal);
      const failed = sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
      await server.connected;
      stop.abort(new Error('stopped'));
      expect(await failed).toBe('stopped');
    }
    await (
      await server.connected
    ).ended;
  }, 10_000);

  it('to a token service that says nothing do not hold up a request that is given up', async () => {
    let tell: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (tell = resolve));
    await using server = await startScripted(({ target, headers }, response) => {
      if (target.startsWith('/token')) tell();
      else sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="http://${headers.host}/token"` });
    });
    await using client = connectRegistries();
    const stop = new AbortController();
    const failed = sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1', stop.signal));
    await asked;
    stop.abort(new Error('stopped'));
    expect(await failed).toBe('stopped');
  }, 10_000);

  it('end with the command, also for those who still wait', async () => {
    const server = await startSilent();
    const client = connectRegistries({ retries: 0 });
    const failed = sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    const { ended } = await server.connected;
    await client[Symbol.asyncDispose]();
    expect(await failed).not.toBe('');
    await ended;
    // Nobody opens another one after that.
    expect(await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('2'))).toContain('closed');
  }, 10_000);

  it('are used again after answers to HEAD, however long the blob is', async () => {
    const ports = new Set<number | undefined>();
    const server = createHttpServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.writeHead(200, { 'content-length': '300000000' }).end();
    });
    const host = `localhost:${await listen(server)}`;
    await using client = connectRegistries();
    const repository = client.registries.repository({ domain: host, path: 'app' });
    for (let count = 0; count < 6; count++) expect(await repository.hasBlob(DIGEST)).toBe(true);
    expect(ports.size).toBeLessThan(4);
  });

  it('may be many with one signal', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', onWarning);
    await using server = await startScripted((_, response) =>
      setTimeout(() => sendJson(response, 200, MANIFEST, { 'content-type': MANIFEST.mediaType }), 50),
    );
    await using client = connectRegistries({}, new AbortController().signal);
    const tags = Array.from({ length: 15 }, (_, index) => `${index}`);
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await Promise.all(tags.map((tag) => repository.manifest(tag)));
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});
