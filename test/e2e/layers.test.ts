import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromText, toFsPath, type ByteString } from '../../src/base/bytes.js';
import { missingProgram, tsbuild, writeFiles } from '../helpers/cli.js';
import {
  addBusybox,
  addPrograms,
  BuildahMount,
  BUSYBOX_BASE,
  listLayer,
  readConfig,
  readManifest,
  unpackWithUmoci,
} from '../helpers/image-tools.js';
import { readTree, type Tree, type TreeNode } from '../helpers/tree.js';
import { Workshop } from '../helpers/workshop.js';
import { LAYER_ROWS, type LayerRow } from './layer-rows.js';

const missing = missingProgram('runc', 'busybox', 'umoci', 'skopeo', 'buildah', 'setcap', 'setfattr', 'tar', 'unshare', 'ldd');
const reason = missing ?? (process.getuid?.() === 0 ? undefined : 'not root');
if (reason !== undefined) process.stderr.write(`skipped: test/e2e/layers.test.ts: ${reason}\n`);

const dirOf = (row: LayerRow): string => `row${LAYER_ROWS.indexOf(row)}`;

describe.skipIf(reason !== undefined)('a RUN becomes a layer', () => {
  const shop = new Workshop();
  const layout = shop.at('oci');
  const umociRoot = shop.at('umoci');
  let buildah: BuildahMount | undefined;
  let layers: readonly string[] = [];
  const trees = new Map<string, Tree>();

  beforeAll(async () => {
    const context = writeFiles(shop.at('context'), { Dockerfile: toDockerfile(LAYER_ROWS) });
    addBusybox(context);
    addPrograms(context, ['setcap', 'setfattr']);
    const built = tsbuild(['--root', shop.store, '--oci-layout', `${layout}:rows`, context]);
    expect(built.stderr).toContain('built sha256:');
    layers = readManifest(layout, 'rows').layers.map((layer) => layer.digest);
    trees.set('umoci', readTree(unpackWithUmoci(layout, 'rows', umociRoot)));
    buildah = await BuildahMount.open(layout, 'rows');
    trees.set('buildah', readTree(buildah.path));
  });

  afterAll(async () => {
    await buildah?.close();
    shop[Symbol.dispose]();
  });

  it.each(LAYER_ROWS)('$title', (row) => {
    const dir = dirOf(row);
    const digest = layers[layers.length - LAYER_ROWS.length + LAYER_ROWS.indexOf(row)] ?? '';
    const members = listLayer(layout, digest);
    expect(members.map((name) => name.replace(`${dir}/`, './'))).toEqual(row.layer);
    const roots = { umoci: umociRoot, buildah: buildah?.path ?? '' };
    for (const tool of ['umoci', 'buildah'] as const) {
      const tree = describeRow({ tree: trees.get(tool) ?? new Map(), root: roots[tool], dir, row });
      expect({ tool, tree }).toEqual({ tool, tree: { ...row.tree, ...row.exceptions?.[tool] } });
    }
  });
});

/** The base, one layer with what is there before, and one RUN for each row. */
function toDockerfile(rows: readonly LayerRow[]): string {
  const before = rows.map((row) => `mkdir /${dirOf(row)}; cd /${dirOf(row)}; ${row.before ?? ':'}`);
  const runs = rows.map((row) => `RUN cd /${dirOf(row)} && { ${row.run}; }`);
  return [BUSYBOX_BASE, 'COPY rootfs /', 'ENV TZ=UTC', 'RUN <<BEFORE', 'set -e', ...before, 'BEFORE', ...runs, ''].join('\n');
}

/** The files of a row's directory, in words; times only of what the row gives a time. */
function describeRow({ tree, root, dir, row }: { tree: Tree; root: string; dir: string; row: LayerRow }): Record<ByteString, string> {
  const found: Record<ByteString, string> = {};
  for (const [path, node] of tree) {
    if (!path.startsWith(`${dir}/`)) continue;
    const name = path.slice(dir.length + 1);
    const time = /\d{4}-\d\d-\d\dT/.test(row.tree[name] ?? '') ? ` ${formatTime(node.mtimeSeconds)}` : '';
    const linkOf = node.linkOf?.slice(dir.length + 1);
    found[name] =
      linkOf === undefined ? `${describeNode(node, `${fromText(root)}/${path}`)}${time}${describeXattrs(node)}` : `hard link to ${linkOf}`;
  }
  return found;
}

