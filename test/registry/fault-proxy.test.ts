import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/oci/types.js';
import { scratchDir } from '../helpers/cli.js';
import type { FaultRates } from '../helpers/fault-plan.js';
import { startFaultProxy } from '../helpers/fault-proxy.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { runClient, skopeo, smallLayout } from '../helpers/registry-clients.js';

const missing = missingRegistry('openssl', 'curl', 'skopeo');
if (missing !== undefined) console.warn(`SKIPPED: the proxy that breaks things: ${missing}`);

describe.skipIf(missing !== undefined)('the proxy that breaks things', () => {
  const scratch = scratchDir('tsbuild-lab-');
  const at = (...names: string[]): string => join(scratch.path, ...names);
  const layout = missing === undefined ? smallLayout(at('layout'), ['one', 'two'.repeat(100_000)]) : '';
  afterAll(() => scratch[Symbol.dispose]());

  it('is transparent without any, and counts bytes, requests and changes', async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: 1 });
    const image = `docker://${proxy.host}/team/app:1`;
    await skopeo('copy', '-q', '--dest-tls-verify=false', `oci:${layout}`, image);
    const manifest = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', image)) as Manifest;
    const blobs = [manifest.config, ...manifest.layers];
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    expect(proxy.traffic).toMatchObject({ uploadedBlobBytes: bytes, downloadedBlobBytes: 0 });
    expect(proxy.traffic.count('HEAD', 'blob')).toBeGreaterThanOrEqual(3);
    const done = proxy.traffic.changes.filter(({ phase }) => phase === 'done');
    expect(
      done
        .slice(0, 3)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(blobs.map(({ digest }) => digest).toSorted());
    expect(done.slice(3)).toEqual([{ what: 'tag', phase: 'done', repository: 'team/app', name: '1' }]);
    proxy.forget();
    await skopeo('copy', '-q', '--src-tls-verify=false', image, `oci:${at('proxied')}:1`);
    expect(proxy.traffic).toMatchObject({ uploadedBlobBytes: 0, downloadedBlobBytes: bytes });
    expect([...proxy.traffic.downloads.keys()].toSorted()).toEqual(blobs.map(({ digest }) => digest).toSorted());
    expect(proxy.faults.size).toBe(0);
  });

  const get = async (
    host: string,
    path: string,
  ): Promise<{ readonly exit: number | null; readonly bytes: number; readonly http: string }> => {
    const { status: exit, stdout } = await runClient('curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{size_download} %{http_code}',
      `http://${host}${path}`,
    ]);
    const [bytes, http] = stdout.split(' ');
    return { exit, bytes: Number(bytes), http: http ?? '' };
  };

  it.each([
    ['reset', { reset: 1 }, [52, 56]],
    ['503', { status503: 1 }, [0]],
    ['429', { tooMany: { rate: 1, retryAfterSeconds: 3 } }, [0]],
    ['truncate', { truncate: 1 }, [0, 18]],
    ['delay', { delayMs: { rate: 1, ms: 50 } }, [0]],
  ] as const)('breaks what it is told to: %s', async (kind, faults: FaultRates, exits) => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: 2 });
    const image = `docker://${proxy.host}/app:1`;
    await skopeo('copy', '-q', '--dest-tls-verify=false', `oci:${layout}`, image);
    const { layers } = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', image)) as Manifest;
    const [, layer] = layers;
    proxy.setFaults(faults);
    for (let round = 0; round < 6; round++) {
      const got = await get(proxy.host, `/v2/app/blobs/${layer?.digest}`);
      expect(exits).toContain(got.exit);
      if (kind === 'truncate' || kind === 'reset') expect(got.bytes).toBeLessThan(layer?.size ?? 0);
      if (kind === '503' || kind === '429') expect(got.http).toBe(kind);
    }
    const kinds = [...proxy.faults.keys()];
    expect([...proxy.faults.values()].reduce((sum, times) => sum + times, 0)).toBe(6);
    expect(
      kinds.every((one) => one.startsWith(kind)),
      kinds.join(),
    ).toBe(true);
  });

  it('does the same again with the same seed', async () => {
    await using registry = await startRegistry();
    const outcomes = async (seed: number): Promise<unknown[]> => {
      await using proxy = await startFaultProxy({ target: registry.host, seed, faults: { reset: 0.3, status503: 0.3, truncate: 0.2 } });
      const seen = [];
      for (let round = 0; round < 15; round++) seen.push(await get(proxy.host, '/v2/_catalog'));
      return [seen, [...proxy.faults]];
    };
    const first = await outcomes(3);
    expect(await outcomes(3)).toEqual(first);
    expect(await outcomes(4)).not.toEqual(first);
  });

  it('has the registry say that a token is no longer good', async () => {
    await using registry = await startRegistry({ token: { users: [{ username: 'ann', password: 'secret' }] } });
    await using proxy = await startFaultProxy({ target: registry.host, seed: 5, faults: { unauthorizedAfter: 2 } });
    const bearer = `authorization: Bearer ${registry.tokens?.mint(['registry:catalog:*'])}`;
    const url = `http://${proxy.host}/v2/_catalog`;
    const seen = [];
    for (let round = 0; round < 4; round++) {
      const { stdout } = await runClient('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', bearer, url]);
      seen.push(stdout);
    }
    expect(seen).toEqual(['200', '200', '401', '401']);
    const { stdout } = await runClient('curl', ['-s', '-i', url]);
    expect(stdout).toMatch(/www-authenticate: bearer realm=.*scope="registry:catalog:\*"/i);
  });
});
