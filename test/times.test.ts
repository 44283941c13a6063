import { describe, expect, test } from 'vitest';
import type { OutputSpec } from '../src/output/output.js';
import { buildTimes, epochOf } from '../src/times.js';

const IMAGE = { type: 'image', names: [] } as const;
const TREE = { type: 'local', dest: 'out' } as const;

function times(outputs: readonly OutputSpec[], planned?: number): ReturnType<typeof buildTimes> {
  return buildTimes({ context: '.', outputs }, planned);
}

describe('the times of a build', () => {
  test.each<[string, readonly OutputSpec[], number | undefined, ReturnType<typeof buildTimes>]>([
    ['none', [IMAGE], undefined, { epochSeconds: undefined, imageSeconds: undefined, clampSeconds: undefined }],
    ['that of the Dockerfile', [IMAGE], 5, { epochSeconds: 5, imageSeconds: 5, clampSeconds: 5 }],
    ['files as they were', [{ ...IMAGE, rewriteTimestamp: false }], 5, { epochSeconds: 5, imageSeconds: 5, clampSeconds: undefined }],
    ['that of the output', [{ ...IMAGE, epochSeconds: -7 }], 5, { epochSeconds: 5, imageSeconds: -7, clampSeconds: -7 }],
    ['none for the output', [{ ...IMAGE, epochSeconds: 'none' }], 5, { epochSeconds: 5, imageSeconds: undefined, clampSeconds: undefined }],
    [
      'those of images, whatever trees ask for',
      [{ ...TREE, epochSeconds: 9 }, IMAGE],
      5,
      { epochSeconds: 5, imageSeconds: 5, clampSeconds: 5 },
    ],
    ['of trees alone', [{ ...TREE, epochSeconds: 9 }], 5, { epochSeconds: 5, imageSeconds: 5, clampSeconds: 5 }],
  ])('%s', (_, outputs, planned, expected) => expect(times(outputs, planned)).toEqual(expected));

  test('are those of the option before those of the Dockerfile', () => {
    expect(buildTimes({ context: '.', sourceDateEpoch: 3 }, 5)).toMatchObject({ epochSeconds: 3, imageSeconds: 3 });
  });

  test.each<[string, readonly OutputSpec[]]>([
    ['epochs', [{ ...IMAGE, epochSeconds: 1 }, IMAGE]],
    ['rewriting', [{ ...IMAGE, rewriteTimestamp: false }, IMAGE]],
  ])('cannot differ between outputs of images: %s', (_, outputs) => {
    expect(() => times(outputs, 5)).toThrow(expect.objectContaining({ kind: 'unsupported' }));
  });

  test.each([253_402_300_800, -62_167_219_201])('cannot be %d, for the build or an output', (seconds) => {
    expect(() => times([IMAGE], seconds)).toThrow(`invalid SOURCE_DATE_EPOCH ${seconds}`);
    expect(() => times([{ ...IMAGE, epochSeconds: seconds }])).toThrow(`invalid SOURCE_DATE_EPOCH ${seconds}`);
  });

  test('of a tree are its own', () => {
    expect(epochOf({ ...TREE, epochSeconds: 9 }, 5)).toBe(9);
    expect(epochOf({ ...TREE, epochSeconds: 'none' }, 5)).toBeUndefined();
    expect(epochOf(TREE, 5)).toBe(5);
  });
});
