import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchDir, TSBUILD, tsbuild } from '../helpers/cli.js';

const BUNDLE = join(TSBUILD, '../../dist/main.cjs');
const hasBundle = existsSync(BUNDLE);
if (!hasBundle) console.warn('SKIPPED: no dist; the built CLI is not tested (npm run build)');

/** The shortest of several runs: the one that other processes disturbed least. */
function bestMs(args: readonly string[]): number {
  const times = Array.from({ length: 9 }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, args, { env: { PATH: process.env['PATH'] ?? '' } });
    return performance.now() - startedAt;
  });
  return Math.min(...times);
}

describe.skipIf(!hasBundle)('the built CLI', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync(join(TSBUILD, '../../package.json'), 'utf8')) as { version: string };
    expect(tsbuild(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
    const { status, stdout } = tsbuild(['version', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ version, node: process.versions.node });
  });

  it('prints help without loading the pipeline', () => {
    using dir = scratchDir();
    const trace = join(dir.path, 'loaded');
    const hook = join(dir.path, 'hook.cjs');
    // Every module that is loaded is written down.
    const text = `const { appendFileSync } = require('node:fs'); const Module = require('node:module'); const load = Module._load;
      Module._load = function (name, ...rest) { appendFileSync(${JSON.stringify(trace)}, name + '\\n'); return load.call(this, name, ...rest); };`;
    writeFileSync(hook, text);
    const run = spawnSync(process.execPath, ['--require', hook, TSBUILD, '--help'], { encoding: 'utf8' });
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('Usage: tsbuild');
    const loaded = readFileSync(trace, 'utf8');
    expect(loaded).toContain('load-bundle.js');
    expect(loaded).not.toMatch(/koffi|execa|child_process|crypto|zlib|worker/);
  });

  it.each([
    [['--nonsense'], 2, 'ERROR: unknown option \'--nonsense\'\nhint: "tsbuild --help" lists what there is\n'],
    [['--tga', 'x', '.'], 2, "ERROR: unknown option '--tga'\nhint: did you mean --tag?\n"],
    [['--cache-from', 'x', '.'], 2, 'ERROR: not supported yet: --cache-from\n'],
    [[], 2, 'ERROR: the context directory is missing\nusage: tsbuild [build] [options] PATH\nhint: for this directory: tsbuild .\n'],
    [['/none/such'], 1, 'ERROR: context "/none/such" does not exist\n'],
  ])('%j ends with status %d', (args, status, stderr) => {
    expect(tsbuild(args)).toEqual({ status, stdout: '', stderr });
  });

  it('does not mind a reader that leaves', () => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', `{ node ${TSBUILD} --help; echo "status $?" >&2; } | true`], {
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: 'status 0\n' });
  });

  it('makes the thread pool as large as the machine', async () => {
    using dir = scratchDir();
    const hook = join(dir.path, 'hook.mjs');
    writeFileSync(hook, "process.on('exit', () => console.error(`pool ${process.env.UV_THREADPOOL_SIZE}`));");
    const run = (env: Record<string, string>): Promise<string> =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, ['--import', hook, TSBUILD, '--version'], {
          env: { ...env, PATH: process.env['PATH'] ?? '' },
        });
        let text = '';
        child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.on('error', reject).on('close', () => resolve(text.trim()));
      });
    expect(Number((await run({})).replace('pool ', ''))).toBeGreaterThanOrEqual(4);
    expect(await run({ UV_THREADPOOL_SIZE: '7' })).toBe('pool 7');
  });

  it('starts soon', () => {
    using dir = scratchDir();
    writeFileSync(join(dir.path, 'empty.mjs'), '');
    const bare = bestMs([join(dir.path, 'empty.mjs')]);
    const version = bestMs([TSBUILD, '--version']);
    const help = bestMs([TSBUILD, '--help']);
    console.log(`start-up, best of 9: node ${bare.toFixed(0)} ms, --version ${version.toFixed(0)} ms, --help ${help.toFixed(0)} ms`);
    // Relative to node itself and generous: the machine has other tests to run at the same time.
    expect(version - bare).toBeLessThan(150);
  });
});
