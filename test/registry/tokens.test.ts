import { describe, expect, it } from 'vitest';
import type { ServerResponse } from 'node:http';
import { checkRealm } from '../../src/registry/realm.js';
import {
  connectRegistries,
  sayingOf,
  sendError,
  sendJson,
  startScripted,
  type Asked,
  type ScriptedServer,
} from '../helpers/scripted-registry.js';
import { scratchDir } from '../helpers/cli.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const USER = { username: 'ann', password: 'se:cret' };
const BASIC = `Basic ${Buffer.from('ann:se:cret').toString('base64')}`;
const MANIFEST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: {}, layers: [] };

interface Rules {
  /** Of /token; the default hands out `token-N`. */
  readonly token?: (asked: Asked, response: ServerResponse, count: number) => void;
  /** Which authorization is good enough; the default is the newest token. */
  readonly takes?: (authorization: string | undefined, newest: string) => boolean;
  readonly challenge?: (origin: string) => string | string[];
}

/** A registry that is its own token service. */
async function startGuarded(rules: Rules = {}): Promise<ScriptedServer> {
  let count = 0;
  const server: ScriptedServer = await startScripted((asked, response) => {
    if (asked.target.startsWith('/token')) {
      count++;
      if (rules.token === undefined) sendJson(response, 200, { token: `token-${count}` });
      else rules.token(asked, response, count);
      return;
    }
    const isIn = rules.takes ?? ((authorization, newest) => authorization === newest);
    if (isIn(asked.headers.authorization, `Bearer token-${count}`)) {
      sendJson(response, 200, MANIFEST, { 'content-type': MANIFEST.mediaType });
      return;
    }
    const challenge = rules.challenge?.(server.origin) ?? `Bearer realm="${server.origin}/token",service="here"`;
    response.setHeader('www-authenticate', challenge);
    sendError(response, 401, 'UNAUTHORIZED');
  });
  return server;
}

function tokensAsked(server: ScriptedServer): readonly Asked[] {
  return server.asked.filter(({ target }) => target.startsWith('/token'));
}

