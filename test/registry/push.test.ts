import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/events.js';
import { digestOf } from '../../src/oci/digest.js';
import { parseReference } from '../../src/oci/reference.js';
import { MediaType, type Descriptor, type ImageIndex, type Manifest } from '../../src/oci/types.js';
import { Pusher, type PushBlob, type PushContent, type PushManifest } from '../../src/push.js';
import type { RegistryOptions } from '../../src/registry/options.js';
import { Registries } from '../../src/registry/registries.js';
import { Transfers } from '../../src/transfers.js';
import { startFaultProxy, type FaultProxy } from '../helpers/fault-proxy.js';
import { missingRegistry, startRegistry, type TestRegistry } from '../helpers/registry.js';

const missing = missingRegistry('htpasswd');
if (missing !== undefined) console.warn(`SKIPPED: pushing: ${missing}`);

/** Counts how often its bytes were asked for. */
type CountedBlob = PushBlob & { opened: number };

function blobOf(text: string, mediaType: string = MediaType.ociLayer): CountedBlob {
  const bytes = Buffer.from(text);
  const blob: CountedBlob = {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    opened: 0,
    async *open(offset) {
      blob.opened++;
      yield await Promise.resolve(bytes.subarray(offset));
    },
  };
  return blob;
}

function manifestOf(config: Descriptor, layers: readonly Descriptor[]): PushManifest {
  return encode({ schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers });
}

function encode(document: Manifest | ImageIndex): PushManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, descriptor: { mediaType: document.mediaType ?? '', digest: digestOf(bytes), size: bytes.length } };
}

/** An image of these layers. */
function contentOf(name: string, layers: readonly PushBlob[]): PushContent {
  const config = blobOf(JSON.stringify({ name }), MediaType.ociConfig);
  const manifest = manifestOf(
    config.descriptor,
    layers.map(({ descriptor }) => descriptor),
  );
  return { descriptor: manifest.descriptor, manifests: [manifest], blobs: [config, ...layers] };
}

class Lab implements AsyncDisposable {
  readonly events: BuildEvent[] = [];
  readonly stop = new AbortController();
  readonly registries: Registries;
  readonly pusher: Pusher;

