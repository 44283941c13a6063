import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildRequest } from '../../src/cli/flags.js';
import { summarize, toMetadata, writeResultFiles } from '../../src/cli/results.js';
import { formatAge, formatTable } from '../../src/cli/table.js';
import { assembleImage } from '../../src/image/assemble.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import type { BuildResult } from '../../src/options.js';

let dir: string;
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'tsbuild-results-'))));
afterAll(() => rmSync(dir, { recursive: true }));

const { image } = assembleImage({
  baseLayers: [],
  layers: [{ diffId: digestOf('tar'), descriptor: { mediaType: MediaType.ociLayerGzip, digest: digestOf('blob'), size: 1_234_567 } }],
  history: [{ created: '2024-05-06T07:08:09Z', created_by: 'COPY a / # buildkit' }],
  config: {},
  platform: { os: 'linux', architecture: 'amd64' },
});
const RESULT: BuildResult = {
  image,
  images: [image],
  index: undefined,
  timings: { totalMs: 1234, steps: [{ stepId: '0.1', text: 'COPY a /', durationMs: 5 }] },
  checks: [],
  pushed: [],
  warnings: ['careful'],
};

function request(more: Partial<BuildRequest> = {}): BuildRequest {
  const options = { context: '.', tags: ['app:1'], outputs: [{ type: 'image', names: ['team/app', 'app:1'] }] } as const;
  return { options, progress: 'plain', printId: false, debug: false, ...more };
}

describe('results', () => {
  it('has the keys of buildx, and its own', () => {
    expect(toMetadata(request(), RESULT)).toEqual({
      'containerimage.config.digest': image.manifest.config.digest,
      'containerimage.descriptor': { ...image.descriptor, platform: { architecture: 'amd64', os: 'linux' } },
      'containerimage.digest': image.descriptor.digest,
      'image.name': 'docker.io/library/app:1,docker.io/team/app:latest',
      'tsbuild.timings': RESULT.timings,
      'tsbuild.warnings': ['careful'],
    });
  });

  it('has no image to describe when there is none', () => {
    const none = { ...RESULT, image: undefined, images: [] };
    expect(Object.keys(toMetadata(request({ options: { context: '.' } }), none))).toEqual(['tsbuild.timings', 'tsbuild.warnings']);
    expect(summarize(request(), none)).toBe('built in 1.23s\n');
    writeResultFiles(request({ iidFile: join(dir, 'no-image') }), none);
    expect(existsSync(join(dir, 'no-image'))).toBe(false);
  });

  it('names what was pushed, which may be other bytes than those of the store', () => {
    const descriptor = { mediaType: MediaType.dockerManifest, digest: digestOf('pushed'), size: 6 };
    const pushed = { ...RESULT, pushed: [{ reference: 'registry.example/app:1', descriptor }] };
    const outputs = [{ type: 'registry', names: [], annotations: {} }] as const;
    const registry = request({ options: { context: '.', tags: ['registry.example/app:1'], outputs } });
    expect(toMetadata(registry, pushed)).toMatchObject({
      'containerimage.config.digest': image.manifest.config.digest,
      'containerimage.descriptor': { ...descriptor, platform: { architecture: 'amd64', os: 'linux' } },
      'containerimage.digest': descriptor.digest,
      'image.name': 'registry.example/app:1',
    });
    const lines = summarize(registry, pushed).split('\n');
    expect(lines[1]).toBe(`  pushed registry.example/app:1@${descriptor.digest}`);
    expect(lines[2]).toContain('1 layer, 1.23 MB');
    const both = request({ options: { ...registry.options, outputs: [...outputs, { type: 'image', names: [] }] } });
    expect(summarize(both, pushed).split('\n').slice(1, 3)).toEqual(['  registry.example/app:1', lines[1]]);
  });

  it('describes an index by itself alone', () => {
    const index = { mediaType: MediaType.ociIndex, digest: digestOf('index'), size: 5 };
    const several = { ...RESULT, image: undefined, images: [image, image], index };
    const metadata = toMetadata(request(), several);
    expect(metadata).toMatchObject({ 'containerimage.descriptor': index, 'containerimage.digest': index.digest });
    expect(metadata).not.toHaveProperty(['containerimage.config.digest']);
    const iidFile = join(dir, 'index-id');
    writeResultFiles(request({ iidFile }), several);
    expect(readFileSync(iidFile, 'utf8')).toBe(index.digest);
    const line = `  linux/amd64: 1 layer, 1.23 MB, ${image.descriptor.digest}\n`;
    expect(summarize(request({ options: { context: '.' } }), several)).toBe(`built index ${index.digest} in 1.23s\n${line}${line}`);
  });

  it('writes files whole, with their directories', () => {
    const iidFile = join(dir, 'deep/id');
    const metadataFile = join(dir, 'other/metadata.json');
    for (const _ of [1, 2]) writeResultFiles(request({ iidFile, metadataFile }), RESULT);
    expect(readFileSync(iidFile, 'utf8')).toBe(image.manifest.config.digest);
    expect(JSON.parse(readFileSync(metadataFile, 'utf8'))).toEqual(toMetadata(request(), RESULT));
    expect([...readdirSync(join(dir, 'deep')), ...readdirSync(join(dir, 'other'))]).toEqual(['id', 'metadata.json']);
  });

  it('says which file cannot be written', () => {
    writeFileSync(join(dir, 'file'), '');
    const write = (): void => writeResultFiles(request({ iidFile: join(dir, 'file/id') }), RESULT);
    expect(write).toThrow(expect.objectContaining({ kind: 'environment', message: expect.stringContaining('file/id') as string }));
  });

  it('sums up', () => {
    expect(summarize(request(), RESULT)).toBe(
      `built ${image.descriptor.digest} in 1.23s\n  docker.io/library/app:1\n  docker.io/team/app:latest\n` +
        `  1 layer, 1.23 MB, image id ${image.manifest.config.digest}\n`,
    );
  });
});

describe('tables', () => {
  it('aligns columns', () => {
    expect(
      formatTable(
        ['A', 'LONG'],
        [
          ['wide one', ''],
          ['x', 'y'],
        ],
      ),
    ).toBe('A          LONG\nwide one\nx          y\n');
  });
  it.each([
    ['2024-01-01T00:00:00Z', 'just now'],
    ['2023-12-31T23:58:59Z', '1 minute ago'],
    ['2023-12-31T20:00:00Z', '4 hours ago'],
    ['2023-12-29T00:00:00Z', '3 days ago'],
    ['2023-12-10T00:00:00Z', '3 weeks ago'],
    ['2023-09-01T00:00:00Z', '4 months ago'],
    ['1970-01-01T00:00:00Z', '54 years ago'],
    ['2030-01-01T00:00:00Z', 'just now'],
    [undefined, 'N/A'],
    ['nonsense', 'N/A'],
  ])('%s is %s', (created, expected) => {
    expect(formatAge(created, Date.parse('2024-01-01T00:00:30Z'))).toBe(expected);
  });
});
