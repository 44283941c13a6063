import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCacheDir, type CacheDir, type CacheDirRequest } from '../../src/store/cache-dirs.js';
import { bundleProgram } from '../helpers/bundle.js';
import { scratchDir } from '../helpers/cli.js';

const scratch = scratchDir('tsbuild-caches-');
let root: string;
let count = 0;
let program: string;
const open: CacheDir[] = [];
const children: ChildProcessWithoutNullStreams[] = [];

beforeAll(() => {
  mkdirSync(join(scratch.path, 'program'));
  program = bundleProgram(new URL('./cache-child.ts', import.meta.url), join(scratch.path, 'program'));
});
beforeEach(() => {
  root = join(scratch.path, `store-${count++}`);
  mkdirSync(join(root, 'tmp'), { recursive: true });
});
afterEach(() => {
  for (const dir of open.splice(0)) dir[Symbol.dispose]();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => scratch[Symbol.dispose]());

async function take(key: string, sharing: CacheDirRequest['sharing'], more: Partial<CacheDirRequest> = {}): Promise<CacheDir> {
  const request = { key, sharing, fill: () => Promise.resolve(), onWait: () => undefined, signal: new AbortController().signal, ...more };
  const dir = await openCacheDir(root, request);
  open.push(dir);
  return dir;
}

/** Whether the cache can be had within a moment; it is given back. */
async function isFree(key: string, sharing: CacheDirRequest['sharing']): Promise<boolean> {
  const signal = AbortSignal.timeout(250);
  const dir = await take(key, sharing, { signal }).catch(() => undefined);
  dir?.[Symbol.dispose]();
  if (dir !== undefined) open.splice(open.indexOf(dir), 1);
  return dir !== undefined;
}

/** Another process with the cache, and the lines that it has written so far. */
async function holder(
  key: string,
  sharing: CacheDirRequest['sharing'],
): Promise<{ child: ChildProcessWithoutNullStreams; lines: string[] }> {
  const child = spawn(process.execPath, [program, root, key, sharing]);
  children.push(child);
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n').filter((line) => line !== '')));
  await once(child.stdout, 'data');
  return { child, lines };
}

describe('a cache directory', () => {
  it('is the same one for the same key, and keeps what is in it', async () => {
    const first = await take('a', 'shared');
    writeFileSync(join(first.path, 'f'), 'x');
    first[Symbol.dispose]();
    const [again, other] = [await take('a', 'locked'), await take('b', 'shared')];
    expect(again.path).toBe(first.path);
    expect(other.path).not.toBe(first.path);
    expect(readdirSync(again.path)).toEqual(['f']);
  });

  it.each(['../../escape', '/etc', '', 'a\0b', 'é'.repeat(5000)])('has a name of its own making, whatever the key', async (key) => {
    const { path } = await take(key, 'shared');
    expect(path.slice(root.length)).toMatch(/^\/cache-mounts\/[0-9a-f]{64}-0$/);
    expect(statSync(join(root, 'cache-mounts')).mode & 0o777).toBe(0o700);
  });

  it('appears with what it begins with, which is made once', async () => {
    let fills = 0;
    const fill = async (dir: string): Promise<void> => {
      fills++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      writeFileSync(join(dir, 'seed'), 'seed');
      chmodSync(dir, 0o751);
    };
    const dirs = await Promise.all(Array.from({ length: 8 }, () => take('a', 'shared', { fill })));
    expect(new Set(dirs.map(({ path }) => path)).size).toBe(1);
    expect(fills).toBe(1);
    expect(readFileSync(join(dirs[0]?.path ?? '', 'seed'), 'utf8')).toBe('seed');
    expect(statSync(dirs[0]?.path ?? '').mode & 0o777).toBe(0o751);
  });

  it('is not there when it could not be filled', async () => {
    const fill = (dir: string): Promise<void> => {
      writeFileSync(join(dir, 'half'), '');
      return Promise.reject(new Error('no'));
    };
    await expect(take('a', 'locked', { fill })).rejects.toThrow('no');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    expect(readdirSync((await take('a', 'locked')).path)).toEqual([]);
  });
});

describe('123: sharing', () => {
  it('shared is had by many at once, locked by one', async () => {
    await take('a', 'shared');
    expect(await isFree('a', 'shared')).toBe(true);
    expect(await isFree('a', 'locked')).toBe(false);
    await take('b', 'locked');
    expect(await isFree('b', 'shared')).toBe(false);
    expect(await isFree('b', 'locked')).toBe(false);
    expect(await isFree('c', 'locked')).toBe(true);
  });

  it('private is the first directory that nobody has', async () => {
    const dirs = [await take('a', 'private'), await take('a', 'private'), await take('a', 'private')];
    expect(dirs.map(({ path }) => path.slice(-2))).toEqual(['-0', '-1', '-2']);
    dirs[1]?.[Symbol.dispose]();
    expect((await take('a', 'private')).path).toBe(dirs[1]?.path);
  });

  it('locked waits for another process, and is told so once', async () => {
    const { child } = await holder('a', 'locked');
    let told = 0;
    const waiting = take('a', 'locked', { onWait: () => told++ });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(told).toBe(1);
    child.stdin.end();
    expect(existsSync((await waiting).path)).toBe(true);
    expect(told).toBe(1);
  });

  it('the end of the other process by SIGKILL is the end of the waiting', async () => {
    const { child } = await holder('a', 'locked');
    expect(await isFree('a', 'shared')).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isFree('a', 'locked')).toBe(true);
  });

  it('private is another directory while another process has the first', async () => {
    const { lines } = await holder('a', 'private');
    expect(lines[0]).toMatch(/-0$/);
    expect((await take('a', 'private')).path).toMatch(/-1$/);
  });

  it('shared is had by two processes', async () => {
    const { lines } = await holder('a', 'shared');
    expect((await take('a', 'shared')).path).toBe(lines[0]);
  });

  it('another process waits for this one', async () => {
    const dir = await take('a', 'locked');
    const { child, lines } = await holder('a', 'shared');
    expect(lines).toEqual(['waiting']);
    dir[Symbol.dispose]();
    open.splice(0);
    await once(child.stdout, 'data');
    expect(lines).toEqual(['waiting', dir.path]);
  });

  it('whoever waits can be stopped, with the reason that was given', async () => {
    await take('a', 'locked');
    const stop = new AbortController();
    const waiting = take('a', 'locked', { signal: stop.signal });
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 30);
    await expect(waiting).rejects.toBe(reason);
  });
});
