import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { scratchDir, writeFiles } from '../helpers/cli.js';
import { smallLayout } from '../helpers/registry-clients.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';
import { Access, expectTsbuild, runTsbuild } from './registry-lab.js';

const ANN = { username: 'ann', password: 'secret-of-ann' };
const BOB = { username: 'bob', password: 'secret-of-bob' };
const creds = ({ username, password }: typeof ANN): string => `${username}:${password}`;

const missing = missingRegistry('skopeo');
if (missing !== undefined) console.warn(`SKIPPED: credentials for one registry of two: ${missing}`);

/** Passes everything on to a registry, and notes what is said to it in confidence. */
async function listenTo(registry: TestRegistry, heard: string[]): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.headers.authorization !== undefined)
      heard.push(Buffer.from(request.headers.authorization.split(' ')[1] ?? '', 'base64').toString());
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = request.headers;
      const body = Buffer.concat(chunks);
      fetch(`${registry.origin}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers: Object.entries(headers).filter(([name]) => name !== 'content-length') as [string, string][],
        ...(body.length === 0 ? {} : { body }),
      }).then(
        async (answer) => {
          const location = answer.headers.get('location')?.replace(registry.host, addressOf(server));
          const kept = [...answer.headers].filter(([name]) => !['location', 'transfer-encoding', 'connection'].includes(name));
          response.writeHead(
            answer.status,
            Object.fromEntries([...kept, ...(location === undefined ? [] : [['location', location]])]) as Record<string, string>,
          );
          response.end(Buffer.from(await answer.arrayBuffer()));
        },
        () => response.destroy(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.skipIf(missing !== undefined)('--creds', () => {
  let scratch: ReturnType<typeof scratchDir>;
  let anns: TestRegistry;
  let bobs: TestRegistry;
  let server: Server;
  let source: string;
  const heard: string[] = [];
  const path = (...names: string[]): string => join(scratch.path, ...names);
  const root = (): string[] => ['--root', path('store'), '--progress', 'plain'];

  beforeAll(async () => {
    scratch = scratchDir();
    [anns, bobs] = await Promise.all([startRegistry({ htpasswd: ANN }), startRegistry({ htpasswd: BOB })]);
    server = await listenTo(anns, heard);
    source = addressOf(server);
    await new Access(anns, creds(ANN)).seed(smallLayout(path('image'), ['base']), 'base:1');
    const auth = Buffer.from(creds(ANN)).toString('base64');
    writeFileSync(path('auth.json'), JSON.stringify({ auths: { [source]: { auth } } }));
    writeFiles(path('context'), { Dockerfile: `FROM ${source}/base:1\nCOPY file /file\n`, file: 'text' });
  });

  beforeEach(() => void heard.splice(0));

  afterAll(async () => {
    await Promise.all([anns[Symbol.asyncDispose](), bobs[Symbol.asyncDispose]()]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    scratch[Symbol.dispose]();
  });

  it('of a build that pushes go to the registry that is pushed to alone', async () => {
    const build = ['build', ...root(), '--push', '-t', `${bobs.host}/app:1`, '--creds', creds(BOB), path('context')];
    const { status, stderr } = await runTsbuild(build);
    expect(status).toBe(4);
    expect(stderr).toContain(`none were found (--creds is for ${bobs.host})`);
    expect(heard).toEqual([]);
    await expectTsbuild([...build, '--authfile', path('auth.json')]);
    expect(new Set(heard)).toEqual(new Set([creds(ANN)]));
    expect(await expectTsbuild(['ls', '--creds', creds(BOB), `${bobs.host}/app`])).toBe('1\n');
  });

  it('of a build that does not push go to the registries of its bases', async () => {
    await expectTsbuild(['build', ...root(), '--pull', '-t', 'local', '--creds', creds(ANN), path('context')]);
    expect(new Set(heard)).toEqual(new Set([creds(ANN)]));
  });

  it('of a copy go to the destination, and each side can have its own', async () => {
    const places = [`docker://${source}/base:1`, `docker://${bobs.host}/copy:1`];
    const { status, stderr } = await runTsbuild(['cp', ...root(), '--creds', creds(BOB), ...places]);
    expect([status, stderr]).toEqual([4, expect.stringContaining(`${source} wants credentials`)]);
    expect(heard).toEqual([]);
    const said = await runTsbuild(['cp', '-D', ...root(), '--src-creds', creds(ANN), '--dest-creds', creds(BOB), ...places]);
    expect(said.status).toBe(0);
    expect(said.stderr).toContain(`credentials for ${source}/base: --src-creds`);
    expect(said.stderr).toContain(`credentials for ${bobs.host}/copy: --dest-creds`);
    expect(said.stderr).not.toContain('secret-of');
    expect(new Set(heard)).toEqual(new Set([creds(ANN)]));
    await expectTsbuild([
      'cp',
      ...root(),
      '--src-creds',
      creds(ANN),
      '--creds',
      creds(BOB),
      ...places.with(1, `docker://${bobs.host}/copy:2`),
    ]);
  });

  it('of an index go to where it is pushed', async () => {
    const { status } = await runTsbuild(['index', 'create', '--creds', creds(BOB), '-t', `${bobs.host}/index:1`, `${source}/base:1`]);
    expect(status).toBe(4);
    expect(heard).toEqual([]);
  });
});
