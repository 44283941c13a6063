import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor, ImageIndex } from '../../src/oci/types.js';
import { putJson, type Json } from '../helpers/raw-layout.js';
import { smallLayout } from '../helpers/registry-clients.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export interface IndexLayout {
  readonly dir: string;
  /** Of the index. */
  readonly digest: string;
  readonly children: { readonly amd64: Descriptor; readonly arm64: Descriptor; readonly attestation: Descriptor };
}

/**
 * A layout with one index, tagged `1`: images for linux/amd64 and linux/arm64 that share their first layer, and what BuildKit adds about one of
 * them.
 * @param name told in the layers, so that layouts of different names share nothing
 */
export function indexLayout(dir: string, name: string): IndexLayout {
  const [amd64, arm64] = ['amd64', 'arm64'].map((architecture) => {
    smallLayout(dir, [`${name} of all`, `${name} of ${architecture}`], { changeConfig: (config) => ({ ...config, architecture }) });
    return { ...onlyEntry(dir), platform: { architecture, os: 'linux' } };
  }) as [Descriptor, Descriptor];
  const statement = putJson(dir, 'application/vnd.in-toto+json', { _type: 'https://in-toto.io/Statement/v0.1', subject: [{ name }] });
  const config = putJson(dir, 'application/vnd.oci.image.config.v1+json', {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [statement['digest']] },
  });
  const attestation = {
    ...putJson(dir, MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers: [statement] }),
    annotations: { 'vnd.docker.reference.digest': amd64.digest, 'vnd.docker.reference.type': 'attestation-manifest' },
    platform: { architecture: 'unknown', os: 'unknown' },
  } as unknown as Descriptor;
  const index = putJson(dir, INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [amd64, arm64, attestation] });
  writeIndex(dir, [{ ...index, annotations: { 'org.opencontainers.image.ref.name': '1' } }]);
  return { dir, digest: index['digest'] as string, children: { amd64, arm64, attestation } };
}

/** A layout with what is no image: a chart, say. @returns its digest */
export function artifactLayout(dir: string): string {
  smallLayout(dir, []);
  const config = putJson(dir, 'application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
  const layer = putJson(dir, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', { some: 'bytes' });
  const manifest = putJson(dir, MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] });
  writeIndex(dir, [{ ...manifest, annotations: { 'org.opencontainers.image.ref.name': '1' } }]);
  return manifest['digest'] as string;
}

/** What a layout's index.json lists. */
export function entriesOf(dir: string): readonly Descriptor[] {
  return (JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as ImageIndex).manifests;
}

function onlyEntry(dir: string): Descriptor {
  const [entry] = entriesOf(dir);
  if (entry === undefined) throw new Error(`${dir} is empty`);
  return entry;
}

function writeIndex(dir: string, manifests: readonly Json[]): void {
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}
