import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokenRegistry, rootOf, type Fault } from '../helpers/broken-registry.js';
import { finished, missingProgram, scratchDir, startTsbuild, writeFiles } from '../helpers/cli.js';
import { programBytes } from '../helpers/image-tools.js';
import { writeRawLayout } from '../helpers/raw-layout.js';
import { directory, member, symlink, tarOf } from '../helpers/tar-builder.js';

const cannotRun = missingProgram('runc', 'busybox') ?? (process.getuid?.() === 0 ? undefined : 'not root');
if (cannotRun !== undefined) console.warn(`SKIPPED: mirrors that lie: ${cannotRun}`);

const scratch = scratchDir('tsbuild-liars-');
afterAll(() => scratch[Symbol.dispose]());

/** Blobs of the right length: as they are but for their last byte, without any sense, or all of them and more in chunks. */
const LIES: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  'a byte is another': (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]),
  'all is other': (bytes) => randomBytes(bytes.length),
  'there is more': (bytes) => Buffer.concat([bytes, Buffer.from('more')]),
};

function lying(change: (bytes: Buffer) => Buffer): Fault {
  return (call) => {
    if (call.method !== 'GET' || call.kind !== 'blob') return false;
    call.response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(change(rootOf(call)));
    return true;
  };
}

describe.skipIf(cannotRun !== undefined)('a mirror whose blobs have other bytes is passed by', () => {
  let registries: BrokenRegistry[];
  let places = 0;
  const place = (): string => join(scratch.path, String(++places));

  const layout = cannotRun === undefined ? writeRawLayout(place(), { layers: layers() }) : '';

  beforeEach(async () => {
    registries = await Promise.all([1, 2, 3].map(() => BrokenRegistry.start(() => false, { layout })));
  });
  afterEach(async () => {
    await Promise.all(registries.map((registry) => registry[Symbol.asyncDispose]()));
  });

  /** Runs a command that reads `origin.invalid/app:1`, by one or two mirrors that lie, or only seem to, and the registry. */
  async function run(change: (bytes: Buffer) => Buffer, args: readonly string[], { liars = 1 } = {}): Promise<void> {
    const [one, two, origin] = registries as [BrokenRegistry, BrokenRegistry, BrokenRegistry];
    one.fault = lying(change);
    if (liars > 1) two.fault = lying(change);
    const mirrors = [one, two].slice(0, liars).flatMap(({ host }) => ['--registry-mirror', `${origin.host}=http://${host}`]);
    const given = args.map((arg) => arg.replaceAll('ORIGIN', origin.host));
    const env = { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };
    const [command = '', ...rest] = given;
    const result = await finished(startTsbuild([command, '--root', place(), '--retry', '0', ...mirrors, ...rest], { env }));
    expect(result).toMatchObject({ status: 0, stderr: expect.not.stringContaining('ERROR') as string });
    expect(one.asked.filter((line) => line.includes('/blobs/')).length).toBeGreaterThan(0);
    expect(origin.asked.filter((line) => line.includes('/blobs/')).length).toBeGreaterThan(0);
  }

  it.each(Object.entries(LIES))('by a pull: %s', async (_, change) => run(change, ['pull', 'ORIGIN/app:1']));

  it('by a pull, one after the other', () => run(LIES['all is other'] ?? same, ['pull', 'ORIGIN/app:1'], { liars: 2 }));

  it.each(Object.entries(LIES))('by a pull that unpacks: %s', async (_, change) => run(change, ['pull', '--extract', 'ORIGIN/app:1']));

  it.each(Object.entries(LIES))('by a RUN: %s', async (_, change) => {
    const context = writeFiles(place(), {
      Dockerfile: 'FROM ORIGIN/app:1\nRUN ["/bin/sh", "-c", "test -e /large"]\n'.replace('ORIGIN', originHost()),
    });
    await run(change, ['build', '-t', 'x', context]);
  });

  it.each(Object.entries(LIES))('by a COPY that is pushed: %s', async (_, change) => {
    const context = writeFiles(place(), { Dockerfile: `FROM ${originHost()}/app:1\nCOPY file /data/\n`, file: 'x' });
    await using target = await BrokenRegistry.start();
    await run(change, ['build', '-t', `${target.host}/out:1`, '--push', context]);
    expect(target.tagged).toEqual(['1']);
  });

  it.each(Object.entries(LIES))('by a copy to another registry: %s', async (_, change) => {
    await using target = await BrokenRegistry.start();
    await run(change, ['cp', 'docker://ORIGIN/app:1', `docker://${target.host}/out:1`]);
    expect(target.tagged).toEqual(['1']);
  });

  function originHost(): string {
    return registries[2]?.host ?? '';
  }
});

function layers(): Buffer[] {
  return [
    tarOf(directory('bin'), member({ path: 'bin/busybox', mode: 0o755, text: programBytes('busybox') }), symlink('bin/sh', 'busybox')),
    tarOf(directory('data'), member({ path: 'large', text: randomBytes(300_000).toString('latin1') })),
  ];
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
