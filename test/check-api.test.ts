import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type * as Library from '../src/index.js';
import { scratchDir, writeFiles } from './helpers/cli.js';

/** The library as it ships. */
const { build, checkDockerfile, formatPosition, listTargets, outlineDockerfile } = (await import(
  new URL('../dist/index.js', import.meta.url).href
)) as typeof Library;

const scratch = scratchDir('tsbuild-check-api-');
afterAll(() => scratch[Symbol.dispose]());

let count = 0;

function optionsFor(dockerfile: string): Library.BuildOptions {
  const context = writeFiles(join(scratch.path, `context-${count++}`), { Dockerfile: dockerfile, x: 'x' });
  return { context, root: join(scratch.path, `store-${count}`) };
}

describe('the library', () => {
  test('checks a Dockerfile', async () => {
    const options = optionsFor('FROM scratch as base\nCMD hello\nEXPOSE x\n');
    const { warnings, error, source } = await checkDockerfile(options);
    expect(warnings.map(({ ruleName, range }) => `${formatPosition(range)} ${ruleName}`)).toEqual([
      'Dockerfile:1:1 FromAsCasing',
      'Dockerfile:2:1 JSONArgsRecommended',
    ]);
    expect(error).toMatchObject({ kind: 'dockerfile', message: 'invalid containerPort: x', range: { startLine: 3 } });
    expect(source).toEqual({ name: 'Dockerfile', bytes: Buffer.from('FROM scratch as base\nCMD hello\nEXPOSE x\n') });
    expect(existsSync(options.root ?? '')).toBe(false);
  });

  test('lists targets and what they take', async () => {
    const options = optionsFor('# V the version\nARG V=1\nFROM busybox:$V AS a\nFROM a\n');
    expect((await listTargets(options)).targets.map(({ name, base }) => [name, base])).toEqual([
      ['a', 'busybox:$V'],
      ['', 'a'],
    ]);
    expect((await outlineDockerfile(options)).args).toMatchObject([{ name: 'V', value: '1', description: 'the version' }]);
    expect(existsSync(options.root ?? '')).toBe(false);
  });

  test('tells the warnings of a build by events and in its result, those of two platforms once', async () => {
    const events: Library.BuildEvent[] = [];
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
    const options = optionsFor('FROM scratch AS unused\nCMD x\nFROM scratch as app\nCOPY x /\nCMD hello\n');
    const { checks } = await build({ ...options, platforms, onEvent: (event) => events.push(event) });
    expect(checks.map(({ ruleName, range }) => [ruleName, range.startLine])).toEqual([
      ['FromAsCasing', 3],
      ['JSONArgsRecommended', 5],
    ]);
    expect(events.flatMap((event) => (event.type === 'check' ? [event.warning] : []))).toEqual(checks);
  });

  test('checks nothing where nobody wants to hear of it, unless warnings are errors', async () => {
    const text = 'FROM scratch as app\nCOPY x /\n';
    expect((await build({ ...optionsFor(text), checks: false })).checks).toEqual([]);
    await expect(build({ ...optionsFor(`# check=error=true\n${text}`), checks: false })).rejects.toMatchObject({ kind: 'dockerfile' });
    const strict = { ...optionsFor(text), checks: false, buildArgs: { BUILDKIT_DOCKERFILE_CHECK: 'error=true' } };
    await expect(build(strict)).rejects.toMatchObject({ kind: 'dockerfile' });
  });
});
