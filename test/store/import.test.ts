import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { readImage } from '../../src/image/read.js';
import { hostPlatform } from '../../src/oci/platform.js';
import { MediaType, type Descriptor, type Platform } from '../../src/oci/types.js';
import { findInLayout, importFromLayout } from '../../src/store/import.js';
import { Store } from '../../src/store/store.js';
import { putJson, sha256, writeRawLayout } from '../helpers/raw-layout.js';
import { member, tarOf } from '../helpers/tar-builder.js';

const TAG = 'org.opencontainers.image.ref.name';
const OTHER = { os: 'linux', architecture: 'riscv64' };

let dir: string;
let layout: string;
let store: Store;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-import-'));
  layout = join(dir, 'layout');
  store = await Store.open(join(dir, 'store'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function failure(promise: Promise<unknown>): Promise<BuildError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof BuildError)) throw error;
  return error;
}

function blob(digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

describe('which image of a layout', () => {
  const image = (name: string): Descriptor => ({
    mediaType: MediaType.ociManifest,
    digest: sha256(Buffer.from(name)) as Descriptor['digest'],
    size: 9,
  });
  const tagged = (name: string, tag: string): Descriptor => ({ ...image(name), annotations: { [TAG]: tag } });
  const built = (name: string, platform: Platform, tag: string): Descriptor => ({ ...tagged(name, tag), platform });
  const missing = `sha256:${'0'.repeat(64)}`;

  interface Row {
    readonly title: string;
    readonly manifests: readonly Descriptor[];
    readonly choice?: { readonly tag?: string; readonly digest?: string; readonly platform?: Platform };
    /** The image, or message and hint of the error. */
    readonly found: string | readonly [message: string, hint: string];
  }
  const rows: readonly Row[] = [
    { title: 'the only one', manifests: [image('a')], found: 'a' },
    { title: 'the only one, whatever its tag', manifests: [tagged('a', '1')], found: 'a' },
    { title: 'one with two tags', manifests: [tagged('a', '1'), tagged('a', '2')], found: 'a' },
    { title: 'latest of two', manifests: [tagged('a', '1'), tagged('b', 'latest')], found: 'b' },
    { title: 'the one of a tag', manifests: [tagged('a', 'latest'), tagged('b', '2')], choice: { tag: '2' }, found: 'b' },
    { title: 'the one of a digest', manifests: [tagged('a', 'latest'), image('b')], choice: { digest: image('b').digest }, found: 'b' },
    {
      title: 'a digest goes before a tag',
      manifests: [tagged('a', '1'), tagged('b', '2')],
      choice: { tag: '1', digest: image('b').digest },
      found: 'b',
    },
    {
      title: 'of two with one tag, the one for the platform',
      manifests: [built('a', hostPlatform(), '1'), built('b', OTHER, '1')],
      choice: { tag: '1', platform: OTHER },
      found: 'b',
    },
    {
      title: 'of two without a choice, the one for the platform',
      manifests: [built('a', hostPlatform(), '1'), built('b', OTHER, '2')],
      choice: { platform: OTHER },
      found: 'b',
    },
    {
      title: 'one for another platform when there is no better',
      manifests: [built('a', hostPlatform(), '1'), built('b', OTHER, '2')],
      choice: { tag: '1', platform: OTHER },
      found: 'a',
    },
    { title: 'none of two', manifests: [tagged('a', '1'), tagged('b', '2')], found: ['has no image tagged "latest"', 'it has: 1, 2'] },
    {
      title: 'none of two without tags',
      manifests: [image('a'), image('b')],
      found: ['has no image tagged "latest"', 'name one by its digest: oci-layout://DIR@sha256:…'],
    },
    { title: 'none at all', manifests: [], found: ['has no image tagged "latest"', 'name one by its digest: oci-layout://DIR@sha256:…'] },
    { title: 'no such tag', manifests: [tagged('a', '1')], choice: { tag: '2' }, found: ['has no image "2"', 'it has: 1'] },
    {
      title: 'no such digest',
      manifests: [tagged('a', '1')],
      choice: { digest: missing },
      found: [`has no image "${missing}"`, 'it has: 1'],
    },
  ];
  test.each(rows)('$title', async ({ manifests, choice = {}, found }) => {
    writeRawLayout(layout, { changeIndex: (index) => ({ ...index, manifests }) });
    const search = findInLayout({ path: layout, ...choice });
    if (typeof found === 'string') {
      expect((await search).digest).toBe(image(found).digest);
      return;
    }
    const [message, hint] = found;
    expect(await failure(search)).toMatchObject({ kind: 'input', message: `OCI layout "${layout}" ${message}`, hint });
  });

  test('a directory that is no layout', async () => {
    mkdirSync(layout);
    expect((await failure(findInLayout({ path: layout }))).message).toBe(
      `"${layout}" is not an OCI image layout: it has no file oci-layout`,
    );
    expect((await failure(findInLayout({ path: join(dir, 'none') }))).kind).toBe('input');
  });
});

describe('an image', () => {
  const layers = ['a', 'b'].map((path) => tarOf(member({ path, text: path })));

  async function descriptorOf(): Promise<Descriptor> {
    writeRawLayout(layout, { layers });
    return findInLayout({ path: layout });
  }

  async function layerPath(): Promise<string> {
    const { digest } = await descriptorOf();
    const manifest = JSON.parse(readFileSync(blob(digest), 'utf8')) as { layers: Descriptor[] };
    return blob(manifest.layers[1]?.digest ?? '');
  }

  const load = async (): Promise<void> => importFromLayout(store, { dir: layout, descriptor: await findInLayout({ path: layout }) });

  test('comes with all its blobs, and only once', async () => {
    const descriptor = await descriptorOf();
    await load();
    const image = await readImage(store, descriptor);
    expect(image.layers).toHaveLength(2);
    for (const { descriptor: layer } of image.layers) expect(store.hasBlob(layer)).toBe(true);
    expect(readdirSync(join(store.root, 'tmp'))).toEqual([]);
    // What is there is not read again: the layout's layers may be gone.
    for (const { descriptor: layer } of image.layers) rmSync(blob(layer.digest));
    await load();
  });

  interface Damage {
    readonly title: string;
    readonly damage: (path: string) => void;
    readonly message: RegExp;
  }
  const damages: readonly Damage[] = [
    { title: 'is missing', damage: (path) => rmSync(path), message: /^blob sha256:[0-9a-f]{64} is missing: no file "/ },
    {
      title: 'has other bytes',
      damage: (path) => writeFileSync(path, readFileSync(path).fill(0x55, 20, 24)),
      message: /^blob ".+" is damaged: got sha256:[0-9a-f]{64} with (\d+) bytes, want sha256:[0-9a-f]{64} with \1 bytes$/,
    },
    { title: 'is longer', damage: (path) => appendFileSync(path, 'x'), message: /is damaged: got (\d+) bytes, want (\d+) bytes$/ },
    {
      title: 'is a terabyte of nothing',
      damage: (path) => truncateSync(path, 2 ** 40),
      message: /is damaged: got 1099511627776 bytes, want \d+ bytes$/,
    },
    { title: 'is empty', damage: (path) => truncateSync(path), message: /is damaged: got 0 bytes, want \d+ bytes$/ },
    {
      title: 'is a directory',
      damage: (path) => {
        rmSync(path);
        mkdirSync(path);
      },
      message: /^blob ".+" is not a file$/,
    },
    {
      title: 'is a FIFO',
      damage: (path) => {
        rmSync(path);
        execFileSync('mkfifo', [path]);
      },
      message: /^blob ".+" is not a file$/,
    },
  ];
  test.each(damages)('is refused when a layer $title', async ({ damage, message }) => {
    const path = await layerPath();
    damage(path);
    const error = await failure(load());
    expect(error.kind).toBe('input');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(path.split('/').at(-1));
    expect(readdirSync(join(store.root, 'tmp'))).toEqual([]);
    expect(readdirSync(join(store.root, 'blobs/sha256'))).not.toContain(path.split('/').at(-1));
  });

  test.each(['config', 'manifest'] as const)('is refused when its %s has other bytes', async (kind) => {
    writeRawLayout(layout, { layers, changeBlob: (of, bytes) => (of === kind ? Buffer.from(bytes).fill(0x20, 1, 2) : bytes) });
    const error = await failure(load());
    expect(error.message).toMatch(/^blob ".+" is damaged: got sha256:/);
  });

  test('stops when it is told to', async () => {
    const descriptor = await descriptorOf();
    const stop = new AbortController();
    const reason = new BuildError('cancelled', 'enough');
    stop.abort(reason);
    expect(await failure(importFromLayout(store, { dir: layout, descriptor, signal: stop.signal }))).toBe(reason);
    expect(readdirSync(join(store.root, 'tmp'))).toEqual([]);
    expect(store.hasBlob(descriptor)).toBe(false);
  });
});

describe('an index', () => {
  const absent = { mediaType: MediaType.ociManifest, digest: `sha256:${'0'.repeat(64)}`, size: 9, platform: OTHER };

  async function indexOf(children: (host: Descriptor) => readonly unknown[]): Promise<Descriptor> {
    writeRawLayout(layout, { layers: [tarOf(member({ path: 'a', text: 'x' }))] });
    const host = { ...(await findInLayout({ path: layout })), platform: hostPlatform() };
    return putJson(layout, MediaType.ociIndex, {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: children(host),
    }) as unknown as Descriptor;
  }

  test('may list images that the layout does not have', async () => {
    const descriptor = await indexOf((host) => [absent, host]);
    await importFromLayout(store, { dir: layout, descriptor });
    expect((await readImage(store, descriptor)).layers).toHaveLength(1);
  });

  test('without the one for this machine says so', async () => {
    const descriptor = await indexOf(() => [absent]);
    await importFromLayout(store, { dir: layout, descriptor });
    const error = await failure(readImage(store, descriptor));
    expect(error.message).toMatch(/^index sha256:[0-9a-f]{64} has no image for linux\//);
    expect(error.hint).toBe('it has linux/riscv64');
  });

  test('that lists itself to the power of twelve is read once', async () => {
    let descriptor = await indexOf((host) => [host]);
    for (let depth = 0; depth < 12; depth++) {
      const manifests = Array.from({ length: 100 }, () => descriptor);
      descriptor = putJson(layout, MediaType.ociIndex, {
        schemaVersion: 2,
        mediaType: MediaType.ociIndex,
        manifests,
      }) as unknown as Descriptor;
    }
    const startedAt = performance.now();
    await importFromLayout(store, { dir: layout, descriptor });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(store.hasBlob(descriptor)).toBe(true);
  });
});
