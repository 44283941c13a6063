import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliContext } from '../../src/cli/context.js';
import { runCli } from '../../src/cli/program.js';
import type { Image } from '../../src/image/image.js';
import { hexOf } from '../../src/oci/digest.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { Store } from '../../src/store/store.js';
import { missingProgram } from '../helpers/cli.js';
import { storeImage } from '../helpers/stored-image.js';

const noSkopeo = missingProgram('skopeo', 'umoci');
const noBuildah = missingProgram('buildah') ?? (process.getuid?.() === 0 ? undefined : 'buildah needs root here');
for (const reason of new Set([noSkopeo, noBuildah])) if (reason !== undefined) console.warn(`SKIPPED: ${reason}`);

let dir: string;
let root: string;
let store: Store;
let image: Image;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsbuild-cli-store-'));
  root = join(dir, 'store');
  store = await Store.open(root);
  image = await storeImage(store, {
    layers: [
      { 'etc/': '', 'etc/a': 'one', 'etc/b': 'two' },
      { 'etc/': '', 'etc/a': undefined },
    ],
  });
  await store.tag(image.descriptor, ['docker.io/library/app:1', 'registry.example/team/app:2']);
});
afterEach(() => rmSync(dir, { recursive: true }));

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

async function run(command: string, ...args: string[]): Promise<Output> {
  let stdout = '';
  let stderr = '';
  const context: CliContext = {
    env: {},
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    signal: new AbortController().signal,
    build: () => Promise.reject(new Error('no build')),
    inspection: () => Promise.reject(new Error('no inspection')),
    transport: () => Promise.reject(new Error('no transport')),
  };
  const rooted = args.includes('--root') ? args : ['--root', root, ...args];
  await runCli([command, ...rooted], context);
  return { stdout, stderr };
}

/** Loads into a store of its own and returns what it prints and that store. */
async function loadFresh(
  name: string,
  source: string,
  ...args: string[]
): Promise<Output & { readonly store: Store; readonly root: string }> {
  const fresh = join(dir, name);
  const output = await run('load', '--root', fresh, ...args, source);
  return { ...output, store: await Store.open(fresh), root: fresh };
}

function skopeo(...args: string[]): void {
  execFileSync('skopeo', ['--insecure-policy', '--tmpdir', dir, ...args], { stdio: 'pipe' });
}

describe('images, inspect, history', () => {
  it('lists every name', async () => {
    const id = hexOf(image.manifest.config.digest);
    const lines = (await run('images')).stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    expect(lines[1]).toMatch(new RegExp(`^app +1 +${id.slice(0, 12)} +\\d+ \\w+ ago +\\d+ B$`));
    expect(lines[2]).toMatch(/^registry\.example\/team\/app +2 /);
    expect((await run('images', '-q')).stdout).toBe(`${id.slice(0, 12)}\n`);
    expect(JSON.parse((await run('images', '--json')).stdout)).toEqual([
      {
        names: ['docker.io/library/app:1', 'registry.example/team/app:2'],
        id,
        digest: image.descriptor.digest,
        platforms: [formatPlatform(hostPlatform())],
        created: '2024-05-06T07:08:09Z',
        sizeBytes: image.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0),
      },
    ]);
  });

  it('shows an image without a name, and tells of a damaged one', async () => {
    const bare = await storeImage(store, { layers: [{ bare: 'x' }] });
    await store.tag(bare.descriptor, []);
    expect((await run('images')).stdout).toMatch(/\n<none> +<none> +/);
    rmSync(store.blobPath(bare.manifest.config.digest));
    const { stdout, stderr } = await run('images');
    expect(stdout).toContain('registry.example/team/app');
    expect(stderr).toContain(`WARNING: ${bare.descriptor.digest}: blob`);
  });

  it.each([
    ['its name', () => 'app:1'],
    ['its full name', () => 'registry.example/team/app:2'],
    ['its id', () => hexOf(image.manifest.config.digest).slice(0, 6)],
    ['the digest of its manifest', () => image.descriptor.digest],
  ])('finds an image by %s', async (_, name) => {
    const found = JSON.parse((await run('inspect', name())).stdout) as {
      descriptor: { digest: string };
      manifest: unknown;
      config: unknown;
    };
    expect(found.descriptor.digest).toBe(image.descriptor.digest);
    expect(found.manifest).toEqual(image.manifest);
    expect(found.config).toEqual(image.config);
  });

  it.each([
    ['app', 'input', 'no image "app" in the store'],
    ['app:2', 'input', 'no image "app:2"'],
    ['ffffffffffff', 'input', 'no image'],
    ['Upper', 'usage', 'upper-case'],
  ])('does not find %s', async (name, kind, reason) => {
    await expect(run('inspect', name)).rejects.toMatchObject({ kind, message: expect.stringContaining(reason) as string });
  });

  it('tells how an image was made, the newest first', async () => {
    const rows = JSON.parse((await run('history', 'app:1', '--json')).stdout) as { created_by: string; digest: string }[];
    expect(rows.map((row) => [row.created_by, row.digest])).toEqual([
      ['COPY 1 / # buildkit', image.layers[1]?.descriptor.digest],
      ['COPY 0 / # buildkit', image.layers[0]?.descriptor.digest],
    ]);
    expect((await run('history', 'app:1')).stdout).toMatch(
      /^CREATED +CREATED BY +SIZE +COMMENT\n.* ago +COPY 1 \/ # buildkit +\d+ B +buildkit/,
    );
  });
});

