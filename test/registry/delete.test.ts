import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { connectRegistries, sendError, startScripted, type Script } from '../helpers/scripted-registry.js';

async function deleteFrom(...scripts: readonly Script[]): Promise<{ result: unknown; count: number }> {
  const left = [...scripts];
  await using server = await startScripted((asked, response, request) => left.shift()?.(asked, response, request));
  await using client = connectRegistries();
  const deleted = client.registries.repository({ domain: server.host, path: 'app' }).deleteManifest(digestOf('x'));
  const result = await deleted.catch((error: unknown) => error);
  return { result, count: server.asked.filter(({ method }) => method === 'DELETE').length };
}

const lost: Script = (_, response) => response.socket?.resetAndDestroy();
const gone: Script = (_, response) => sendError(response, 404, 'MANIFEST_UNKNOWN');

describe('deleting a manifest', () => {
  it('is done when it is gone after an answer that was lost', async () => {
    expect(await deleteFrom(lost, gone)).toEqual({ result: undefined, count: 2 });
  });

  it('of which there is none fails', async () => {
    expect(await deleteFrom(gone)).toMatchObject({ result: { kind: 'registry', status: 404 }, count: 1 });
  });

  it('is tried again, and given up in the end', async () => {
    const busy: Script = (_, response) => sendError(response, 503, 'UNAVAILABLE');
    const { result, count } = await deleteFrom(...Array.from({ length: 20 }, () => busy));
    expect(result).toMatchObject({ status: 503, message: expect.stringContaining(`after ${count} attempts`) as string });
    expect(count).toBeGreaterThan(1);
  });
});
