import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killAfter, missingProgram, scratchDir, startTsbuild, tsbuild, writeFiles, type CliResult } from '../helpers/cli.js';
import { lastingLeftovers, layoutFaults, processesOf, unfinished } from '../helpers/leftovers.js';
import { randomFrom } from '../helpers/random.js';

const missing = process.getuid?.() === 0 ? missingProgram('runc', 'busybox', 'setpriv', 'unshare') : 'needs root for RUN';
if (missing !== undefined) console.warn(`SKIPPED: builds that are killed: ${missing}`);

const ROUNDS = 50;
const ROUNDS_PER_STORE = 10;

const DOCKERFILE = `
FROM base AS files
COPY many /many
RUN ["/bin/busybox", "sh", "-c", "busybox find /many -type f | busybox head -n 50 | busybox xargs busybox rm"]
RUN ["/bin/busybox", "sh", "-c", "busybox mkdir /made && busybox cp -r /many /made/"]

FROM base
COPY round /round
COPY --from=files /many /many
RUN ["/bin/busybox", "sh", "-c", "busybox sha256sum /round >/sum"]
`;

describe.skipIf(missing !== undefined)('a build that is stopped', () => {
  const scratch = scratchDir('tsbuild-kill-', '/dev/shm');
  const at = (name: string): string => join(scratch.path, name);
  const context = at('context');

  beforeAll(() => {
    const files = Array.from({ length: 200 }, (_, index) => [`many/${index % 20}/${index}`, `${index}\n`.repeat(index)] as const);
    writeFiles(context, { Dockerfile: DOCKERFILE, ...Object.fromEntries(files) });
    const base = writeFiles(at('base'), { Dockerfile: 'FROM scratch\nCOPY busybox /bin/busybox\n' });
    copyFileSync(spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim(), join(base, 'busybox'));
    expect(tsbuild(['--root', at('base-store'), '--oci-layout', at('base-layout'), base])).toMatchObject({ status: 0 });
  });

  afterAll(() => scratch[Symbol.dispose]());

  const buildArgs = (store: string): string[] => {
    const base = ['--build-context', `base=oci-layout://${at('base-layout')}`];
    const outputs = ['-t', 'app:1', '-t', 'app:2', '-o', 'type=image', '--oci-layout', `${at(`${store}-layout`)}:1`];
    return ['--root', at(store), '--progress', 'plain', ...base, ...outputs, context];
  };

  /** New content in each round, so that blobs are written anew. */
  function changeContext(round: number): void {
    writeFileSync(join(context, 'round'), `round ${round}\n`);
    writeFileSync(join(context, 'many/0/0'), `round ${round}\n`.repeat(100));
  }

  function build(store: string): CliResult {
    const result = tsbuild(buildArgs(store));
    expect(result, result.stderr).toMatchObject({ status: 0 });
    return result;
  }

  /** @returns whether the build was still under way */
  async function killBuild(store: string, delayMs: number): Promise<boolean> {
    const child = startTsbuild(buildArgs(store));
    const isKilled = await killAfter(child, delayMs);
    expect(await lastingLeftovers(scratch.path, child.pid ?? 0)).toEqual([]);
    return isKilled;
  }

  it(`leaves nothing when killed at any of ${ROUNDS} instants, and the next build succeeds`, async () => {
    changeContext(0);
    build('warm-up');
    const startedMs = performance.now();
    build('warm-up-2');
    const durationMs = performance.now() - startedMs;
    const next = randomFrom(20_240_506);
    const delays = Array.from({ length: ROUNDS }, (_, index) => ((index + next()) / ROUNDS) * durationMs);
    let killed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const store = `store-${Math.floor(round / ROUNDS_PER_STORE)}`;
      // Every store sees early and late ones.
      const delayMs = delays[(round * 7) % ROUNDS] ?? 0;
      changeContext(round);
      if (await killBuild(store, delayMs)) killed++;
      if (existsSync(join(at(store), 'oci-layout'))) expect(layoutFaults(at(store))).toEqual([]);
      if (existsSync(join(at(`${store}-layout`), 'oci-layout'))) expect(layoutFaults(at(`${store}-layout`))).toEqual([]);
      build(store);
      expect(unfinished(at(store)).filter((path) => path.startsWith('tmp/'))).toEqual([]);
    }
    for (let index = 0; index * ROUNDS_PER_STORE < ROUNDS; index++) {
      expect(layoutFaults(at(`store-${index}`))).toEqual([]);
      expect(layoutFaults(at(`store-${index}-layout`))).toEqual([]);
    }
    expect(killed).toBeGreaterThan(ROUNDS * 0.7);
    expect(processesOf(scratch.path)).toEqual([]);
  }, 300_000);

  it('has its unfinished files swept by a later build', () => {
    changeContext(1000);
    build('swept');
    const store = at('swept');
    const layout = at('swept-layout');
    const gone = spawnSync('true').pid;
    const stray = [store, layout].flatMap((dir) => [dir, join(dir, 'blobs/sha256')]).map((dir) => join(dir, `.tmp-${gone}-0123456789ab`));
    const living = join(store, `blobs/sha256/.tmp-${process.pid}-0123456789ab`);
    const foreign = join(layout, '.tmp-mine');
    for (const path of [...stray, living, foreign]) {
      writeFileSync(path, 'half');
      utimesSync(path, 1e9, 1e9);
    }
    const young = join(layout, `blobs/sha256/.tmp-${gone}-ba9876543210`);
    writeFileSync(young, 'half');
    build('swept');
    expect(stray.filter((path) => existsSync(path))).toEqual([]);
    expect([living, foreign, young].filter((path) => !existsSync(path))).toEqual([]);
  });

  /** Starts a build, waits for its RUN to be under way, and hands over the process. */
  async function startSleeping(store: string): Promise<Sleeping> {
    const dir = writeFiles(at(`${store}-context`), {
      Dockerfile: `FROM base\nRUN ["/bin/busybox", "sh", "-c", "busybox echo up; busybox sleep 60; : ${scratch.path}"]\n`,
    });
    const layout = `base=oci-layout://${at('base-layout')}`;
    const child = startTsbuild([
      '--root',
      at(store),
      '--progress',
      'plain',
      '--build-context',
      layout,
      '-t',
      'x',
      '--oci-layout',
      at(`${store}-layout`),
      dir,
    ]);
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const exit = once(child, 'exit').then(([status, signal]): Exit => ({ status, signal }));
    while (!/ up$/m.test(text)) {
      if (child.exitCode !== null) throw new Error(`the build ended: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { child, output: () => text, exit };
  }

  describe('while a RUN sleeps', () => {
    it.each([
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const)('%s ends it with status %i within a second, with nothing left', async (signal, status) => {
      const { child, output, exit } = await startSleeping(signal);
      expect(processesOf(scratch.path)).not.toEqual([]);
      const startedMs = performance.now();
      child.kill(signal);
      expect(await exit).toEqual({ status, signal: null });
      expect(performance.now() - startedMs).toBeLessThan(1000);
      expect(await lastingLeftovers(scratch.path, child.pid ?? 0)).toEqual([]);
      expect(unfinished(at(signal))).toEqual([]);
      expect(existsSync(at(`${signal}-layout`))).toBe(false);
      expect(layoutFaults(at(signal))).toEqual([]);
      expect(JSON.parse(readFileSync(join(at(signal), 'index.json'), 'utf8'))).toMatchObject({ manifests: [] });
      expect(output()).toMatch(/^ERROR: the build was (cancelled|stopped)/m);
      expect(output()).not.toMatch(/internal error|\n {4}at /);
    });

    it('a second Ctrl-C does not wait for the cleaning', async () => {
      const { child, exit } = await startSleeping('twice');
      child.kill('SIGINT');
      child.kill('SIGINT');
      expect((await exit).status).toBe(130);
      expect(await lastingLeftovers(scratch.path, child.pid ?? 0)).toEqual([]);
    });

    it('SIGKILL leaves a temp directory only, which the next build sweeps', async () => {
      const { child, exit } = await startSleeping('killed');
      child.kill('SIGKILL');
      expect((await exit).signal).toBe('SIGKILL');
      expect(await lastingLeftovers(scratch.path, child.pid ?? 0)).toEqual([]);
      expect(readdirSync(join(at('killed'), 'tmp'))).not.toEqual([]);
      mkdirSync(at('next'));
      writeFileSync(join(at('next'), 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
      expect(tsbuild(['--root', at('killed'), at('next')]).status).toBe(0);
      expect(unfinished(at('killed'))).toEqual([]);
    });
  });
});

interface Sleeping {
  readonly child: ReturnType<typeof startTsbuild>;
  readonly output: () => string;
  readonly exit: Promise<Exit>;
}

interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}
