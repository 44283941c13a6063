import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BrokenRegistry, flood, no, OCI_MANIFEST, on, page, part, rootOf, send, type Fault } from '../helpers/broken-registry.js';
import { putJson, sha256, type Json, type RawLayout } from '../helpers/raw-layout.js';
import { LAYERS, READING } from './broken-lab.js';
import { table, useBrokenLab, type Row } from './broken-rows.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
const ZEROS = `sha256:${'0'.repeat(64)}`;
const HERE = { os: 'linux', architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch };
const lab = useBrokenLab();

describe('bytes that are not what they should be', () => {
  const flip = (bytes: Buffer): Buffer => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]);
  const asLayer = (change: (bytes: Buffer) => Buffer): Pick<Row, 'raw'> => ({
    raw: { changeBlob: (kind, bytes) => (kind === 'layer' ? change(bytes) : bytes) },
  });
  const others = 'hint: the registry, or a proxy in front of it, delivers other bytes than were pushed';
  table(
    lab,
    {
      'a layer with another digest': { ...asLayer(flip), status: 3, words: ['its bytes have digest sha256:', ', want sha256:', others] },
      'a config with another digest': {
        raw: { changeBlob: (kind, bytes) => (kind === 'config' ? Buffer.from(bytes.toString().replace('linux', 'LINUX')) : bytes) },
        status: 3,
        words: ['its bytes have digest sha256:', ', want sha256:', others],
      },
      'a manifest with another digest': {
        path: `/team/app@${ZEROS}`,
        fault: on('GET manifest', (call) => send(call, 200, OCI_MANIFEST, rootOf(call))),
        status: 3,
        words: [`manifest of HOST/team/app@${ZEROS}: its bytes have digest sha256:`, `, want ${ZEROS}`, others],
      },
      'a layer that breaks off': {
        fault: on('GET blob', (call) => part(call, () => call.response.socket?.end())),
        status: 3,
        words: ['the connection to HOST broke', 'after 20 of ', ' bytes', 'hint: ', '--retry'],
      },
      'a layer that comes to a halt': {
        fault: on('GET blob', (call) => part(call, () => undefined)),
        flags: ['--timeout', '3s'],
        status: 3,
        words: ['HOST was silent for 3 s', ', after 20 of ', ' bytes', 'hint: ', '--timeout'],
      },
    },
    READING,
  );
  table(
    lab,
    {
      'a manifest with another digest than its header': {
        fault: on('GET manifest', (call) => {
          call.response.setHeader('docker-content-digest', ZEROS);
          return false;
        }),
        status: 3,
        words: ['its bytes have digest sha256:', `its header says ${ZEROS}`, others],
      },
      'a manifest that comes to a halt': {
        fault: on('GET manifest', (call) => part(call, () => undefined)),
        flags: ['--timeout', '3s'],
        status: 3,
        words: ['HOST was silent for 3 s', '--timeout'],
      },
      'a layer that is too short': { ...asLayer((bytes) => bytes.subarray(0, 30)), status: 3, words: ['got 30 bytes, want 10', others] },
      'a layer that is too long': {
        ...asLayer((bytes) => Buffer.concat([bytes, bytes])),
        status: 3,
        words: ['got 2', ' bytes, want 10', others],
      },
      'a layer that is a web page': {
        fault: on('GET blob', page(200)),
        status: 3,
        words: ['got 62 bytes of a web page', 'want 237', 'hint: a portal'],
      },
      'a layer that is not there': {
        fault: on('GET blob', no(404, 'BLOB_UNKNOWN')),
        status: 3,
        words: [
          'HOST has no such thing (404)',
          'own words about BLOB_UNKNOWN',
          'hint: the registry has the manifest',
          'push the image again',
        ],
      },
    },
    ['pull'],
  );
  table(
    lab,
    {
      'a layer that is no tar': {
        raw: { blobs: LAYERS.map(() => gzipSync('no tar')) },
        status: 1,
        words: ['layer sha256:', 'hint: the image was made wrong'],
      },
      'a layer that is no gzip': {
        raw: { blobs: LAYERS.map(() => Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.from('garbage of a gzip')])) },
        status: 1,
        words: ['layer sha256:', 'hint: the image was made wrong'],
      },
      'a layer whose gzip ends early': {
        raw: { blobs: LAYERS.map((tar) => gzipSync(tar).subarray(0, 50)) },
        status: 1,
        words: ['layer sha256:', 'hint: the image was made wrong'],
      },
      'a layer with another diffId': {
        raw: { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [ZEROS, ZEROS] } }) },
        status: 1,
        words: ['layer sha256:', 'got a tar with the diffId sha256:', `want ${ZEROS}`, 'hint: the image was made wrong'],
      },
    },
    ['build', 'pull --extract'],
  );
});

