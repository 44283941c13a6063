import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { finishImage } from '../src/finish.js';
import type { Image, Layer } from '../src/image/image.js';
import type { HistoryEntry } from '../src/oci/types.js';
import type { HistoryLayer } from '../src/stages.js';
import { Store } from '../src/store/store.js';
import { scratchDir } from './helpers/cli.js';
import { storeImage } from './helpers/stored-image.js';
import { plan, planTarget } from './plan/helpers.js';

let scratch: ReturnType<typeof scratchDir>;
let store: Store;
beforeEach(async () => {
  scratch = scratchDir('tsbuild-finish-');
  store = await Store.open(scratch.path);
});
afterEach(() => scratch[Symbol.dispose]());

const layer: Layer = {
  diffId: `sha256:${'1'.repeat(64)}` as Layer['diffId'],
  descriptor: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${'1'.repeat(64)}` as Layer['diffId'], size: 1 },
};

/** What each row of `steps` (E: config alone, L: a layer) is dated when they are done at second 1, 2, 3 … */
async function times(steps: string, options: { readonly base?: Image; readonly epochSeconds?: number } = {}): Promise<string[]> {
  const lines = ['FROM base', ...Array.from(steps, (kind, index) => (kind === 'L' ? `RUN ${index}` : `ENV a=${index}`))].join('\n');
  const images = { images: { base: {} } };
  const history = planTarget(lines, images).steps.map((step, index): HistoryLayer => {
    const row = { step, createdMs: (index + 1) * 1000 };
    return step.kind === 'config' ? row : { ...row, layer: Promise.resolve(layer) };
  });
  const made = plan(lines, images);
  const { config } = await finishImage(
    { target: made.targets[0], view: [], base: options.base, history },
    { store, plan: made, annotations: {}, epochSeconds: options.epochSeconds },
  );
  const rows = (config.history ?? []).slice(options.base?.config.history?.length ?? 0);
  expect(config.created).toBe(config.history?.at(-1)?.created);
  return rows.map(({ created }) => created ?? 'none');
}

function at(...seconds: readonly number[]): string[] {
  return seconds.map((second) => new Date(second * 1000).toISOString());
}

async function baseWith(change: (history: readonly HistoryEntry[]) => readonly HistoryEntry[] = (history) => history): Promise<Image> {
  const image = await storeImage(store, { layers: [{ a: 'x' }] });
  return { ...image, config: { ...image.config, history: change(image.config.history ?? []) } };
}

describe('times of the history', () => {
  test.each([
    ['L', at(1)],
    ['LL', at(1, 2)],
    ['EL', at(2, 2)],
    ['EELE', at(3, 3, 3, 3)],
    ['LE', at(1, 1)],
    ['LEE', at(1, 1, 1)],
    ['LELE', at(1, 3, 3, 3)],
    ['LELLELE', at(1, 3, 3, 4, 4, 6, 6)],
    ['EE', at(1, 2)],
  ])('%s', async (steps, expected) => expect(await times(steps)).toEqual(expected));

  test('without a new layer are those of the base, so that the image is the same each time', async () => {
    const base = await baseWith();
    expect(await times('EE', { base })).toEqual(['2024-05-06T07:08:09Z', '2024-05-06T07:08:09Z']);
    expect(await times('', { base })).toEqual([]);
    expect(await times('EL', { base })).toEqual(at(2, 2));
  });

  test('of a base that does not tell', async () => {
    const base = await baseWith((history) => history.map(({ created: _created, ...row }) => row));
    const { created: _created, ...config } = base.config;
    expect(await times('E', { base: { ...base, config } })).toEqual(at(1));
  });

  test('are SOURCE_DATE_EPOCH, where it is given; those of the base stay', async () => {
    expect(await times('ELE', { base: await baseWith(), epochSeconds: 77 })).toEqual(at(77, 77, 77));
    expect(await times('ELE', { epochSeconds: -1 })).toEqual(at(-1, -1, -1));
  });
});

test('a layer that fails is the error', async () => {
  const lines = 'FROM base\nRUN x';
  const images = { images: { base: {} } };
  const [step] = planTarget(lines, images).steps;
  if (step === undefined) throw new Error('there is no step');
  const reason = new Error('torn');
  const failed = Promise.reject<Layer>(reason);
  const made = plan(lines, images);
  const result = { target: made.targets[0], view: [], base: undefined, history: [{ step, createdMs: 0, layer: failed }] };
  await expect(finishImage(result, { store, plan: made, annotations: {}, epochSeconds: undefined })).rejects.toBe(reason);
});
