import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import { BLOB_SIGNATURE } from '../helpers/blob-storage.js';
import { missingProgram, type CliResult } from '../helpers/cli.js';
import { smallLayout } from '../helpers/registry-clients.js';
import { sendError, startScripted, type Script, type ScriptedServer } from '../helpers/scripted-registry.js';
import { makeAuthority } from '../helpers/web.js';
import { leaksInText } from './leak-lab.js';
import { CREDS, guarded, SecretLab, USER } from './secret-lab.js';

const missing = missingProgram('openssl');
if (missing !== undefined) console.warn(`SKIPPED: redirects of registries: ${missing}`);

describe.skipIf(missing !== undefined)('credentials do not follow a redirect', () => {
  let lab: SecretLab;
  beforeAll(() => {
    lab = new SecretLab();
    smallLayout(lab.at('layout'), ['one', 'two']);
  });
  afterAll(() => lab?.[Symbol.dispose]());

  const config = Buffer.from(
    JSON.stringify({
      architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [] },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length },
      layers: [],
    }),
  );
  /** An image without layers. */
  const serveImage: Script = ({ target }, response) => {
    const isManifest = target.includes('/manifests/');
    const body = isManifest ? manifest : config;
    const type = isManifest ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-length': body.length, 'docker-content-digest': digestOf(body) }).end(body);
  };
  /** Would like to know the password. */
  const askForMore =
    (own: () => string): Script =>
    (_, response) =>
      void response.writeHead(401, { 'www-authenticate': [`Basic realm="more"`, `Bearer realm="${own()}/token",service="more"`] }).end();
  const leadTo =
    (origin: () => string): Script =>
    ({ target }, response) =>
      void response
        .writeHead(307, { location: `${origin()}${target}?X-Amz-Signature=${BLOB_SIGNATURE}`, 'set-cookie': `c=${USER.password}` })
        .end();

  /** Nobody there was told anything. */
  function expectStranger({ asked }: ScriptedServer): void {
    expect(asked).not.toEqual([]);
    for (const { headers, target, body } of asked) {
      expect(headers).not.toHaveProperty('authorization');
      expect(headers).not.toHaveProperty('cookie');
      const known = leaksInText('request', JSON.stringify({ headers, target, body }), lab.needles);
      expect(known.filter((leak) => !leak.includes('signature of a blob'))).toEqual([]);
    }
  }

  const pull = (host: string, env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    lab.tsbuild(['pull', '-D', '--retry', '0', ...CREDS, '--root', lab.place(), `${host}/app:1`], { env });
  const push = (host: string, env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    lab.tsbuild(['cp', '-D', '--retry', '0', ...CREDS, '--root', lab.place(), `oci:${lab.at('layout')}`, `docker://${host}/app:1`], {
      env,
    });

  it.each(['localhost', '127.0.0.1'])('to another port of %s', async (name) => {
    await using other = await startScripted(serveImage);
    await using registry = await startScripted(guarded(leadTo(() => other.origin.replace('localhost', name))));
    const { status, stderr } = await pull(registry.host);
    expect(stderr).not.toContain('ERROR');
    expect(status).toBe(0);
    expect(new Set(other.asked.map(({ target }) => /manifests|blobs/.exec(target)?.[0]))).toEqual(new Set(['manifests', 'blobs']));
    expectStranger(other);
  });

  it('to one that asks for them', async () => {
    await using other: ScriptedServer = await startScripted(askForMore(() => other.origin));
    await using registry = await startScripted(guarded(leadTo(() => other.origin)));
    expect((await pull(registry.host)).status).toBe(4);
    expectStranger(other);
  });

  it('from https to http: a blob at most', async () => {
    const authority = makeAuthority(lab.at('credentials'));
    await using other = await startScripted(serveImage);
    await using both = await startScripted(guarded(leadTo(() => other.origin)), authority);
    const env = { SSL_CERT_FILE: authority.ca };
    // Another name of this machine, for which plain http is nothing usual.
    const refused = await pull(both.host.replace('localhost', '0.0.0.0'), env);
    expect(refused.stderr).toContain('redirects from https to http://');
    expect(refused.status).toBe(3);
    expect(other.asked).toEqual([]);
    const blobs = guarded((asked, ...rest) => (asked.target.includes('/blobs/') ? leadTo(() => other.origin) : serveImage)(asked, ...rest));
    await using registry = await startScripted(blobs, authority);
    expect((await pull(registry.host.replace('localhost', '0.0.0.0'), env)).status).toBe(0);
    expectStranger(other);
  });

  it.each([
    ['takes all', false],
    ['asks for them', true],
  ])('of an upload to one that %s', async (_, isGreedy) => {
    await using other: ScriptedServer = await startScripted((...all) => {
      if (isGreedy) askForMore(() => other.origin)(...all);
      else all[1].writeHead(201).end();
    });
    const have = new Set<string>();
    await using registry = await startScripted(
      guarded(({ method, target }, response) => {
        if (method === 'POST')
          response.writeHead(202, { location: `${other.origin}/put?X-Amz-Signature=${BLOB_SIGNATURE}`, range: '0-0' }).end();
        else if (method === 'HEAD') response.writeHead(404).end();
        else {
          have.add(target);
          response.writeHead(201).end();
        }
      }),
    );
    const { status, stderr } = await push(registry.host);
    expect(status, stderr).toBe(isGreedy ? 4 : 0);
    expect(other.asked.some(({ method }) => method === 'PUT')).toBe(true);
    expect(have.has('/v2/app/manifests/1')).toBe(!isGreedy);
    expectStranger(other);
  });

  it('of an upload from https to http', async () => {
    const authority = makeAuthority(lab.at('credentials'));
    await using other = await startScripted((_, response) => void response.writeHead(201).end());
    await using registry = await startScripted(
      guarded(({ method }, response) => {
        if (method === 'POST') response.writeHead(202, { location: `${other.origin}/put`.replace('localhost', '127.0.0.1') }).end();
        else response.writeHead(404).end();
      }),
      authority,
    );
    const { status, stderr } = await push(registry.host, { SSL_CERT_FILE: authority.ca });
    expect(stderr).toContain('began an upload without a usable Location');
    expect(status).toBe(3);
    expect(other.asked).toEqual([]);
  });

  it('of a token service', async () => {
    await using other = await startScripted((_, response) => sendError(response, 401, 'UNAUTHORIZED'));
    await using service = await startScripted(leadTo(() => other.origin));
    await using registry = await startScripted(
      (_, response) => void response.writeHead(401, { 'www-authenticate': `Bearer realm="${service.origin}/token",service="x"` }).end(),
    );
    expect((await pull(registry.host)).status).toBe(4);
    // It was told, since the registry named it.
    expect(service.asked[0]?.headers.authorization).toMatch(/^Basic /);
    expectStranger(other);
  });
});