describe('manifests', () => {
  const body = (type: string, content: string | Buffer): Fault => on('manifest', (call) => send(call, 200, type, content));
  table(
    lab,
    {
      'too large': {
        fault: body(OCI_MANIFEST, Buffer.alloc(5 << 20, ' ')),
        status: 3,
        words: ['could not read the manifest', 'the answer of HOST is too large, want at most 4.19 MB'],
      },
      'without end': {
        fault: on('manifest', ({ response }) => {
          response.writeHead(200, { 'content-type': OCI_MANIFEST });
          flood(response, ' '.repeat(65_536));
        }),
        status: 3,
        words: ['the answer of HOST is too large'],
      },
      'of a type that nobody knows': {
        fault: body('application/vnd.example+json', '{"schemaVersion":2}'),
        status: 3,
        words: ['media type "application/vnd.example+json" is not known', 'hint: want an image or index'],
      },
      'of schema 1': {
        fault: body('application/vnd.docker.distribution.manifest.v1+prettyjws', '{"schemaVersion":1}'),
        status: 3,
        words: ['docker schema 1', 'hint: push the image again'],
      },
      'that are no JSON': { fault: body(OCI_MANIFEST, 'no JSON'), status: 3, words: ['it is not JSON'] },
      'that are empty': { fault: body(OCI_MANIFEST, ''), status: 3, words: ['it is not JSON'] },
      'of two types': {
        fault: body(OCI_MANIFEST, JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })),
        status: 3,
        words: ['its mediaType', 'is not the content type'],
      },
      'with a malformed layer': {
        raw: { changeManifest: (manifest) => ({ ...manifest, layers: [{ mediaType: 'x', digest: 'sha256:0', size: -1 }] }) },
        status: 1,
        words: ['manifest sha256:', ': layers[0]'],
      },
      'with a config that is no JSON': { raw: { changeConfig: () => 'no JSON' }, status: 1, words: ['config sha256:', ': not JSON'] },
      'with a malformed config': {
        raw: { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: 'none' } }) },
        status: 1,
        words: ['config sha256:', 'rootfs.diff_ids'],
      },
      'with fewer diffIds than layers': {
        raw: { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [] } }) },
        status: 1,
        words: ['has 0 diff_ids, its manifest 2 layers'],
      },
      'with a config that is too large': {
        raw: { changeConfig: (config) => ({ ...config, history: [{ comment: 'x'.repeat(9_000_000) }] }) },
        status: 1,
        words: ['config', '8388608'],
      },
      'of other platforms': {
        damage: (dir) =>
          writeIndex(dir, [
            ['linux', 'riscv64'],
            ['windows', 'amd64'],
            ['unknown', 'unknown'],
          ]),
        flags: ['--platform', 'linux/arm64'],
        status: 3,
        words: ['"HOST/team/app:1" has no image for linux/arm64', 'hint: there is linux/riscv64, windows/amd64'],
        absent: /unknown/,
      },
      'of another platform': {
        commands: ['pull', 'cp'],
        flags: ['--platform', 'linux/riscv64'],
        status: 3,
        words: ['is for linux/', 'want linux/riscv64'],
      },
      'of an index that names itself': { damage: writeLoop, status: 3, words: ['its bytes have digest', 'want'] },
      'of indexes in indexes': { damage: (dir) => writeNested(dir, 8), status: 3, words: ['HOST/team/app:1', 'at most 5 are read'] },
    },
    ['pull', 'build'],
  );

  it('of which one layer is none, without waiting for the others', { timeout: 20_000 }, async () => {
    const [, silent = Buffer.alloc(0)] = LAYERS;
    const garbage = Buffer.from(`\x1f\x8b\x08\0\0\0\0\0\0\x03${'garbage that is no deflate stream'.repeat(3000)}`, 'latin1');
    const fault = on('GET blob', ({ reference }) => (reference === sha256(silent) ? undefined : false));
    const [pulled] = await lab().try({ commands: ['pull --extract'], raw: { blobs: [garbage, silent] }, fault });
    expect(pulled).toMatchObject({ status: 1, stderr: expect.stringContaining('is not valid gzip data') });
  });

  it('of layers that are elsewhere', async () => {
    await using elsewhere = await BrokenRegistry.start();
    const raw: RawLayout = {
      changeManifest: (manifest) => ({
        ...manifest,
        layers: (manifest['layers'] as Json[]).map((layer) => ({ ...layer, mediaType: FOREIGN, urls: [`${elsewhere.origin}/layer`] })),
      }),
    };
    const [built, pulled] = await lab().try({ commands: ['build', 'pull'], raw, damage: dropLayers });
    for (const result of [built, pulled]) {
      expect(result).toMatchObject({
        status: 3,
        stderr: expect.stringMatching(/read blob sha256:[^]*has no such thing \(404\)[^]*hint: .*only registries are asked/),
      });
    }
    expect(elsewhere.asked).toEqual([]);
  });

  it('of layers that could be elsewhere, and are here', async () => {
    const raw: RawLayout = {
      changeManifest: (manifest) => ({
        ...manifest,
        layers: (manifest['layers'] as Json[]).map((layer) => ({ ...layer, mediaType: FOREIGN, urls: ['http://localhost:1/layer'] })),
      }),
    };
    const [pulled] = await lab().try({ commands: ['pull'], raw });
    expect(pulled).toMatchObject({ status: 0 });
  });
});

