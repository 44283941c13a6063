import { afterAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { scratchDir } from '../helpers/cli.js';
import { makeAuthority } from '../helpers/web.js';
import { connectRegistries, sayingOf, sendJson, startScripted, type Script, type ScriptedServer } from '../helpers/scripted-registry.js';

const USER = { username: 'ann', password: 'secret' };
const BLOB = Buffer.from('some bytes');
const DESCRIPTOR = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(BLOB), size: BLOB.length };
const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };

/** Asks for a password, then does as the script says. */
function guarded(script: Script): Script {
  return (asked, response, request) => {
    if (asked.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else script(asked, response, request);
  };
}

const serveBlob: Script = (_, response) => void response.writeHead(200, { 'content-length': BLOB.length }).end(BLOB);

function redirectTo(status: number, location: string): Script {
  return (_, response) => void response.writeHead(status, { location, 'set-cookie': 'session=1' }).end();
}

async function readBlob(client: ReturnType<typeof connectRegistries>, { host }: ScriptedServer): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.registries.repository({ domain: host, path: 'app' }).download({ descriptor: DESCRIPTOR }))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('redirects', () => {
  const scratch = scratchDir('tsbuild-redirects-');
  const authority = makeAuthority(scratch.path);
  const env = { SSL_CERT_FILE: authority.ca };
  afterAll(() => scratch[Symbol.dispose]());

  it.each([301, 302, 303, 307, 308])('%d leads to another host, which is not authorized, and gets no cookies', async (status) => {
    await using storage = await startScripted(serveBlob);
    await using registry = await startScripted(guarded(redirectTo(status, `${storage.origin}/bytes?X-Amz-Signature=f00`)));
    await using client = connectRegistries({ credentials: USER });
    expect(await readBlob(client, registry)).toBe(BLOB.toString());
    expect(storage.asked).toHaveLength(1);
    expect(storage.asked[0]?.target).toBe('/bytes?X-Amz-Signature=f00');
    expect(Object.keys(storage.asked[0]?.headers ?? {})).not.toEqual(expect.arrayContaining(['authorization']));
    expect(Object.keys(storage.asked[0]?.headers ?? {})).not.toEqual(expect.arrayContaining(['cookie']));
    expect(client.lines.join('\n')).not.toContain('f00');
  });

  it('within the registry go on with authorization, and without cookies', async () => {
    await using registry = await startScripted(
      guarded((asked, ...rest) =>
        asked.target.endsWith('/there') ? serveBlob(asked, ...rest) : redirectTo(307, '/v2/app/there')(asked, ...rest),
      ),
    );
    await using client = connectRegistries({ credentials: USER });
    expect(await readBlob(client, registry)).toBe(BLOB.toString());
    const { target, headers } = registry.asked.at(-1) ?? {};
    expect([target, headers?.authorization?.startsWith('Basic '), headers?.cookie]).toEqual(['/v2/app/there', true, undefined]);
  });

  it('relative to the answer are followed', async () => {
    await using registry = await startScripted((asked, ...rest) =>
      asked.target.endsWith('blobs/there') ? serveBlob(asked, ...rest) : redirectTo(302, 'there')(asked, ...rest),
    );
    await using client = connectRegistries();
    expect(await readBlob(client, registry)).toBe(BLOB.toString());
  });

  it('that come back from another host are authorized again only where they may be', async () => {
    const back: { origin?: string } = {};
    await using other = await startScripted((asked, ...rest) => redirectTo(307, `${back.origin}/v2/back`)(asked, ...rest));
    await using registry = await startScripted(
      guarded((asked, ...rest) =>
        asked.target.endsWith('/back') ? serveBlob(asked, ...rest) : redirectTo(307, `${other.origin}/x`)(asked, ...rest),
      ),
    );
    back.origin = registry.origin;
    await using client = connectRegistries({ credentials: USER });
    expect(await readBlob(client, registry)).toBe(BLOB.toString());
    expect(other.asked[0]?.headers.authorization).toBeUndefined();
  });

  it('from https to http may lead to a blob, without authorization', async () => {
    await using storage = await startScripted(serveBlob);
    await using registry = await startScripted(guarded(redirectTo(307, `${storage.origin}/bytes`)), authority);
    await using client = connectRegistries({ credentials: USER, env });
    expect(await readBlob(client, registry)).toBe(BLOB.toString());
    expect(storage.asked[0]?.headers.authorization).toBeUndefined();
  });

  it('without end come to one', async () => {
    await using registry = await startScripted(redirectTo(307, '/again?token=x'));
    await using client = connectRegistries({ retries: 0 });
    const said = await sayingOf(readBlob(client, registry));
    expect(said).toContain('redirects more than 10 times, at last to');
    expect(said).not.toContain('token=x');
    expect(registry.asked).toHaveLength(11);
  });

  it.each(['file:///etc/passwd', 'ftp://example/x', 'http://'])('to %s are not followed', async (location) => {
    await using registry = await startScripted(redirectTo(307, location));
    await using client = connectRegistries();
    expect(await sayingOf(readBlob(client, registry))).toContain('which is no http URL');
  });

  it('of what writes are not followed', async () => {
    await using other = await startScripted(serveBlob);
    await using registry = await startScripted(redirectTo(307, `${other.origin}/x?sig=1`));
    await using client = connectRegistries();
    const written = client.registries
      .repository({ domain: registry.host, path: 'app' })
      .putManifest('1', { bytes: BLOB, mediaType: 'a/b' });
    expect(await sayingOf(written)).toContain(`answered 307; it leads to "${other.origin}/x?…": name the registry there`);
    expect(other.asked).toEqual([]);
  });

  it('to a storage that refuses are told by its name', async () => {
    await using storage = await startScripted(
      (_, response) => void response.writeHead(403).end('<?xml version="1.0"?><Error>Expired</Error>'),
    );
    await using registry = await startScripted(redirectTo(307, `${storage.origin}/bytes?sig=f00`));
    await using client = connectRegistries();
    const said = await sayingOf(readBlob(client, registry));
    expect(said).toContain(`${storage.host} denies it (403)`);
    expect(said).not.toContain('f00');
  });

  it('lead manifests, too', async () => {
    await using other = await startScripted((_, response) => sendJson(response, 200, MANIFEST, { 'content-type': MANIFEST.mediaType }));
    await using registry = await startScripted(redirectTo(302, `${other.origin}/m`));
    await using client = connectRegistries();
    expect((await client.registries.repository({ domain: registry.host, path: 'app' }).manifest('1')).descriptor.mediaType).toBe(
      MANIFEST.mediaType,
    );
  });
});
