import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultRates } from '../helpers/fault-plan.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { scratchDir } from '../helpers/cli.js';
import { earlyTags, eachOf, lend, makeImage, pull, push, pushedFaults, storeFaults, type Outcome } from './fault-lab.js';
import { runTsbuild } from './registry-lab.js';

const missing = missingRegistry('openssl');
if (missing !== undefined) console.warn(`SKIPPED: registries that fail: ${missing}`);

const RUNS = Number(process.env['TSBUILD_FAULT_RUNS'] ?? 25);
const SEED = Number(process.env['TSBUILD_FUZZ_SEED'] ?? 20_261_122);
const FAULTS: FaultRates = {
  reset: 0.1,
  status503: 0.05,
  tooMany: { rate: 0.02, retryAfterSeconds: 1 },
  truncate: 0.05,
  delayMs: { rate: 0.05, ms: 100 },
};
const RETRIES = 3;
const OPTIONS = { env: {}, retries: RETRIES, retryDelayMs: 5 };

describe.skipIf(missing !== undefined)('with a registry that fails now and then', () => {
  const scratch = scratchDir('tsbuild-faults-', '/dev/shm');
  const at = (name: string): string => `${scratch.path}/${name}`;
  let made: Awaited<ReturnType<typeof makeImage>>;

  beforeAll(async () => {
    made = await makeImage(at('origin'), SEED);
  });

  afterAll(() => scratch[Symbol.dispose]());

  /** An error is the end of patience, not of a moment: one thing was broken more often than it may be tried again. */
  function expectPatience(outcome: Outcome, proxy: FaultProxy, repositories: readonly string[]): void {
    if (outcome.kind === 'done') return;
    const own = proxy.faultLog.filter(({ kind, label }) => kind !== 'delay' && repositories.some((name) => label.includes(` ${name} `)));
    // The requests of one upload are one thing.
    const things = own.map(({ label }) => label.replace(/^\w+ (upload \S+) .*/, '$1'));
    const most = Math.max(0, ...things.map((thing) => things.filter((other) => other === thing).length));
    expect(most, `gave up early: ${outcome.error.message}\n${JSON.stringify(own)}`).toBeGreaterThan(RETRIES);
    expect(outcome.error.message).toContain(proxy.host);
  }

  function report(title: string, outcomes: readonly Outcome[], { traffic, faults }: FaultProxy): void {
    const done = outcomes.filter(({ kind }) => kind === 'done').length;
    const requests = [...traffic.requests.values()].reduce((sum, times) => sum + times, 0);
    const kinds = [...faults].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([kind, times]) => `${kind} ${times}`);
    console.info(
      `${title}, seed ${SEED}: ${outcomes.length} runs, ${done} done, ${outcomes.length - done} gave up; ${requests} requests; ${kinds.join(', ')}`,
    );
    for (const outcome of outcomes) if (outcome.kind === 'refused') console.info(`  gave up: ${outcome.error.message}`);
    expect(done).toBeGreaterThanOrEqual(outcomes.length * 0.9);
    expect(faults.get('upstream-error')).toBeUndefined();
  }

  async function putOrigin(registry: TestRegistry): Promise<void> {
    expect(await push([`${registry.host}/origin:1`], made.content, OPTIONS)).toEqual({ kind: 'done' });
  }

  it('would see a tag that moves early, and a store that is not whole', async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: SEED });
    const names = ['seen/app:1', 'seen/other:1'].map((name) => `${proxy.host}/${name}`);
    // One after the other: the tag of the first comes before the second has anything.
    for (const name of names) expect(await push([name], made.content, OPTIONS)).toEqual({ kind: 'done' });
    expect(earlyTags(proxy.traffic.changes, ['seen/app'], made.image)).toEqual([]);
    expect(earlyTags(proxy.traffic.changes, ['seen/app', 'seen/other'], made.image)).toHaveLength(5);
    expect(pushedFaults(registry, names, made.image)).toEqual([]);
    expect(pushedFaults(registry, [`${proxy.host}/seen/app:2`], made.image)).toHaveLength(1);
    expect(await pull(names[0] ?? '', at('seen'), OPTIONS)).toEqual({ kind: 'done' });
    expect(storeFaults(at('seen'), made.image.descriptor, true)).toEqual([]);
    truncateSync(join(at('seen'), 'blobs', made.image.manifest.layers[0]?.digest.replace(':', '/') ?? ''), 1);
    expect(storeFaults(at('seen'), made.image.descriptor, true)).not.toEqual([]);
  });

  it(`pulls ${RUNS} times, and never a wrong byte`, async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: SEED, faults: FAULTS });
    await putOrigin(registry);
    const outcomes: Outcome[] = [];
    await eachOf(RUNS, async (run) => {
      const repository = `pull-${run}/app`;
      await lend(registry, 'origin', repository, made.image);
      const outcome = await pull(`${proxy.host}/${repository}:1`, at(repository), OPTIONS);
      outcomes.push(outcome);
      expect(storeFaults(at(repository), made.image.descriptor, outcome.kind === 'done')).toEqual([]);
      expectPatience(outcome, proxy, [repository]);
    });
    report('pulls', outcomes, proxy);
  }, 600_000);

  it(`pushes ${RUNS} times, and no tag moves early`, async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: SEED, faults: FAULTS });
    const outcomes: Outcome[] = [];
    await eachOf(RUNS, async (run) => {
      const repositories = [`push-${run}/app`, `push-${run}/other`];
      const names = [`${repositories[0]}:1`, `${repositories[0]}:2`, `${repositories[1]}:1`].map((name) => `${proxy.host}/${name}`);
      const outcome = await push(names, made.content, OPTIONS);
      outcomes.push(outcome);
      if (outcome.kind === 'done') expect(pushedFaults(registry, names, made.image)).toEqual([]);
      expect(earlyTags(proxy.traffic.changes, repositories, made.image)).toEqual([]);
      expectPatience(outcome, proxy, repositories);
    });
    report('pushes', outcomes, proxy);
  }, 600_000);

  it('goes on with a new token when the old one is refused', async () => {
    await using registry = await startRegistry({ token: { anonymous: ['pull', 'push'] } });
    await using proxy = await startFaultProxy({ target: registry.host, seed: SEED, faults: { ...FAULTS, unauthorizedAfter: 10 } });
    const outcomes: Outcome[] = [];
    await eachOf(Math.ceil(RUNS / 4), async (run) => {
      const repository = `token-${run}/app`;
      const name = `${proxy.host}/${repository}:1`;
      const pushed = await push([name], made.content, OPTIONS);
      if (pushed.kind === 'done') expect(pushedFaults(registry, [name], made.image)).toEqual([]);
      expect(earlyTags(proxy.traffic.changes, [repository], made.image)).toEqual([]);
      const pulled = pushed.kind === 'done' ? await pull(name, at(repository), OPTIONS) : pushed;
      if (pushed.kind === 'done') expect(storeFaults(at(repository), made.image.descriptor, pulled.kind === 'done')).toEqual([]);
      for (const outcome of [pushed, pulled]) expectPatience(outcome, proxy, [repository]);
      outcomes.push(pushed, pulled);
    });
    report('with tokens', outcomes, proxy);
    expect(proxy.faults.get('unauthorized')).toBeGreaterThan(0);
  }, 600_000);

  it('does so as a program, too', async () => {
    await using registry = await startRegistry();
    await using proxy = await startFaultProxy({ target: registry.host, seed: SEED, faults: FAULTS });
    const flags = ['--retry', '6', '--retry-delay', '5ms'];
    await eachOf(
      Math.ceil(RUNS / 10),
      async (run) => {
        await lendTo(registry, `cli-${run}/base`);
        const base = `${proxy.host}/cli-${run}/base:1`;
        const copy = `${proxy.host}/cli-${run}/copy:1`;
        const pulled = await runTsbuild(['pull', '--root', at(`cli-${run}`), ...flags, base]);
        expect(pulled, pulled.stderr).toMatchObject({ status: 0 });
        expect(storeFaults(at(`cli-${run}`), made.image.descriptor, true)).toEqual([]);
        const pushed = await runTsbuild(['push', '--root', at(`cli-${run}`), ...flags, base, copy]);
        expect(pushed, pushed.stderr).toMatchObject({ status: 0 });
        expect(pushedFaults(registry, [copy], made.image)).toEqual([]);
        expect(earlyTags(proxy.traffic.changes, [`cli-${run}/copy`], made.image)).toEqual([]);
        for (const { stderr } of [pulled, pushed]) expect(stderr).not.toMatch(/internal error|\n {4}at /);
      },
      2,
    );
    console.info(`as a program, seed ${SEED}: ${[...proxy.faults].map(([kind, times]) => `${kind} ${times}`).join(', ')}`);
  }, 600_000);

  async function lendTo(registry: TestRegistry, repository: string): Promise<void> {
    await putOrigin(registry);
    await lend(registry, 'origin', repository, made.image);
  }
});
