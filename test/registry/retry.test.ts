import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { formatDuration, isPassingStatus, parseRetryAfter, retryDelay } from '../../src/registry/retry.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted, type Script } from '../helpers/scripted-registry.js';

const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };
const TYPE = { 'content-type': MANIFEST.mediaType };

/** Does the same to all requests but the ones from `count` on, which get a manifest. */
function failing(count: number, fail: Script): Script {
  let times = 0;
  return (asked, response, request) => {
    if (times++ < count) fail(asked, response, request);
    else sendJson(response, 200, MANIFEST, TYPE);
  };
}

describe('what may pass is tried again', () => {
  it.each<[string, Script]>([
    ['408', (_, response) => sendError(response, 408, 'TIMEOUT')],
    ['429', (_, response) => sendError(response, 429, 'TOOMANYREQUESTS', { 'retry-after': '0' })],
    ['500', (_, response) => sendError(response, 500, 'UNKNOWN')],
    ['502 and a web page', (_, response) => void response.writeHead(502, { 'content-type': 'text/html' }).end('<html>bad gateway')],
    ['503', (_, response) => void response.writeHead(503).end()],
    ['504', (_, response) => void response.writeHead(504).end()],
    ['a reset', (_, response) => void response.socket?.resetAndDestroy()],
    ['an end without an answer', (_, response) => void response.socket?.end()],
    [
      'a reset within the header',
      (_, response) => void response.socket?.write('HTTP/1.1 200 OK\r\ncontent-', () => response.socket?.resetAndDestroy()),
    ],
    [
      'half a manifest',
      (_, response) => void response.writeHead(200, { ...TYPE, 'content-length': 200 }).write('{"sch', () => response.socket?.end()),
    ],
    ['a manifest without its last chunk', (_, response) => void response.writeHead(200, TYPE).write('{"sch', () => response.socket?.end())],
    ['a manifest of another digest', (_, response) => sendJson(response, 200, {}, { ...TYPE, 'docker-content-digest': digestOf('other') })],
    [
      'half a manifest whose connection shall end',
      (_, response) =>
        void response.writeHead(200, { ...TYPE, 'content-length': 200, connection: 'close' }).write('{"sch', () => response.socket?.end()),
    ],
    [
      'chunks that end early, with a connection that shall end',
      (_, response) => void response.writeHead(200, { ...TYPE, connection: 'close' }).write('{"sch', () => response.socket?.end()),
    ],
    ['silence', () => undefined],
    ['silence in the middle', (_, response) => void response.writeHead(200, { ...TYPE, 'content-length': 200 }).write('{"sch')],
  ])('%s', async (_, fail) => {
    await using server = await startScripted(failing(1, fail));
    await using client = connectRegistries({ timeoutMs: 400 });
    const { bytes } = await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(bytes.toString()).toBe(JSON.stringify(MANIFEST));
    expect(server.asked).toHaveLength(2);
  });

  it('until the attempts are used up', async () => {
    await using server = await startScripted((_, response) => sendError(response, 503, 'UNAVAILABLE'));
    await using client = connectRegistries({ retries: 2 });
    const failed = sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    expect(await failed).toBe(
      `could not read the manifest of ${server.host}/app:1: ${server.host} answered 503: UNAVAILABLE: unavailable it is (after 3 attempts)`,
    );
    expect(server.asked).toHaveLength(3);
  });

  it('not at all with --retry 0', async () => {
    await using server = await startScripted((_, response) => sendError(response, 503, 'UNAVAILABLE'));
    await using client = connectRegistries({ retries: 0 });
    await expect(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1')).rejects.toMatchObject({ status: 503 });
    expect(server.asked).toHaveLength(1);
  });

  it.each([
    [400, 'registry'],
    [403, 'credentials'],
    [404, 'registry'],
    [405, 'registry'],
    [413, 'registry'],
    [501, 'registry'],
  ])('but %d means no', async (status, kind) => {
    await using server = await startScripted((_, response) => sendError(response, status, 'NO'));
    await using client = connectRegistries();
    const failed = client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    await expect(failed).rejects.toMatchObject({ status, kind, codes: ['NO'] });
    await expect(failed).rejects.toThrow('NO: no it is');
    expect(server.asked).toHaveLength(1);
  });

  it('but not when it shall be much later', async () => {
    await using server = await startScripted((_, response) => sendError(response, 429, 'TOOMANYREQUESTS', { 'retry-after': '21600' }));
    await using client = connectRegistries();
    const failed = await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    expect(failed).toContain('too many requests (429): TOOMANYREQUESTS: toomanyrequests it is, and asks to come back in 6 h');
    expect(server.asked).toHaveLength(1);
  });

  it('nor after it was cancelled', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    await using server = await startScripted((_, response) => {
      sendError(response, 503, 'UNAVAILABLE');
      stop.abort(reason);
    });
    await using client = connectRegistries({ retryDelayMs: 60_000 });
    const failed = client.registries.repository({ domain: server.host, path: 'app' }).manifest('1', stop.signal);
    await expect(failed).rejects.toBe(reason);
  });
});

describe('Retry-After', () => {
  const nowMs = Date.parse('2024-05-01T12:00:00Z');
  it.each<[string | undefined, number | undefined]>([
    ['0', 0],
    ['7', 7000],
    [' 7 ', 7000],
    ['Wed, 01 May 2024 12:00:30 GMT', 30_000],
    ['Wednesday, 01-May-24 12:00:30 GMT', 30_000],
    ['Wed, 01 May 2024 11:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (text, want) => {
    expect(parseRetryAfter(text, nowMs)).toBe(want);
  });
});

describe('delays', () => {
  it('double, up to half a minute, and are never the same', () => {
    for (const [attempt, mostMs] of [
      [1, 1000],
      [2, 2000],
      [3, 4000],
      [10, 30_000],
    ] as const) {
      const delays = Array.from({ length: 200 }, () => retryDelay(attempt, { baseMs: 1000 }));
      expect(Math.max(...delays)).toBeLessThanOrEqual(mostMs);
      expect(Math.max(...delays)).toBeGreaterThan(mostMs / 2);
      expect(new Set(delays).size).toBeGreaterThan(100);
    }
  });

  it('are not shorter than the server asks for', () => {
    const delays = Array.from({ length: 200 }, () => retryDelay(1, { baseMs: 1000, retryAfterMs: 5000 }));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(6000);
  });

  it.each([
    [408, true],
    [425, false],
    [429, true],
    [500, true],
    [501, false],
    [502, true],
    [599, true],
    [400, false],
    [404, false],
  ])('status %d: %s', (status, want) => {
    expect(isPassingStatus(status)).toBe(want);
  });

  it.each([
    [50, '50 ms'],
    [1500, '1.5 s'],
    [60_000, '60 s'],
    [900_000, '15 min'],
    [21_600_000, '6 h'],
  ])('%d is written %s', (ms, want) => {
    expect(formatDuration(ms)).toBe(want);
  });
});
