import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, tsbuild, writeFiles } from '../helpers/cli.js';
import { debianRootfs, missingMirror } from '../helpers/debian.js';
import { readConfig, readManifest, run } from '../helpers/image-tools.js';
import { Workshop } from '../helpers/workshop.js';

const APP = fileURLToPath(new URL('node-app/', import.meta.url));
const TIMEOUT_MS = 20 * 60_000;

const reason = missingProgram('runc', 'umoci', 'mmdebstrap', 'apt-get', 'npm') ?? (process.getuid?.() === 0 ? missingMirror() : 'not root');
if (reason !== undefined) process.stderr.write(`skipped: test/e2e/node-app.test.ts: ${reason}\n`);

describe.skipIf(reason !== undefined)('a Node.js application on Debian', () => {
  const shop = new Workshop();
  const layout = shop.at('oci');

  /** Builds and says how long it took. */
  function build(what: string, args: readonly string[]): void {
    const startedMs = performance.now();
    const result = tsbuild(['--root', shop.store, '--progress', 'plain', ...args], { timeoutMs: TIMEOUT_MS });
    expect(result.status, result.stderr.slice(-4000)).toBe(0);
    process.stderr.write(`${what}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
  }

  beforeAll(() => {
    const base = writeFiles(shop.at('base'), { Dockerfile: 'FROM scratch\nADD rootfs.tar /\nCMD ["bash"]\n' });
    copyFileSync(debianRootfs(), join(base, 'rootfs.tar'));
    build('Debian from its root file system', ['-t', 'debian:bookworm', base]);

    const context = shop.at('app');
    cpSync(APP, context, { recursive: true });
    writeFileSync(join(context, 'host-ca.crt'), hostCertificates());
    const registry = run('npm', ['config', 'get', 'registry']).trim();
    build('the application', ['-t', 'greeter:1', '--build-arg', `npm_config_registry=${registry}`, '--oci-layout', layout, context]);
  }, TIMEOUT_MS);

  afterAll(() => shop[Symbol.dispose]());

  it('has what the Dockerfile says', () => {
    const { config, rootfs, history } = readConfig(layout, '1');
    expect(config).toMatchObject({
      Entrypoint: ['node', 'server.mjs'],
      User: 'app',
      WorkingDir: '/app',
      ExposedPorts: { '8080/tcp': {} },
    });
    expect(config?.Env).toEqual(expect.arrayContaining(['NODE_ENV=production', 'PORT=8080']));
    expect(config?.Cmd).toBeUndefined();
    expect(rootfs.diff_ids).toHaveLength(5);
    expect((history ?? []).filter((entry) => entry.empty_layer !== true)).toHaveLength(5);
    const sizeBytes = readManifest(layout, '1').layers.reduce((sum, layer) => sum + layer.size, 0);
    process.stderr.write(`size of the image: ${(sizeBytes / 1e6).toFixed(1)} MB in ${rootfs.diff_ids.length} layers\n`);
  });

  it('answers under runc as its user', async () => {
    const bundle = shop.at('bundle');
    run('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
    expect(existsSync(join(bundle, 'rootfs/usr/local/share/host-ca.crt'))).toBe(false);
    expect(existsSync(join(bundle, 'rootfs/var/lib/dpkg/info/npm.list'))).toBe(false);
    expect(statSync(join(bundle, 'rootfs/app/node_modules/express/package.json')).uid).toBe(990);
    expect(readFileSync(join(bundle, 'rootfs/app/server.mjs'), 'utf8')).not.toContain('The comment');
    const port = await freePort();
    onHostNetwork(bundle, port);

    const id = `tsbuild-test-${process.pid}`;
    const container = spawn('runc', ['run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(container, 'close');
    let output = '';
    for (const stream of [container.stdout, container.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    try {
      const answer = await fetchWhenUp(`http://127.0.0.1:${port}/?name=runc`, () => {
        if (container.exitCode !== null) throw new Error(`the container ended: ${output}`);
      });
      expect(answer).toEqual({ greeting: 'Hello, runc!', uid: 990, cwd: '/app', env: 'production', devDependencies: false });
    } finally {
      spawnSync('runc', ['kill', id, 'KILL']);
      await ended;
      spawnSync('runc', ['delete', '-f', id]);
    }
  }, 120_000);
});

/** What npm on this machine trusts. */
function hostCertificates(): string {
  const configured = run('npm', ['config', 'get', 'cafile']).trim();
  const candidates = [configured, process.env['NODE_EXTRA_CA_CERTS'] ?? '', '/etc/ssl/certs/ca-certificates.crt'];
  const found = candidates.find((path) => path !== '' && existsSync(path));
  return found === undefined ? '' : readFileSync(found, 'utf8');
}

/** The bundle's process gets the port and the network of the test, and no terminal. */
function onHostNetwork(bundle: string, port: number): void {
  const path = join(bundle, 'config.json');
  const spec = JSON.parse(readFileSync(path, 'utf8')) as {
    process: { terminal: boolean; env: string[] };
    linux: { namespaces: { type: string }[] };
  };
  spec.process.terminal = false;
  spec.process.env = [...spec.process.env.filter((line) => !line.startsWith('PORT=')), `PORT=${port}`];
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
  writeFileSync(path, JSON.stringify(spec));
}

async function fetchWhenUp(url: string, check: () => void): Promise<unknown> {
  for (let tries = 0; ; tries++) {
    try {
      const response = await fetch(url);
      return await response.json();
    } catch (error) {
      check();
      if (tries === 200) throw error;
      await sleep(200);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
