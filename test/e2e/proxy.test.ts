import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, startTsbuild } from '../helpers/cli.js';
import { BUSYBOX_BASE, readConfig } from '../helpers/image-tools.js';
import { serve, startProxy, type RunningProxy, type WebServer } from '../helpers/web.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('runc', 'busybox', 'tinyproxy');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/proxy.test.ts: ${missing}\n`);

const PASSWORD = 'correct-horse-battery';

interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly layout: string;
  readonly metadata: string;
}

describe.skipIf(missing !== undefined)('a build behind a proxy that asks for a password', () => {
  const shop = new Workshop();
  let context = '';
  const requests: string[] = [];
  let server: WebServer;
  let proxy: RunningProxy;
  let origin = '';
  let address = '';
  let builds = 0;

  beforeAll(async () => {
    server = await serve((request, response) => {
      requests.push(request.url ?? '');
      response.end(`the file ${request.url}\n`);
    });
    ({ origin } = server);
    context = shop.busyboxContext('');
    proxy = await startProxy(shop.dir, `someone:${PASSWORD}`);
    address = `127.0.0.1:${proxy.port}`;
  });

  afterAll(async () => {
    for (const each of [server, proxy]) await each?.[Symbol.asyncDispose]();
    shop[Symbol.dispose]();
  });

  /** The server is in this process: the build must not block it. */
  async function build(lines: readonly string[], args: readonly string[]): Promise<Outcome> {
    const name = `build${builds++}`;
    const file = shop.at(`${name}.Dockerfile`);
    writeFileSync(file, `${BUSYBOX_BASE}${lines.join('\n')}\n`);
    const layout = shop.at(name);
    const metadata = shop.at(`${name}.json`);
    const outputs = ['--oci-layout', `${layout}:1`, '--load', '-t', name, '--metadata-file', metadata];
    const child = startTsbuild(['--root', shop.store, '--progress', 'plain', '-f', file, ...outputs, ...args, context]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, output, layout, metadata };
  }

  const proxyUrl = (): string => `http://someone:${PASSWORD}@${address}`;
  const proxyArg = (): string[] => ['--build-arg', `HTTP_PROXY=${proxyUrl()}`];

  /** Files and streams in which one of the words stands. */
  function leaks(outcome: Outcome): string[] {
    const words = [PASSWORD, address];
    const found = [shop.store, outcome.layout, outcome.metadata].flatMap(filesBelow).filter((path) => {
      const bytes = readFileSync(path);
      const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
      return words.some((word) => plain.includes(word));
    });
    return words.some((word) => outcome.output.includes(word)) ? [...found, 'progress'] : found;
  }

  it('61: fetches through it, and leaves neither address nor password anywhere', async () => {
    const outcome = await build(
      [`RUN wget -q -O /fetched ${origin}/through-the-proxy && cat /fetched`, 'RUN cat /proc/self/mountinfo > /mounts'],
      proxyArg(),
    );
    expect(outcome.output).toContain('the file /through-the-proxy');
    expect(outcome.status).toBe(0);
    expect(requests).toContain('/through-the-proxy');
    expect(proxy.log()).toContain(`GET ${origin}/through-the-proxy`);
    expect(leaks(outcome)).toEqual([]);
  });

  it('fails without the password, which shows that the proxy asks for it', async () => {
    const outcome = await build(
      [`RUN wget -q -O /fetched ${origin}/refused`],
      ['--build-arg', `HTTP_PROXY=http://someone:wrong@${address}`],
    );
    expect(outcome.status).toBe(1);
    expect(outcome.output).toContain('401');
    expect(requests).not.toContain('/refused');
  });

  it('says nothing of it when the step fails', async () => {
    const outcome = await build(['RUN test -n "$http_proxy" && exit 3'], proxyArg());
    expect(outcome.status).toBe(1);
    expect(outcome.output).toContain('exit code: 3');
    expect(leaks(outcome)).toEqual([]);
  });

  it.each(['upper', 'lower'] as const)('61: shows in both cases, given in %s case', async (given) => {
    const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
    const run = `RUN for value in ${names.map((name) => `"$${name}" "$${name.toLowerCase()}"`).join(' ')}; do [ "$value" = "$(echo a).example" ] || exit 9; done`;
    const args = names.flatMap((name) => ['--build-arg', `${given === 'upper' ? name : name.toLowerCase()}=a.example`]);
    const outcome = await build([run], args);
    expect(outcome.status, outcome.output).toBe(0);
    expect(createdBy(outcome.layout).join('\n')).not.toContain('a.example');
  });

  it('ARG HTTP_PROXY declares it, and makes it part of the history as any other', async () => {
    const outcome = await build(['ARG HTTP_PROXY', 'RUN test -n "$HTTP_PROXY"'], ['--build-arg', 'HTTP_PROXY=http://proxy.example:3128']);
    expect(createdBy(outcome.layout).slice(-2)).toEqual([
      'ARG HTTP_PROXY=http://proxy.example:3128',
      'RUN |1 HTTP_PROXY=http://proxy.example:3128 /bin/sh -c test -n "$HTTP_PROXY" # buildkit',
    ]);
    expect(readConfig(outcome.layout, '1').config?.Env?.filter((line) => /proxy/i.test(line))).toEqual([]);
  });
});

function createdBy(layout: string): string[] {
  return (readConfig(layout, '1').history ?? []).map((entry) => entry.created_by ?? '');
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
