import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-names.js';
import type { CliContext, Transport } from '../../src/cli/context.js';
import { runCli } from '../../src/cli/program.js';
import { digestOf } from '../../src/oci/digest.js';
import { MediaType } from '../../src/oci/types.js';
import type { MovedImage, TransportOptions } from '../../src/transport/options.js';

const DIGEST = digestOf('image');
const DESCRIPTOR = { mediaType: MediaType.ociIndex, digest: DIGEST, size: 5 };

/** Runs a command whose work is only taken down. */
async function run(...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string; readonly asked: unknown[] }> {
  let stdout = '';
  let stderr = '';
  const asked: unknown[] = [];
  const answer = async <Result>(options: TransportOptions, result: Result): Promise<Result> => {
    const { onEvent: _sink, signal: _signal, registry, ...given } = options;
    const { env: _env, ...flags } = registry ?? {};
    asked.push(Object.keys(flags).length === 0 ? given : { ...given, registry: flags });
    return Promise.resolve(result);
  };
  const moved = (names: readonly string[]): MovedImage[] => names.map((name) => ({ name, descriptor: DESCRIPTOR }));
  const transport: Transport = {
    pull: (options) => answer(options, moved(options.references)),
    push: (options) => answer(options, moved([options.destination ?? options.source])),
    copy: (options) => answer(options, { name: options.destination, descriptor: DESCRIPTOR }),
    async *listTags(options) {
      yield* await answer(options, ['1', '2']);
    },
    async *listRepositories(options) {
      yield* await answer(options, ['a', 'b/c']);
    },
    deleteImages: (options) =>
      answer(
        options,
        options.references.map((text) => ({ name: text.replace('docker://', ''), digest: DIGEST, otherTags: [] })),
      ),
    createIndex: (options) => answer(options, moved(options.targets)),
    inspectRemote: (options) => answer(options, { descriptor: DESCRIPTOR, bytes: Buffer.from('{ }') }),
  };
  const context: CliContext = {
    env: {},
    stdout: { write: (text: string | Uint8Array) => (stdout += text.toString()) },
    stderr: { write: (text: string) => (stderr += text) },
    signal: new AbortController().signal,
    build: () => Promise.reject(new Error('no build')),
    inspection: () => Promise.reject(new Error('no inspection')),
    transport: () => Promise.resolve(transport),
  };
  await runCli(args, context);
  return { stdout, stderr, asked };
}

describe('commands', () => {
  it.each(COMMANDS)('%s is told by the help, and has one of its own', async (name) => {
    expect((await run('--help')).stdout).toMatch(new RegExp(`^  ${name}( |$)`, 'm'));
    if (name !== 'help') expect((await run(name, '--help')).stdout).toMatch(new RegExp(`^Usage: tsbuild ${name}\\b`));
  });

  it('tell those of index', async () => {
    expect((await run('index', 'create', '--help')).stdout).toContain('--tag <name>');
  });
});

describe('commands of registries', () => {
  const amd64 = { os: 'linux', architecture: 'amd64' };
  const arm64 = { os: 'linux', architecture: 'arm64' };
  it.each<readonly [string, object, string]>([
    ['pull a b:1', { references: ['a', 'b:1'], allPlatforms: false, extract: false }, `pulled a:latest@${DIGEST}\npulled b:1@${DIGEST}\n`],
    ['pull -q a', { references: ['a'], allPlatforms: false, extract: false }, `${DIGEST}\n`],
    [
      'pull --platform amd64,arm64 --unpack a',
      { references: ['a'], platforms: [amd64, arm64], allPlatforms: false, extract: true },
      `pulled a:latest@${DIGEST}\n`,
    ],
    [
      'pull --all-platforms --extract --root /r a',
      { references: ['a'], root: '/r', allPlatforms: true, extract: true },
      `pulled a:latest@${DIGEST}\n`,
    ],
    [
      'pull --jobs 7 --tls-verify=false a',
      { references: ['a'], allPlatforms: false, extract: false, registry: { jobs: 7, tlsVerify: false } },
      `pulled a:latest@${DIGEST}\n`,
    ],
    ['push a', { source: 'a', allTags: false }, `pushed a:latest@${DIGEST}\n`],
    ['push a r.example/b:2', { source: 'a', destination: 'r.example/b:2', allTags: false }, `pushed r.example/b:2@${DIGEST}\n`],
    ['push --all-tags --platform arm64 a', { source: 'a', platforms: [arm64], allTags: true }, `pushed a:latest@${DIGEST}\n`],
    ['cp a oci:b', { source: 'a', destination: 'oci:b' }, `copied oci:b@${DIGEST}\n`],
    ['cp -q --platform=amd64 docker://a oci:b:1', { source: 'docker://a', destination: 'oci:b:1', platforms: [amd64] }, `${DIGEST}\n`],
    ['cp a oci-archive:-', { source: 'a', destination: 'oci-archive:-' }, ''],
    ['ls a', { repository: 'a' }, '1\n2\n'],
    ['ls team/a', { repository: 'team/a' }, '1\n2\n'],
    ['ls r.example/a', { repository: 'r.example/a' }, '1\n2\n'],
    ['ls docker://r.example/a', { repository: 'docker://r.example/a' }, '1\n2\n'],
    ['ls r.example', { host: 'r.example' }, 'a\nb/c\n'],
    ['ls registry/', { host: 'registry' }, 'a\nb/c\n'],
    ['ls registry:5000', { host: 'registry:5000' }, 'a\nb/c\n'],
    ['ls localhost', { host: 'localhost' }, 'a\nb/c\n'],
    ['ls docker://[::1]:5000/', { host: '[::1]:5000' }, 'a\nb/c\n'],
    // Not a port: the repository then says what is wrong.
    ['ls debian:12', { repository: 'debian:12' }, '1\n2\n'],
    ['ls debian:12.5', { repository: 'debian:12.5' }, '1\n2\n'],
    ['delete docker://r.example/a:1', { references: ['docker://r.example/a:1'] }, `deleted r.example/a:1@${DIGEST}\n`],
    [
      'index create -t r.example/a --tag r.example/a:2 x y',
      { targets: ['r.example/a', 'r.example/a:2'], images: ['x', 'y'] },
      `created r.example/a:latest@${DIGEST}\ncreated r.example/a:2@${DIGEST}\n`,
    ],
    ['inspect --raw docker://a', { reference: 'docker://a' }, '{ }'],
    ['inspect --raw --platform arm64 docker://a', { reference: 'docker://a', platform: arm64 }, '{ }'],
  ])('%s', async (line, want, result) => {
    const { asked, stdout } = await run(...line.split(' '));
    expect(asked).toEqual([want]);
    expect(stdout).toBe(result);
  });

  it.each([
    ['pull', /missing required argument 'image'/],
    ['pull --platform / a', /invalid platform/],
    ['pull --progress loud a', /invalid --progress/],
    ['push a b c', /too many arguments/],
    ['pul a:1 b', /unknown command "pul"/],
    ['cp a', /missing required argument 'destination'/],
    ['delete a', /does not say that it is in a registry/],
    ['index create a', /the name of the index is missing/],
    ['index crate a', /unknown command 'crate'/],
    ['inspect --platform amd64,arm64 docker://a', /one platform/],
    ['pull --jobs none a', /invalid --jobs/],
  ])('%s is refused', async (line, words) => {
    await expect(run(...line.split(' '))).rejects.toMatchObject({ kind: 'usage', message: expect.stringMatching(words) as string });
  });
});
