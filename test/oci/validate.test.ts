import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import { parseImageConfig, parseIndex, parseManifest } from '../../src/oci/validate.js';

const DIGEST = digestOf('x');
const DESCRIPTOR = { mediaType: MediaType.ociLayer, digest: DIGEST, size: 1 };
const CONFIG = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIGEST] } };
const MANIFEST = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: DESCRIPTOR, layers: [DESCRIPTOR, DESCRIPTOR] };
const INDEX = { schemaVersion: 2, manifests: [DESCRIPTOR] };

function toBytes(document: unknown): Buffer {
  return Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
}

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(BuildError);
    expect((error as BuildError).kind).toBe('input');
    return (error as BuildError).message;
  }
  return 'accepted';
}

describe('parseManifest', () => {
  it('takes those of OCI and docker, with and without media type, and keeps unknown fields', () => {
    const { mediaType: _mediaType, ...bare } = MANIFEST;
    for (const document of [
      MANIFEST,
      bare,
      { ...bare, mediaType: MediaType.dockerManifest },
      { ...MANIFEST, subject: DESCRIPTOR, annotations: { a: 'b' } },
    ]) {
      expect(parseManifest(toBytes(document))).toEqual(document);
    }
  });

  it.each<[string, unknown, string]>([
    ['no JSON', Buffer.from('{'), 'not JSON: '],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'not JSON: '],
    ['no object', [], 'document: want an object, got []'],
    ['null', null, 'document: want an object, got null'],
    ['schema 1', { ...MANIFEST, schemaVersion: 1 }, 'schemaVersion: want 2, got 1'],
    ['no schema', { ...MANIFEST, schemaVersion: undefined }, 'schemaVersion: want an integer below 2^53, got nothing'],
    [
      'an index by media type',
      { ...MANIFEST, mediaType: MediaType.ociIndex },
      'mediaType: want application/vnd.oci.image.manifest.v1+json or ',
    ],
    ['an index as well (CVE-2021-41190)', { ...MANIFEST, manifests: [] }, 'manifests: a manifest must not have the field of an index'],
    ['no config', { ...MANIFEST, config: undefined }, 'config: want an object, got nothing'],
    ['no layers', { ...MANIFEST, layers: undefined }, 'layers: want an array, got nothing'],
    ['layers as object', { ...MANIFEST, layers: { length: 1 } }, 'layers: want an array, got {"length":1}'],
    [
      'too many layers',
      { ...MANIFEST, layers: Array.from({ length: 1001 }, () => DESCRIPTOR) },
      'layers: has 1001 elements, want at most 1000',
    ],
    [
      'a digest that is a path',
      { ...MANIFEST, layers: [DESCRIPTOR, { ...DESCRIPTOR, digest: 'sha256:../../x' }] },
      'layers[1].digest: invalid digest "sha256:../../x"',
    ],
    [
      'a digest in capitals',
      { ...MANIFEST, config: { ...DESCRIPTOR, digest: DIGEST.toUpperCase() } },
      'config.digest: invalid digest "SHA256:',
    ],
    ['a digest that is a list', { ...MANIFEST, config: { ...DESCRIPTOR, digest: [DIGEST] } }, 'config.digest: invalid digest ["sha256:'],
    ['a negative size', { ...MANIFEST, config: { ...DESCRIPTOR, size: -1 } }, 'config.size: want a size of 0 or more, got -1'],
    [
      'a size beyond doubles',
      Buffer.from(JSON.stringify(MANIFEST).replace('"size":1', '"size":18446744073709551616')),
      'config.size: want an integer',
    ],
    ['a broken size', { ...MANIFEST, config: { ...DESCRIPTOR, size: 1.5 } }, 'config.size: want an integer below 2^53, got 1.5'],
    [
      'a media type with a line break',
      { ...MANIFEST, config: { ...DESCRIPTOR, mediaType: 'a/b\nc' } },
      'config.mediaType: want a media type, got "a/b\\nc"',
    ],
    ['an annotation that is a number', { ...MANIFEST, annotations: { a: 1 } }, 'annotations["a"]: want a string, got 1'],
    ['too large', { ...MANIFEST, annotations: { a: 'x'.repeat(4 << 20) } }, 'has 4'],
  ])('refuses %s', (_title, document, message) => {
    const bytes = toBytes(document);
    expect(messageOf(() => parseManifest(bytes))).toContain(`manifest ${digestOf(bytes)}: ${message}`);
  });
});

