import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import type { BuildOptions } from '../../src/options.js';
import { runFlags, type CliRun } from '../helpers/run-cli.js';

const REGISTRY = { type: 'registry', names: [], annotations: {} } as const;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-flags-'));
  writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

/** `DIR` in the arguments is the context. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> {
  return runFlags(
    args.map((arg) => arg.replaceAll('DIR', dir)),
    env,
  );
}

async function optionsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun['options']> {
  const { options, error } = await run([...args, 'DIR'], env);
  expect(error).toBeUndefined();
  return options;
}

describe('tsbuild build', () => {
  it('builds for DOCKER_DEFAULT_PLATFORM, unless a flag says otherwise', async () => {
    const env = { DOCKER_DEFAULT_PLATFORM: 'linux/riscv64' };
    expect((await optionsOf([], env))?.platforms).toEqual([{ os: 'linux', architecture: 'riscv64' }]);
    expect((await optionsOf(['--platform', 'linux/386'], env))?.platforms).toEqual([{ os: 'linux', architecture: '386' }]);
    expect((await optionsOf([], { DOCKER_DEFAULT_PLATFORM: '' }))?.platforms).toBeUndefined();
  });

  it('is the command when none is named', async () => {
    expect(await optionsOf(['build'])).toEqual(await optionsOf([]));
    expect((await optionsOf([]))?.context).toBe(dir);
  });

  it.each<[string, string[], Partial<BuildOptions>]>([
    ['-t a', ['-t', 'a'], { tags: ['a'] }],
    ['-ta', ['-ta'], { tags: ['a'] }],
    ['--tag=a --tag b', ['--tag=a', '--tag', 'b'], { tags: ['a', 'b'] }],
    ['-f x', ['-f', 'x'], { file: 'x' }],
    ['--file -', ['--file', '-'], { file: '-' }],
    ['--build-arg', ['--build-arg', 'A=1', '--build-arg=B', '--build-arg', 'NONE'], { buildArgs: { A: '1', B: 'env' } }],
    ['--target', ['--target', 'stage'], { target: 'stage' }],
    [
      '--platform',
      ['--platform', 'linux/s390x,linux/386'],
      { platforms: ['s390x', '386'].map((architecture) => ({ os: 'linux', architecture })) },
    ],
    ['--label', ['--label', 'a=1', '--label', 'b'], { labels: { a: '1', b: '' } }],
    ['--annotation', ['--annotation', 'manifest:a=1'], { annotations: { a: '1' } }],
    ['--network default', ['--network', 'default'], { network: 'host' }],
    ['--network=none', ['--network=none'], { network: 'none' }],
    ['--add-host', ['--add-host', 'a:1.2.3.4', '--add-host', 'b=::1'], { addHosts: ['a:1.2.3.4', 'b:::1'] }],
    ['--shm-size', ['--shm-size', '128m'], { shmSizeBytes: 134_217_728 }],
    ['--ulimit', ['--ulimit', 'nofile=1:2'], { ulimits: [{ name: 'nofile', soft: 1, hard: 2 }] }],
    ['--compression', ['--compression', 'uncompressed'], { compression: 'none' }],
    ['--compression-level', ['--compression', 'zstd', '--compression-level', '19'], { compression: 'zstd', compressionLevel: 19 }],
    ['--root', ['--root', '/r'], { root: '/r' }],
    ['--runtime', ['--runtime', 'crun'], { runtime: 'crun' }],
    [
      '-o',
      ['-o', 'out', '-o', 'type=image'],
      {
        outputs: [
          { type: 'local', dest: 'out' },
          { type: 'image', names: [] },
        ],
      },
    ],
    ['--oci-layout', ['--oci-layout', 'd:1'], { outputs: [{ type: 'oci', dest: 'd', tar: false, tag: '1', names: [], annotations: {} }] }],
    ['--push', ['--push'], { outputs: [REGISTRY] }],
    ['--push=false', ['--push=false'], {}],
    ['--push with -o type=registry', ['--push', '-o', 'type=registry,name=b'], { outputs: [{ ...REGISTRY, names: ['b'] }] }],
    [
      '--push with -o type=image',
      ['--push', '-o', 'type=image,name=b'],
      {
        outputs: [
          { type: 'image', names: ['b'] },
          { ...REGISTRY, names: ['b'] },
        ],
      },
    ],
    ['--push with --load', ['--push', '--load'], { outputs: [REGISTRY, { type: 'image', names: [] }] }],
    [
      '--load with -o',
      ['--load', '-o', 'out'],
      {
        outputs: [
          { type: 'local', dest: 'out' },
          { type: 'image', names: [] },
        ],
      },
    ],
    ['--build-context', ['--build-context', 'a=docker-image://x'], { buildContexts: { a: { kind: 'image', reference: 'x' } } }],
    ['--no-cache --debug=false', ['--no-cache', '--debug=false', '--no-cache=true'], {}],
    ['a value that looks like a flag', ['--label', '--rm', '--target', '--secret'], { labels: { '--rm': '' }, target: '--secret' }],
  ])('%s', async (_, args, expected) => {
    expect(await optionsOf(args, { B: 'env' })).toMatchObject(expected);
  });

  it('has nothing but defaults without flags', async () => {
    expect(await optionsOf([])).toEqual({
      context: dir,
      tags: [],
      buildArgs: {},
      labels: {},
      annotations: {},
      buildContexts: {},
      addHosts: [],
      ulimits: [],
      registry: { env: {} },
    });
  });

  it.each<[string, string[], Record<string, string>, Partial<BuildOptions>]>([
    ['of the environment', [], { SOURCE_DATE_EPOCH: '7' }, { buildArgs: { SOURCE_DATE_EPOCH: '7' } }],
    ['of the environment, by name', [], { SOURCE_DATE_EPOCH: 'context' }, { buildArgs: { SOURCE_DATE_EPOCH: 'context' } }],
    ['that is empty', [], { SOURCE_DATE_EPOCH: '' }, { buildArgs: {} }],
    [
      'of the flag',
      ['--source-date-epoch', '8'],
      { SOURCE_DATE_EPOCH: '7' },
      { buildArgs: { SOURCE_DATE_EPOCH: '8' }, sourceDateEpoch: 8 },
    ],
    ['of a build argument', ['--build-arg', 'SOURCE_DATE_EPOCH=9'], { SOURCE_DATE_EPOCH: '7' }, { buildArgs: { SOURCE_DATE_EPOCH: '9' } }],
  ])('takes the epoch %s', async (_, args, env, expected) => {
    expect(await optionsOf(args, env)).toMatchObject(expected);
  });

  it.each([
    ['-', { kind: 'stdin' }],
    ['https://host/x.tar.gz?a=b', { kind: 'http', url: 'https://host/x.tar.gz?a=b' }],
    [`https://host/x?${'signature'.repeat(99)}`, { kind: 'http' }],
    ['https://host/x.git#main:sub', { kind: 'git', remote: { url: 'https://host/x.git', ref: 'main', subdir: 'sub', submodules: true } }],
    ['github.com/owner/repo', { kind: 'git', remote: { url: 'https://github.com/owner/repo', submodules: true } }],
    ['git@host:repo', { kind: 'git', remote: { url: 'git@host:repo', submodules: true } }],
  ])('takes the context %s', async (path, context) => {
    expect((await run([path])).options).toMatchObject({ context });
  });

  it.each<[string, string[], string, string]>([
    ['no context', [], 'usage', 'the context directory is missing\nusage: tsbuild [build] [options] PATH'],
    ['two contexts', ['DIR', 'DIR'], 'usage', 'too many arguments'],
    ['a context that is not there', ['DIR/none'], 'input', 'does not exist'],
    ['a context that is a file', ['DIR/Dockerfile'], 'input', 'is not a directory'],
    ['a repository with a wrong query', ['https://user:secret@host/x.git?reff=x'], 'usage', 'unexpected query "reff"'],
    ['an unknown flag', ['--nonsense', 'DIR'], 'usage', "unknown option '--nonsense'"],
    ['a flag without value', ['DIR', '-t'], 'usage', "option '-t, --tag <name>' argument missing"],
    ['a bad tag', ['-t', 'Upper', 'DIR'], 'usage', 'upper-case'],
    ['a tag with a digest', ['-t', `a@sha256:${'a'.repeat(64)}`, 'DIR'], 'usage', 'a digest cannot be chosen'],
    ['a bad progress', ['--progress', 'fancy', 'DIR'], 'usage', 'invalid --progress'],
    ['--progress rawjson', ['--progress=rawjson', 'DIR'], 'unsupported', 'not supported yet: --progress rawjson'],
    ['an empty target', ['--target=', 'DIR'], 'usage', 'invalid --target'],
    ['an empty file', ['--iidfile', '', 'DIR'], 'usage', 'invalid --iidfile'],
    ['a bad epoch', ['--source-date-epoch', 'x', 'DIR'], 'usage', 'invalid --source-date-epoch'],
    ['a bad toggle', ['--no-cache=maybe', 'DIR'], 'usage', 'want true or false'],
    ['a build context that is not there', ['--build-context', 'a=DIR/none', 'DIR'], 'input', 'build context'],
    ['--cache-from', ['--cache-from', 'x', 'DIR'], 'unsupported', 'not supported yet: --cache-from'],
    ['--cache-to', ['--cache-to=type=gha', 'DIR'], 'unsupported', 'not supported yet: --cache-to'],
    ['--squash', ['--squash', 'DIR'], 'unsupported', 'not supported yet: --squash'],
    ['--provenance', ['--provenance=mode=max', 'DIR'], 'unsupported', 'not supported yet: --provenance'],
    ['-v', ['-v', '/a:/b', 'DIR'], 'unsupported', 'not supported yet: --volume'],
    ['--platform that is none', ['--platform', 'linux/', 'DIR'], 'usage', 'invalid platform "linux/"'],
  ])('refuses %s', async (_, args, kind, reason) => {
    const { error, options } = await run(args);
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ kind });
    expect((error as BuildError).message).toContain(reason);
    expect(options).toBeUndefined();
  });

  it.each([
    ['--tga', 'did you mean --tag?'],
    ['--buildarg', 'did you mean --build-arg?'],
    ['--dockerfile', 'use --file'],
    ['--destination', 'use --tag, and --push'],
  ])('suggests for %s: %s', async (flag, hint) => {
    expect((await run([flag, 'x', 'DIR'])).error).toMatchObject({ hint });
  });

  it('warns once about the flags of others that change nothing', async () => {
    const args = [
      '--rm',
      '--force-rm=true',
      '--layers',
      '-m',
      '512m',
      '-c2',
      '--isolation=chroot',
      '--provenance=false',
      '--rm',
      '--builder',
      'x',
    ];
    const { options, stderr, error } = await run([...args, '--progress=quiet', 'DIR']);
    expect(error).toBeUndefined();
    expect(options?.context).toBe(dir);
    expect(stderr).toBe(
      'WARNING: no effect in tsbuild: --rm, --force-rm, --layers, --memory, --cpu-shares, --isolation, --provenance, --builder\n',
    );
  });

  it('takes a mistyped command for a context, and says so', async () => {
    expect((await run(['imges'])).error).toMatchObject({ hint: 'if a command was meant, it comes first (did you mean images?)' });
  });

  it('leaves everything behind -- alone', async () => {
    expect((await run(['--', '--push'])).error).toMatchObject({ kind: 'input', message: 'context "--push" does not exist' });
  });
});

describe('tsbuild', () => {
  it('prints help and version on standard output', async () => {
    const help = await run(['--help']);
    expect(help.error).toBeUndefined();
    expect(help.stdout).toContain('Usage: tsbuild [build] [options] PATH');
    const buildHelp = await run(['build', '--help']);
    expect(buildHelp.stdout).toContain('--oci-layout <dir[:tag]>');
    expect((await run(['help', 'save'])).stdout).toContain('--format');
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('refuses flags that a command does not have', async () => {
    expect((await run(['images', '--rm'])).error).toMatchObject({ kind: 'usage', message: "unknown option '--rm'" });
    expect((await run(['inspect'])).error).toMatchObject({ kind: 'usage', message: "missing required argument 'image'" });
  });
});
