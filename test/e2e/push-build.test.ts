import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaType, type ImageConfig, type ImageIndex, type Manifest } from '../../src/oci/types.js';
import { finished, missingProgram, scratchDir, startTsbuild, writeFiles, type CliResult, type FileSpec } from '../helpers/cli.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { addBusybox, BUSYBOX_BASE } from '../helpers/image-tools.js';
import { missingRegistry, startRegistry, type TestRegistry, type TestRegistryOptions } from '../helpers/registry.js';
import { skopeo, smallLayout } from '../helpers/registry-clients.js';
import { sendError, startScripted } from '../helpers/scripted-registry.js';

const missing = missingRegistry('skopeo', 'htpasswd');
if (missing !== undefined) console.warn(`SKIPPED: builds that push: ${missing}`);

describe.skipIf(missing !== undefined)('a build that pushes', () => {
  const scratch = scratchDir('tsbuild-push-');
  const at = (...names: string[]): string => join(scratch.path, ...names);
  let registry: TestRegistry;
  let proxy: FaultProxy;
  beforeAll(async () => {
    mkdirSync(at('no-credentials'));
    registry = await startRegistry();
    proxy = await startFaultProxy({ target: registry.host, seed: 1 });
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  let contexts = 0;
  const contextOf = (files: Readonly<Record<string, FileSpec>>): string => writeFiles(at(`context-${++contexts}`), files);
  const HELLO = { Dockerfile: 'FROM scratch\nCOPY hello /\nLABEL of=hello\n', hello: 'hello' };
  const start = (args: readonly string[]): ReturnType<typeof startTsbuild> =>
    startTsbuild(args, { env: { TSBUILD_ROOT: at('store'), DOCKER_CONFIG: at('no-credentials') } });
  const tsbuild = (...args: string[]): Promise<CliResult> => finished(start(args));
  /** A build that has to succeed. */
  const build = async (...args: string[]): Promise<CliResult> => {
    const result = await tsbuild('build', ...args);
    expect(result.stderr).not.toContain('ERROR');
    expect(result.status).toBe(0);
    return result;
  };
  const inspect = async <T = Manifest>(reference: string, ...flags: string[]): Promise<T> =>
    JSON.parse(await skopeo('inspect', ...flags, '--raw', '--tls-verify=false', `docker://${reference}`)) as T;
  const configOf = async (reference: string, ...flags: string[]): Promise<ImageConfig> =>
    JSON.parse(await skopeo(...flags, 'inspect', '--config', '--tls-verify=false', `docker://${reference}`)) as ImageConfig;
  const tagsOf = async (repository: string): Promise<readonly string[]> => {
    const response = await fetch(`${registry.origin}/v2/${repository}/tags/list`);
    return ((await response.json()) as { readonly tags?: string[] | null }).tags?.toSorted() ?? [];
  };
  const digestOf = async (repository: string, tag: string): Promise<string | null> => {
    const accept = [MediaType.ociManifest, MediaType.ociIndex, MediaType.dockerManifest].join(', ');
    const response = await fetch(`${registry.origin}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers: { accept } });
    return response.headers.get('docker-content-digest');
  };

  it('brings an image under all its names, and nothing to the store', async () => {
    const names = [`${registry.host}/team/a:1`, `${registry.host}/team/b:2`];
    const metadata = at('metadata.json');
    const iid = at('iid');
    const files = ['--metadata-file', metadata, '--iidfile', iid];
    const { stderr } = await build('--push', '-t', names[0] ?? '', '-t', names[1] ?? '', ...files, contextOf(HELLO));
    const digest = await digestOf('team/a', '1');
    expect(await digestOf('team/b', '2')).toBe(digest);
    for (const name of names) expect(stderr).toContain(`  pushed ${name}@${digest}\n`);
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({ 'containerimage.digest': digest, 'image.name': names.join(',') });
    const manifest = await inspect(names[0] ?? '');
    expect(manifest).toMatchObject({ mediaType: MediaType.ociManifest, layers: [{ mediaType: MediaType.ociLayerGzip }] });
    expect(readFileSync(iid, 'utf8')).toBe(manifest.config.digest);
    expect((await configOf(names[1] ?? '')).config?.Labels).toEqual({ of: 'hello' });
    expect((await tsbuild('images', '-q')).stdout).toBe('');
  });

  it('borrows the layers of its base from where that is, and downloads none', async () => {
    const base = `${proxy.host}/library/base:1`;
    await skopeo(
      'copy',
      '-q',
      '--dest-tls-verify=false',
      `oci:${smallLayout(at('base'), ['base'.repeat(100_000), 'more'])}`,
      `docker://${base}`,
    );
    proxy.forget();
    const target = `${proxy.host}/team/on-base:1`;
    await build('--push', '-t', target, contextOf({ Dockerfile: `FROM ${base}\nCOPY hello /\n`, hello: 'hello' }));
    const below = (await inspect(base)).layers.map(({ digest }) => digest);
    const { layers, config } = await inspect(target);
    expect(layers.map(({ digest }) => digest).slice(0, 2)).toEqual(below);
    expect(layers).toHaveLength(3);
    expect(proxy.traffic.uploadedBlobBytes).toBe((layers[2]?.size ?? 0) + config.size);
    await skopeo('copy', '-q', '--src-tls-verify=false', `docker://${target}`, `oci:${at('copied')}:1`);
  });

  it('brings the layers of its base to another registry', async () => {
    const base = `${registry.host}/library/other-base:1`;
    await skopeo('copy', '-q', '--dest-tls-verify=false', `oci:${smallLayout(at('other-base'), ['other base'])}`, `docker://${base}`);
    await using other = await startRegistry();
    const target = `${other.host}/team/app:1`;
    await build('--push', '-t', target, contextOf({ Dockerfile: `FROM ${base}\nCOPY hello /\n`, hello: 'hello' }));
    await skopeo('copy', '-q', '--src-tls-verify=false', `docker://${target}`, `oci:${at('carried')}:1`);
    expect((await inspect(target)).layers).toHaveLength(2);
  });

  it('puts it into the store as well with type=image,push=true', async () => {
    const name = `${registry.host}/both:1`;
    await build('-o', `type=image,push=true,name=${name}`, contextOf(HELLO));
    expect(await tagsOf('both')).toEqual(['1']);
    expect((await tsbuild('images')).stdout).toContain('/both');
    await tsbuild('rmi', name);
  });

  it('pushes by digest alone', async () => {
    const metadata = at('by-digest.json');
    const output = `type=image,push=true,push-by-digest=true,name-canonical=true,store=false,name=${registry.host}/by-digest`;
    const { stderr } = await build('-o', output, '--metadata-file', metadata, contextOf(HELLO));
    const { 'containerimage.digest': digest = '' } = JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, string>;
    expect(stderr).toContain(`  pushed ${registry.host}/by-digest@${digest}\n`);
    expect((await inspect(`${registry.host}/by-digest@${digest}`)).layers).toHaveLength(1);
    expect(await tagsOf('by-digest')).toEqual([]);
  });

  it("has docker's media types on request, and annotations", async () => {
    const docker = `${registry.host}/media-types:docker`;
    const metadata = at('docker.json');
    await build('-o', `type=registry,name=${docker},oci-mediatypes=false`, '--metadata-file', metadata, contextOf(HELLO));
    const manifest = await inspect(docker);
    expect(manifest).toMatchObject({
      mediaType: MediaType.dockerManifest,
      config: { mediaType: MediaType.dockerConfig },
      layers: [{ mediaType: MediaType.dockerLayerGzip }],
    });
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({
      'containerimage.digest': await digestOf('media-types', 'docker'),
      'containerimage.config.digest': manifest.config.digest,
    });
    const annotated = `${registry.host}/media-types:annotated`;
    await build('-o', `type=registry,name=${annotated},annotation.org.example=yes`, contextOf(HELLO));
    expect(await inspect(annotated)).toMatchObject({ mediaType: MediaType.ociManifest, annotations: { 'org.example': 'yes' } });
    const zstd = `${registry.host}/media-types:zstd`;
    const { stderr } = await build('-o', `type=registry,name=${zstd},oci-mediatypes=false,compression=zstd`, contextOf(HELLO));
    expect(stderr).toContain("pushed with OCI media types: docker's have none for zstd layers");
    expect(await inspect(zstd)).toMatchObject({ mediaType: MediaType.ociManifest, layers: [{ mediaType: MediaType.ociLayerZstd }] });
  });

  it('pushes an index of two platforms', async () => {
    const name = `${registry.host}/platforms:1`;
    const { stderr } = await build('--push', '-t', name, '--platform', 'linux/amd64,linux/arm64', contextOf(HELLO));
    const index = await inspect<ImageIndex>(name);
    expect(index.manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    expect(stderr).toContain(`pushed ${name}@${await digestOf('platforms', '1')}`);
    for (const architecture of ['amd64', 'arm64']) {
      expect((await configOf(name, '--override-arch', architecture)).architecture).toBe(architecture);
    }
    const docker = `${registry.host}/platforms:docker`;
    await build('-o', `type=registry,name=${docker},oci-mediatypes=false`, '--platform', 'linux/amd64,linux/arm64', contextOf(HELLO));
    expect(await inspect<ImageIndex>(docker)).toMatchObject({
      mediaType: MediaType.dockerIndex,
      manifests: [{ mediaType: MediaType.dockerManifest }, { mediaType: MediaType.dockerManifest }],
    });
  });

  it.each([
    [['--push'], 'nothing says where to push to'],
    [['-o', 'type=registry'], 'nothing says where to push to'],
    [['-o', 'type=registry,name=app@sha256:' + '0'.repeat(64)], 'a digest cannot be chosen'],
  ])('refuses %j before anything else', async (args, message) => {
    const { status, stderr } = await tsbuild('build', ...args, contextOf({ Dockerfile: 'FROM nothing:at-all\n' }));
    expect(stderr).toContain(`ERROR: ${message.startsWith('a digest') ? 'cannot push to' : message}`);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  it('tells that it may not push as such, while the base is still awaited', async () => {
    await using refusing = await startScripted(({ target }, response) => {
      if (target.endsWith('/blobs/uploads/')) sendError(response, 403, 'DENIED');
      else if (target === '/v2/') response.end('{}');
    });
    const context = contextOf({ Dockerfile: `FROM ${refusing.host}/base:1\nCOPY hello /\n`, hello: 'hello' });
    const { stderr, status } = await tsbuild('build', '--push', '-t', `${refusing.host}/team/app:1`, '--timeout', '20s', context);
    expect(stderr).toMatch(/^ERROR: could not push to localhost:\d+\/team\/app: .*denies it \(403\)/m);
    expect(stderr).not.toContain('base:1');
    expect(status).toBe(4);
  });

  const noContainers = process.getuid?.() === 0 ? missingProgram('runc', 'busybox') : 'needs root for RUN';
  if (noContainers !== undefined) console.warn(`SKIPPED: builds that push and run steps: ${noContainers}`);
  describe.skipIf(noContainers !== undefined)('that runs steps', () => {
    const contextOfSteps = (...lines: string[]): string => {
      const dir = contextOf({ Dockerfile: `${BUSYBOX_BASE}${lines.join('\n')}\n` });
      addBusybox(dir);
      return dir;
    };

    it.each<[string, TestRegistryOptions]>([
      ['wants a login', { htpasswd: { username: 'user', password: 'secret' } }],
      ['lets nobody push without one', { token: { anonymous: ['pull'] } }],
    ])('does not wait for the end of a build to say that the registry %s', async (_, options) => {
      await using guarded = await startRegistry(options);
      const startedMs = Date.now();
      const { status, stderr } = await tsbuild('build', '--push', '-t', `${guarded.host}/app:1`, contextOfSteps('RUN sleep 60'));
      expect(stderr).toContain(`ERROR: could not push to ${guarded.host}/app`);
      expect(status).toBe(4);
      expect(Date.now() - startedMs).toBeLessThan(30_000);
    });

    it('uploads layers while later steps run, keeps the image when the registry fails, and moves no tag', async () => {
      const name = `${proxy.host}/kept:1`;
      proxy.forget();
      const flags = ['--push', '--load', '--retry', '0', '-t', name];
      const child = start(['build', ...flags, contextOfSteps('RUN sleep 5; echo done > /done')]);
      const result = finished(child);
      await expect
        .poll(() => proxy.traffic.changes.some(({ what, phase }) => what === 'blob' && phase === 'done'), { timeout: 20_000 })
        .toBe(true);
      expect(child.exitCode).toBeNull();
      proxy.setFaults({ status503: 1 });
      const { status, stderr } = await result;
      proxy.setFaults({});
      expect(stderr).toContain('(no tag was moved)');
      expect(status).toBe(3);
      expect(await tagsOf('kept')).toEqual([]);
      expect((await tsbuild('images')).stdout).not.toContain('/kept');
      const [, command = ''] = /kept in the store without a name, to be pushed with: tsbuild (.*)/.exec(stderr) ?? [];
      expect(command).toMatch(/^push sha256:[0-9a-f]+ /);
      const again = await tsbuild(...command.split(' '));
      expect(again.stderr).not.toContain('ERROR');
      expect(await tagsOf('kept')).toEqual(['1']);
    });

    it('ends at once when interrupted while it pushes, and leaves no upload behind', async () => {
      const name = `${proxy.host}/interrupted:1`;
      const uploads = join(registry.storageDir, 'docker/registry/v2/repositories/interrupted/_uploads');
      proxy.forget();
      proxy.setFaults({ delayMs: { rate: 1, ms: 700 } });
      const child = start(['build', '--push', '-t', name, contextOf({ ...HELLO, hello: randomBytes(4 * 1024 * 1024) })]);
      const result = finished(child);
      // That of the question whether it may, and that of the layer, whose bytes the proxy holds back.
      await expect.poll(() => proxy.traffic.count('PATCH', 'upload'), { timeout: 20_000 }).toBeGreaterThan(0);
      // docker-registry itself leaves empty directories, and the state of the hash of no bytes.
      const open = (): string[] => readdirSync(uploads).filter((id) => existsSync(join(uploads, id, 'startedat')));
      expect(open()).not.toEqual([]);
      proxy.setFaults({});
      const startedMs = Date.now();
      child.kill('SIGINT');
      const { status, stderr } = await result;
      expect(stderr).toContain('the build was cancelled');
      expect(status).toBe(130);
      expect(Date.now() - startedMs).toBeLessThan(4000);
      expect(await tagsOf('interrupted')).toEqual([]);
      await expect.poll(open, { timeout: 5000 }).toEqual([]);
    });
  });
});