describe('rmi', () => {
  it('takes a name away, and the blobs with the last one', async () => {
    expect((await run('rmi', 'app:1')).stdout).toBe('untagged app:1\n');
    expect(readdirSync(join(root, 'blobs/sha256'))).toHaveLength(4);
    const { stdout, stderr } = await run('rmi', 'registry.example/team/app:2');
    expect(stdout).toBe('untagged registry.example/team/app:2\n');
    expect(stderr).toMatch(/^freed /);
    expect(readdirSync(join(root, 'blobs/sha256'))).toEqual([]);
  });

  it('removes an image with all its names when given by id', async () => {
    const { stdout } = await run('rmi', hexOf(image.manifest.config.digest).slice(0, 12));
    expect(stdout).toBe(`untagged app:1\nuntagged registry.example/team/app:2\ndeleted ${image.descriptor.digest}\n`);
    expect(await store.images()).toEqual([]);
  });

  it('removes what there is when something else is not there', async () => {
    await expect(run('rmi', 'none', 'app:1', 'registry.example/team/app:2')).rejects.toMatchObject({
      message: 'no image "none" in the store',
    });
    expect(readdirSync(join(root, 'blobs/sha256'))).toEqual([]);
  });

  it('leaves the blobs alone while a build runs', async () => {
    using _lease = store.lease();
    const { stderr } = await run('rmi', image.descriptor.digest);
    expect(stderr).toContain('WARNING: no space is freed now');
    expect(readdirSync(join(root, 'blobs/sha256'))).toHaveLength(4);
  });
});

