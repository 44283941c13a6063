import { existsSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { keepLayerIndex, readKeptIndex } from '../../src/pull/kept-indexes.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import type { LayerIndex } from '../../src/snapshot/root-view.js';
import { Store } from '../../src/store/store.js';
import { scratchDir } from '../helpers/cli.js';

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-kept-');
afterAll(removeScratch);

const DAY_SECONDS = 24 * 60 * 60;
const index: LayerIndex = {
  entries: [{ path: 'caf\xe9', type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1 }],
};

function age(path: string, days: number): void {
  const seconds = Date.now() / 1000 - days * DAY_SECONDS;
  utimesSync(path, seconds, seconds);
}

describe('the kept index of a layer', () => {
  it('is found again', () => {
    const path = join(scratch, 'found.index');
    expect(readKeptIndex(path)).toBeUndefined();
    keepLayerIndex(path, index);
    expect(readKeptIndex(path)).toEqual(index);
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is removed when it is damaged', () => {
    const path = join(scratch, 'damaged.index');
    keepLayerIndex(path, index);
    truncateSync(path, readFileSync(path).length - 1);
    expect(readKeptIndex(path)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
  });

  it('costs nothing where it cannot be written', () => {
    expect(() => keepLayerIndex('/proc/nothing/here.index', index)).not.toThrow();
  });

  it('stays as long as it is used, or its layer is', async () => {
    const store = await Store.open(join(scratch, 'store'));
    const [used, unused, live] = (['used', 'unused', 'live'] as const).map((name) => {
      const path = store.layerIndexPath(digestOf(name));
      keepLayerIndex(path, index);
      age(path, 15);
      return path;
    }) as [string, string, string];
    const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf('live')] } };
    const configBlob = await store.putBlob(Buffer.from(JSON.stringify(config)), MediaType.ociConfig);
    const layers = [{ mediaType: MediaType.ociLayer, digest: digestOf('blob'), size: 4 }];
    const manifest = { schemaVersion: 2, config: configBlob, layers };
    await store.tag(await store.putBlob(Buffer.from(JSON.stringify(manifest)), MediaType.ociManifest), ['docker.io/library/app:1']);
    expect(readKeptIndex(used)).toEqual(index);
    expect(Date.now() - statSync(used).mtimeMs).toBeLessThan(60_000);
    writeFileSync(join(dirname(used), 'e'.repeat(64)), '');
    expect((await store.collectGarbage()).layers).toBe(0);
    expect([existsSync(used), existsSync(unused), existsSync(live)]).toEqual([true, false, true]);
    await store.untag('docker.io/library/app:1');
    await store.collectGarbage();
    expect([existsSync(used), existsSync(live)]).toEqual([true, false]);
  });
});