function describeNode(node: TreeNode, path: ByteString): string {
  const owner = `${node.uid}:${node.gid}`;
  switch (node.type) {
    case 'symlink':
      return `symlink ${owner} -> ${node.linkTarget}`;
    case 'file':
      return `file ${node.mode} ${owner} ${describeContent(path, node.sizeBytes)}`;
    case 'char':
    case 'block':
      return `${node.type} ${node.mode} ${owner} ${node.device}`;
    default:
      return `${node.type} ${node.mode} ${owner}`;
  }
}

function describeXattrs(node: TreeNode): string {
  return Object.entries(node.xattrs)
    .map(([name, value]) => ` xattr ${name}=${value}`)
    .join('');
}

function describeContent(path: ByteString, sizeBytes: number): string {
  const file = openSync(toFsPath(path), 'r');
  const tail = Buffer.alloc(Math.min(sizeBytes, 4));
  readSync(file, tail, 0, tail.length, sizeBytes - tail.length);
  closeSync(file);
  const text = JSON.stringify(tail.toString('latin1').replace(/\n$/, ''));
  return sizeBytes <= tail.length ? text : `${sizeBytes} bytes ending in ${text}`;
}

function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000', '');
}

describe.skipIf(reason !== undefined)('what the container needs leaves no trace', () => {
  const shop = new Workshop();
  afterAll(() => shop[Symbol.dispose]());

  /** Members of the last layer of an image on busybox. */
  function lastLayer(name: string, dockerfile: string): { members: ByteString[]; layers: number; layout: string } {
    const context = writeFiles(shop.at(name), { Dockerfile: `${BUSYBOX_BASE}${dockerfile}` });
    addBusybox(context);
    const layout = shop.at(`${name}-oci`);
    const built = tsbuild(['--root', shop.store, '--oci-layout', `${layout}:last`, context]);
    expect(built.stderr).toContain('built sha256:');
    const manifest = readManifest(layout);
    return { members: listLayer(layout, manifest.layers.at(-1)?.digest ?? ''), layers: manifest.layers.length, layout };
  }

  it('of a root without /etc, /dev, /proc and /sys', () => {
    expect(lastLayer('bare', 'RUN true').members).toEqual([]);
  });

  it('of a root that has them, with times of their own', () => {
    const { members, layout } = lastLayer(
      'full',
      [
        'RUN mkdir /etc /dev /proc/x /sys/x 2> /dev/null; mkdir -p /etc; echo image > /etc/mark; touch -d @1000000000 /etc /etc/mark',
        'RUN cat /etc/hosts /etc/resolv.conf > /dev/null',
      ].join('\n'),
    );
    expect(members).toEqual([]);
    const root = unpackWithUmoci(layout, 'last', shop.at('full-root'));
    expect(statSync(join(root, 'etc')).mtimeMs).toBe(1_000_000_000_000);
    expect([...readTree(root).keys()].filter((path) => /^(?:etc|dev|proc|sys)/.test(path))).toEqual(['etc', 'etc/mark']);
  });

  it('when the step writes beside them and to them', () => {
    const { members } = lastLayer('beside', 'RUN mkdir -p /etc && echo a > /etc/new && echo b > /dev/shm/c && echo d > /dev/e');
    expect(members).toEqual(['etc/', 'etc/new']);
  });

  it("when the image's own /etc/hosts and /etc/resolv.conf are covered", () => {
    const { members, layout } = lastLayer(
      'own',
      ['COPY busybox /etc/hosts', 'COPY busybox /etc/resolv.conf', 'RUN grep -q localhost /etc/hosts'].join('\n'),
    );
    expect(members).toEqual([]);
    expect(readConfig(layout).rootfs.diff_ids).toHaveLength(5);
  });
});
