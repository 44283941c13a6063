import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchDir } from '../helpers/cli.js';
import { BLOB_SIGNATURE } from '../helpers/blob-storage.js';
import { readManifest } from '../helpers/image-tools.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { runClient, skopeo, smallLayout } from '../helpers/registry-clients.js';

const missing = missingRegistry('htpasswd', 'openssl', 'curl', 'skopeo', 'nginx');
if (missing !== undefined) console.warn(`SKIPPED: the registries of the tests: ${missing}`);

/** The status that a registry answers with, as curl has it; 0 when there is no answer. */
async function status(url: string, ...args: string[]): Promise<number> {
  const { stdout } = await runClient('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...args, url]);
  return Number(stdout);
}

/** Of the first answer, without following. */
async function headersOf(url: string, flags: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await runClient('curl', ['-s', '-D', '-', '-o', '/dev/null', ...flags, url]);
  return Object.fromEntries([...stdout.matchAll(/^([\w-]+): (.*?)\r?$/gm)].map(([, name = '', value = '']) => [name.toLowerCase(), value]));
}

describe.skipIf(missing !== undefined)('a registry of the tests', () => {
  const scratch = scratchDir('tsbuild-lab-');
  const at = (...names: string[]): string => join(scratch.path, ...names);
  const texts = ['one', 'two'.repeat(100_000)];
  const layout = missing === undefined ? smallLayout(at('layout'), texts) : '';
  afterAll(() => scratch[Symbol.dispose]());

  /** skopeo brings an image there and back. */
  async function roundTrip({ host, caFile, certDir }: TestRegistry, repository: string, creds?: string): Promise<void> {
    const flags = (side: 'src' | 'dest'): string[] => [
      ...(caFile === undefined ? [`--${side}-tls-verify=false`] : [`--${side}-cert-dir=${certDir}`]),
      ...(creds === undefined ? [] : [`--${side}-creds=${creds}`]),
    ];
    const back = at(`back-${host.replace(/\D/g, '')}`);
    await skopeo('copy', '-q', ...flags('dest'), `oci:${layout}`, `docker://${host}/${repository}:1`);
    await skopeo('copy', '-q', ...flags('src'), `docker://${host}/${repository}:1`, `oci:${back}:1`);
    const digest = (dir: string): unknown =>
      (JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }).manifests[0]?.digest;
    expect(digest(back)).toBe(digest(layout));
  }

  it('answers over http, and is gone with its files afterwards', async () => {
    let [origin, dir] = ['', ''];
    {
      await using registry = await startRegistry();
      ({ origin, storageDir: dir } = registry);
      expect(await status(`${origin}/v2/`)).toBe(200);
      expect(registry.logs()).toContain('GET /v2/');
      await roundTrip(registry, 'app');
    }
    expect(await status(`${origin}/v2/`)).toBe(0);
    expect(existsSync(dirname(dir))).toBe(false);
  });

  it('answers over TLS to those who trust its authority', async () => {
    await using registry = await startRegistry({ tls: true });
    expect(registry.origin).toBe(`https://${registry.host}`);
    expect(await status(`${registry.origin}/v2/`)).toBe(0);
    expect(await status(`${registry.origin}/v2/`, '--cacert', registry.caFile ?? '')).toBe(200);
    expect(registry.certDir).toMatch(new RegExp(`/certs\\.d/${registry.host}$`));
    await roundTrip(registry, 'app');
  });

  it('asks for certificates of clients', async () => {
    await using registry = await startRegistry({ tls: { client: true } });
    expect(await status(`${registry.origin}/v2/`, '--cacert', registry.caFile ?? '')).toBe(0);
    await roundTrip(registry, 'app');
  });

  it('asks for a password', async () => {
    await using registry = await startRegistry({ htpasswd: { username: 'ann', password: 'se:cret' } });
    expect(await status(`${registry.origin}/v2/`)).toBe(401);
    expect(await status(`${registry.origin}/v2/`, '-u', 'ann:wrong')).toBe(401);
    expect(await status(`${registry.origin}/v2/`, '-u', 'ann:se:cret')).toBe(200);
  });

  it.each(['ES256', 'RS256'] as const)('asks for a token signed by %s', async (algorithm) => {
    const users = [{ username: 'ann', password: 'secret', repositories: ['team/*'] }];
    await using registry = await startRegistry({ token: { users, algorithm } });
    expect(await status(`${registry.origin}/v2/`)).toBe(401);
    await roundTrip(registry, 'team/app', 'ann:secret');
    const { tokens } = registry;
    expect(tokens?.requests).toContainEqual(
      expect.objectContaining({
        username: 'ann',
        status: 200,
        granted: ['repository:team/app:pull,push'],
        service: 'registry of the test',
      }),
    );
    expect(await status(`${tokens?.realm}?scope=repository:team/app:pull`, '-u', 'ann:wrong')).toBe(401);
    await expect(skopeo('inspect', '--tls-verify=false', '--creds=ann:secret', `docker://${registry.host}/other/app:1`)).rejects.toThrow(
      'unauthorized',
    );
    const manifest = `${registry.origin}/v2/team/app/manifests/1`;
    const bearer = (seconds: number): string => `authorization: Bearer ${tokens?.mint(['repository:team/app:pull'], seconds)}`;
    const accept = 'accept: application/vnd.oci.image.manifest.v1+json';
    expect(await status(manifest, '-H', accept, '-H', bearer(10))).toBe(200);
    expect(await status(manifest, '-H', accept, '-H', bearer(-1))).toBe(401);
  });

  it('trades a password for an identity token, and that for tokens', async () => {
    const users = [{ username: 'ann', password: 'secret', identityToken: 'for-years' }];
    await using registry = await startRegistry({ token: { users, anonymous: ['pull'] } });
    const realm = registry.tokens?.realm ?? '';
    const post = async (form: string): Promise<unknown> => JSON.parse((await runClient('curl', ['-s', '-d', form, realm])).stdout);
    const scope = 'service=x&client_id=test&scope=repository:app:pull,push';
    expect(await post(`grant_type=password&username=ann&password=secret&access_type=offline&${scope}`)).toMatchObject({
      refresh_token: 'for-years',
    });
    expect(await post(`grant_type=refresh_token&refresh_token=for-years&${scope}`)).toHaveProperty('access_token');
    expect(await post(`grant_type=refresh_token&refresh_token=wrong&${scope}`)).toHaveProperty('errors');
    expect(await status(`${realm}?scope=repository:app:pull,push`)).toBe(200);
    expect(registry.tokens?.requests.map(({ granted }) => granted)).toEqual([
      ['repository:app:pull,push'],
      ['repository:app:pull,push'],
      [],
      ['repository:app:pull'],
    ]);
  });

  it.each([false, true])('stands behind nginx, with TLS: %s', async (tls) => {
    const users = [{ username: 'ann', password: 'secret' }];
    await using registry = await startRegistry({ nginxPrefix: 'project', tls, token: { users } });
    await roundTrip(registry, 'project/app', 'ann:secret');
    expect(registry.tokens?.requests.length).toBeGreaterThan(0);
    const trust = tls ? ['--cacert', registry.caFile ?? ''] : [];
    expect(await status(`${registry.origin}/v2/other/app/manifests/1`, ...trust)).toBe(404);
    expect(await status(`${registry.origin}/v2/project/app/manifests/1`, ...trust)).toBe(401);
  });

  it('has nginx refuse what is too large', async () => {
    await using registry = await startRegistry({ nginxPrefix: 'project', nginxMaxBodyBytes: 1000 });
    const body = at('large');
    expect(
      await status(`${registry.origin}/v2/project/app/blobs/uploads/`, '-X', 'POST', '--data-binary', `@${join(layout, 'index.json')}`),
    ).toBe(202);
    await runClient('truncate', ['-s', '2000', body]);
    expect(await status(`${registry.origin}/v2/project/app/blobs/uploads/`, '-X', 'POST', '--data-binary', `@${body}`)).toBe(413);
  });

  it.each([false, true])('has its blobs at another host, with TLS: %s', async (tls) => {
    await using registry = await startRegistry({ redirectBlobs: true, tls, htpasswd: { username: 'ann', password: 'secret' } });
    const creds = '--dest-creds=ann:secret';
    const trust = tls ? `--dest-cert-dir=${registry.certDir}` : '--dest-tls-verify=false';
    await skopeo('copy', '-q', creds, trust, `oci:${layout}`, `docker://${registry.host}/app:1`);
    const [layer] = readManifest(layout).layers;
    const url = `${registry.origin}/v2/app/blobs/${layer?.digest}`;
    const flags = ['-u', 'ann:secret', ...(tls ? ['--cacert', registry.caFile ?? ''] : [])];
    expect(await status(url, ...flags)).toBe(307);
    expect(await status(url, ...flags, '-L')).toBe(200);
    const { requests = [] } = registry.blobStorage ?? {};
    expect(requests.some((request) => request.url.includes(BLOB_SIGNATURE))).toBe(true);
    expect(requests.filter(({ headers }) => 'authorization' in headers)).toEqual([]);
    // Object storage takes one authorization only, and the signature is one.
    const { location } = await headersOf(url, flags);
    expect(await status(`${location}?X-Amz-Signature=${BLOB_SIGNATURE}`, ...flags)).toBe(400);
  });
});
