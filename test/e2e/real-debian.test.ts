import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missingProgram, writeFiles } from '../helpers/cli.js';
import { debianRootfs, missingMirror } from '../helpers/debian.js';
import { run } from '../helpers/image-tools.js';
import { ProjectYard } from '../helpers/real-projects.js';

const TIMEOUT_MS = 10 * 60_000;

const reason = missingProgram('runc', 'umoci', 'mmdebstrap', 'apt-get', 'tar') ?? (process.getuid?.() === 0 ? missingMirror() : 'not root');
if (reason !== undefined) process.stderr.write(`skipped: test/e2e/real-debian.test.ts: ${reason}\n`);

describe.skipIf(reason !== undefined)('Dockerfiles that stand on Debian and its packages', { timeout: TIMEOUT_MS }, () => {
  const yard = new ProjectYard();

  beforeAll(async () => {
    const base = writeFiles(yard.shop.at('debian'), { Dockerfile: 'FROM scratch\nADD rootfs.tar /\nCMD ["bash"]\n' });
    copyFileSync(debianRootfs(), join(base, 'rootfs.tar'));
    await yard.tsbuild(['-t', 'debian:bookworm', base]);
  }, TIMEOUT_MS);
  afterAll(() => yard[Symbol.dispose]());

  it('a workstation: locales, a time zone, and the packages kept in cache mounts', async () => {
    const { image } = await yard.build({ project: 'debian-locale', bases: [] });
    expect(image.config).toMatchObject({
      User: 'vscode',
      WorkingDir: '/home/vscode',
      Shell: ['/bin/bash', '-o', 'pipefail', '-c'],
    });
    expect(image.config.Env).toEqual(expect.arrayContaining(['LANG=de_DE.UTF-8', 'LC_ALL=de_DE.UTF-8', 'TZ=Europe/Paris']));
    expect(image.config.Env?.some((line) => line.startsWith('DEBIAN_FRONTEND='))).toBe(false);
    expect(readdirSync(image.at('var/cache/apt/archives')).filter((name) => name.endsWith('.deb'))).toEqual([]);
    expect(image.read('etc/timezone')).toBe('Europe/Paris\n');
    expect(image.run()).toBe('Dienstag 5. März 13:00 CET\n');
    const again = await yard.build({ project: 'debian-locale', bases: [], args: ['--build-arg', 'TZ=Asia/Tokyo'] });
    expect(again.said).toMatch(/Need to get 0 B\/[\d.]+ .B of archives/);
    expect(again.image.run()).toBe('Dienstag 5. März 21:00 JST\n');
  });

  it('a database: a user of its own, gosu, volumes, and a signal for fast shutdown', async () => {
    const { image } = await yard.build({ project: 'debian-database', bases: [] });
    expect(image.config).toMatchObject({
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['database'],
      Volumes: { '/var/lib/database/data': {} },
      ExposedPorts: { '5432/tcp': {} },
      StopSignal: 'SIGINT',
    });
    expect(image.config.Env).toEqual(expect.arrayContaining(['DB_MAJOR=16', 'DB_VERSION=16.3-1.pgdg120+1']));
    expect(image.access('var/lib/database/data')).toBe('1777 999:999');
    expect(image.read('usr/local/bin/docker-enforce-initdb.sh')).toBe('#!/bin/sh\ntrue\n');
    const { output, status } = await image.serve(({ until }) => until(/ready/));
    expect({ output, status }).toEqual({ output: 'ready as database in database 700 with 2 statements\nfast shutdown\n', status: 0 });
  });

  it('a server built from its sources, whose compiler is gone again', async () => {
    const { image, said } = await yard.build({
      project: 'debian-from-source',
      bases: [],
      args: ['--build-arg', `KEEPER_SHA256=${sourceDigest()}`],
      prepare: (context) => {
        run('tar', ['-czf', join(context, 'keeper.tar.gz'), '-C', context, 'keeper']);
        rmSync(join(context, 'keeper'), { recursive: true });
      },
    });
    expect(said).toContain('/usr/src/keeper/keeper.c: OK');
    expect(existsSync(image.at('usr/bin/tcc'))).toBe(false);
    expect(existsSync(image.at('usr/src/keeper'))).toBe(false);
    expect(image.read('var/lib/dpkg/status')).not.toMatch(/^Package: (tcc|make|libc6-dev)\nStatus: install ok installed$/m);
    expect(image.access('data')).toBe('755 999:999');
    expect(image.config).toMatchObject({ User: 'keeper', WorkingDir: '/data', Volumes: { '/data': {} } });
    expect(image.run()).toBe('keeper 7.2.5 in /data, uid 999, umask 0077, protected 0\n');
  });
});

function sourceDigest(): string {
  const source = readFileSync(new URL('../real/debian-from-source/keeper/keeper.c', import.meta.url));
  return createHash('sha256').update(source).digest('hex');
}
