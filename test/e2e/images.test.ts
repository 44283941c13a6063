import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor, ImageConfig } from '../../src/oci/types.js';
import { missingProgram, tsbuild } from '../helpers/cli.js';
import { blobPath, readConfig, readDescriptor, run } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox', 'skopeo');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/images.test.ts: ${missing}\n`);

interface ImageRow {
  readonly names: readonly string[];
  readonly id: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

describe.skipIf(missing !== undefined)('images of the store', () => {
  const shop = new Workshop();
  let id = '';

  beforeAll(() => {
    const context = shop.busyboxContext(['ENV STAGE=base', 'RUN echo made > /made'].join('\n'));
    id = shop.run(['-q', '-t', 'base:1', '-t', 'base', '-t', 'registry.example/team/base:1', context]).trim();
  });
  afterAll(() => shop[Symbol.dispose]());

  const images = (root = shop.store): ImageRow[] => JSON.parse(shop.run(['images', '--json', '--root', root])) as ImageRow[];
  const digestOfBase = (): string => images().find((row) => row.id === id.slice(7))?.digest ?? '';

  it('-q prints the digest of the config and nothing else', () => {
    const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const { stdout, stderr } = tsbuild(['-q', '--root', shop.at('quiet'), context]);
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(stderr).toBe('');
  });

  it('have all the names that they were given', () => {
    expect(images().map((row) => row.names.toSorted((a, b) => (a < b ? -1 : 1)))).toEqual([
      ['docker.io/library/base:1', 'docker.io/library/base:latest', 'registry.example/team/base:1'],
    ]);
    const table = shop.run(['images']).trim().split('\n');
    expect(table[0]?.split(/ {2,}/)).toEqual(['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE']);
    expect(table.slice(1).map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ['base', '1', id.slice(7, 19)],
      ['base', 'latest', id.slice(7, 19)],
      ['registry.example/team/base', '1', id.slice(7, 19)],
    ]);
  });

  it.each(['base:1', 'base', 'docker.io/library/base:1', 'registry.example/team/base:1'])('are found by the name %s', (name) => {
    const found = JSON.parse(shop.run(['inspect', name])) as {
      descriptor: Descriptor;
      config: ImageConfig;
      manifest: { config: Descriptor };
    };
    expect(found.manifest.config.digest).toBe(id);
    expect(found.config.config?.Env).toContain('STAGE=base');
  });

  it('are found by id and by digest', () => {
    for (const name of [id, id.slice(7), id.slice(7, 19), digestOfBase()]) {
      const found = JSON.parse(shop.run(['inspect', name])) as { descriptor: Descriptor };
      expect({ name, digest: found.descriptor.digest }).toEqual({ name, digest: digestOfBase() });
    }
  });

  it('tell how they were made', () => {
    const rows = JSON.parse(shop.run(['history', 'base:1', '--json'])) as {
      created_by: string;
      sizeBytes: number;
      empty_layer?: boolean;
    }[];
    expect(rows.map((row) => row.created_by)).toEqual([
      'RUN /bin/sh -c echo made > /made # buildkit',
      'ENV STAGE=base',
      'RUN /bin/busybox --install -s /bin # buildkit',
      'COPY --chmod=755 busybox /bin/busybox # buildkit',
    ]);
    expect(rows.map((row) => row.sizeBytes > 0)).toEqual([true, false, true, true]);
  });

  it('are bases of later builds', () => {
    const context = shop.context({ Dockerfile: 'FROM base:1\nRUN [ "$(cat /made)" = made ] && [ "$STAGE" = base ] && rm /made\n' });
    shop.run(['--oci-layout', `${shop.at('child')}:1`, context]);
    const history = readConfig(shop.at('child'), '1').history ?? [];
    expect(history).toHaveLength(5);
    expect(run('tar', ['-tf', topLayer('child')])).toBe('.wh.made\n');
  });

  function topLayer(name: string): string {
    const manifest = JSON.parse(run('skopeo', ['inspect', '--raw', `oci:${shop.at(name)}:1`])) as { layers: Descriptor[] };
    return blobPath(shop.at(name), manifest.layers.at(-1)?.digest ?? '');
  }

  it.each(['docker-archive', 'oci-archive', 'oci-dir'])('go through %s to another store with the same digest', (format) => {
    const saved = shop.at(`saved-${format}`);
    const other = shop.at(`store-${format}`);
    shop.run(['save', 'base:1', '--format', format, '-o', saved]);
    expect(shop.run(['load', saved, '--root', other])).toBe('loaded base:1\n');
    expect(images(other)).toEqual([{ ...images()[0], names: ['docker.io/library/base:1'] }]);
  });

  it('are loaded from what skopeo wrote, and built on', () => {
    const layout = shop.at('for-skopeo');
    shop.run(['save', 'base:1', '--format', 'oci-dir', '-o', layout]);
    const archive = shop.at('skopeo.tar');
    run('skopeo', ['copy', '-q', `oci:${layout}:1`, `docker-archive:${archive}:team/from-skopeo:2`]);
    const root = shop.at('skopeo-store');
    expect(shop.run(['load', archive, '--root', root])).toBe('loaded team/from-skopeo:2\n');
    const context = shop.context({ Dockerfile: 'FROM team/from-skopeo:2\nRUN [ "$(cat /made)" = made ]\n' });
    shop.run(['--root', root, '--oci-layout', `${shop.at('on-skopeo')}:1`, context]);
    expect(readConfig(shop.at('on-skopeo'), '1').rootfs.diff_ids.slice(0, 3)).toEqual(readConfig(layout, '1').rootfs.diff_ids);
  });

  it('lose names one by one, and their blobs with the last', () => {
    const root = shop.at('rmi-store');
    const context = shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const blobs = (): number => readdirSync(`${root}/blobs/sha256`).length;
    shop.run(['--root', root, '-t', 'a', '-t', 'b', context]);
    const before = blobs();
    expect(before).toBe(3);
    shop.run(['rmi', 'a', '--root', root]);
    expect(blobs()).toBe(before);
    shop.run(['rmi', 'b', '--root', root]);
    expect(images(root).flatMap((row) => row.names)).toEqual([]);
    for (const row of images(root)) shop.run(['rmi', row.digest, '--root', root]);
    expect(blobs()).toBe(0);
  });

  it('are read by other tools where they lie: the store is an OCI layout', () => {
    const config = JSON.parse(run('skopeo', ['inspect', '--config', `oci:${shop.store}:registry.example/team/base:1`])) as ImageConfig;
    expect(config.config?.Env).toContain('STAGE=base');
    expect(readDescriptor(shop.store, 'registry.example/team/base:1').digest).toBe(digestOfBase());
  });
});
