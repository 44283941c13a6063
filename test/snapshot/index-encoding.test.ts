import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLayerIndex, encodeLayerIndex } from '../../src/snapshot/index-encoding.js';
import type { LayerIndex } from '../../src/snapshot/root-view.js';
import type { TarEntry } from '../../src/tar/entry.js';

/** Every byte there is. */
const byteString = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const buffer = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

const entry: fc.Arbitrary<TarEntry> = fc.record(
  {
    path: byteString,
    type: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'fifo', 'char', 'block'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.nat(),
    gid: fc.nat(),
    sizeBytes: fc.maxSafeNat(),
    mtimeSeconds: fc.maxSafeInteger(),
    linkTarget: byteString,
    devMajor: fc.nat(),
    devMinor: fc.nat(),
    xattrs: fc.array(fc.tuple(byteString, buffer), { maxLength: 3 }),
    content: fc.record({ kind: fc.constant('bytes' as const), bytes: buffer }),
  },
  { requiredKeys: ['path', 'type', 'mode', 'uid', 'gid', 'sizeBytes', 'mtimeSeconds'] },
);
/** The kernel has both numbers or none. */
const entries = fc.array(entry.map((one) => (one.devMajor === undefined ? withoutDevice(one) : { devMinor: 0, ...one })));

function withoutDevice({ devMinor: _devMinor, ...rest }: TarEntry): TarEntry {
  return rest;
}

const common = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 4, mtimeSeconds: 1_700_000_000 };

describe('the file of a layer index', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(entries, fc.option(fc.string(), { nil: undefined }), (some, name) => {
        const index: LayerIndex = { entries: some, ...(name === undefined ? {} : { name }) };
        expect(decodeLayerIndex(encodeLayerIndex(index))).toEqual(index);
      }),
      { numRuns: 300 },
    );
  });

  it('is small', () => {
    const many = Array.from({ length: 10_000 }, (_, n): TarEntry => ({
      ...common,
      path: `usr/share/doc/package-${n >> 3}/file-${n}.txt`,
      type: 'file',
    }));
    expect(encodeLayerIndex({ entries: many }).length).toBeLessThan(20 * many.length);
  });

  it('is believed only whole', () => {
    const bytes = encodeLayerIndex({
      name: 'layer',
      entries: [{ ...common, path: 'etc/passwd', type: 'file', content: { kind: 'bytes', bytes: Buffer.from('root') } }],
    });
    for (let place = 0; place < bytes.length; place++) {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] ?? 0) ^ 1;
      expect(decodeLayerIndex(damaged), `byte ${place}`).toBeUndefined();
      expect(decodeLayerIndex(bytes.subarray(0, place)), `${place} bytes`).toBeUndefined();
    }
    expect(decodeLayerIndex(Buffer.concat([bytes, Buffer.from('x')]))).toBeUndefined();
    expect(decodeLayerIndex(bytes)?.entries[0]?.path).toBe('etc/passwd');
  });
});
