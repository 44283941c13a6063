import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromText, toFsPath, toText } from '../../src/base/bytes.js';
import type { Digest } from '../../src/oci/digest.js';
import type { HistoryEntry, ImageConfig, ImageIndex, Manifest } from '../../src/oci/types.js';
import { readTree, type TreeNode } from './tree.js';

/** What a file is, in words that read well where two of them differ. */
export interface NodeFacts {
  readonly type: string;
  /** Octal. A symlink has none. */
  readonly mode?: string;
  /** `uid:gid` */
  readonly owner: string;
  /** Of a file: short plain text as it is, else size and digest. */
  readonly content?: string;
  /** Of a symlink. */
  readonly target?: string;
  /** Of a device: `major, minor` */
  readonly device?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  /** First path of the same file. */
  readonly linkOf?: string;
  /** Seconds since 1970, or `new` when the file is younger than the test. */
  readonly mtime: number | 'new';
}

export interface ImageFacts {
  /** The fields of `config`, and `author`; empty ones are left out. */
  readonly config: Readonly<Record<string, unknown>>;
  /** `RUN`, `ENV (empty)`: the instruction, and whether it has no layer. */
  readonly history: readonly string[];
  /** By absolute path; the root is `/`. */
  readonly tree: ReadonlyMap<string, NodeFacts>;
}

/** The only image of an OCI layout. */
export function readLayoutImage(layout: string): { readonly manifest: Manifest; readonly config: ImageConfig } {
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as ImageIndex;
  const [descriptor, ...others] = index.manifests;
  if (descriptor === undefined || others.length > 0) throw new Error(`${layout}: want one image, got ${index.manifests.length}`);
  const manifest = readBlob(layout, descriptor.digest) as Manifest;
  return { manifest, config: readBlob(layout, manifest.config.digest) as ImageConfig };
}

function readBlob(layout: string, digest: Digest): unknown {
  return JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'));
}

/**
 * Everything about the image `tag` of a layout that a container could notice, its layers flattened by umoci.
 *
 * @param bundle a path for umoci, which is removed again
 * @param bornSeconds times from here on are `new`
 */
export function imageFacts(layout: string, tag: string, { bundle, bornSeconds }: { bundle: string; bornSeconds: number }): ImageFacts {
  const { config } = readLayoutImage(layout);
  execFileSync('umoci', ['--log', 'error', 'unpack', '--image', `${layout}:${tag}`, bundle], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    const tree = readFacts(join(bundle, 'rootfs'), bornSeconds);
    return { config: configFacts(config), history: (config.history ?? []).map(historyFact), tree };
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
}

/** Of a directory on disk. */
function readFacts(root: string, bornSeconds: number): Map<string, NodeFacts> {
  const nodes = [...readTree(root)].map(([path, node]): [string, NodeFacts] => {
    const fact = nodeFacts(node, () => readFileSync(toFsPath(`${fromText(root)}/${path}`)));
    return [`/${toText(path)}`, { ...fact, mtime: node.mtimeSeconds >= bornSeconds ? 'new' : node.mtimeSeconds }];
  });
  return new Map(nodes);
}

function nodeFacts(node: TreeNode, read: () => Buffer): Omit<NodeFacts, 'mtime'> {
  return {
    type: node.type,
    ...(node.type === 'symlink' ? {} : { mode: node.mode }),
    owner: `${node.uid}:${node.gid}`,
    ...(node.type === 'file' ? { content: contentFact(node, read) } : {}),
    ...(node.linkTarget === undefined ? {} : { target: toText(node.linkTarget) }),
    ...(node.device === undefined ? {} : { device: node.device }),
    ...(Object.keys(node.xattrs).length === 0 ? {} : { xattrs: node.xattrs }),
    ...(node.linkOf === undefined ? {} : { linkOf: `/${toText(node.linkOf)}` }),
  };
}

const LONGEST_TEXT_BYTES = 1000;

function contentFact(node: TreeNode, read: () => Buffer): string {
  const text = node.sizeBytes <= LONGEST_TEXT_BYTES ? read().toString('latin1') : undefined;
  return text !== undefined && /^[\t\n\x20-\x7e]*$/.test(text) ? text : `${node.sizeBytes} bytes, sha256 ${node.sha256}`;
}

/** Of docker's config: fields that say nothing about the image, or what made it. */
const NO_FACTS = new Set([
  'Hostname',
  'Domainname',
  'AttachStdin',
  'AttachStdout',
  'AttachStderr',
  'Tty',
  'OpenStdin',
  'StdinOnce',
  'Image',
  'ArgsEscaped',
]);

function configFacts({ config = {}, author, os, architecture }: ImageConfig): Record<string, unknown> {
  const fields = Object.entries({ ...config, author, os, architecture }).filter(([key, value]) => !NO_FACTS.has(key) && !isEmpty(value));
  return Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Go writes what is unset in several ways: `null`, `""`, `[]`, `{}`. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** `/bin/sh -c #(nop) ENV a=b` and `ENV a=b` are the same; what has no instruction's name in front is a RUN of docker's old history. */
function historyFact({ created_by: text = '', empty_layer: isEmptyLayer = false }: HistoryEntry): string {
  const [, instruction = text] = /^\/bin\/sh -c #\(nop\) +(.*)/s.exec(text) ?? [];
  const [word = ''] = instruction.split(' ');
  const name = /^[A-Z]+$/.test(word) || instruction !== text ? word.toUpperCase() : 'RUN';
  return isEmptyLayer ? `${name} (empty)` : name;
}
