import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted, type Script } from '../helpers/scripted-registry.js';

const CONFIG = { mediaType: MediaType.ociConfig, digest: digestOf('x'), size: 1 };
const IMAGE = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: CONFIG, layers: [] };
const INDEX = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
const DOCKER_IMAGE = { ...IMAGE, mediaType: MediaType.dockerManifest };
const DOCKER_INDEX = { ...INDEX, mediaType: MediaType.dockerIndex };
const { mediaType: _, ...UNTYPED } = IMAGE;
const TEXT = JSON.stringify(IMAGE);

function sending(text: string, headers: Readonly<Record<string, string>>): Script {
  return (__, response) => void response.writeHead(200, headers).end(text);
}

describe('a manifest', () => {
  it.each<[string, unknown, string | undefined, string]>([
    ['of OCI', IMAGE, MediaType.ociManifest, MediaType.ociManifest],
    ['of docker', DOCKER_IMAGE, MediaType.dockerManifest, MediaType.dockerManifest],
    ['as an index of OCI', INDEX, MediaType.ociIndex, MediaType.ociIndex],
    ['as an index of docker', DOCKER_INDEX, MediaType.dockerIndex, MediaType.dockerIndex],
    ['with parameters after its type', IMAGE, `${MediaType.ociManifest}; charset=utf-8`, MediaType.ociManifest],
    ['with its type in capitals', IMAGE, MediaType.ociManifest.toUpperCase(), MediaType.ociManifest],
    ['that says its type only within', IMAGE, 'application/json', MediaType.ociManifest],
    ['that came as text', DOCKER_INDEX, 'text/plain; charset=utf-8', MediaType.dockerIndex],
    ['that came without a type', IMAGE, undefined, MediaType.ociManifest],
    ['that says its type only without', UNTYPED, MediaType.ociManifest, MediaType.ociManifest],
    ['that never says its type', UNTYPED, undefined, MediaType.ociManifest],
    ['that never says that it is an index', { schemaVersion: 2, manifests: [] }, 'application/json', MediaType.ociIndex],
  ])('%s is read', async (__, document, type, want) => {
    const text = JSON.stringify(document);
    await using server = await startScripted(sending(text, type === undefined ? {} : { 'content-type': type }));
    await using client = connectRegistries();
    const got = await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(got).toEqual({ descriptor: { mediaType: want, digest: digestOf(text), size: text.length }, bytes: Buffer.from(text) });
    for (const each of Object.values({ MediaType }.MediaType).filter((name) => /manifest|index/.test(name))) {
      expect(server.asked[0]?.headers.accept).toContain(each);
    }
  });

  it.each<[string, Script, string]>([
    [
      'of another type within',
      sending(JSON.stringify(INDEX), { 'content-type': MediaType.ociManifest }),
      `its mediaType "${MediaType.ociIndex}" is not the content type "${MediaType.ociManifest}"`,
    ],
    [
      'of schema 1 by its type',
      sending('{}', { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' }),
      'docker schema 1, which is not supported',
    ],
    [
      'of schema 1 by its version',
      sending('{"schemaVersion":1,"fsLayers":[]}', { 'content-type': 'application/json' }),
      'docker schema 1, which is not supported',
    ],
    [
      'of no known type',
      sending('{"schemaVersion":2}', { 'content-type': 'application/vnd.cncf.helm+json' }),
      'media type "application/vnd.cncf.helm+json" is not known; want an image or index',
    ],
    [
      'of no type at all',
      sending('{"schemaVersion":2}', { 'content-type': 'application/json' }),
      'media type "application/json" is not known',
    ],
    [
      'with the members of both',
      sending(JSON.stringify({ ...IMAGE, manifests: [] }), { 'content-type': MediaType.ociManifest }),
      'has "manifests", as the other kind would have',
    ],
    [
      'that is an index and has layers',
      sending(JSON.stringify({ ...INDEX, layers: [] }), { 'content-type': MediaType.ociIndex }),
      'has "layers", as the other kind would have',
    ],
    ['without layers', sending('{"schemaVersion":2}', { 'content-type': MediaType.ociManifest }), 'has no "layers"'],
    ['whose type is no text', sending('{"mediaType":[]}', { 'content-type': MediaType.ociManifest }), 'its mediaType is no text'],
    ['that is no JSON', sending('layers', { 'content-type': MediaType.ociManifest }), 'it is not JSON'],
    [
      'that is no UTF-8',
      (__, response) => void response.writeHead(200, { 'content-type': MediaType.ociManifest }).end(Buffer.from([0x7b, 0xff, 0x7d])),
      'it is not JSON',
    ],
    ['that is a list', sending('[]', { 'content-type': MediaType.ociManifest }), 'it is no JSON object'],
    ['that is a web page', sending('<html>Welcome', { 'content-type': 'text/html' }), 'answered a web page; is localhost'],
    [
      'that is a web page in disguise',
      sending('\n<!DOCTYPE html>', { 'content-type': MediaType.ociManifest }),
      'answered a web page; is localhost',
    ],
    [
      'that says that it is too large',
      (__, response) => void response.writeHead(200, { 'content-length': 5_000_000 }).write('{'),
      'is too large, want at most 4',
    ],
    ['that is too large', (__, response) => pour(response), 'is too large, want at most 4'],
    [
      'whose header has another digest',
      sending(TEXT, { 'content-type': MediaType.ociManifest, 'docker-content-digest': digestOf('y') }),
      `its bytes have digest ${digestOf(TEXT)}, its header says ${digestOf('y')}`,
    ],
  ])('%s is not', async (__, script, want) => {
    await using server = await startScripted(script);
    await using client = connectRegistries({ retries: 1 });
    const failed = client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(await sayingOf(failed)).toContain(want);
    await expect(failed).rejects.toMatchObject({ kind: 'registry' });
  });

  it('is what its digest says', async () => {
    await using server = await startScripted(sending(TEXT, { 'content-type': MediaType.ociManifest }));
    await using client = connectRegistries({ retries: 0 });
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    expect((await repository.manifest(digestOf(TEXT))).descriptor.digest).toBe(digestOf(TEXT));
    expect(await sayingOf(repository.manifest(digestOf('y')))).toContain(
      `could not use the manifest of ${server.host}/app@${digestOf('y')}: its bytes have digest ${digestOf(TEXT)}, want ${digestOf('y')}`,
    );
  });

  it('may come with warnings, which are shown once', async () => {
    const warning = '299 - "going \\"away\\" in May", 299 - "slowly\t[2J", 199 - "of a proxy"';
    await using server = await startScripted(sending(TEXT, { 'content-type': MediaType.ociManifest, warning }));
    await using client = connectRegistries();
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await repository.manifest('1');
    await repository.manifest('2');
    const warnings = client.lines.filter((line) => line.startsWith('warning'));
    expect(warnings).toEqual([`warning: ${server.host} says: going "away" in May`, `warning: ${server.host} says: slowly [2J`]);
  });

  it('that never comes ends with the idle time, named', async () => {
    await using server = await startScripted(() => undefined);
    await using client = connectRegistries({ timeoutMs: 400, retries: 0 });
    const said = await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    expect(said).toContain(`${server.host} was silent for 400 ms, the limit of --timeout`);
  });
});

/** More than anybody wants, for as long as somebody listens. */
function pour(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': MediaType.ociManifest });
  const more = (): void => {
    if (!response.destroyed) response.write(' '.repeat(500_000), more);
  };
  more();
}

describe('a tag is resolved', () => {
  const descriptor = { mediaType: MediaType.ociManifest, digest: digestOf(TEXT), size: TEXT.length };
  const said = { 'content-type': MediaType.ociManifest, 'docker-content-digest': digestOf(TEXT), 'content-length': String(TEXT.length) };

  it.each<[string, Script, readonly string[]]>([
    ['by HEAD', sending(TEXT, said), ['HEAD']],
    ['by GET where HEAD has no digest', sending(TEXT, { 'content-type': MediaType.ociManifest }), ['HEAD', 'GET']],
    ['by GET where HEAD has no type', sending(TEXT, { ...said, 'content-type': 'application/json' }), ['HEAD', 'GET']],
    [
      'by GET where HEAD has no length',
      ({ method }, response) =>
        void (method === 'HEAD'
          ? response.writeHead(200, { ...said, 'content-length': '0' }).end()
          : response.writeHead(200, said).end(TEXT)),
      ['HEAD', 'GET'],
    ],
    [
      'by GET where HEAD is not known',
      ({ method }, response) => (method === 'HEAD' ? sendError(response, 405, 'NO') : void response.writeHead(200, said).end(TEXT)),
      ['HEAD', 'GET'],
    ],
    [
      'by GET where HEAD is forbidden',
      ({ method }, response) => (method === 'HEAD' ? sendError(response, 403, 'NO') : void response.writeHead(200, said).end(TEXT)),
      ['HEAD', 'GET'],
    ],
  ])('%s', async (__, script, want) => {
    await using server = await startScripted(script);
    await using client = connectRegistries();
    expect(await client.registries.repository({ domain: server.host, path: 'app' }).resolve('1')).toEqual(descriptor);
    expect(server.asked.map(({ method }) => method)).toEqual(want);
  });

  it.each(['HEAD', 'GET'])('to nothing where %s says so', async (method) => {
    await using server = await startScripted((asked, response) =>
      asked.method === method ? sendError(response, 404, 'MANIFEST_UNKNOWN') : sendJson(response, 405, {}),
    );
    await using client = connectRegistries();
    expect(await client.registries.repository({ domain: server.host, path: 'app' }).resolve('1')).toBeUndefined();
  });
});

describe('writing a manifest', () => {
  it('says its type without parameters, and looks at what became of it', async () => {
    await using server = await startScripted(
      (__, response) => void response.writeHead(201, { 'docker-content-digest': digestOf('y') }).end(),
    );
    await using client = connectRegistries();
    const written = client.registries
      .repository({ domain: server.host, path: 'app' })
      .putManifest('1', { bytes: Buffer.from(TEXT), mediaType: MediaType.ociManifest });
    expect(await sayingOf(written)).toContain(`the registry stored it as ${digestOf('y')}, want ${digestOf(TEXT)}`);
    const { method, target, headers, body } = server.asked[0] ?? {};
    expect([method, target, headers?.['content-type'], body]).toEqual(['PUT', '/v2/app/manifests/1', MediaType.ociManifest, TEXT]);
  });

  it('passes on what the registry says of a quota', async () => {
    const error = { code: 'DENIED', message: 'requested access to the resource is denied', detail: 'quota of 10 GiB exceeded\u001b[31m' };
    await using server = await startScripted((__, response) => sendJson(response, 403, { errors: [error] }));
    await using client = connectRegistries();
    const written = client.registries
      .repository({ domain: server.host, path: 'app' })
      .putManifest('1', { bytes: Buffer.from(TEXT), mediaType: MediaType.ociManifest });
    expect(await sayingOf(written)).toContain(
      'denies it (403): DENIED: requested access to the resource is denied: quota of 10 GiB exceeded [31m; ',
    );
  });

  it('of more than 4 MiB is not even tried', async () => {
    await using server = await startScripted((__, response) => void response.end());
    await using client = connectRegistries();
    const written = client.registries
      .repository({ domain: server.host, path: 'app' })
      .putManifest('1', { bytes: Buffer.alloc(5_000_000), mediaType: 'a/b' });
    expect(await sayingOf(written)).toContain('registries take at most');
    expect(server.asked).toEqual([]);
  });
});