/** As of foreign layers, a registry has the manifest alone. */
function dropLayers(dir: string): void {
  const path = (digest: unknown): string => join(dir, 'blobs', String(digest).replace(':', '/'));
  const { layers } = JSON.parse(readFileSync(path(rootIn(dir)['digest']), 'utf8')) as { layers: Json[] };
  for (const { digest } of layers) rmSync(path(digest));
}

function writeIndex(dir: string, platforms: readonly (readonly [os: string, architecture: string])[]): void {
  setRoot(
    dir,
    indexOf(
      dir,
      platforms.map(([os, architecture]) => ({ ...rootIn(dir), platform: { os, architecture } })),
    ),
  );
}

/** By its digest, and so with another one. */
function writeLoop(dir: string): void {
  const index = indexOf(dir, [{ ...rootIn(dir), digest: sha256(Buffer.from('itself')), platform: HERE }]);
  writeFileSync(
    join(dir, 'blobs/sha256', sha256(Buffer.from('itself')).slice('sha256:'.length)),
    readFileSync(join(dir, 'blobs', String(index['digest']).replace(':', '/'))),
  );
  setRoot(dir, index);
}

function writeNested(dir: string, depth: number): void {
  for (let level = 0; level < depth; level++) setRoot(dir, indexOf(dir, [{ ...rootIn(dir), platform: HERE }]));
}

function indexOf(dir: string, manifests: readonly Json[]): Json {
  return putJson(dir, OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
}

function rootIn(dir: string): Json {
  return (JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as { manifests: Json[] }).manifests[0] ?? {};
}

function setRoot(dir: string, descriptor: Json): void {
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
}
