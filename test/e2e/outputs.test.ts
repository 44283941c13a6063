import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.js';
import type { ImageIndex } from '../../src/oci/types.js';
import { missingProgram, TSBUILD } from '../helpers/cli.js';
import { BuildahMount, readConfig, readDescriptor, readManifest, run, unpackWithUmoci, blobPath } from '../helpers/image-tools.js';
import { readTree, type TreeNode } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';

const missing = missingProgram('umoci', 'skopeo', 'buildah', 'tar', 'zstd', 'unshare');
if (missing !== undefined) process.stderr.write(`skipped: test/e2e/outputs.test.ts: ${missing}\n`);

const FILES = {
  Dockerfile: [
    'FROM scratch',
    'COPY tree /tree',
    'COPY --chmod=750 --chown=7:8 script.sh /bin/script.sh',
    'COPY second /tree/second',
    'ENV GREETING=hello',
    'CMD ["/bin/script.sh"]',
  ].join('\n'),
  'tree/file': 'text\n',
  'tree/link': { link: 'file' },
  'tree/empty': undefined,
  'script.sh': '#!/bin/sh\n',
  second: 'second\n',
};
const NAMES = ['', 'bin', 'bin/script.sh', 'tree', 'tree/empty', 'tree/file', 'tree/link', 'tree/second'];

/** What the image says of a file; directories between have the time of the build. */
const SCRIPT: Partial<TreeNode> = { type: 'file', mode: '0750', uid: 7, gid: 8, sizeBytes: 10 };

