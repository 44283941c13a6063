import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { missingProgram, writeFiles } from '../helpers/cli.js';
import type { ImageIndex } from '../../src/oci/types.js';
import { blobPath, readConfig, readDescriptor, readManifest } from '../helpers/image-tools.js';
import { ProjectYard } from '../helpers/real-projects.js';

const missing = missingProgram('runc', 'busybox', 'umoci', 'nsenter', 'ssh-add');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/real.test.ts: ${missing}\n`);

describe.skipIf(missing !== undefined)('Dockerfiles as the communities of languages write them', () => {
  const yard = new ProjectYard();
  afterAll(() => yard[Symbol.dispose]());

  it('Node.js: stages for dependencies, build and production, with bind and cache mounts', async () => {
    const { image } = await yard.build({
      project: 'node-api',
      bases: ['node:20-alpine'],
      prepare: (context) => writeFiles(context, { 'node_modules/left-over/index.js': '// of the host' }),
    });
    expect(image.config).toMatchObject({
      User: 'node',
      WorkingDir: '/usr/src/app',
      Cmd: ['node', 'dist/server.js'],
      Entrypoint: ['docker-entrypoint.sh'],
      ExposedPorts: { '8080/tcp': {} },
    });
    expect(readdirSync(image.at('usr/src/app/node_modules')).toSorted()).toEqual(['express', 'pino']);
    expect(readdirSync(image.at('usr/src/app')).toSorted()).toEqual(['dist', 'node_modules', 'package.json']);
    expect(existsSync(image.at('root/.npm'))).toBe(false);
    await image.serve(async ({ get }) => {
      expect(await get(8080, '/')).toBe('Hello from the API\n');
      expect(await get(8080, '/built-with')).toBe('express\npino\ntypescript\n');
    });
  });

  it('Node.js: a second build finds the cache of the first', async () => {
    const { said } = await yard.build({ project: 'node-api', bases: ['node:20-alpine'] });
    expect(said).toContain('cached express@4.19.2');
    expect(said).not.toContain('fetched');
  });

  it('a web front end: pages served by nginx, configured by heredocs', async () => {
    const { image } = await yard.build({
      project: 'next-web',
      bases: ['node:20-alpine', 'nginx:1.27-alpine'],
      args: ['--target', 'web', '--build-arg', 'NEXT_PUBLIC_API_URL=https://api.example'],
    });
    expect(image.config).toMatchObject({ StopSignal: 'SIGQUIT', ExposedPorts: { '80/tcp': {}, '3000/tcp': {} } });
    expect(image.read('etc/nginx/templates/default.conf.template')).toContain('listen ${PORT};');
    expect(image.access('docker-entrypoint.d/20-runtime-config.sh')).toBe('755 0:0');
    expect(image.access('usr/share/nginx/html/index.html')).toBe('644 101:101');
    const { output, status } = await image.serve(async ({ get, exec }) => {
      expect(await get(3000, '/')).toBe('<a href="https://api.example">the API</a>\n');
      expect(await get(3000, '/config.js')).toBe("window.apiUrl = '1.27.0';\n");
      expect(exec(['sh', '-c', (image.config.Healthcheck?.Test ?? [])[1] ?? 'false'])).toBe(0);
    });
    expect({ output, status }).toEqual({ output: 'gracefully shutting down\n', status: 0 });
  });

  it('a web front end: the same as a stand-alone server of another user', async () => {
    const { image } = await yard.build({ project: 'next-web', bases: ['node:20-alpine'] });
    expect(image.config).toMatchObject({ User: 'nextjs', Cmd: ['node', 'server.js'] });
    expect(image.config.Env).toEqual(expect.arrayContaining(['NODE_ENV=production', 'PORT=3000', 'HOSTNAME=0.0.0.0']));
    expect(image.access('app/.next')).toBe('755 1001:1001');
    expect(image.access('app/.next/static/chunks/index.html')).toBe('644 1001:1001');
    expect(image.run()).toMatch(/^1001\n1001\n.* nextjs .*\.next\n.* nextjs .*static\n.*public\/robots\.txt\n.* nextjs .*server\.js\n$/);
  });

  it('Go: a static program on scratch, built from bind mounts', async () => {
    const { image, layout } = await yard.build({
      project: 'go-static',
      bases: ['golang:1.22-alpine'],
      args: ['--build-arg', 'VERSION=1.4.2'],
    });
    expect(image.config).toMatchObject({
      User: 'app',
      Entrypoint: ['/httpd', '-f', '-p', '8080'],
      Cmd: ['-h', '/web'],
      Labels: { 'org.opencontainers.image.title': 'go-static', 'org.opencontainers.image.version': '1.4.2' },
    });
    expect(readdirSync(image.at('')).toSorted()).toEqual(['etc', 'httpd', 'usr', 'web']);
    expect(image.access('web/index.html')).toBe('644 65532:65532');
    expect(image.read('etc/passwd')).toContain('app:x:65532:65532:');
    expect(readManifest(layout, '1').layers).toHaveLength(5);
    await image.serve(async ({ get }) => expect(await get(8080, '/index.html')).toBe('served from nothing but a program\n'));
  });

  it('Go: for two platforms at once, compiled on this one', async () => {
    const { layout, said } = await yard.buildLayout({
      project: 'go-static',
      bases: ['golang:1.22-alpine'],
      args: ['--platform', 'linux/amd64,linux/arm64'],
    });
    const index = JSON.parse(readFileSync(blobPath(layout, readDescriptor(layout, '1').digest), 'utf8')) as ImageIndex;
    expect(index.manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    for (const platform of ['amd64', 'arm64']) expect(said).toContain(`GOARCH=${platform} go build`);
  });

  it('Python: wheels, a virtual environment, and a check of health', async () => {
    const { image } = await yard.build({ project: 'python-wheels', bases: ['python:3.12-slim'] });
    expect(image.config).toMatchObject({
      User: 'appuser',
      WorkingDir: '/app',
      Cmd: ['/bin/sh', '-c', 'gunicorn --bind 0.0.0.0:8000 config.wsgi:application'],
    });
    expect(image.config.Env).toEqual(expect.arrayContaining(['VIRTUAL_ENV=/opt/venv', expect.stringMatching(/^PATH=\/opt\/venv\/bin:/)]));
    expect(image.access('app/manage.py')).toBe('644 10001:10001');
    expect(existsSync(image.at('wheels'))).toBe(false);
    await image.serve(async ({ get, exec }) => {
      expect(await get(8000, '/health')).toBe('ok\n');
      expect(await get(8000, '/packages')).toMatch(/django.*\n.*gunicorn.*\n.*psycopg/);
      expect(exec((image.config.Healthcheck?.Test ?? []).slice(1))).toBe(0);
    });
  });

  it('Java: the layers of a jar, from what can change least to what changes most', async () => {
    const { image, layout } = await yard.build({
      project: 'java-maven',
      bases: ['maven:3.9-eclipse-temurin-21', 'eclipse-temurin:21-jre'],
    });
    const created = (readConfig(layout, '1').history ?? []).map((entry) => entry.created_by ?? '');
    expect(created.filter((line) => line.startsWith('COPY /workspace'))).toEqual(
      ['dependencies', 'spring-boot-loader', 'snapshot-dependencies', 'application'].map(
        (name) => `COPY /workspace/${name}/ ./ # buildkit`,
      ),
    );
    expect(image.config).toMatchObject({ User: 'spring:spring', WorkingDir: '/application' });
    expect(image.run()).toBe('server.port=8080\njackson-databind-2.17.1.jar\nspring-boot-starter-web-3.2.5.jar\nspring\n');
  });

  it('Java: gradle as its own user, and a runtime of few modules', async () => {
    const { image } = await yard.build({
      project: 'java-gradle',
      bases: ['gradle:8.7-jdk21', 'eclipse-temurin:21-jdk'],
    });
    expect(image.config).toMatchObject({
      Shell: ['/bin/sh', '-eo', 'pipefail', '-c'],
      Entrypoint: ['/bin/sh', '-eo', 'pipefail', '-c', 'exec java $JAVA_OPTS -jar app.jar'],
    });
    expect(image.access('opt/app/wrapper.txt')).toBe('444 1000:1000');
    expect(image.run()).toBe('java.base,java.logging,java.net.http\n1000:1000 750\n');
  });

  it('PHP: composer from an image, extensions, and a .dockerignore', async () => {
    const { image } = await yard.build({ project: 'php-composer', bases: ['php:8.3-fpm-alpine', 'composer:2'] });
    expect(image.config).toMatchObject({
      User: 'www-data',
      Volumes: { '/var/www/html/storage': {}, '/tmp/uploads': {} },
      Labels: { maintainer: 'somebody@example.org', 'org.example.stack': 'php fpm' },
    });
    expect(readdirSync(image.at('usr/local/etc/php/conf.d')).toSorted()).toEqual([
      'docker-php-ext-intl.ini',
      'docker-php-ext-opcache.ini',
      'docker-php-ext-pdo_mysql.ini',
      'opcache.ini',
      'zz-limits.ini',
    ]);
    expect(readdirSync(image.at('var/www/html'), { recursive: true })).not.toEqual(expect.arrayContaining(['.env', 'public/debug.log']));
    expect(image.access('var/www/html/.env.example')).toBe('644 82:82');
    expect(image.read('var/www/html/vendor/autoload.php')).toBe(
      'src/Kernel.php\nvendor/monolog/monolog/autoload.php\nvendor/symfony/console/autoload.php\n',
    );
    expect(existsSync(image.at('usr/local/bin/composer'))).toBe(false);
    const { output } = await image.serve(async ({ get }) => expect(await get(9000, '/')).toContain('served'));
    expect(output).toBe('Finishing\n');
  });

  it('Ruby: bundler, and an entry point that prepares the database', async () => {
    const { image } = await yard.build({ project: 'ruby-rails', bases: ['registry.example/library/ruby:3.3.1-slim'] });
    expect(image.config).toMatchObject({ User: '1000:1000', Cmd: ['./bin/rails', 'server'], ExposedPorts: { '3000/tcp': {} } });
    expect(image.access('rails/db')).toBe('755 1000:1000');
    expect(image.access('rails/bin/rails')).toBe('755 0:0');
    expect(image.read('rails/tmp/cache/bootsnap/load-path')).toBe('app/models/user.rb\nlib/tasks.rb\n');
    expect(existsSync(image.at('rails/public/assets/manifest'))).toBe(true);
    expect(image.run()).toBe('=> Booting in production as 1000\npuma-6.4.2\nrails-7.1.3\nprepared\n');
  });

  it('Rust: dependencies cooked apart from the program', async () => {
    const { image, said } = await yard.build({ project: 'rust-chef', bases: ['rust:1.78-alpine'] });
    expect(said.match(/Compiling \S+/g)).toEqual(['Compiling axum-0.7.5', 'Compiling tokio-1.37.0']);
    expect(image.config.Entrypoint).toEqual(['/sbin/tini', '--', '/usr/local/bin/cat']);
    expect(image.access('usr/local/bin/cat')).toBe('755 0:0');
    expect(image.run()).toBe('axum-0.7.5.rlib\ntokio-1.37.0.rlib\nHello from the crates\n');
  });

  it('.NET: project files by --parents, restore, publish', async () => {
    const { image } = await yard.build({
      project: 'dotnet-api',
      bases: ['dotnet/sdk:8.0-alpine', 'dotnet/aspnet:8.0-alpine'],
    });
    expect(image.config).toMatchObject({ User: '1654', ExposedPorts: { '8080/tcp': {} }, WorkingDir: '/app' });
    expect(image.run()).toBe('Api.dll\nDapper.dll\nSerilog.dll\nlistening on 8080 as app\n');
    const { said } = await yard.build({ project: 'dotnet-api', bases: [], args: ['--target', 'test'] });
    expect(said).toContain('Passed!');
  });
});
