import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchDir, writeFiles } from '../helpers/cli.js';
import { sha256 } from '../helpers/raw-layout.js';
import { skopeo, smallLayout } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { indexLayout, type IndexLayout } from './index-lab.js';
import { Access, expectTsbuild, layoutDigest, runTsbuild } from './registry-lab.js';

const missing = missingRegistry('skopeo', 'umoci');
if (missing !== undefined) console.warn(`SKIPPED: commands of registries: ${missing}`);

describe.skipIf(missing !== undefined)('commands of registries', () => {
  let scratch: ReturnType<typeof scratchDir>;
  /** Nothing can be deleted from it. */
  let registry: TestRegistry;
  let other: TestRegistry;
  let index: IndexLayout;
  let single: { readonly dir: string; readonly digest: string };
  let access: Access;
  const path = (...names: string[]): string => join(scratch.path, ...names);
  const at = (name: string, place = registry): string => `${place.host}/${name}`;

  beforeAll(async () => {
    scratch = scratchDir();
    [registry, other] = await Promise.all([startRegistry(), startRegistry({ deleteEnabled: true })]);
    access = new Access(registry);
    index = indexLayout(path('index'), 'commands');
    const dir = smallLayout(path('single'), ['one', 'two']);
    single = { dir, digest: layoutDigest(dir) };
    await access.seed(`${index.dir}:1`, 'multi:1');
    await access.seed(dir, 'single:1');
  });

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  /** What a registry was asked for since then. */
  function watch(place: TestRegistry): () => string {
    const before = place.logs().length;
    return () => place.logs().slice(before);
  }

  const fetchedBlobs = (log: string): number => log.match(/"GET \/v2\/[^ ]*\/blobs\//g)?.length ?? 0;
  const raw = (name: string, place = registry): Promise<string> =>
    skopeo('inspect', '--raw', '--tls-verify=false', `docker://${at(name, place)}`);

  describe('pull', () => {
    it('brings the image for one platform, names the index, and fetches what is missing alone', async () => {
      const root = path('pulled');
      const said = await expectTsbuild(['pull', '--root', root, '--platform', 'linux/amd64', at('multi:1')]);
      expect(said).toBe(`pulled ${at('multi:1')}@${index.digest}\n`);
      const log = watch(registry);
      expect(await expectTsbuild(['pull', '--root', root, '-q', '--platform', 'linux/amd64', at('multi:1')])).toBe(`${index.digest}\n`);
      expect(fetchedBlobs(log())).toBe(0);
      // Its config and the layer of its own; the other layer is that of both.
      await expectTsbuild(['pull', '--root', root, '--platform', 'linux/arm64', at('multi:1')]);
      expect(fetchedBlobs(log())).toBe(2);
      const listed = JSON.parse(await expectTsbuild(['images', '--root', root, '--json'])) as unknown;
      expect(listed).toMatchObject([{ names: [at('multi:1')], digest: index.digest, platforms: ['linux/amd64', 'linux/arm64'] }]);
      expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    });

    it('brings everything of an index, by a digest too, and unpacks it', async () => {
      const root = path('all');
      const name = at(`multi@${index.digest}`);
      expect(await expectTsbuild(['pull', '--root', root, '--all-platforms', '--extract', name])).toBe(`pulled ${name}\n`);
      expect(readdirSync(join(root, 'layers')).filter((entry) => /^[0-9a-f]{64}$/.test(entry))).toHaveLength(3);
      await expectTsbuild(['cp', '--root', root, name, `oci:${path('all-out')}:1`]);
      await skopeo('copy', '-q', '--all', `oci:${path('all-out')}:1`, `oci:${path('all-copied')}`);
      // What was unpacked is what a build finds.
      const context = writeFiles(path('context'), { Dockerfile: `FROM --platform=linux/amd64 ${name}\nCOPY Dockerfile /at/` });
      const log = watch(registry);
      await expectTsbuild(['--root', root, '-t', 'built', context]);
      expect(log()).not.toContain('/v2/multi');
    });

    it('brings several images, with docker:// in front or without', async () => {
      const root = path('several');
      const said = await expectTsbuild([
        'pull',
        '--root',
        root,
        '-q',
        `docker://${at('single:1')}`,
        '--platform=linux/amd64,linux/arm64',
        at('multi:1'),
      ]).catch((error: unknown) => String(error));
      // A single image is for one platform.
      expect(said).toContain(`"${at('single:1')}" is for linux/amd64, want linux/arm64`);
      expect(await expectTsbuild(['pull', '--root', root, '-q', at('single:1'), at(`single@${single.digest}`)])).toBe(
        `${single.digest}\n${single.digest}\n`,
      );
    });

    it.each([
      [['absent:1'], 3, /absent:1/],
      [[`single@sha256:${'0'.repeat(64)}`], 3, /single@sha256:0000/],
      [['--platform', 'linux/s390x', 'multi:1'], 3, /no image for linux\/s390x[^]*linux\/amd64, linux\/arm64/],
      [['--platform', 'linux/amd64', '--all-platforms', 'multi:1'], 2, /say different things/],
      [['Single:1'], 2, /upper-case/],
    ])('says why it cannot: %j', async (args, want, words) => {
      const root = path('failed');
      const { status, stdout, stderr } = await runTsbuild([
        'pull',
        '--root',
        root,
        ...args.map((arg) => (arg.includes(':1') || arg.includes('@') ? at(arg) : arg)),
      ]);
      expect(stderr).toMatch(words);
      expect({ status, stdout }).toEqual({ status: want, stdout: '' });
      expect(await expectTsbuild(['images', '--root', root, '-q'])).toBe('');
    });
  });

  describe('push', () => {
    it('sends an image under its name, under another, and twice not at all', async () => {
      const root = path('pushing');
      await expectTsbuild(['load', '--root', root, '-t', at('pushed:1', other), single.dir]);
      expect(await expectTsbuild(['push', '--root', root, at('pushed:1', other)])).toBe(
        `pushed ${at('pushed:1', other)}@${single.digest}\n`,
      );
      const log = watch(other);
      expect(await expectTsbuild(['push', '--root', root, '-q', at('pushed:1', other)])).toBe(`${single.digest}\n`);
      expect(log()).not.toContain('/blobs/uploads');
      // Its own name tells who can lend the blobs.
      await expectTsbuild(['push', '--root', root, at('pushed:1', other), `docker://${at('elsewhere:2', other)}`]);
      expect(log()).toMatch(/from=pushed/);
      expect(log()).not.toMatch(/"PATCH /);
      for (const name of ['pushed:1', 'elsewhere:2']) expect(sha256(Buffer.from(await raw(name, other)))).toBe(single.digest);
      expect(await new Access(other).unpack('elsewhere:2', path('unpacked'))).toBe(path('unpacked', 'root'));
    });

    it('sends all tags of a name', async () => {
      const root = path('tags');
      await expectTsbuild(['load', '--root', root, '-t', at('many:1'), single.dir]);
      await expectTsbuild(['cp', '--root', root, at('many:1'), at('many:two')]);
      await expectTsbuild(['cp', '--root', root, at('many:1'), at('others:1')]);
      expect((await expectTsbuild(['push', '--root', root, '--all-tags', at('many')])).split('\n').toSorted()).toEqual([
        '',
        `pushed ${at('many:1')}@${single.digest}`,
        `pushed ${at('many:two')}@${single.digest}`,
      ]);
      expect((await expectTsbuild(['ls', at('many')])).split('\n').toSorted()).toEqual(['', '1', 'two']);
      const { status, stderr } = await runTsbuild(['push', '--root', root, '--all-tags', at('many:1')]);
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('without a tag') as string });
    });

    it('does not send an index that is there in part, but its part', async () => {
      const root = path('part');
      await expectTsbuild(['pull', '--root', root, '--platform', 'linux/amd64', at('multi:1')]);
      const { status, stderr } = await runTsbuild(['push', '--root', root, at('multi:1'), at('part:1', other)]);
      expect(status).toBe(1);
      expect(stderr).toContain('it lacks linux/arm64; there is linux/amd64');
      expect(stderr).toContain(`--platform linux/amd64, or bring the rest: tsbuild pull --all-platforms ${at('multi:1')}`);
      await expectTsbuild(['push', '--root', root, '--platform', 'linux/amd64', at('multi:1'), at('part:1', other)]);
      expect(sha256(Buffer.from(await raw('part:1', other)))).toBe(index.children.amd64.digest);
    });

    it('says that an image has no name, or is damaged', async () => {
      const root = path('damaged');
      await expectTsbuild(['load', '--root', root, '-t', 'damaged:1', single.dir]);
      const id = (await expectTsbuild(['images', '--root', root, '-q'])).trim();
      expect(await runTsbuild(['push', '--root', root, id])).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('is an id') as string,
      });
      await expectTsbuild(['push', '--root', root, id, at('by-id:1', other)]);
      const layer = (JSON.parse(await raw('by-id:1', other)) as { layers: { digest: string }[] }).layers[0]?.digest ?? '';
      rmSync(join(root, 'blobs', layer.replace(':', '/')));
      const { status, stderr } = await runTsbuild(['push', '--root', root, 'damaged:1', at('damaged:1', other)]);
      expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(`blob ${layer}`) as string });
      expect(await runTsbuild(['ls', at('damaged', other)])).toMatchObject({ status: 3 });
    });
  });

  describe('ls', () => {
    it('lists the tags of a repository', async () => {
      expect(await expectTsbuild(['ls', at('multi')])).toBe('1\n');
      expect(JSON.parse(await expectTsbuild(['ls', '--json', `docker://${at('multi')}`]))).toEqual({
        name: `docker://${at('multi')}`,
        tags: ['1'],
      });
    });

    it('lists the repositories of a registry', async () => {
      const { repositories } = JSON.parse(await catalogOf(registry)) as { repositories: string[] };
      for (const place of [registry.host, `${registry.host}/`, `docker://${registry.host}`]) {
        expect((await expectTsbuild(['ls', place])).trimEnd().split('\n')).toEqual(repositories);
      }
      expect(JSON.parse(await expectTsbuild(['ls', '--json', registry.host]))).toEqual({ name: registry.host, repositories });
    });

    it('says that there is no such repository, or that an image is none', async () => {
      expect(await runTsbuild(['ls', at('absent')])).toMatchObject({ status: 3, stdout: '' });
      const { status, stderr } = await runTsbuild(['ls', at('multi:1')]);
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(`tsbuild ls ${at('multi')}`) as string });
    });
  });

  describe('inspect', () => {
    it('prints the bytes of a manifest as they are', async () => {
      for (const name of ['multi:1', 'single:1']) {
        const { stdout, stderr } = await runTsbuild(['inspect', '--raw', `docker://${at(name)}`]);
        expect(stdout).toBe(await raw(name));
        expect(stderr).toBe('');
      }
      const text = await expectTsbuild(['inspect', '--raw', '--platform', 'linux/arm64', `docker://${at('multi:1')}`]);
      expect(sha256(Buffer.from(text))).toBe(index.children.arm64.digest);
    });

    it('prints the documents of an image, with no layer fetched', async () => {
      const log = watch(registry);
      const shown = JSON.parse(await expectTsbuild(['inspect', `docker://${at('single:1')}`])) as { config: object; manifest: object };
      expect(fetchedBlobs(log())).toBe(1);
      expect(shown).toMatchObject({ descriptor: { digest: single.digest }, manifest: JSON.parse(await raw('single:1')) as object });
      const root = path('inspected');
      await expectTsbuild(['pull', '--root', root, at('single:1')]);
      expect(JSON.parse(await expectTsbuild(['inspect', '--root', root, at('single:1')]))).toMatchObject(shown);
      expect(await expectTsbuild(['inspect', '--raw', '--root', root, at('single:1')])).toBe(await raw('single:1'));
    });

    it('prints an index alone, or one of its images', async () => {
      expect(JSON.parse(await expectTsbuild(['inspect', `docker://${at('multi:1')}`]))).toEqual({
        descriptor: { mediaType: 'application/vnd.oci.image.index.v1+json', digest: index.digest, size: (await raw('multi:1')).length },
        index: JSON.parse(await raw('multi:1')) as object,
      });
      const one = JSON.parse(await expectTsbuild(['inspect', '--platform', 'linux/arm64', `docker://${at('multi:1')}`])) as object;
      expect(one).toMatchObject({ descriptor: { digest: index.children.arm64.digest }, config: { architecture: 'arm64' } });
    });
  });

  describe('delete', () => {
    it('deletes by digest, and tells what goes along', async () => {
      const to = new Access(other);
      for (const name of ['gone:1', 'gone:2']) await to.seed(single.dir, name);
      await to.seed(`${index.dir}:1`, 'gone:3');
      const { status, stdout, stderr } = await runTsbuild(['delete', `docker://${at('gone:1', other)}`]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: `deleted ${at('gone:1', other)}@${single.digest}\n` });
      expect(stderr).toMatch(/tags 2, which go with it/);
      expect(stderr).toContain("until the registry's own garbage collection");
      expect(await runTsbuild(['inspect', `docker://${at('gone:2', other)}`])).toMatchObject({ status: 3 });
      expect(sha256(Buffer.from(await raw('gone:3', other)))).toBe(index.digest);
    });

    it('says that a registry forbids it, that nothing is there, or that the store is not meant', async () => {
      const forbidden = await runTsbuild(['delete', `docker://${at('single:1')}`]);
      expect(forbidden).toMatchObject({ status: 3, stdout: '', stderr: expect.stringContaining('does not allow deletion') as string });
      expect(sha256(Buffer.from(await raw('single:1')))).toBe(single.digest);
      const absent = await runTsbuild(['delete', `docker://${at('absent:1')}`]);
      expect(absent).toMatchObject({ status: 3, stderr: expect.stringContaining(`"${at('absent:1')}" does not exist`) as string });
      const local = await runTsbuild(['delete', 'app:1']);
      expect(local).toMatchObject({ status: 2, stderr: expect.stringContaining('write docker://app:1; tsbuild rmi') as string });
    });
  });
});

/** What the registry itself says. */
async function catalogOf(registry: TestRegistry): Promise<string> {
  const response = await fetch(`${registry.origin}/v2/_catalog`);
  return response.text();
}
