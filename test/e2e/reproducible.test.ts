import { utimesSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram } from '../helpers/cli.js';
import { blobPath, readConfig, readDescriptor, readManifest, run } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox', 'tar');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/reproducible.test.ts: ${missing}\n`);

const EPOCH = 1_600_000_000;
const LINES = [
  'WORKDIR /srv/app',
  'COPY tree/ ./',
  'RUN mkdir made && echo text > made/file && ln made/file made/link && touch -d @1234567890 made/old && mkfifo made/fifo',
  'RUN rm -r tree-b && chmod 700 tree-a',
  'ENV A=b',
];

describe.skipIf(missing !== undefined)('SOURCE_DATE_EPOCH', () => {
  const shop = new Workshop();
  let context = '';

  beforeAll(() => {
    const files = Object.fromEntries(['tree-a/1', 'tree-a/2', 'tree-b/3', 'tree-c'].map((name) => [`tree/${name}`, `${name}\n`]));
    context = shop.busyboxContext(LINES.join('\n'), files);
  });
  afterAll(() => shop[Symbol.dispose]());

  /** Builds in a store of its own. @returns the layout */
  function build(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
    const layout = shop.at(name);
    shop.run(['--root', shop.at(`${name}-store`), '--oci-layout', `${layout}:1`, ...args, context], { env });
    return layout;
  }

  it('142: makes the same image at another time, in another store, of files with other times, however it is given', async () => {
    const first = build('environment', [], { SOURCE_DATE_EPOCH: String(EPOCH) });
    await sleep(1100);
    for (const name of ['busybox', 'tree/tree-a/1', 'tree/tree-a', 'Dockerfile'])
      utimesSync(`${context}/${name}`, EPOCH + 999, Date.now() / 1000);
    const second = build('flag', ['--source-date-epoch', String(EPOCH)]);
    const third = build('argument', ['--build-arg', `SOURCE_DATE_EPOCH=${EPOCH}`]);
    const { digest } = readDescriptor(first, '1');
    expect(readManifest(second, '1').layers).toEqual(readManifest(first, '1').layers);
    expect(readConfig(second, '1')).toEqual(readConfig(first, '1'));
    expect([readDescriptor(second, '1').digest, readDescriptor(third, '1').digest]).toEqual([digest, digest]);
  });

  it('is the newest time in config and layers; older times stay', () => {
    const layout = shop.at('environment');
    const config = readConfig(layout, '1');
    const created = [config, ...(config.history ?? [])].map((entry) => Date.parse(entry.created ?? ''));
    expect(new Set(created)).toEqual(new Set([EPOCH * 1000]));
    const times = readManifest(layout, '1').layers.flatMap((layer) => memberTimes(blobPath(layout, layer.digest)));
    expect(times.length).toBeGreaterThan(20);
    expect(new Set(times)).toEqual(new Set([EPOCH, 1_234_567_890]));
  });

  it('without it, the times are those of the build', () => {
    const layout = build('none', []);
    const created = Date.parse(readConfig(layout, '1').created ?? '');
    expect(Math.abs(Date.now() - created)).toBeLessThan(60_000);
    expect(readDescriptor(layout, '1').digest).not.toBe(readDescriptor(shop.at('environment'), '1').digest);
  });
});

/** Of files; whiteouts have none that means anything. */
function memberTimes(layer: string): number[] {
  const lines = run('tar', ['--full-time', '-tvf', layer], { env: { TZ: 'UTC' } })
    .trim()
    .split('\n');
  return lines
    .filter((line) => !line.includes('/.wh.'))
    .map((line) => Date.parse(`${/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.exec(line)?.[0].replace(' ', 'T')}Z`) / 1000);
}
