import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchDir } from '../helpers/cli.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted, type ScriptedServer } from '../helpers/scripted-registry.js';
import { makeAuthority } from '../helpers/web.js';

const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };

const scratch = scratchDir('tsbuild-trust-');
const authority = makeAuthority(scratch.path);
afterAll(() => scratch[Symbol.dispose]());

/** A registry, and its token service beside it, with certificates that nobody vouches for. */
function startUntrusted({ isGuarded = false } = {}): Promise<ScriptedServer> {
  return startScripted((asked, response) => {
    if (asked.target.startsWith('/token')) return sendJson(response, 200, { token: 'good' });
    if (isGuarded && asked.headers.authorization !== 'Bearer good') {
      return sendError(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="https://${asked.headers.host}/token"` });
    }
    return sendJson(response, 200, MANIFEST, { 'content-type': MANIFEST.mediaType });
  }, authority);
}

/** The same server under an address that is not taken for this machine. */
function farHost({ host }: ScriptedServer): string {
  return host.replace('localhost', '[::ffff:7f00:1]');
}

function writeConf(name: string, text: string): string {
  const path = join(scratch.path, name);
  writeFileSync(path, text);
  return path;
}

describe('a certificate that nobody vouches for', () => {
  it('is taken of a mirror that is called insecure, and not of the same host when it is asked as a registry', async () => {
    await using server = await startUntrusted();
    const host = farHost(server);
    const registriesConf = writeConf(
      'mirror.conf',
      `[[registry]]\nlocation = "origin.invalid"\n[[registry.mirror]]\nlocation = "${host}"\ninsecure = true\n`,
    );
    await using client = connectRegistries({ registriesConf, retries: 0 });
    const mirrored = client.registries.repository({ domain: 'origin.invalid', path: 'app' });
    await expect(mirrored.manifest('1')).resolves.toMatchObject({ descriptor: { mediaType: MANIFEST.mediaType } });
    const own = client.registries.repository({ domain: host, path: 'app' });
    expect(await sayingOf(own.manifest('1'))).toContain('is not signed by a trusted authority');
    // And the other way round: the connections are not each other's.
    await expect(mirrored.manifest('2')).resolves.toBeDefined();
  });

  it.each([
    ['of this machine', (server: ScriptedServer) => server.host],
    ['elsewhere', farHost],
  ])('is taken of a registry %s that registries.conf calls insecure, and of its token service', async (_, hostOf) => {
    await using server = await startUntrusted({ isGuarded: true });
    const host = hostOf(server);
    const registriesConf = writeConf('insecure.conf', `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
    await using client = connectRegistries({ registriesConf, retries: 0 });
    await expect(client.registries.repository({ domain: host, path: 'app' }).manifest('1')).resolves.toBeDefined();
  });

  it('is not taken of the storage that an insecure registry leads to', async () => {
    await using storage = await startUntrusted();
    await using server = await startScripted(
      (_, response) => void response.writeHead(307, { location: `https://${farHost(storage)}/storage` }).end(),
      authority,
    );
    await using client = connectRegistries({ insecureRegistries: [server.host], retries: 0 });
    const failed = client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(await sayingOf(failed)).toContain('is not signed by a trusted authority');
    expect(storage.asked).toEqual([]);
  });
});
