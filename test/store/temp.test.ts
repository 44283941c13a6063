import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeTempDir, sweepTempDirs } from '../../src/store/temp.js';

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'tsbuild-temp-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const DEEP = Array.from({ length: 18 }, () => 'd'.repeat(200)).join('/');

/** Directories below each other whose names make three times the longest path, as a process can make them. */
function makeTooDeep(dir: string): void {
  mkdirSync(join(dir, 'a', DEEP), { recursive: true });
  writeFileSync(join(dir, 'a', DEEP, 'file'), '');
  for (let times = 0; times < 2; times++) {
    mkdirSync(join(dir, 'b', DEEP), { recursive: true });
    renameSync(join(dir, 'a'), join(dir, 'b', DEEP, 'a'));
    renameSync(join(dir, 'b'), join(dir, 'a'));
  }
}

it('a directory goes with what lies deeper than a path reaches', async () => {
  const temp = makeTempDir(parent);
  makeTooDeep(temp.path);
  await temp[Symbol.asyncDispose]();
  expect(readdirSync(parent)).toEqual([]);
});

it('so does one that a killed process left', async () => {
  const left = join(parent, 'abc');
  mkdirSync(left);
  makeTooDeep(left);
  await sweepTempDirs(parent);
  expect(existsSync(left)).toBe(false);
});

it('directories that nobody may enter go too', async () => {
  const temp = makeTempDir(parent);
  mkdirSync(join(temp.path, 'work/work'), { recursive: true });
  chmodSync(join(temp.path, 'work/work'), 0);
  chmodSync(join(temp.path, 'work'), 0);
  await temp[Symbol.asyncDispose]();
  expect(readdirSync(parent)).toEqual([]);
});