describe('save and load', () => {
  it.each(['docker-archive', 'oci-archive', 'oci-dir'])('as %s brings the image back as it was, with its names', async (format) => {
    const path = join(dir, format);
    const other = await storeImage(store, { layers: [{ other: 'x' }], compression: 'none' });
    await store.tag(other.descriptor, ['docker.io/library/other:latest']);
    const saved = await run('save', '--format', format, '-o', path, 'app:1', 'registry.example/team/app:2', 'other');
    expect(saved.stderr).toBe(`saved 2 images to ${path}\n`);
    const loaded = await loadFresh('fresh', path);
    // A layout has one entry for a tag, and these names have different tags.
    expect(loaded.stdout).toBe('loaded app:1\nloaded registry.example/team/app:2\nloaded other:latest\n');
    expect((await loaded.store.images()).map(({ descriptor, references }) => [descriptor.digest, references])).toEqual([
      [image.descriptor.digest, ['docker.io/library/app:1', 'registry.example/team/app:2']],
      [other.descriptor.digest, ['docker.io/library/other:latest']],
    ]);
  });

  it('loads a compressed archive, and gives a name of its own', async () => {
    const path = join(dir, 'app.tar');
    await run('save', '-o', path, image.descriptor.digest);
    execFileSync('gzip', [path]);
    const loaded = await loadFresh('fresh', `${path}.gz`, '-t', 'mine:1');
    expect(loaded.stdout).toBe('loaded mine:1\n');
    expect(await loaded.store.find('docker.io/library/mine:1')).toMatchObject({ digest: image.descriptor.digest });
  });

  it('names no image when there are several', async () => {
    const other = await storeImage(store, { layers: [{ other: 'x' }] });
    await store.tag(other.descriptor, []);
    await run('save', '-o', join(dir, 'two.tar'), image.descriptor.digest, other.descriptor.digest);
    await expect(loadFresh('fresh', join(dir, 'two.tar'), '-t', 'x')).rejects.toMatchObject({ kind: 'usage' });
  });

  it('refuses what it cannot write', async () => {
    await expect(run('save', 'app:1', '--format', 'oci-dir')).rejects.toMatchObject({ kind: 'usage' });
    await expect(run('save', 'app:1', '--format', 'docker-dir')).rejects.toMatchObject({ kind: 'usage' });
    await expect(run('save', 'app:1', '-o', dir)).rejects.toMatchObject({ kind: 'usage' });
  });

  it.skipIf(noSkopeo !== undefined).each(['docker-archive', 'oci-archive', 'oci'])(
    'reads what skopeo makes of it: %s',
    async (transport) => {
      const source = join(dir, 'source');
      const target = join(dir, 'target');
      await run('save', '--format', 'oci-dir', '-o', source, 'app:1');
      skopeo('copy', `oci:${source}:1`, `${transport}:${target}:${transport === 'oci' ? '1' : 'app:1'}`);
      const loaded = await loadFresh('fresh', target);
      // A tag alone, which is what a layout of skopeo has, is no name.
      expect(loaded.stdout).toMatch(transport === 'oci' ? /^loaded sha256:[0-9a-f]{64}\n$/ : /^loaded app:1\n$/);
      const [found] = await loaded.store.images();
      const json = JSON.parse((await run('inspect', '--root', loaded.root, found?.descriptor.digest ?? '')).stdout) as {
        config: Image['config'];
      };
      expect(json.config.rootfs.diff_ids).toEqual(image.layers.map((layer) => layer.diffId));
    },
  );

  it.skipIf(noBuildah !== undefined)('reads the archives that buildah makes', async () => {
    const storage = ['--root', join(dir, 'bs'), '--runroot', join(dir, 'br'), '--storage-driver', 'vfs'];
    const buildah = (...args: string[]): string =>
      execFileSync('buildah', [...storage, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    const container = buildah('from', 'scratch');
    writeFileSync(join(dir, 'hello'), 'hello');
    buildah('copy', container, join(dir, 'hello'), '/hello');
    buildah('commit', '--quiet', container, 'localhost/from-buildah:3');
    for (const transport of ['docker-archive', 'oci-archive']) {
      const path = join(dir, `buildah-${transport}`);
      buildah('push', '--quiet', 'localhost/from-buildah:3', `${transport}:${path}:localhost/from-buildah:3`);
      expect((await loadFresh(transport, path)).stdout).toBe('loaded localhost/from-buildah:3\n');
    }
  });
});

/** An archive of files made by GNU tar. */
function archive(name: string, setUp: (at: string) => void): string {
  const at = join(dir, `${name}.d`);
  mkdirSync(at);
  setUp(at);
  execFileSync('tar', ['-cf', join(dir, name), '-C', at, '.']);
  return join(dir, name);
}

/** The plain tar of a layer, its config, and `manifest.json` that names them. */
function legacyParts(at: string, layers: readonly string[], change: (config: Record<string, unknown>) => void = () => {}): void {
  const diffIds = image.layers.map((layer) => layer.diffId);
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } } as Record<
    string,
    unknown
  >;
  change(config);
  writeFileSync(join(at, 'config.json'), JSON.stringify(config));
  writeFileSync(join(at, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: ['old/style:9'], Layers: layers }]));
  mkdirSync(join(at, 'one'));
  mkdirSync(join(at, 'two'));
  for (const [index, name] of ['one', 'two'].entries()) {
    const blob = store.blobPath(image.layers[index]?.descriptor.digest ?? image.descriptor.digest);
    execFileSync('sh', ['-c', `gzip -dc ${blob} > ${join(at, name, 'layer.tar')}`]);
  }
}

