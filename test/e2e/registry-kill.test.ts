import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killAfter, missingProgram, scratchDir, startTsbuild } from '../helpers/cli.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { lastingLeftovers, layoutFaults, processesOf, unfinished } from '../helpers/leftovers.js';
import { randomFrom } from '../helpers/random.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { earlyTags, makeImage, push, pushedFaults, storeFaults } from './fault-lab.js';
import { expectTsbuild } from './registry-lab.js';

const missing = missingRegistry('openssl') ?? missingProgram('setpriv');
if (missing !== undefined) console.warn(`SKIPPED: pulls and pushes that are killed: ${missing}`);

const ROUNDS = Number(process.env['TSBUILD_KILL_RUNS'] ?? 15);
const SEED = Number(process.env['TSBUILD_FUZZ_SEED'] ?? 20_261_122);
const ENV = { HOME: '/nonexistent', DOCKER_CONFIG: '/nonexistent', XDG_RUNTIME_DIR: '/nonexistent' };

describe.skipIf(missing !== undefined)('with SIGKILL at any instant', () => {
  const scratch = scratchDir('tsbuild-registry-kill-', '/dev/shm');
  const at = (name: string): string => join(scratch.path, name);
  let registry: TestRegistry;
  let proxy: FaultProxy;
  let made: Awaited<ReturnType<typeof makeImage>>;

  beforeAll(async () => {
    made = await makeImage(at('origin'), SEED, [1000, 300_000, 3_000_000, 3_000_000, 5_000_000]);
    registry = await startRegistry();
    // Slow enough that most of the time something is under way.
    proxy = await startFaultProxy({ target: registry.host, seed: SEED, faults: { delayMs: { rate: 1, ms: 20 } } });
    expect(await push([`${registry.host}/origin:1`], made.content, {})).toEqual({ kind: 'done' });
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  /** @returns whether the command was still under way */
  async function kill(args: readonly string[], delayMs: number): Promise<boolean> {
    const child = startTsbuild(args, { env: ENV });
    const isKilled = await killAfter(child, delayMs);
    await proxy.idle();
    expect(await lastingLeftovers(scratch.path, child.pid ?? 0)).toEqual([]);
    return isKilled;
  }

  /** Instants that are spread over the time that the command takes, in a mixed order. */
  async function instants(args: readonly string[]): Promise<number[]> {
    const startedMs = performance.now();
    await expectTsbuild(args);
    const durationMs = performance.now() - startedMs;
    const next = randomFrom(SEED);
    const delays = Array.from({ length: ROUNDS }, (_, index) => ((index + next()) / ROUNDS) * durationMs);
    return delays.map((_, index) => delays[(index * 7) % ROUNDS] ?? 0);
  }

  const digests = (): string[] => [made.image.manifest.config, ...made.image.manifest.layers].map(({ digest }) => digest);

  it(`a pull leaves a store that verifies, and the next one fetches what is missing (${ROUNDS} times)`, async () => {
    const name = `${proxy.host}/origin:1`;
    const delays = await instants(['pull', '--root', at('warm-up'), name]);
    let killed = 0;
    let kept = 0;
    for (const [round, delayMs] of delays.entries()) {
      const root = at(`pull-${round}`);
      if (await kill(['pull', '--root', root, name], delayMs)) killed++;
      if (existsSync(join(root, 'index.json'))) expect(layoutFaults(root)).toEqual([]);
      const whole = blobsOf(root);
      kept += whole.length;
      proxy.forget();
      await expectTsbuild(['pull', '--root', root, name]);
      expect([...proxy.traffic.downloads.keys()].filter((digest) => whole.includes(digest))).toEqual([]);
      const missed = [made.image.manifest.config, ...made.image.manifest.layers].filter(({ digest }) => !whole.includes(digest));
      expect(proxy.traffic.downloadedBlobBytes).toBe(missed.reduce((sum, { size }) => sum + size, 0));
      expect(storeFaults(root, made.image.descriptor, true)).toEqual([]);
      expect(unfinished(root).filter((path) => path.startsWith('tmp/'))).toEqual([]);
    }
    console.info(`pulls: ${killed} of ${ROUNDS} killed under way, ${kept} blobs were whole and not fetched again`);
    expect(killed).toBeGreaterThan(ROUNDS / 3);
    expect(kept).toBeGreaterThan(0);
  }, 300_000);

  it(`a push moves no tag early, and the next one sends what is missing (${ROUNDS} times)`, async () => {
    const source = `${registry.host}/origin:1`;
    const store = at('source');
    await expectTsbuild(['pull', '--root', store, source]);
    const args = (repository: string): string[] => ['push', '--root', store, source, `${proxy.host}/${repository}:1`];
    const delays = await instants(args('warm-up'));
    let killed = 0;
    let kept = 0;
    for (const [round, delayMs] of delays.entries()) {
      const repository = `push-${round}/app`;
      proxy.forget();
      if (await kill(args(repository), delayMs)) killed++;
      const there = linksOf(repository);
      kept += there.length;
      expect(earlyTags(proxy.traffic.changes, [repository], made.image)).toEqual([]);
      if (proxy.traffic.changes.some(({ what, phase }) => what === 'tag' && phase === 'done')) {
        expect(pushedFaults(registry, [`${proxy.host}/${repository}:1`], made.image)).toEqual([]);
      }
      proxy.forget();
      await expectTsbuild(args(repository));
      const sent = proxy.traffic.changes.flatMap(({ what, phase, name }) => (what === 'blob' && phase === 'begun' ? [name] : []));
      expect(sent.filter((digest) => there.includes(digest))).toEqual([]);
      const missed = [made.image.manifest.config, ...made.image.manifest.layers].filter(({ digest }) => !there.includes(digest));
      expect(proxy.traffic.uploadedBlobBytes).toBe(missed.reduce((sum, { size }) => sum + size, 0));
      expect(pushedFaults(registry, [`${proxy.host}/${repository}:1`], made.image)).toEqual([]);
      expect(layoutFaults(store)).toEqual([]);
    }
    console.info(`pushes: ${killed} of ${ROUNDS} killed under way, ${kept} blobs were there and not sent again`);
    expect(killed).toBeGreaterThan(ROUNDS / 3);
    expect(kept).toBeGreaterThan(0);
    expect(processesOf(scratch.path)).toEqual([]);
  }, 300_000);

  /** Of the image, those that the store has. */
  function blobsOf(root: string): string[] {
    const dir = join(root, 'blobs/sha256');
    const names = existsSync(dir) ? readdirSync(dir).map((name) => `sha256:${name}`) : [];
    return digests().filter((digest) => names.includes(digest));
  }

  /** Of the image, those that the repository has. */
  function linksOf(repository: string): string[] {
    const dir = join(registry.storageDir, 'docker/registry/v2/repositories', repository, '_layers/sha256');
    const names = existsSync(dir) ? readdirSync(dir).map((name) => `sha256:${name}`) : [];
    return digests().filter((digest) => names.includes(digest));
  }
});
