import { describe, expect, it } from 'vitest';
import { assembleImage, type ImageParts } from '../../src/image/assemble.js';
import type { Layer } from '../../src/image/image.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType, type HistoryEntry, type ImageConfig } from '../../src/oci/types.js';
import { parseImageConfig, parseManifest } from '../../src/oci/validate.js';
import { expectOciSchema } from '../helpers/oci-schema.js';

function layer(text: string, mediaType: string = MediaType.ociLayerGzip): Layer {
  return { diffId: digestOf(`tar ${text}`), descriptor: { mediaType, digest: digestOf(text), size: text.length } };
}

function row(created_by: string, more: HistoryEntry = {}): HistoryEntry {
  return { created: '2026-01-02T03:04:05Z', created_by, comment: 'buildkit.dockerfile.v0', ...more };
}

const PARTS: ImageParts = {
  baseLayers: [],
  layers: [layer('one')],
  history: [row('COPY a / # buildkit'), row('CMD ["a"]', { empty_layer: true })],
  config: { Env: ['PATH=/bin'], Cmd: ['a'], WorkingDir: '/' },
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
};

const BASE: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  created: '2020-01-01T00:00:00Z',
  author: 'somebody',
  rootfs: { type: 'layers', diff_ids: [digestOf('tar base')] },
  history: [{ created: '2020-01-01T00:00:00Z', created_by: 'ADD rootfs' }],
};

function assembled(more: Partial<ImageParts>): ReturnType<typeof assembleImage> & { readonly json: string } {
  const result = assembleImage({ ...PARTS, ...more });
  const config = parseImageConfig(result.configBytes);
  const manifest = parseManifest(result.manifestBytes);
  expect(config).toEqual(result.image.config);
  expect(manifest).toEqual(result.image.manifest);
  expectOciSchema('config-schema', config);
  if (manifest.layers.length > 0) expectOciSchema('image-manifest-schema', manifest);
  expectOciSchema('content-descriptor', result.image.descriptor);
  expect(config.history?.filter((entry) => entry.empty_layer !== true)).toHaveLength(manifest.layers.length);
  return { ...result, json: result.configBytes.toString() };
}

describe('assembleImage', () => {
  it('writes fields in the order of the image-spec, and nothing that is empty', () => {
    const { json, image, manifestBytes, configBytes } = assembled({
      config: { ...PARTS.config, User: '', Volumes: {}, Entrypoint: null, OnBuild: [], ArgsEscaped: false },
    });
    expect(json).toBe(
      '{"created":"2026-01-02T03:04:05Z","architecture":"arm64","os":"linux","variant":"v8",' +
        '"config":{"Env":["PATH=/bin"],"Cmd":["a"],"WorkingDir":"/"},' +
        `"rootfs":{"type":"layers","diff_ids":["${digestOf('tar one')}"]},` +
        '"history":[{"created":"2026-01-02T03:04:05Z","created_by":"COPY a / # buildkit","comment":"buildkit.dockerfile.v0"},' +
        '{"created":"2026-01-02T03:04:05Z","created_by":"CMD [\\"a\\"]","comment":"buildkit.dockerfile.v0","empty_layer":true}]}',
    );
    expect(image.manifest.config).toEqual({ mediaType: MediaType.ociConfig, digest: digestOf(configBytes), size: configBytes.length });
    expect(image.descriptor).toEqual({ mediaType: MediaType.ociManifest, digest: digestOf(manifestBytes), size: manifestBytes.length });
  });

  it('the order in which maps were filled does not matter', () => {
    const one = assembled({ config: { Labels: { b: '1', a: '2' }, ExposedPorts: { '80/tcp': {}, '443/tcp': {} } } });
    const two = assembled({ config: { ExposedPorts: { '443/tcp': {}, '80/tcp': {} }, Labels: { a: '2', b: '1' } } });
    expect(one.json).toBe(two.json);
    expect(one.json).toContain('"Labels":{"a":"2","b":"1"}');
  });

  it('every field of a config comes through', () => {
    const config = {
      User: 'u',
      ExposedPorts: { '80/tcp': {} },
      Env: ['A=b'],
      Entrypoint: ['/e'],
      Cmd: ['c'],
      Volumes: { '/v': {} },
      WorkingDir: '/w',
      Labels: { __proto__x: 'y' },
      StopSignal: 'SIGINT',
      ArgsEscaped: true,
      Healthcheck: { Test: ['CMD', 'x'], Interval: 1, Timeout: 2, StartPeriod: 3, StartInterval: 4, Retries: 5 },
      OnBuild: ['RUN x'],
      Shell: ['/bin/sh', '-c'],
    };
    expect(assembled({ config }).image.config.config).toEqual(config);
  });

  it('base layers and history come first and stay as they are', () => {
    const base = layer('base', MediaType.dockerLayerGzip);
    const { image } = assembled({ base: BASE, baseLayers: [base], created: '2030-01-01T00:00:00Z' });
    expect(image.manifest.layers.map(({ digest, mediaType }) => [digest, mediaType])).toEqual([
      [digestOf('base'), MediaType.ociLayerGzip],
      [digestOf('one'), MediaType.ociLayerGzip],
    ]);
    expect(image.config.rootfs.diff_ids).toEqual([digestOf('tar base'), digestOf('tar one')]);
    expect(image.config.history?.map((entry) => entry.created_by)).toEqual(['ADD rootfs', 'COPY a / # buildkit', 'CMD ["a"]']);
    expect(image.config).toMatchObject({ author: 'somebody', created: '2030-01-01T00:00:00Z' });
    expect(assembled({ base: BASE, baseLayers: [base], author: 'me' }).image.config.author).toBe('me');
  });

  it.each<[string, HistoryEntry[] | undefined, number]>([
    ['none', undefined, 2],
    ['fewer rows than layers', [{ created_by: 'x' }], 2],
    ['more rows than layers', [{ created_by: 'x' }, { created_by: 'y', empty_layer: true }, { created_by: 'z' }], 1],
  ])('a base whose history has %s gets one that readers can pair with its layers', (_title, history, count) => {
    const { history: _history, ...bare } = BASE;
    const baseLayers = Array.from({ length: count }, (_, index) => layer(`base ${index}`));
    assembled({ base: { ...bare, ...(history === undefined ? {} : { history }) }, baseLayers });
  });

  it('annotations stand in the manifest, sorted', () => {
    const { manifestBytes } = assembled({ annotations: { b: '1', a: '2' } });
    expect(manifestBytes.toString()).toContain('"annotations":{"a":"2","b":"1"}');
  });

  it('an image of nothing but a config', () => {
    const { image } = assembled({ layers: [], history: [row('ENV A=1', { empty_layer: true })] });
    expect(image.config.rootfs.diff_ids).toEqual([]);
    expect(image.manifest.layers).toEqual([]);
  });

  it('rows and layers that do not match are a fault of the caller', () => {
    expect(() => assembleImage({ ...PARTS, history: [] })).toThrow('history has 0 rows with a layer, want 1');
  });
});
