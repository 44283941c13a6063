import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchDir } from '../helpers/cli.js';
import { sha256 } from '../helpers/raw-layout.js';
import { skopeo, smallLayout } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { indexLayout, type IndexLayout } from './index-lab.js';
import { Access, expectTsbuild, runTsbuild } from './registry-lab.js';

const missing = missingRegistry('skopeo', 'umoci');
if (missing !== undefined) console.warn(`SKIPPED: indexes in registries: ${missing}`);

describe.skipIf(missing !== undefined)('index create', () => {
  let scratch: ReturnType<typeof scratchDir>;
  let registry: TestRegistry;
  let other: TestRegistry;
  let index: IndexLayout;
  let access: Access;
  const path = (...names: string[]): string => join(scratch.path, ...names);
  const at = (name: string, place = registry): string => `${place.host}/${name}`;
  const raw = (name: string): Promise<string> => skopeo('inspect', '--raw', '--tls-verify=false', `docker://${at(name)}`);

  beforeAll(async () => {
    scratch = scratchDir();
    [registry, other] = await Promise.all([startRegistry(), startRegistry()]);
    access = new Access(registry);
    index = indexLayout(path('index'), 'created');
    await access.seed(`${index.dir}:1`, 'multi:1');
    await access.seed(smallLayout(path('single'), ['one']), 'single:1');
  });

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  it('joins images of one registry and of another, by their configs and indexes', async () => {
    for (const [platform, name, place] of [
      ['linux/amd64', 'jobs/amd64:1', registry],
      ['linux/arm64', 'jobs/arm64:1', other],
    ] as const) {
      await expectTsbuild(['cp', '--platform', platform, `oci:${index.dir}:1`, `docker://${at(name, place)}`]);
    }
    const before = registry.logs().length;
    const said = await expectTsbuild([
      'index',
      'create',
      '-t',
      at('joined:1'),
      '-t',
      at('joined:latest'),
      at('jobs/amd64:1'),
      `docker://${at('jobs/arm64:1', other)}`,
    ]);
    const text = await raw('joined:1');
    const digest = sha256(Buffer.from(text));
    expect(said).toBe(`created ${at('joined:1')}@${digest}\ncreated ${at('joined:latest')}@${digest}\n`);
    expect(await raw('joined:latest')).toBe(text);
    const { amd64, arm64 } = index.children;
    expect(JSON.parse(text)).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [amd64, arm64],
    });
    expect(registry.logs().slice(before)).toMatch(/from=jobs(?:%2F|\/)amd64/);
    for (const arch of ['amd64', 'arm64']) {
      const root = await access.unpack('joined:1', path(`joined-${arch}`), ['--override-arch', arch]);
      expect(readFileSync(join(root, 'file-1'), 'utf8')).toBe(`created of ${arch}`);
    }
    // An index and what it has already make the same again.
    expect(await expectTsbuild(['index', 'create', '-q', '-t', at('joined:2'), at('joined:1'), at('jobs/amd64:1')])).toBe(`${digest}\n`);
  });

  it('takes along what is said about the images of an index', async () => {
    await expectTsbuild(['index', 'create', '-t', at('again:1'), at('multi:1')]);
    expect(sha256(Buffer.from(await raw('again:1')))).toBe(index.digest);
    await raw(`again@${index.children.attestation.digest}`);
  });

  it.each([
    [['-t', 'HOST/x:1', 'HOST/single:1', 'HOST/multi:1'], 2, /two images are for linux\/amd64: "[^"]*single:1" and "[^"]*multi:1"/],
    [['HOST/single:1'], 2, /the name of the index is missing/],
    [['-t', 'HOST/x:1'], 2, /missing required argument/],
    [['-t', 'HOST/x:1', 'oci:dir:1'], 2, /want the name of an image in a registry[^]*tsbuild cp/],
    [['-t', 'HOST/x:1', 'HOST/absent:1'], 3, /absent:1/],
  ])('refuses %j', async (args, want, words) => {
    const { status, stdout, stderr } = await runTsbuild(['index', 'create', ...args.map((arg) => arg.replace('HOST', registry.host))]);
    expect(stderr).toMatch(words);
    expect({ status, stdout }).toEqual({ status: want, stdout: '' });
    expect(await runTsbuild(['ls', at('x')])).toMatchObject({ status: 3 });
  });
});