  constructor(targets: readonly string[], options: RegistryOptions = {}) {
    this.registries = new Registries({ options: { env: {}, retryDelayMs: 1, ...options }, warn: (message) => expect.fail(message) });
    this.pusher = new Pusher({
      registries: this.registries,
      targets: targets.map(parseReference),
      transfers: new Transfers((event) => this.events.push({ ...event, timeMs: 0 })),
      signal: this.stop.signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pusher[Symbol.asyncDispose]();
    await this.registries[Symbol.asyncDispose]();
  }

  /** How each transfer to a repository ended, and what it moved. */
  transfers(): Record<string, string[]> {
    const ended: Record<string, string[]> = {};
    for (const event of this.events) {
      if (event.type !== 'transfer-started') continue;
      const { id, reference, totalBytes = 0 } = event.transfer;
      const end = this.events.find((other) => other.type === 'transfer-finished' && other.transferId === id);
      if (end?.type !== 'transfer-finished') throw new Error(`transfer ${id} has no end`);
      const bytes = end.bytes === totalBytes ? 'all' : String(end.bytes);
      (ended[reference.replace(/^localhost:\d+/, 'HOST')] ??= []).push(`${end.outcome} ${bytes}`);
    }
    return ended;
  }
}

describe.skipIf(missing !== undefined)('Pusher', () => {
  let registry: TestRegistry;
  let proxy: FaultProxy;
  beforeAll(async () => {
    registry = await startRegistry();
    proxy = await startFaultProxy({ target: registry.host, seed: 1 });
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  /** A registry tells no repository without tags from one that it does not know. */
  const tagsOf = async (repository: string): Promise<string[]> => {
    const response = await fetch(`${registry.origin}/v2/${repository}/tags/list`);
    const { tags } = (await response.json()) as { readonly tags?: string[] | null };
    return (tags ?? []).toSorted();
  };
  const digestAt = async (repository: string, tagOrDigest: string): Promise<string | null> => {
    const accept = `${MediaType.ociManifest}, ${MediaType.ociIndex}`;
    const response = await fetch(`${registry.origin}/v2/${repository}/manifests/${tagOrDigest}`, { headers: { accept } });
    return response.status === 200 ? digestOf(await response.text()) : null;
  };

  it('uploads to the first repository of a registry, which lends to the others; the tags are last', async () => {
    proxy.forget();
    const [first, second] = [`${proxy.host}/order/a`, `${proxy.host}/order/b`];
    await using lab = new Lab([`${first}:1`, `${first}:2`, `${second}:1`]);
    const layers = [blobOf('one'), blobOf('two'), blobOf('three'.repeat(700_000))];
    const content = contentOf('order', layers);
    await lab.pusher.finish(content);
    expect(lab.transfers()).toEqual({
      'HOST/order/a:1': ['done all', 'done all', 'done all', 'done all'],
      'HOST/order/b:1': ['mounted 0', 'mounted 0', 'mounted 0', 'mounted 0'],
    });
    expect(layers.map(({ opened }) => opened)).toEqual([1, 1, 1]);
    expect(proxy.traffic.uploadedBlobBytes).toBe(content.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0));
    const { changes } = proxy.traffic;
    const firstTag = changes.findIndex(({ what }) => what === 'tag');
    const firstManifest = changes.findIndex(({ what }) => what === 'manifest');
    expect(changes.slice(firstTag).every(({ what }) => what === 'tag')).toBe(true);
    expect(changes.slice(firstManifest).every(({ what }) => what !== 'blob')).toBe(true);
    const tags = changes
      .filter(({ what, phase }) => what === 'tag' && phase === 'done')
      .map(({ repository, name }) => `${repository}:${name}`);
    expect(tags).toEqual(['order/a:1', 'order/a:2', 'order/b:1']);
    for (const [repository, tag] of [
      ['order/a', '1'],
      ['order/a', '2'],
      ['order/b', '1'],
      ['order/b', content.descriptor.digest],
    ] as const)
      expect(await digestAt(repository, tag)).toBe(content.descriptor.digest);
  });

  it('uploads nothing when everything is there', async () => {
    const content = contentOf('again', [blobOf('again')]);
    await using before = new Lab([`${proxy.host}/again:1`]);
    await before.pusher.finish(content);
    proxy.forget();
    await using lab = new Lab([`${proxy.host}/again:2`]);
    await lab.pusher.finish(content);
    expect(lab.transfers()).toEqual({ 'HOST/again:2': ['exists 0', 'exists 0'] });
    expect(proxy.traffic.uploadedBlobBytes).toBe(0);
    expect(await tagsOf('again')).toEqual(['1', '2']);
  });

  it('borrows from the repositories that have a blob, of the same registry alone', async () => {
    const base = blobOf('of the base');
    await using before = new Lab([`${registry.host}/base:1`]);
    await before.pusher.finish(contentOf('base', [base]));
    await using lab = new Lab([`${registry.host}/derived:1`]);
    const mountFrom = ['localhost:1/elsewhere', `${registry.host}/nobody`, `${registry.host}/base`].map(parseReference);
    const borrowed = { ...blobOf('of the base'), mountFrom, open: () => expect.fail('nobody needs the bytes') };
    await lab.pusher.finish(contentOf('derived', [borrowed]));
    expect(lab.transfers()).toEqual({ 'HOST/derived:1': ['done all', 'mounted 0'] });
  });

  it('sends the bytes where the lender is hidden from its login', async () => {
    const credentials = { username: 'user', password: 'secret' };
    const admin = { username: 'admin', password: 'secret' };
    await using guarded = await startRegistry({ token: { users: [{ ...credentials, repositories: ['team/*'] }, admin] } });
    await using before = new Lab([`${guarded.host}/hidden/base:1`], { credentials: admin });
    await before.pusher.finish(contentOf('hidden', [blobOf('hidden')]));
    await using lab = new Lab([`${guarded.host}/team/a:1`, `${guarded.host}/team/b:1`], { credentials });
    await lab.pusher.finish(contentOf('open', [{ ...blobOf('hidden'), mountFrom: [parseReference(`${guarded.host}/hidden/base`)] }]));
    expect(lab.transfers()).toEqual({ 'HOST/team/a:1': ['done all', 'done all'], 'HOST/team/b:1': ['mounted 0', 'mounted 0'] });
  });

  it('begins in the background, each blob once', async () => {
    await using lab = new Lab([`${registry.host}/early:1`]);
    const layer = blobOf('early');
    lab.pusher.offer(layer);
    lab.pusher.offer(layer);
    await expect.poll(() => lab.events.some(({ type }) => type === 'transfer-finished')).toBe(true);
    expect(lab.transfers()).toEqual({ 'HOST/early:1': ['done all'] });
    expect(await tagsOf('early')).toEqual([]);
    await lab.pusher.finish(contentOf('early', [layer]));
    expect(layer.opened).toBe(1);
    expect(await tagsOf('early')).toEqual(['1']);
  });

  it('pushes the manifests of an index before the index, and by digest alone without a tag', async () => {
    proxy.forget();
    const images = ['amd64', 'arm64'].map((name) => contentOf(`index ${name}`, [blobOf(`layer ${name}`), blobOf('shared')]));
    const children = images.flatMap(({ manifests }) => manifests);
    const index = encode({
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: children.map(({ descriptor }) => descriptor),
    });
    await using lab = new Lab([]);
    const { domain, path } = parseReference(`${proxy.host}/digests`);
    await using pusher = new Pusher({
      registries: lab.registries,
      targets: [{ domain, path }],
      transfers: new Transfers(() => undefined),
      signal: lab.stop.signal,
    });
    await pusher.finish({ descriptor: index.descriptor, manifests: [...children, index], blobs: images.flatMap(({ blobs }) => blobs) });
    const done = proxy.traffic.changes.filter(({ what, phase }) => what !== 'blob' && phase === 'done');
    expect(done.map(({ name }) => name)).toEqual([...children, index].map(({ descriptor }) => descriptor.digest));
    expect(await digestAt('digests', index.descriptor.digest)).toBe(index.descriptor.digest);
    expect(await tagsOf('digests')).toEqual([]);
  });

  it('moves no tag when one target of several fails', async () => {
    await using other = await startRegistry({ htpasswd: { username: 'user', password: 'secret' } });
    const credentials = { username: 'user', password: 'wrong' };
    await using lab = new Lab([`${registry.host}/halves:1`, `${other.host}/halves:1`], { credentials });
    await expect(lab.pusher.finish(contentOf('halves', [blobOf('halves')]))).rejects.toMatchObject({
      kind: 'credentials',
      status: 401,
      message: expect.stringContaining('(no tag was moved)') as string,
    });
    expect(await tagsOf('halves')).toEqual([]);
  });

  it('says which tags have moved when a later one does not', async () => {
    await using lab = new Lab([`${registry.host}/moved:1`, `${proxy.host}/moved:2`], { retries: 0 });
    const content = contentOf('moved', [blobOf('moved')]);
    await lab.pusher.deliver(content, [parseReference(`${registry.host}/moved:1`), parseReference(`${proxy.host}/moved:2`)]);
    proxy.setFaults({ status503: 1 });
    const tagged = lab.pusher.tag(content, [parseReference(`${registry.host}/moved:1`), parseReference(`${proxy.host}/moved:2`)]);
    await expect(tagged).rejects.toMatchObject({
      kind: 'registry',
      message: expect.stringMatching(/already moved: localhost:\d+\/moved:1\)/) as string,
    });
    proxy.setFaults({});
    expect(await tagsOf('moved')).toEqual(['1']);
  });

  it('asks a registry that was away once more at the end', async () => {
    await using lab = new Lab([`${proxy.host}/away:1`], { retries: 0 });
    const layer = blobOf('away');
    proxy.setFaults({ status503: 1 });
    lab.pusher.offer(layer);
    await expect.poll(() => lab.events.some(({ type }) => type === 'transfer-finished')).toBe(true);
    proxy.setFaults({});
    await lab.pusher.finish(contentOf('away', [layer]));
    expect(lab.transfers()['HOST/away:1']?.toSorted()).toEqual(['done all', 'done all', 'failed 0']);
    expect(await tagsOf('away')).toEqual(['1']);
  });

  it('keeps the failure of the background for the end, where it is thrown', async () => {
    await using lab = new Lab([`${registry.host}/unreadable:1`]);
    const broken = {
      ...blobOf('unreadable'),
      open: () => {
        throw new Error('the disk is gone');
      },
    };
    lab.pusher.offer(broken);
    await expect.poll(() => lab.events.some(({ type }) => type === 'transfer-finished')).toBe(true);
    await expect(lab.pusher.finish(contentOf('unreadable', [broken]))).rejects.toThrow('the disk is gone');
    expect(await tagsOf('unreadable')).toEqual([]);
  });

  it('stops at once, and throws the reason', async () => {
    await using lab = new Lab([`${registry.host}/stopped:1`]);
    const bytes = Buffer.alloc(2 * 1024 * 1024);
    const endless: PushBlob = {
      descriptor: { mediaType: MediaType.ociLayer, digest: digestOf(bytes), size: bytes.length },
      async *open() {
        yield bytes.subarray(0, 1024);
        await new Promise(() => undefined);
      },
    };
    const reason = new Error('enough');
    lab.pusher.offer(endless);
    await expect.poll(() => lab.events.some(({ type }) => type === 'transfer-started')).toBe(true);
    const finished = lab.pusher.finish(contentOf('stopped', [endless]));
    lab.stop.abort(reason);
    await expect(finished).rejects.toBe(reason);
    expect(await tagsOf('stopped')).toEqual([]);
  });

  it('finds out beforehand whether a registry would take it', async () => {
    await using other = await startRegistry({ htpasswd: { username: 'user', password: 'secret' } });
    const target = `${other.host}/team/app:1`;
    await using stranger = new Lab([target]);
    await expect(stranger.pusher.checkAccess()).rejects.toMatchObject({ kind: 'credentials' });
    await using lab = new Lab([target, `${other.host}/team/other:1`], { credentials: { username: 'user', password: 'secret' } });
    await lab.pusher.checkAccess();
    expect(other.logs()).toMatch(/"DELETE \/v2\/team\/app\/blobs\/uploads\/[^"]*" 204/);
  });
});