describe.skipIf(missing !== undefined)('outputs of one build', () => {
  const shop = new Workshop();
  const layout = shop.at('layout');
  const files = { oci: shop.at('oci.tar'), docker: shop.at('docker.tar'), tree: shop.at('deep/er/tree.tar'), dir: shop.at('files') };
  let context = '';

  beforeAll(() => {
    context = shop.context(FILES);
    shop.run(['--oci-layout', `${layout}:older`, shop.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' })]);
    const names = ['-t', 'shop/app:1', '-t', 'registry.example/other/name:2'];
    const archives = ['-o', `type=oci,dest=${files.oci}`, '-o', `type=docker,dest=${files.docker}`];
    const trees = ['-o', `type=tar,dest=${files.tree}`, '-o', files.dir];
    const facts = ['--iidfile', shop.at('iid'), '--metadata-file', shop.at('metadata.json')];
    const words = ['--label', 'made.by=test', '--annotation', 'org.example.note=a note'];
    shop.run([...names, ...archives, ...trees, '-o', 'type=image', '--oci-layout', `${layout}:newer`, ...facts, ...words, context]);
  });
  afterAll(() => shop[Symbol.dispose]());

  it('--oci-layout keeps the tags that were there', () => {
    const index = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as ImageIndex;
    const tags = index.manifests.map((entry) => entry.annotations?.['org.opencontainers.image.ref.name'] ?? '');
    expect(tags.toSorted()).toEqual(['1', '2', 'newer', 'older']);
    expect(run('umoci', ['list', '--layout', layout]).trim().split('\n').toSorted()).toEqual(['1', '2', 'newer', 'older']);
    expect([...readTree(unpackWithUmoci(layout, 'older', shop.at('older'))).keys()]).toEqual(['', 'Dockerfile']);
    const tree = readTree(unpackWithUmoci(layout, 'newer', shop.at('newer')));
    expect([...tree.keys()]).toEqual(NAMES);
    expect(tree.get('bin/script.sh')).toMatchObject(SCRIPT);
    expect(tree.get('tree/link')).toMatchObject({ type: 'symlink', linkTarget: 'file' });
  });

  it('names of one tag do not make it ambiguous', () => {
    const names = ['-t', 'one:1', '-t', 'registry.example/two:1', '-t', 'three:1'];
    const dest = shop.at('same-tag');
    shop.run([...names, '--oci-layout', `${dest}:1`, context]);
    expect([...readTree(unpackWithUmoci(dest, '1', shop.at('same-tag-root'))).keys()]).toEqual(NAMES);
    expect(run('skopeo', ['inspect', '--raw', `oci:${dest}:registry.example/two:1`])).toContain(readManifest(dest, '1').config.digest);
    expect(shop.run(['load', dest, '--root', shop.at('same-tag-store')])).toBe(
      'loaded one:1\nloaded registry.example/two:1\nloaded three:1\n',
    );
  });

  it('--iidfile, --metadata-file, labels and annotations say the same as the image', () => {
    const manifest = readManifest(layout, 'newer');
    const config = readConfig(layout, 'newer');
    expect(readFileSync(shop.at('iid'), 'utf8')).toBe(manifest.config.digest);
    expect(manifest.annotations).toEqual({ 'org.example.note': 'a note' });
    expect(config.config?.Labels).toEqual({ 'made.by': 'test' });
    expect(JSON.parse(readFileSync(shop.at('metadata.json'), 'utf8'))).toMatchObject({
      'containerimage.config.digest': manifest.config.digest,
      'containerimage.digest': readDescriptor(layout, 'newer').digest,
      'image.name': 'docker.io/shop/app:1,registry.example/other/name:2',
    });
  });

  it.each(['oci', 'docker'] as const)('type=%s is an archive that skopeo and buildah read', async (type) => {
    const copied = shop.at(`copied-${type}`);
    const from = type === 'oci' ? `oci-archive:${files.oci}:1` : `docker-archive:${files.docker}:docker.io/shop/app:1`;
    run('skopeo', ['copy', '-q', from, `oci:${copied}:1`]);
    expect(readConfig(copied, '1').rootfs.diff_ids).toEqual(readConfig(layout, 'newer').rootfs.diff_ids);
    expect(readConfig(copied, '1').config).toMatchObject({ Cmd: ['/bin/script.sh'], Labels: { 'made.by': 'test' } });
    const mount = await BuildahMount.open(copied, '1');
    try {
      const tree = readTree(mount.path);
      expect([...tree.keys()].filter((name) => NAMES.includes(name))).toEqual(NAMES);
      expect(tree.get('bin/script.sh')).toMatchObject(SCRIPT);
    } finally {
      await mount.close();
    }
  });

  it('type=docker names the image for docker load', () => {
    const manifest = JSON.parse(run('tar', ['-xOf', files.docker, 'manifest.json'])) as { RepoTags: string[]; Config: string }[];
    expect(manifest).toHaveLength(1);
    expect(manifest[0]?.RepoTags).toEqual(['shop/app:1', 'registry.example/other/name:2']);
    expect(manifest[0]?.Config).toBe(`blobs/sha256/${readFileSync(shop.at('iid'), 'utf8').slice(7)}`);
  });

  it('type=tar is the root file system with its owners', () => {
    const lines = run('tar', ['--numeric-owner', '-tvf', files.tree]).trim().split('\n');
    expect(lines.map((line) => line.replace(/^(\S+\s+\S+).* (?=(?:bin|tree))/, '$1 '))).toEqual([
      'drwxr-x--- 7/8 bin/',
      '-rwxr-x--- 7/8 bin/script.sh',
      'drwxr-xr-x 0/0 tree/',
      'drwxr-xr-x 0/0 tree/empty/',
      '-rw-r--r-- 0/0 tree/file',
      expect.stringMatching(/^lrwxrwxrwx 0\/0 .*link -> file$/),
      '-rw-r--r-- 0/0 tree/second',
    ]);
  });

  it('a bare path is type=local: the files, owned by the caller', () => {
    const tree = readTree(files.dir);
    expect([...tree.keys()]).toEqual(NAMES);
    expect(tree.get('bin/script.sh')).toMatchObject({ ...SCRIPT, uid: process.getuid?.(), gid: process.getgid?.() });
    expect(readFileSync(`${files.dir}/tree/link`, 'utf8')).toBe('text\n');
  });

  it.each([
    ['-', (bytes: Buffer) => tarNames(bytes), ['bin/', 'bin/script.sh', 'tree/', 'tree/empty/', 'tree/file', 'tree/link', 'tree/second']],
    ['type=oci', (bytes: Buffer) => tarNames(bytes).slice(0, 2), ['oci-layout', 'index.json']],
    ['type=docker,dest=-', (bytes: Buffer) => tarNames(bytes).slice(0, 2), ['manifest.json', 'repositories']],
  ] as const)('-o %s goes to standard output, and nothing else does', (spec, names, expected) => {
    const bytes = execFileSync(process.execPath, [TSBUILD, '--root', shop.store, '-o', spec, context], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(names(bytes)).toEqual(expected);
  });

  it('builds no image, and leaves none, when only files are asked for', () => {
    const root = shop.at('no-image-store');
    shop.run(['--root', root, '-t', 'unseen', '-o', shop.at('only-files'), context]);
    expect(existsSync(shop.at('only-files/tree/file'))).toBe(true);
    expect(shop.run(['images', '--json', '--root', root])).toBe('[]\n');
  });
});

describe.skipIf(missing !== undefined)('--compression', () => {
  const shop = new Workshop();
  afterAll(() => shop[Symbol.dispose]());

  const kinds = [
    { kind: 'gzip', mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', filter: ['gzip', '-dc'] },
    { kind: 'zstd', mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', filter: ['zstd', '-dc'] },
    { kind: 'none', mediaType: 'application/vnd.oci.image.layer.v1.tar', filter: ['cat'] },
  ] as const;

  it.each(kinds)('$kind', async ({ kind, mediaType, filter: [program, ...args] }) => {
    const layout = shop.at(kind);
    shop.run(['--compression', kind, '--source-date-epoch', '1700000000', '--oci-layout', `${layout}:1`, shop.context(FILES)]);
    const { layers } = readManifest(layout, '1');
    const { diff_ids: diffIds } = readConfig(layout, '1').rootfs;
    expect(layers.map((layer) => layer.mediaType)).toEqual(layers.map(() => mediaType));
    for (const [position, layer] of layers.entries()) {
      const path = blobPath(layout, layer.digest);
      expect(statSync(path).size).toBe(layer.size);
      expect(digestOf(execFileSync(program, args, { input: readFileSync(path) }))).toBe(diffIds[position]);
    }
    const mount = await BuildahMount.open(layout, '1');
    try {
      expect(readTree(mount.path).get('bin/script.sh')).toMatchObject(SCRIPT);
    } finally {
      await mount.close();
    }
  });

  it('does not change what the layers hold', () => {
    const diffIds = kinds.map(({ kind }) => readConfig(shop.at(kind), '1').rootfs.diff_ids);
    expect(diffIds[1]).toEqual(diffIds[0]);
    expect(diffIds[2]).toEqual(diffIds[0]);
  });
});

function tarNames(bytes: Buffer): string[] {
  return run('tar', ['-tf', '-'], { input: bytes }).trim().split('\n');
}