describe('tokens', () => {
  it('are asked for by service and scope, with the password, and used again', async () => {
    await using server = await startGuarded();
    await using client = connectRegistries({ credentials: USER });
    const repository = client.registries.repository({ domain: server.host, path: 'team/app' });
    await repository.manifest('1');
    await repository.manifest('2');
    expect(server.asked.map(({ method, target, headers }) => [method, target, headers.authorization])).toEqual([
      ['GET', '/v2/team/app/manifests/1', undefined],
      ['GET', '/token?service=here&scope=repository%3Ateam%2Fapp%3Apull', BASIC],
      ['GET', '/v2/team/app/manifests/1', 'Bearer token-1'],
      ['GET', '/v2/team/app/manifests/2', 'Bearer token-1'],
    ]);
    expect(client.lines.join('\n')).not.toMatch(/token-1|se:cret|YW5u/);
    expect(client.lines.join('\n')).toContain('--creds');
  });

  it('are asked for once by those who want the same at the same time, and not again by another repository', async () => {
    await using server = await startGuarded();
    await using client = connectRegistries();
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await Promise.all(['1', '2', '3', '4'].map((tag) => repository.manifest(tag)));
    expect(tokensAsked(server)).toHaveLength(1);
    await client.registries.repository({ domain: server.host, path: 'other' }).manifest('1');
    expect(tokensAsked(server)).toHaveLength(2);
    // It knew already that a token is wanted.
    expect(server.asked.filter(({ target, headers }) => target.includes('other/manifests') && headers.authorization === undefined)).toEqual(
      [],
    );
  });

  it.each<[string, unknown]>([
    ['token', { token: 'token-1' }],
    ['access_token', { access_token: 'token-1', expires_in: 300, scope: 'x' }],
    ['both', { token: 'token-1', access_token: 'token-1' }],
    ['a short life', { token: 'token-1', expires_in: 1 }],
    ['a life that is no number', { token: 'token-1', expires_in: 'long' }],
  ])('come as %s', async (_, answer) => {
    await using server = await startGuarded({ token: (__, response) => sendJson(response, 200, answer) });
    await using client = connectRegistries();
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await repository.manifest('1');
    await repository.manifest('1');
    expect(tokensAsked(server)).toHaveLength(1);
  });

  it('that end early are asked for again, once for each request', async () => {
    let isOver = false;
    await using server = await startGuarded({
      takes: (authorization, newest) => authorization === newest && (!isOver || newest === 'Bearer token-2'),
    });
    await using client = connectRegistries();
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await repository.manifest('1');
    isOver = true;
    await repository.manifest('2');
    expect(tokensAsked(server)).toHaveLength(2);
  });

  it('that never do are given up', async () => {
    await using server = await startGuarded({ takes: () => false });
    await using client = connectRegistries({ credentials: USER });
    const failed = client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    await expect(failed).rejects.toMatchObject({ kind: 'credentials', status: 401, codes: ['UNAUTHORIZED'] });
    expect(await sayingOf(failed)).toBe(
      `could not read the manifest of ${server.host}/app:1: ${server.host} wants credentials (401): UNAUTHORIZED: unauthorized it is; ` +
        `those of --creds do not do; check the name, which the registry may hide; log in with tsbuild login ${server.host}, or give --creds USER:PASSWORD`,
    );
    expect(server.asked.length).toBeLessThanOrEqual(5);
  });

  it('come from a busy service at last', async () => {
    await using server = await startGuarded({
      token: (_, response, count) => (count < 3 ? sendError(response, 503, 'BUSY') : sendJson(response, 200, { token: `token-${count}` })),
    });
    await using client = connectRegistries();
    await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(tokensAsked(server)).toHaveLength(3);
  });

  it.each<[string, (response: ServerResponse) => void, string]>([
    [
      'refuses',
      (response) => sendJson(response, 401, { details: 'incorrect username or password' }),
      'incorrect username or password: it does not take the credentials of --creds',
    ],
    ['forbids', (response) => sendError(response, 403, 'DENIED'), 'DENIED: denied it is'],
    ['has no token', (response) => sendJson(response, 200, { token: '' }), 'the answer of localhost'],
    ['answers with a web page', (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'), 'has no token'],
    ['gives something that is no header', (response) => sendJson(response, 200, { token: 'a\r\nx: y' }), 'has no token'],
    ['answers at length', (response) => void response.end('x'.repeat(1_100_000)), 'too large, want at most 1'],
  ])('of a service that %s are an error that says so', async (_, token, want) => {
    await using server = await startGuarded({ token: (__, response) => token(response) });
    await using client = connectRegistries({ credentials: USER });
    const said = await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    expect(said).toContain(`could not get a token for ${server.host}`);
    expect(said).toContain(want);
  });

  it('are asked for by POST where GET is not known', async () => {
    await using server = await startGuarded({
      token: ({ method }, response, count) =>
        method === 'POST' ? sendJson(response, 200, { access_token: `token-${count}` }) : sendError(response, 405, 'NO'),
    });
    await using client = connectRegistries({ credentials: USER });
    await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    const { body = '', headers } = tokensAsked(server).at(-1) ?? {};
    expect(headers?.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'password',
      username: 'ann',
      password: 'se:cret',
      service: 'here',
      scope: 'repository:app:pull',
      client_id: 'tsbuild',
    });
  });

  it.each([
    ['by POST', 200],
    ['by GET where POST is not known', 404],
  ])('for an identity token are asked for %s', async (_, status) => {
    using scratch = scratchDir('tsbuild-identity-');
    await using server = await startGuarded({
      token: ({ method }, response, count) =>
        method === 'GET' || status === 200 ? sendJson(response, 200, { token: `token-${count}` }) : sendError(response, status, 'NO'),
    });
    const authFile = join(scratch.path, 'auth.json');
    writeFileSync(
      authFile,
      JSON.stringify({ auths: { [server.host]: { auth: Buffer.from('<token>:').toString('base64'), identitytoken: 'lasting' } } }),
    );
    await using client = connectRegistries({ authFile });
    await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    const [first, last] = [tokensAsked(server)[0], tokensAsked(server).at(-1)];
    expect(new URLSearchParams(first?.body).get('refresh_token')).toBe('lasting');
    expect(new URLSearchParams(first?.body).get('grant_type')).toBe('refresh_token');
    if (status !== 200) expect(last?.headers.authorization).toBe(`Basic ${Buffer.from('<token>:lasting').toString('base64')}`);
    expect(client.lines.join('\n')).not.toContain('lasting');
  });
});

describe('secrets', () => {
  it.each(['Bearer', 'Basic'])('that a server repeats after %s are not shown', async (scheme) => {
    await using server = await startScripted(({ target, headers, body }, response) => {
      if (target.startsWith('/token') && headers.authorization === undefined && body === '')
        return sendJson(response, 200, { token: 'token-1' });
      if (target.startsWith('/token'))
        return sendJson(response, 401, {
          details: `${headers.authorization} is ${Buffer.from(headers.authorization?.slice(6) ?? '', 'base64').toString()}`,
        });
      const echo = `got ${headers.authorization} se:cret se%3Acret`;
      response.setHeader('warning', `299 - "${echo}"`);
      if (headers.authorization === undefined) response.setHeader('www-authenticate', `${scheme} realm="${server.origin}/token"`);
      sendJson(response, headers.authorization === undefined ? 401 : 403, { errors: [{ code: 'DENIED', message: echo }] });
    });
    await using client = connectRegistries({ credentials: USER });
    const said = await sayingOf(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1'));
    expect(said).toContain('***');
    expect(`${said}\n${client.lines.slice(2).join('\n')}`).not.toMatch(/se:cret|YW5u/);
  });
});

describe('passwords', () => {
  it('go to a registry that asks for them, in every request from then on', async () => {
    await using server = await startGuarded({
      takes: (authorization) => authorization === BASIC,
      challenge: () => 'Basic realm="a, \\"b\\""',
    });
    await using client = connectRegistries({ credentials: USER });
    const repository = client.registries.repository({ domain: server.host, path: 'app' });
    await repository.manifest('1');
    await repository.manifest('2');
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, BASIC, BASIC]);
  });

  it('are not tried twice', async () => {
    await using server = await startGuarded({ takes: () => false, challenge: () => 'Basic realm="x"' });
    await using client = connectRegistries({ credentials: USER });
    await expect(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1')).rejects.toMatchObject({
      kind: 'credentials',
    });
    expect(server.asked).toHaveLength(2);
  });

  it('are second to a token where both will do', async () => {
    await using server = await startGuarded({ challenge: (origin) => ['Basic realm="x"', `Bearer realm="${origin}/token"`] });
    await using client = connectRegistries({ credentials: USER });
    await client.registries.repository({ domain: server.host, path: 'app' }).manifest('1');
    expect(server.asked.at(-1)?.headers.authorization).toBe('Bearer token-1');
  });

  it.each(['Negotiate', 'Bearer service="x"', 'Bearer', ''])('are not for a registry that asks with %j', async (challenge) => {
    await using server = await startGuarded({ takes: () => false, challenge: () => challenge });
    await using client = connectRegistries({ credentials: USER });
    await expect(client.registries.repository({ domain: server.host, path: 'app' }).manifest('1')).rejects.toMatchObject({ status: 401 });
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('the address of a token service', () => {
  const registry = (url: string, isInsecure = false) => ({ url: new URL(url), isInsecure });
  const own = registry('https://registry.example/v2/');

  it.each<[string, ReturnType<typeof registry>]>([
    ['https://auth.example/token', own],
    ['https://registry.example/token?x=y', own],
    ['/service/token', own],
    ['http://auth.example/token', registry('http://registry.example/v2/')],
    ['http://auth.example/token', registry('https://registry.example/v2/', true)],
    ['https://10.0.0.7/token', registry('https://10.0.0.5:5000/v2/')],
    ['http://localhost:5001/token', registry('http://localhost:5000/v2/', true)],
    ['https://[fd00::1]/token', registry('https://[fd00::1]:5000/v2/')],
    ['https://172.32.0.1/token', own],
  ])('%s', (realm, from) => {
    expect(checkRealm(realm, from)).toBeInstanceOf(URL);
  });

  it.each<[string, ReturnType<typeof registry>, string]>([
    ['http://auth.example/token', own, 'is plain http'],
    ['https://127.0.0.1/token', own, 'private network'],
    ['https://localhost/token', own, 'private network'],
    ['https://a.localhost/token', own, 'private network'],
    ['https://localhost./token', own, 'private network'],
    ['https://a.localhost./token', own, 'private network'],
    ['https://10.1.2.3/token', own, 'private network'],
    ['https://172.16.0.1/token', own, 'private network'],
    ['https://192.168.1.1/token', own, 'private network'],
    ['https://169.254.169.254/latest/meta-data', own, 'private network'],
    ['https://0.0.0.0/token', own, 'private network'],
    ['https://0x7f000001/token', own, 'private network'],
    ['https://2130706433/token', own, 'private network'],
    ['https://[::1]/token', own, 'private network'],
    ['https://[::ffff:127.0.0.1]/token', own, 'private network'],
    ['https://[fe80::1]/token', own, 'private network'],
    ['https://[fd12::1]/token', own, 'private network'],
    ['file:///etc/passwd', own, 'no http URL'],
    ['https://', own, 'no http URL'],
    ['https://user:word@auth.example/token', own, 'has credentials in it'],
  ])('%s is not asked by a registry elsewhere', (realm, from, want) => {
    expect(() => checkRealm(realm, from)).toThrow(want);
    expect(() => checkRealm(realm, from)).not.toThrow('word');
  });
});