describe('load of docker save archives', () => {
  it('reads old archives, whose layers are plain tars, keeping the image id', async () => {
    const path = archive('old.tar', (at) => legacyParts(at, ['one/layer.tar', 'two/layer.tar']));
    const { stdout, store: fresh, root: freshRoot } = await loadFresh('fresh', path);
    expect(stdout).toBe('loaded old/style:9\n');
    const found = JSON.parse((await run('inspect', '--root', freshRoot, 'old/style:9')).stdout) as Pick<Image, 'manifest'>;
    expect(found.manifest.layers.map((layer) => layer.digest)).toEqual(image.layers.map((layer) => layer.diffId));
    expect(readFileSync(fresh.blobPath(found.manifest.config.digest), 'utf8')).toBe(
      readFileSync(join(dir, 'old.tar.d/config.json'), 'utf8'),
    );
  });

  it('follows the links with which old archives share layers', async () => {
    const path = archive('links.tar', (at) => {
      legacyParts(at, ['one/layer.tar', 'three/layer.tar']);
      execFileSync('sh', ['-c', 'mkdir three four; ln -s ../four/layer.tar three/layer.tar; ln two/layer.tar four/layer.tar'], { cwd: at });
    });
    expect((await loadFresh('fresh', path)).stdout).toBe('loaded old/style:9\n');
  });

  it.each<[string, (at: string) => void, string]>([
    ['a layer that is not there', (at) => legacyParts(at, ['one/layer.tar', 'none/layer.tar']), 'the archive has no "none/layer.tar"'],
    ['a layer too few', (at) => legacyParts(at, ['one/layer.tar']), 'diff_ids'],
    ['another layer than its diffId says', (at) => legacyParts(at, ['two/layer.tar', 'one/layer.tar']), 'another tar'],
    ['a layer outside of the archive', (at) => legacyParts(at, ['one/layer.tar', '../../../../etc/passwd']), 'the archive has no'],
    [
      'a layer that links to outside of the archive',
      (at) => {
        legacyParts(at, ['one/layer.tar', 'evil/layer.tar']);
        execFileSync('sh', ['-c', 'mkdir evil; ln -s /etc/passwd evil/layer.tar'], { cwd: at });
      },
      'the archive has no "evil/layer.tar"',
    ],
    [
      'a circle of links',
      (at) => {
        legacyParts(at, ['one/layer.tar', 'x']);
        execFileSync('sh', ['-c', 'ln -s y x; ln -s x y'], { cwd: at });
      },
      'the archive has no "x"',
    ],
    ['a manifest.json that is no list', (at) => writeFileSync(join(at, 'manifest.json'), '{}'), 'want a list of images'],
    ['a manifest.json that is no JSON', (at) => writeFileSync(join(at, 'manifest.json'), '{'), 'manifest.json is no JSON'],
    ['a manifest.json without layers', (at) => writeFileSync(join(at, 'manifest.json'), '[null]'), 'want Config, Layers and RepoTags'],
    ['nothing of an image', (at) => writeFileSync(join(at, 'x'), ''), 'neither an OCI archive nor an archive of docker save'],
  ])('refuses %s, and names nothing', async (_, setUp, reason) => {
    await expect(loadFresh('fresh', archive('bad.tar', setUp))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining(reason) as string,
    });
    expect(await (await Store.open(join(dir, 'fresh'))).images()).toEqual([]);
    expect(readdirSync(join(dir, 'fresh/tmp'))).toEqual([]);
  });

  it('refuses a blob with another digest than its name, and a file that is no archive', async () => {
    const layout = join(dir, 'layout');
    await run('save', '--format', 'oci-dir', '-o', layout, 'app:1');
    const blob = join(layout, 'blobs/sha256', hexOf(image.layers[0]?.descriptor.digest ?? image.descriptor.digest));
    const bytes = readFileSync(blob);
    // The layout's blobs are those of the store: a new file, not a change of theirs.
    rmSync(blob);
    writeFileSync(blob, Buffer.concat([bytes.subarray(0, -1), Buffer.from('x')]));
    await expect(loadFresh('a', layout)).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('is damaged') as string });
    execFileSync('tar', ['-cf', join(dir, 'damaged.tar'), '-C', layout, '.']);
    await expect(loadFresh('b', join(dir, 'damaged.tar'))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('is damaged') as string,
    });
    writeFileSync(join(dir, 'text'), 'no archive'.repeat(100));
    await expect(loadFresh('c', join(dir, 'text'))).rejects.toMatchObject({ kind: 'input' });
    await expect(loadFresh('d', join(dir, 'none'))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('does not exist') as string,
    });
  });

  it('writes nothing outside of the store, whatever the members are called', async () => {
    const path = join(dir, 'evil.tar');
    const script = [
      'import io, tarfile, sys',
      't = tarfile.open(sys.argv[1], "w")',
      'def add(name, **kw):',
      '    i = tarfile.TarInfo(name)',
      '    for k, v in kw.items(): setattr(i, k, v)',
      '    i.size = 3 if i.type == tarfile.REGTYPE else 0',
      '    t.addfile(i, io.BytesIO(b"bad") if i.size else None)',
      'add("d", type=tarfile.SYMTYPE, linkname=sys.argv[2])',
      'add("d/escaped")',
      'add("/absolute-escaped")',
      'add("hard", type=tarfile.LNKTYPE, linkname="../../../etc/passwd")',
      't.close()',
    ].join('\n');
    execFileSync('python3', ['-c', script, path, dir]);
    const before = readdirSync(dir).toSorted();
    await expect(loadFresh('fresh', path)).rejects.toMatchObject({ kind: 'input' });
    expect(readdirSync(dir).toSorted()).toEqual([...before, 'fresh'].toSorted());
  });
});
