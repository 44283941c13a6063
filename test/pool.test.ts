import { buildSync } from 'esbuild';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { BuildError } from '../src/base/errors.js';
import { Growth } from '../src/base/growing-file.js';
import type { JobArgs } from '../src/jobs.js';
import type * as Pool from '../src/pool.js';
import { openLayerIndex } from '../src/snapshot/layer-index.js';
import type { LayerIndex } from '../src/snapshot/root-view.js';
import { scratchDir } from './helpers/cli.js';
import { member, tarOf } from './helpers/tar-builder.js';

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-pool-');
afterAll(removeScratch);

/** The pool with the worker beside it, as they ship. */
const bundled = join(scratch, 'bundle');
buildSync({
  entryPoints: ['pool.ts', 'worker.ts'].map((name) => fileURLToPath(new URL(`../src/${name}`, import.meta.url))),
  outdir: bundled,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
writeFileSync(join(bundled, 'package.json'), '{"type":"module"}');
symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(bundled, 'node_modules'));

async function openPool(dir = bundled): Promise<Pool.JobPool> {
  const { JobPool } = (await import(pathToFileURL(join(dir, 'pool.js')).href)) as typeof Pool;
  return new JobPool();
}

/** A pool whose threads are this program. */
function poolOf(program: string): Promise<Pool.JobPool> {
  const dir = place();
  mkdirSync(dir);
  copyFileSync(join(bundled, 'pool.js'), join(dir, 'pool.js'));
  copyFileSync(join(bundled, 'package.json'), join(dir, 'package.json'));
  symlinkSync(join(bundled, 'node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'worker.js'), `import { parentPort } from 'node:worker_threads';\n${program}`);
  return openPool(dir);
}

let count = 0;
function place(): string {
  return join(scratch, String(count++));
}

const common = { mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1_700_000_000 };
/** Bytes that are no text, in a directory that is copied into. */
const below: LayerIndex = { entries: [{ ...common, path: 'etc', type: 'directory', xattrs: [['user.a', Buffer.from([0, 255])]] }] };

const context = place();
mkdirSync(context);
writeFileSync(join(context, 'passwd'), 'root');
writeFileSync(Buffer.from(`${context}/caf\xe9`, 'latin1'), 'abc');

function copyJob(): JobArgs<'copyToLayer'> {
  const source = { kind: 'context', dir: context } as const;
  const copy = {
    op: 'COPY',
    sources: ['.'],
    fetched: [],
    files: [],
    parents: false,
    exclude: [],
    dest: '/etc/',
    nowSeconds: 1_700_000_000,
    source,
    below: [below],
  } as const;
  return { copy, layer: { tempFile: place(), compression: 'gzip' }, wantsIndex: true };
}

/** Takes seconds. */
function longJob(): JobArgs<'directoryToLayer'> {
  const dir = place();
  mkdirSync(dir);
  writeFileSync(join(dir, 'zeros'), '');
  truncateSync(join(dir, 'zeros'), 4 * 2 ** 30);
  return { dir, below: [], layer: { tempFile: place(), compression: 'gzip', level: 9 } };
}

async function failure(promise: Promise<unknown>): Promise<BuildError & { code?: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error('the job did not fail');
  return error as BuildError;
}

async function appears(path: string): Promise<void> {
  while (!existsSync(path) || statSync(path).size === 0) await sleep(5);
}

describe('jobs', () => {
  test('give the same in a thread as in this one', async () => {
    using pool = await openPool();
    const [inline, threaded] = await Promise.all([
      pool.run('copyToLayer', copyJob(), { inline: true }),
      pool.run('copyToLayer', copyJob()),
    ]);
    const { durationMs: _inline, ...written } = inline.written;
    expect(threaded.written).toEqual({ ...written, durationMs: expect.any(Number) as number });
    expect(openLayerIndex(threaded.index ?? below).xattrs('etc')).toEqual([['user.a', Buffer.from([0, 255])]]);
    expect(threaded.index).toEqual(structuredClone(inline.index));
  });

  test('copying into a layer unpacks nothing and loses nothing', async () => {
    using pool = await openPool();
    const dir = place();
    mkdirSync(dir);
    // It has become an archive only after somebody looked.
    writeFileSync(join(dir, 'a.tar'), tarOf(member({ path: 'm', text: 'm' })));
    const { copy, ...rest } = copyJob();
    const added = { ...copy, op: 'ADD', sources: ['a.tar'], source: { kind: 'context', dir } } as const;
    const { index } = await pool.run('copyToLayer', { copy: added, ...rest }, { inline: true });
    expect(index?.entries.map(({ path, type }) => [path, type])).toEqual([
      ['etc', 'directory'],
      ['etc/a.tar', 'file'],
    ]);
  });

  test('read back what they wrote, more of them than there are threads', async () => {
    using pool = await openPool();
    const job = copyJob();
    const { diffId, digest } = (await pool.run('copyToLayer', job)).written;
    const indexes = await Promise.all(
      Array.from({ length: 20 }, () => pool.run('indexLayer', { path: job.layer.tempFile, digest, diffId, keptAt: place() })),
    );
    for (const index of indexes) expect(index.entries.map((entry) => entry.path)).toEqual(['etc', 'etc/caf\xe9', 'etc/passwd']);
    const dir = place();
    expect(await pool.run('extractToDirectory', { path: job.layer.tempFile, digest, diffId, dir })).toEqual({
      implied: [''],
      warnings: [],
    });
    expect(readFileSync(join(dir, 'etc/passwd'), 'utf8')).toBe('root');
  });

  test.each([{ inline: false }, { inline: true }])('fail with kind, hint and cause (inline: $inline)', async ({ inline }) => {
    using pool = await openPool();
    const job = copyJob();
    const { digest } = (await pool.run('copyToLayer', job)).written;
    const diffId = `sha256:${'0'.repeat(64)}` as typeof digest;
    const path = job.layer.tempFile;
    const damaged = await failure(pool.run('indexLayer', { path, digest, diffId, keptAt: place() }, { inline }));
    expect(damaged).toMatchObject({ name: 'BuildError', kind: 'input' });
    expect(damaged.message).toMatch(/^layer sha256:[0-9a-f]{64} is damaged: got a tar with the diffId sha256:/);
    expect(damaged.hint).toMatch(/^remove "/);

    const missing = await failure(pool.run('indexLayer', { path: '/nowhere', digest, diffId, keptAt: place() }, { inline }));
    expect(missing).toMatchObject({
      kind: 'input',
      message: `layer ${digest}: cannot read "/nowhere": no such file or directory (ENOENT)`,
    });
    expect(missing.cause).toMatchObject({ name: 'BuildError', cause: { code: 'ENOENT' } });
  });

  test.each([{ inline: false }, { inline: true }])('fail with the code of a system call (inline: $inline)', async ({ inline }) => {
    using pool = await openPool();
    const job = { dir: '/nowhere', below: [], layer: { tempFile: place(), compression: 'none' } } as const;
    const error = await failure(pool.run('directoryToLayer', job, { inline }));
    expect(error).toMatchObject({ name: 'Error', code: 'ENOENT' });
    expect(error.stack).toContain('diffEntries');
  });
});

describe('jobs that wait', () => {
  test('leave their threads to others, and go on when what they wait for comes', async () => {
    using pool = await openPool();
    const job = copyJob();
    const { diffId, digest } = (await pool.run('copyToLayer', job)).written;
    const blob = readFileSync(job.layer.tempFile);
    const coming = Array.from({ length: 3 * availableParallelism() }, () => {
      const [path, dir, growth] = [place(), place(), new Growth()];
      writeFileSync(path, '');
      const growing = { path, finalPath: `${path}.final`, state: growth.state };
      const layer = { path: growing.finalPath, digest, diffId, growing, dir };
      return { path, dir, growth, done: pool.run('extractToDirectory', layer, { waits: true }) };
    });
    // All threads are taken, and some wait for one.
    expect((await pool.run('copyToLayer', copyJob())).written.diffId).toBe(diffId);
    for (const { path, growth } of coming) {
      writeFileSync(path, blob);
      growth.add(blob.length);
      growth.end('whole');
    }
    await Promise.all(coming.map(({ done }) => done));
    for (const { dir } of coming) expect(readFileSync(join(dir, 'etc/passwd'), 'utf8')).toBe('root');
  });

  test.skipIf(availableParallelism() === 1)('share the threads evenly by what they go through', async () => {
    using pool = await poolOf(
      `import { threadId } from 'node:worker_threads';
      parentPort.on('message', ({ id }) => setTimeout(() => parentPort.postMessage({ id, ok: true, result: threadId }), 500));`,
    );
    const sizes = [100, ...Array.from({ length: availableParallelism() - 1 }, () => 60), 30];
    const threads = await Promise.all(sizes.map((sizeBytes) => pool.run('copyToLayer', copyJob(), { waits: true, sizeBytes })));
    expect(threads.slice(1, -1)).toContain(threads.at(-1));
    expect(threads.at(-1)).not.toBe(threads[0]);
  });
});

describe('close', () => {
  test('ends jobs under way and those that wait; nothing is written after that', async () => {
    const pool = await openPool();
    const jobs = Array.from({ length: 12 }, () => longJob());
    const runs = jobs.map((job) => failure(pool.run('directoryToLayer', job)));
    const first = jobs[0]?.layer.tempFile ?? '';
    await appears(first);
    const reason = new Error('stop');
    const closedAt = performance.now();
    pool.close(reason);
    expect(await runs[0]).toBe(reason);
    const { size } = statSync(first);
    expect(await Promise.all(runs)).toEqual(jobs.map(() => reason));
    expect(performance.now() - closedAt).toBeLessThan(2000);
    await sleep(100);
    expect(statSync(first).size).toBe(size);
  });

  test('a closed pool takes no jobs, not even inline', async () => {
    const pool = await openPool();
    const reason = new Error('stop');
    pool.close(reason);
    pool.close(new Error('again'));
    expect(await failure(pool.run('copyToLayer', copyJob()))).toBe(reason);
    expect(await failure(pool.run('copyToLayer', copyJob(), { inline: true }))).toBe(reason);
  });
});

describe('a thread that dies', () => {
  const rows = [
    { title: 'exits', program: `parentPort.on('message', () => process.exit(3));`, message: /^a thread ended with status 3$/ },
    { title: 'throws', program: `parentPort.on('message', () => { throw new Error('oops'); });`, message: /^oops$/ },
    { title: 'cannot start', program: `throw new Error('no start');`, message: /^no start$/ },
  ];
  test.each(rows)('fails its job alone: it $title', async ({ program, message }) => {
    using pool = await poolOf(program);
    const errors = await Promise.all(Array.from({ length: 6 }, () => failure(pool.run('copyToLayer', copyJob()))));
    for (const error of errors) expect(error.message).toMatch(message);
  });

  test('between two jobs, is replaced', async () => {
    using pool = await poolOf(
      `parentPort.on('message', ({ id }) => { parentPort.postMessage({ id, ok: true, result: 1 }); setTimeout(() => process.exit(0), 50); });`,
    );
    expect(await pool.run('copyToLayer', copyJob())).toBe(1);
    await sleep(1000);
    expect(await pool.run('copyToLayer', copyJob())).toBe(1);
  });
});
