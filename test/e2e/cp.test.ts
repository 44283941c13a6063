import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Library from '../../src/index.js';
import { scratchDir, TSBUILD } from '../helpers/cli.js';
import { unpackWithUmoci } from '../helpers/image-tools.js';
import { sha256 } from '../helpers/raw-layout.js';
import { skopeo, smallLayout } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { artifactLayout, entriesOf, indexLayout, type IndexLayout } from './index-lab.js';
import { Access, expectTsbuild, runTsbuild } from './registry-lab.js';

const missing = missingRegistry('skopeo', 'umoci');
if (missing !== undefined) console.warn(`SKIPPED: copies between registries: ${missing}`);

describe.skipIf(missing !== undefined)('tsbuild cp', () => {
  let scratch: ReturnType<typeof scratchDir>;
  let registry: TestRegistry;
  let other: TestRegistry;
  let image: IndexLayout;
  let root: string;
  const path = (...names: string[]): string => join(scratch.path, ...names);

  beforeAll(async () => {
    scratch = scratchDir();
    [registry, other] = await Promise.all([startRegistry(), startRegistry()]);
    image = indexLayout(path('image'), 'cp');
    root = path('store');
    await new Access(registry).seed(`${image.dir}:1`, 'app:1');
  });

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  /** @returns standard output, its line end left out */
  async function cp(...args: string[]): Promise<string> {
    return (await expectTsbuild(['cp', '--root', root, '--progress', 'plain', ...args])).trimEnd();
  }

  const raw = (reference: string): Promise<string> => skopeo('inspect', '--raw', '--tls-verify=false', reference);
  const remote = (name: string, at: TestRegistry = registry): string => `docker://${at.host}/${name}`;

  describe('an index, with all that it lists', () => {
    it('goes from registry to registry, and nothing to the disk', async () => {
      const unused = path('no-store');
      const said = await expectTsbuild(['cp', '--root', unused, remote('app:1'), remote('team/app:2', other)]);
      expect(said).toBe(`copied ${remote('team/app:2', other)}@${image.digest}\n`);
      expect(existsSync(unused)).toBe(false);
      expect(sha256(Buffer.from(await raw(remote('team/app:2', other))))).toBe(image.digest);
      await raw(`docker://${other.host}/team/app@${image.children.attestation.digest}`);
    });

    it('is lent from one repository to another', async () => {
      const before = registry.logs().length;
      await cp(remote('app:1'), remote('lent/app:1'));
      const log = registry.logs().slice(before);
      expect(log).toContain('from=app');
      expect(log).not.toMatch(/"PATCH \/v2|http\.request\.method=PATCH/);
      expect(sha256(Buffer.from(await raw(remote('lent/app:1'))))).toBe(image.digest);
    });

    it('is not sent twice', async () => {
      await cp(remote('app:1'), remote('twice:1', other));
      const before = other.logs().length;
      const { stderr } = await runTsbuild(['cp', '--root', root, remote('app:1'), remote('twice:1', other)]);
      expect(other.logs().slice(before)).not.toMatch(/blobs\/uploads/);
      expect(stderr).toMatch(/0 B in .*, \d+ exist/);
    });

    it('becomes a layout that other clients read', async () => {
      const dir = path('layout');
      await cp(remote('app:1'), `oci:${dir}`);
      // The name that it had.
      expect(entriesOf(dir)).toMatchObject([{ digest: image.digest, annotations: { 'org.opencontainers.image.ref.name': '1' } }]);
      await skopeo('copy', '-q', '--all', `oci:${dir}:1`, `oci:${path('copied')}:1`);
      await cp('--platform', 'linux/arm64', `oci:${dir}:1`, `oci:${dir}:one`);
      unpackWithUmoci(dir, 'one', path('unpacked'));
      expect(readFileSync(path('unpacked', 'file-1'), 'utf8')).toBe('cp of arm64');
    });

    it('adds to a layout', async () => {
      const dir = path('two');
      await cp(remote('app:1'), `oci:${dir}:first`);
      await cp('--platform', 'linux/arm64', remote('app:1'), `oci:${dir}:second`);
      expect(entriesOf(dir).map((entry) => [entry.annotations?.['org.opencontainers.image.ref.name'], entry.digest])).toEqual([
        ['first', image.digest],
        ['second', image.children.arm64.digest],
      ]);
    });

    it.each([
      ['oci:LAYOUT:1', 'oci:DIR/a:1'],
      ['oci:LAYOUT:1', 'oci-archive:DIR/b.tar:1'],
      ['oci:LAYOUT:1', 'docker://HOST/c:1'],
      ['oci:LAYOUT:1', 'stored:1'],
      ['docker://HOST/app:1', 'oci-archive:DIR/e.tar:x'],
      ['oci-archive:DIR/e.tar:x', 'docker://HOST/f:1'],
      ['oci-archive:DIR/e.tar', 'oci:DIR/g'],
      ['oci-archive:DIR/e.tar', 'oci-archive:DIR/h.tar:other'],
      ['oci-archive:DIR/e.tar', 'store:stored:2'],
      ['stored:1', 'docker://HOST/i:1'],
      ['stored:1', 'oci:DIR/j:1'],
      ['stored:2', 'oci-archive:DIR/k.tar:r.example/app:1'],
      ['stored:1', 'stored:3'],
    ])('from %s to %s is the same', async (from, to) => {
      const fill = (text: string): string => text.replace('HOST', registry.host).replace('LAYOUT', image.dir).replace('DIR', scratch.path);
      expect(await cp('-q', fill(from), fill(to))).toBe(image.digest);
      // What cannot be asked of skopeo is asked in the way of the next row.
      if (to.startsWith('docker:')) expect(sha256(Buffer.from(await raw(fill(to))))).toBe(image.digest);
      if (to.startsWith('oci')) await skopeo('copy', '-q', '--all', fill(to), `dir:${scratchDir('dir-', scratch.path).path}`);
    });

    it('leaves nothing in the store but what has a name', async () => {
      expect(readdirSync(join(root, 'tmp'))).toEqual([]);
      const listed = JSON.parse(await expectTsbuild(['images', '--root', root, '--json'])) as { names: string[]; platforms: string[] }[];
      expect(listed.map(({ names, platforms }) => [names.length, platforms])).toEqual([[3, ['linux/amd64', 'linux/arm64']]]);
    });
  });

  describe('a part of an index', () => {
    it('is the image of one platform, without what is said about it', async () => {
      expect(await cp('-q', '--platform', 'linux/arm64', remote('app:1'), remote('one:1', other))).toBe(image.children.arm64.digest);
      const manifest = JSON.parse(await raw(remote('one:1', other))) as { layers: unknown[] };
      expect(manifest.layers).toHaveLength(2);
      const { status } = await runTsbuild(['inspect', `docker://${other.host}/one@${image.children.attestation.digest}`]);
      expect(status).toBe(3);
    });

    it('is an index of several platforms, in the order of the whole one', async () => {
      const digest = await cp('-q', '--platform', 'linux/arm64,linux/amd64', remote('app:1'), remote('both:1', other));
      const text = await raw(remote('both:1', other));
      expect(sha256(Buffer.from(text))).toBe(digest);
      expect((JSON.parse(text) as { manifests: unknown }).manifests).toEqual([image.children.amd64, image.children.arm64]);
    });

    it('is refused when there is none for the platform, and says which there are', async () => {
      const { status, stderr } = await runTsbuild(['cp', '--platform', 'linux/s390x', remote('app:1'), remote('none:1', other)]);
      expect(status).toBe(3);
      expect(stderr).toContain('has no image for linux/s390x');
      expect(stderr).toContain('linux/amd64, linux/arm64');
      expect(stderr).not.toContain('unknown/unknown');
    });

    it('is what an archive of docker gets: the image for this machine', async () => {
      const file = path('docker.tar');
      await cp('--platform', 'linux/amd64', remote('app:1'), `docker-archive:${file}:r.example/named:2`);
      const seen = JSON.parse(await skopeo('inspect', `docker-archive:${file}`)) as { RepoTags: string[]; Architecture: string };
      expect(seen).toMatchObject({ Architecture: 'amd64' });
      await skopeo('copy', '-q', `docker-archive:${file}:r.example/named:2`, `oci:${path('from-docker')}:1`);
      expect(await cp('-q', `docker-archive:${file}`, remote('back:1'))).toBe(image.children.amd64.digest);
      expect(await cp('-q', `docker-archive:${file}:r.example/named:2`, remote('back:2'))).toBe(image.children.amd64.digest);
    });
  });

  it("takes skopeo's archives", async () => {
    const [docker, oci] = [path('skopeo-docker.tar'), path('skopeo-oci.tar')];
    await skopeo('copy', '-q', '--src-tls-verify=false', remote('app:1'), `docker-archive:${docker}:given:1`);
    await skopeo('copy', '-q', '--all', '--src-tls-verify=false', remote('app:1'), `oci-archive:${oci}:one`);
    expect(await cp('-q', `oci-archive:${oci}:one`, remote('skopeo-oci:1'))).toBe(image.digest);
    await cp(`docker-archive:${docker}:given:1`, remote('skopeo-docker:1'));
    const { Layers: layers } = JSON.parse(await skopeo('inspect', '--tls-verify=false', remote('skopeo-docker:1'))) as { Layers: string[] };
    expect(layers).toHaveLength(2);
  });

  it("keeps docker's media types, wherever it goes", async () => {
    await skopeo(
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--format',
      'v2s2',
      '--override-arch=amd64',
      `oci:${image.dir}:1`,
      remote('v2s2:1'),
    );
    const text = await raw(remote('v2s2:1'));
    expect(text).toContain('application/vnd.docker.distribution.manifest.v2+json');
    const digest = sha256(Buffer.from(text));
    expect(await cp('-q', remote('v2s2:1'), remote('v2s2:1', other))).toBe(digest);
    expect(await cp('-q', remote('v2s2:1', other), `oci:${path('v2s2')}:1`)).toBe(digest);
    expect(await cp('-q', `oci:${path('v2s2')}:1`, `docker-archive:${path('v2s2.tar')}`)).toBe(digest);
    expect(await cp('-q', `docker-archive:${path('v2s2.tar')}`, remote('v2s2:2'))).toBe(digest);
    expect(await raw(remote('v2s2:2'))).toBe(text);
  });

  it('reads a registry with an authority and a password, and writes one without', async () => {
    await using guarded = await startRegistry({ tls: true, htpasswd: { username: 'me', password: 'hunter2' } });
    const access = new Access(guarded, 'me:hunter2');
    await access.seed(`${image.dir}:1`, 'app:1');
    const env = { SSL_CERT_FILE: guarded.caFile ?? '' };
    const args = ['cp', '--root', root, '-D', '--authfile', access.writeAuthFile(path('auth.json'))];
    const { status, stdout, stderr } = await runTsbuild([...args, remote('app:1', guarded), remote('guarded:1', other)], env);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `copied ${remote('guarded:1', other)}@${image.digest}\n` });
    expect(stderr).toContain(path('auth.json'));
    const secret = Buffer.from('me:hunter2').toString('base64');
    for (const hidden of ['hunter2', secret]) expect(stderr).not.toContain(hidden);
    expect((await runTsbuild([...args, remote('guarded:1', other), remote('back:1', guarded)], env)).status).toBe(0);
    const refused = await runTsbuild(['cp', '--root', root, remote('app:1', guarded), remote('guarded:1', other)], env);
    expect(refused).toMatchObject({ status: 4, stdout: '' });
  });

  it('moves many layers at once, and Node warns of nothing', async () => {
    const dir = smallLayout(
      path('many'),
      Array.from({ length: 24 }, (_, at) => `layer ${at}`),
    );
    const store = ['--root', path('many-store'), '--jobs', '24'];
    const name = `${registry.host}/many:1`;
    const said = [
      await runTsbuild(['cp', ...store, `oci:${dir}`, remote('many:1')]),
      await runTsbuild(['cp', ...store, remote('many:1'), remote('many:1', other)]),
      await runTsbuild(['pull', ...store, '--extract', name]),
      await runTsbuild(['push', ...store, name, `${other.host}/many:2`]),
    ];
    expect(said.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    for (const { stderr } of said) expect(stderr).not.toMatch(/warning/i);
  });

  it('is a function of the library, as pull and push are', async () => {
    const { copy, pull, push } = (await import(new URL('../../dist/index.js', import.meta.url).href)) as typeof Library;
    const library = { root: path('library'), registry: { env: {} } };
    const moved = new Set<string>();
    const onEvent = (event: Library.BuildEvent): unknown => moved.add(event.type);
    const copied = await copy({ ...library, onEvent, source: remote('app:1'), destination: remote('library:1', other) });
    expect(copied).toMatchObject({ name: remote('library:1', other), descriptor: { digest: image.digest } });
    expect([...moved].toSorted()).toEqual(expect.arrayContaining(['transfer-finished', 'transfer-started']));
    const name = `${registry.host}/app:1`;
    expect(await pull({ ...library, references: [name], allPlatforms: true })).toMatchObject([
      { name, descriptor: { digest: image.digest } },
    ]);
    const [pushed] = await push({ ...library, source: name, destination: `${other.host}/library:2` });
    expect(pushed).toMatchObject({ name: `${other.host}/library:2`, descriptor: { digest: image.digest } });
    await expect(copy({ ...library, source: 'oci-dir:x', destination: 'y' })).rejects.toMatchObject({ kind: 'usage' });
    await expect(pull({ ...library, references: [name], signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('writes an archive to standard output, and nothing else', async () => {
    const archive = path('piped.tar');
    const { stdout, status } = spawnSync(process.execPath, [TSBUILD, 'cp', '--root', root, `oci:${image.dir}:1`, 'oci-archive:-'], {
      maxBuffer: 1 << 26,
    });
    expect(status).toBe(0);
    writeFileSync(archive, stdout);
    await skopeo('copy', '-q', '--all', `oci-archive:${archive}`, `oci:${path('piped')}:1`);
  });

  it('copies what is no image', async () => {
    const digest = artifactLayout(path('chart'));
    expect(await cp('-q', `oci:${path('chart')}:1`, remote('chart:1'))).toBe(digest);
    expect(await cp('-q', remote('chart:1'), `oci:${path('chart-back')}:1`)).toBe(digest);
    expect(await cp('-q', remote('chart:1'), remote('chart:1', other))).toBe(digest);
  });

  describe('what cannot be copied', () => {
    it('moves no tag', async () => {
      await cp(remote('app:1'), remote('kept:1', other));
      const { status, stderr } = await runTsbuild(['cp', remote('absent:1'), remote('kept:1', other)]);
      expect(status).toBe(3);
      expect(stderr).toContain(`${registry.host}/absent:1`);
      expect(sha256(Buffer.from(await raw(remote('kept:1', other))))).toBe(image.digest);
    });

    it('is an index of the store that is there in part', async () => {
      const partial = path('partial');
      await expectTsbuild(['pull', '--root', partial, '--platform', 'linux/amd64', `${registry.host}/app:1`]);
      const refused = await runTsbuild(['cp', '--root', partial, `${registry.host}/app:1`, remote('x:1')]);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toMatch(/is not whole in the store: it lacks linux\/arm64; there is linux\/amd64/);
      expect(refused.stderr).toContain('--platform linux/amd64');
      expect(refused.stderr).toContain('--all-platforms');
      expect(
        (await runTsbuild(['cp', '--root', partial, '--platform', 'linux/amd64', `${registry.host}/app:1`, remote('x:1')])).status,
      ).toBe(0);
    });

    it.each([
      [['oci-dir:x', 'y'], 'write oci:x'],
      [['docker:r.example/app', 'y'], 'write docker://r.example/app'],
      [['oci:LAYOUT:1', `docker://r.example/app@sha256:${'0'.repeat(64)}`], 'the destination names sha256:000'],
      [['app', 'oci:'], 'the directory is missing'],
      [['--platform', 'linux/amd64,linux/arm64', 'oci:LAYOUT:1', 'docker-archive:out.tar'], 'one platform only'],
      [['app'], "missing required argument 'destination'"],
    ])('is %j', async (args, words) => {
      const { status, stderr } = await runTsbuild(['cp', '--root', root, ...args.map((arg) => arg.replace('LAYOUT', image.dir))]);
      expect(stderr).toContain(words);
      expect([1, 2]).toContain(status);
    });

    it('shows no password that stands in a name', async () => {
      const { status, stderr, stdout } = await runTsbuild(['cp', 'docker://me:hunter2@r.example/app', 'y']);
      expect(status).toBe(2);
      expect(stderr + stdout).not.toContain('hunter2');
    });
  });
});
