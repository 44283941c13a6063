import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { missingProgram, writeFiles } from '../helpers/cli.js';
import { readConfig, run } from '../helpers/image-tools.js';
import { ProjectYard } from '../helpers/real-projects.js';
import { hostPlatform, formatPlatform } from '../../src/oci/platform.js';

const missing = missingProgram('runc', 'busybox', 'umoci', 'nsenter', 'ssh-add', 'ssh-agent', 'ssh-keygen', 'tar');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/real-features.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('Dockerfiles that use what BuildKit has over other builders', () => {
  const yard = new ProjectYard();
  afterAll(() => yard[Symbol.dispose]());

  it('a notebook server: environment by the dozen, SHELL, and users', async () => {
    const { image } = await yard.build({ project: 'notebook', bases: ['quay.example/notebooks/python:3.12-slim'] });
    expect(image.config).toMatchObject({
      User: '1000',
      WorkingDir: '/home/jovyan',
      Shell: ['/bin/ash', '-o', 'pipefail', '-c'],
      Entrypoint: ['tini', '-g', '--', 'start.sh'],
      Cmd: ['env'],
      ExposedPorts: { '8888/tcp': {} },
      Labels: { maintainer: 'Nobody <nobody@example.org>' },
      Healthcheck: { Interval: 3e9, Timeout: 1e9, StartPeriod: 3e9, Retries: 3 },
    });
    expect(image.access('etc/passwd')).toBe('664 0:0');
    expect(image.access('home/jovyan/work')).toBe('2775 1000:100');
    expect(image.access('opt/conda/.condarc')).toBe('664 1000:100');
    expect(image.access('usr/local/bin/start.sh')).toBe('755 0:0');
    expect(image.read('opt/conda/pinned')).toBe('jupyterlab 4.2\n');
    const lines = image.run().split('\n');
    expect(lines[0]).toBe('hooks of 1000:100 in /home/jovyan');
    expect(lines).toEqual(
      expect.arrayContaining(['CONDA_DIR=/opt/conda', 'NB_UID=1000', 'NB_GID=100', 'HOME=/home/jovyan', 'SHELL=/bin/sh']),
    );
  });

  it('ONBUILD: what the base has left to its children', async () => {
    const { image, layout } = await yard.build({ project: 'onbuild-child', bases: ['python:3.12-onbuild'] });
    expect(image.config.OnBuild).toBeUndefined();
    expect(image.config).toMatchObject({ WorkingDir: '/usr/src/app', ExposedPorts: { '8000/tcp': {} }, Cmd: ['python', './service.py'] });
    expect(existsSync(image.at('root/.cache/pip'))).toBe(false);
    expect(image.run()).toBe(
      'built on 3.20.1\nBUILD\n__pycache__\nrequirements.txt\nservice.py\n' +
        '/usr/local/lib/python3.12/site-packages/flask\n/usr/local/lib/python3.12/site-packages/flask-3.0.3.dist-info\n',
    );
    const created = (readConfig(layout, '1').history ?? []).map((entry) => entry.created_by ?? '');
    expect(created.findIndex((line) => line.startsWith('COPY requirements.txt'))).toBeLessThan(
      created.findIndex((line) => line.startsWith('ENV PORT=8000')),
    );
  });

  it('heredocs: scripts, files, and programs for other interpreters', async () => {
    const { image, layout } = await yard.build({
      project: 'heredocs',
      bases: ['python:3.12-slim'],
      args: ['--build-arg', 'GREETING=Hello'],
    });
    expect(image.run()).toBe(
      [
        'Hello, world',
        '1 squared is 1\n2 squared is 4\n3 squared is 9',
        'world',
        'first, with world\nSECOND, TABS STRIPPED',
        'User-agent: *\nDisallow: /private/',
        `"Quotes" 'stay', $variables can be kept: Hello`,
        '$GREETING as it is written: \\$x\n',
      ].join('\n'),
    );
    expect(image.access('site/entrypoint.sh')).toBe('500 65534:65534');
    expect(image.access('site/humans.txt')).toBe('644 0:0');
    expect(image.read('site/made/by-shell')).toBe('an awk program\n');
    expect((readConfig(layout, '1').history ?? []).map((entry) => entry.created_by)).toContain(
      'COPY <<robots.txt <<humans.txt <<raw.txt ./ # buildkit',
    );
  });

  it('private packages: secrets of files and of the environment, that no layer keeps', async () => {
    const secret = { token: 'npm_1f8a6c0de', url: 'https://reader:correct-horse@packages.example/simple', key: 'the-deploy-key' };
    const { image, said, layout } = await yard.build({
      project: 'private-packages',
      bases: ['node:20-alpine', 'python:3.12-slim'],
      args: [
        '--secret',
        `id=npmrc,src=${files('npmrc')}`,
        '--secret',
        'id=index_url,env=INDEX_URL',
        '--secret',
        `id=deploy_key,src=${files('key')}`,
      ],
      env: { INDEX_URL: secret.url },
    });
    expect(image.run()).toBe(
      '1000:100 440\n/srv/node_modules/@acme:\ndesign\n\n/venv/lib/python3.12/site-packages:\nacme_core\nacme_core-1.4.2.dist-info\n' +
        'requests\nrequests-2.32.2.dist-info\nls: /keys: No such file or directory\n/root:\n\n/tmp:\n',
    );
    const texts = [said, ...readdirSync(layout, { recursive: true, encoding: 'utf8' }).flatMap((name) => textOf(join(layout, name)))];
    for (const value of Object.values(secret)) expect(texts.filter((text) => text.includes(value))).toEqual([]);

    function files(name: 'npmrc' | 'key'): string {
      const text = name === 'key' ? secret.key : `//packages.example/:_authToken=${secret.token}\n`;
      return join(writeFiles(yard.shop.at('secrets'), { [name]: text }), name);
    }
  });

  it('ssh: an agent for the steps that ask for it', async () => {
    await using agent = await startAgent(yard.shop.at('agent'));
    const { image } = await yard.build({
      project: 'ssh-clone',
      bases: ['tools/ssh:1'],
      args: ['--ssh', `default=${agent.socket}`, '--ssh', `deploy=${agent.socket}`],
    });
    const [first, second, access] = image.run().split('\n');
    expect(first).toMatch(/^ssh-ed25519 \S+ of the test$/);
    expect(second).toBe(first);
    expect(access).toBe('1000 666');
  });

  it('proxies: from build arguments to the steps, and nowhere else', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('the artifact\n');
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    try {
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const given = { HTTP_PROXY: url, https_proxy: url, NO_PROXY: 'localhost', ARTIFACT_URL: 'http://artifacts.example', VERSION: '7' };
      const { image, layout } = await yard.build({
        project: 'proxied',
        bases: ['alpine:3.20'],
        args: Object.entries(given).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      });
      expect(asked).toEqual(['http://artifacts.example/release-7.txt']);
      expect(image.run()).toBe('the artifact\n6\n');
      expect(JSON.stringify(readConfig(layout, '1'))).not.toContain(url);
    } finally {
      proxy.close();
    }
  });

  it.each([
    { args: {}, text: 'flavor slim\n', stage: 'default', extra: 'none' },
    { args: { FLAVOR: 'full', EXTRA: '' }, text: 'flavor full of 3.20, v20.11.1\n', stage: 'default', extra: '' },
    { args: { EXTRA: 'x' }, target: 'DEBUG', text: 'flavor slim\n', stage: 'DEBUG', extra: 'x' },
  ])('a matrix of build arguments: $args', async ({ args, target, text, stage, extra }) => {
    const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
    const { image } = await yard.build({
      project: 'matrix',
      bases: ['alpine:3.20', 'node:20-alpine'],
      args: [...given, ...(target === undefined ? [] : ['--target', target])],
    });
    const platform = formatPlatform(hostPlatform());
    const debug = target === undefined ? '' : 'debug\n';
    expect(image.run()).toBe(`${text}${platform} to ${platform}, ${stage}, extra ${extra}\n${debug}`);
  });

  it('a static site: health, volumes, ports and a signal', async () => {
    const { image } = await yard.build({
      project: 'static-site',
      bases: ['nginx:1.27-alpine'],
      prepare: (context) => {
        writeFiles(context, { 'made/css/site.css': 'h1 { margin: 0 }\n' });
        run('tar', ['-czf', join(context, 'assets.tar.gz'), '-C', join(context, 'made'), '.']);
      },
    });
    expect(image.config).toMatchObject({
      Entrypoint: ['/docker-entrypoint.sh'],
      Cmd: ['nginx', '-g', 'daemon off;'],
      Volumes: { '/var/cache/nginx': {}, '/var/log/nginx': {} },
      ExposedPorts: { '80/tcp': {}, '8081/tcp': {}, '8443/tcp': {}, '8444/tcp': {}, '9113/udp': {} },
      StopSignal: 'SIGQUIT',
      Healthcheck: { Test: ['CMD-SHELL', 'wget -qO- http://127.0.0.1:8081/health | grep -q ok'], Interval: 10e9, Timeout: 2e9 },
    });
    const { status } = await image.serve(async ({ get, exec }) => {
      expect(await get(8081, '/')).toBe('<h1>static</h1>\n');
      expect(await get(8081, '/assets/css/site.css')).toBe('h1 { margin: 0 }\n');
      expect(exec(['sh', '-c', image.config.Healthcheck?.Test?.[1] ?? 'false'])).toBe(0);
    });
    expect(status).toBe(0);
  });

  it('a repository of several packages: --link, --parents, --exclude, --chmod', async () => {
    const { image, layout } = await yard.build({ project: 'monorepo', bases: ['node:20-alpine'] });
    expect(image.run()).toBe(
      'packages/server/package.json\npackages/server/src/index.js\npackages/ui/package.json\npackages/ui/src/index.js\n' +
        '-rw-r--r-- 1000 1000 app.yaml\ndrwxr-xr-x 1000 1000 conf.d\ndr-------- 0 0 private\n',
    );
    expect(image.access('etc/app/private/app.yaml')).toBe('400 0:0');
    expect(image.access('srv/packages/ui/src/index.js')).toBe('644 1000:1000');
    expect(image.read('srv/guide.md')).toBe('# Guide\n');
    const created = (readConfig(layout, '1').history ?? []).map((entry) => entry.created_by ?? '');
    expect(created).toContain('COPY --chmod=755 bin/start /usr/local/bin/ # buildkit');
  });
});

/** Of a file, unpacked when it is compressed. */
function textOf(path: string): string[] {
  return [run('sh', ['-c', '[ -f "$0" ] || exit 0; gzip -dcf "$0"', path])];
}

/** An agent with one key, at a short path. */
async function startAgent(dir: string): Promise<AsyncDisposable & { readonly socket: string }> {
  writeFiles(dir, {});
  run('mkdir', ['-p', dir]);
  const socket = join(dir, 'agent.sock');
  const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const key = join(dir, 'key');
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'of the test', '-f', key]);
  run('ssh-add', ['-q', key], { env: { SSH_AUTH_SOCK: socket } });
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      const closed = once(child, 'close');
      child.kill();
      await closed;
      rmSync(dir, { recursive: true });
    },
  };
}