describe('parseIndex', () => {
  it('takes those of OCI and docker', () => {
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    const document = { ...INDEX, mediaType: MediaType.dockerIndex, manifests: [{ ...DESCRIPTOR, platform, artifactType: 'a/b' }] };
    expect(parseIndex(toBytes(document))).toEqual(document);
  });

  it.each<[string, unknown, string]>([
    ['a manifest as well', { ...INDEX, layers: [] }, 'layers: an index must not have the field of a manifest'],
    ['a config', { ...INDEX, config: DESCRIPTOR }, 'config: an index must not have the field of a manifest'],
    [
      'a manifest by media type',
      { ...INDEX, mediaType: MediaType.ociManifest },
      'mediaType: want application/vnd.oci.image.index.v1+json or ',
    ],
    ['no manifests', { schemaVersion: 2 }, 'manifests: want an array, got nothing'],
    [
      'a platform without os',
      { ...INDEX, manifests: [{ ...DESCRIPTOR, platform: { architecture: 'x' } }] },
      'manifests[0].platform.os: want a string, got nothing',
    ],
    [
      'a platform that is text',
      { ...INDEX, manifests: [{ ...DESCRIPTOR, platform: 'linux/amd64' }] },
      'manifests[0].platform: want an object, got "linux/amd64"',
    ],
  ])('refuses %s', (_title, document, message) => {
    expect(messageOf(() => parseIndex(toBytes(document)))).toContain(message);
  });

  it('names the document as it is told to', () => {
    expect(messageOf(() => parseIndex(Buffer.from('[]'), { name: '"/x/index.json"' }))).toBe(
      '"/x/index.json": document: want an object, got []',
    );
    expect(messageOf(() => parseIndex(toBytes(INDEX), { maxBytes: 10 }))).toMatch(
      /^index sha256:[0-9a-f]{64}: has \d+ bytes, want at most 10$/,
    );
  });
});

describe('parseImageConfig', () => {
  it('keeps what it knows, and takes null for nothing as Go writes it', () => {
    const document = {
      ...CONFIG,
      created: '2026-01-02T03:04:05.123456789+02:00',
      docker_version: '20.10',
      container_config: { Cmd: 5 },
      config: { User: 'x', Env: null, Entrypoint: null, Cmd: ['a'], ExposedPorts: { '80/tcp': null }, Labels: null, Hostname: 'h' },
      history: [{ created_by: 'x', empty_layer: false, extra: 1 }, {}],
    };
    expect(parseImageConfig(toBytes(document))).toEqual({
      ...CONFIG,
      created: '2026-01-02T03:04:05.123456789+02:00',
      config: { User: 'x', Cmd: ['a'], ExposedPorts: { '80/tcp': {} } },
      history: [{ created_by: 'x', empty_layer: false }, {}],
    });
  });

  it.each<[string, object, string]>([
    ['no architecture', { architecture: undefined }, 'architecture: want a string, got nothing'],
    ['no rootfs', { rootfs: undefined }, 'rootfs: want an object, got nothing'],
    ['another rootfs', { rootfs: { type: 'tarball' } }, 'rootfs.type: want "layers", got "tarball"'],
    ['a diffId that is none', { rootfs: { type: 'layers', diff_ids: [DIGEST, 'md5:x'] } }, 'rootfs.diff_ids[1]: invalid digest "md5:x"'],
    ['Env as a map', { config: { Env: { PATH: '/bin' } } }, 'config.Env: want an array, got {"PATH":"/bin"}'],
    ['Env with a number', { config: { Env: ['A=1', 5] } }, 'config.Env[1]: want a string, got 5'],
    ['Cmd as text', { config: { Cmd: 'ls' } }, 'config.Cmd: want an array, got "ls"'],
    ['Labels with a list', { config: { Labels: { a: [] } } }, 'config.Labels["a"]: want a string, got []'],
    ['User as a number', { config: { User: 4_294_967_296 } }, 'config.User: want a string, got 4294967296'],
    ['Volumes as a list', { config: { Volumes: ['/a'] } }, 'config.Volumes: want an object, got ["/a"]'],
    [
      'a healthcheck that goes back in time',
      { config: { Healthcheck: { Interval: -1 } } },
      'config.Healthcheck.Interval: want a duration of 0 or more',
    ],
    [
      'a million rows of history',
      { history: Array.from({ length: 1_000_000 }, () => ({})) },
      'history: has 1000000 elements, want at most 10000',
    ],
    ['a time that is none', { created: 'yesterday' }, 'created: want a time like 2006-01-02T15:04:05Z, got "yesterday"'],
    ['empty_layer as text', { history: [{ empty_layer: 'true' }] }, 'history[0].empty_layer: want true or false, got "true"'],
  ])('refuses %s', (_title, change, message) => {
    const bytes = toBytes({ ...CONFIG, ...change });
    expect(messageOf(() => parseImageConfig(bytes))).toContain(`config ${digestOf(bytes)}: ${message}`);
  });

  it('a key named __proto__ is a key like any other', () => {
    const bytes = Buffer.from(JSON.stringify({ ...CONFIG, config: { Labels: {} } }).replace('"Labels":{}', '"Labels":{"__proto__":"x"}'));
    const labels = parseImageConfig(bytes).config?.Labels ?? {};
    expect(Object.entries(labels)).toEqual([['__proto__', 'x']]);
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
  });
});

describe('any JSON', () => {
  it.each([
    ['manifest', parseManifest],
    ['index', parseIndex],
    ['config', parseImageConfig],
  ] as const)('is a %s or a BuildError', (_title, parse) => {
    const deep = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue(),
        fc.dictionary(fc.constantFrom('config', 'layers', 'rootfs', 'manifests', 'size'), tie('value')),
      ),
    })).value;
    const document = fc.oneof(
      deep,
      fc.record({ schemaVersion: fc.constant(2), config: deep, layers: deep, manifests: deep, rootfs: deep }, { requiredKeys: [] }),
    );
    fc.assert(fc.property(document, (value) => messageOf(() => parse(toBytes(value))).length > 0));
  });
});
