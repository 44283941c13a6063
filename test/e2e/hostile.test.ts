import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finished, missingProgram, scratchDir, startTsbuild, writeFiles, type CliResult } from '../helpers/cli.js';
import { describeTree, HOSTILE_NAME, hostileLayers, SENTINEL, type HostileLayer } from '../helpers/hostile-layers.js';
import { layoutFaults, unfinished } from '../helpers/leftovers.js';
import { putJson, sha256, writeRawLayout, type Json, type RawLayout } from '../helpers/raw-layout.js';
import { directory, member, symlink, tarOf } from '../helpers/tar-builder.js';

const missing = process.getuid?.() === 0 ? missingProgram('busybox') : 'needs root: layers have owners and devices';
const missingRuntime = missing ?? missingProgram('runc', 'setpriv', 'unshare');
if (missing !== undefined) console.warn(`SKIPPED: hostile images: ${missing}`);
if (missingRuntime !== undefined) console.warn(`SKIPPED: hostile images below a RUN: ${missingRuntime}`);

const scratch = scratchDir('tsbuild-hostile-test-', '/dev/shm');
/** Where links of hostile layers lead to. */
const outside = join(scratch.path, 'outside');
const layers = hostileLayers(outside);
const TIMEOUT_MS = 60_000;
let count = 0;
let busyboxTar: Buffer;
let hostBefore: string;

/** Files of the machine that links lead to, and their directories' times. */
function hostState(): string {
  const parts = ['/etc/passwd', '/etc/group', '/etc/hosts', '/etc/resolv.conf', '/etc/shadow'].map((path) =>
    existsSync(path) ? `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')} ${statSync(path).mode}` : path,
  );
  const devices = ['null', 'zero', 'ptmx', 'full', 'tty'].map((name) => {
    const stats = statSync(join('/dev', name), { throwIfNoEntry: false });
    return `${name} ${stats?.mode ?? ''} ${stats?.rdev ?? ''}`;
  });
  return [...parts, ...devices].join('\n');
}

beforeAll(() => {
  const busybox = readFileSync(spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim());
  busyboxTar = tarOf(directory('bin'), member({ path: 'bin/busybox', mode: 0o755, text: busybox.toString('latin1') }));
  mkdirSync(outside);
  writeFileSync(join(outside, SENTINEL.name), SENTINEL.text);
  hostBefore = hostState();
});

afterAll(() => scratch[Symbol.dispose]());

/** A directory of its own for each build, and a sentinel in every directory that `..` leads to. */
function newPlace(): string {
  const place = join(scratch.path, String(count++));
  for (const dir of ['store', 'store/tmp', 'context']) mkdirSync(join(place, dir), { recursive: true });
  return place;
}

interface Attempt extends CliResult {
  readonly place: string;
}

async function build(place: string, dockerfile: string, args: readonly string[] = []): Promise<Attempt> {
  writeFiles(join(place, 'context'), { Dockerfile: dockerfile, 'hello.txt': 'hello\n' });
  const own = ['--root', join(place, 'store'), '--progress', 'plain', ...args, join(place, 'context')];
  const child = startTsbuild(own);
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const result = await finished(child);
  clearTimeout(timer);
  return { ...result, place };
}

/** Builds on a layout as the image `base`. */
function buildOn(raw: RawLayout, dockerfile: string, args: readonly string[] = []): Promise<Attempt> {
  const place = newPlace();
  const layout = writeRawLayout(join(place, 'layout'), raw);
  return build(place, dockerfile, ['--build-context', `base=oci-layout://${layout}`, ...args]);
}

/** An error that was foreseen, or none at all; and nothing outside of the root was touched. */
function expectCivil({ status, stderr, place }: Attempt): void {
  expect([0, 1, 2, 3], stderr).toContain(status);
  expect(stderr).not.toMatch(/internal error|\n {4}at |\[object/);
  if (status !== 0) expect(stderr).toMatch(/^ERROR: /m);
  expect(unfinished(join(place, 'store'))).toEqual([]);
  if (existsSync(join(place, 'store/index.json'))) expect(layoutFaults(join(place, 'store'))).toEqual([]);
  expect(readdirSync(outside)).toEqual([SENTINEL.name]);
  expect(readFileSync(join(outside, SENTINEL.name), 'utf8')).toBe(SENTINEL.text);
  for (const dir of ['/', '/etc', tmpdir(), scratch.path, place, join(place, 'store'), join(place, 'store/layers')]) {
    expect(existsSync(join(dir, HOSTILE_NAME)), dir).toBe(false);
  }
  expect(hostState()).toBe(hostBefore);
}

function expectRefused(attempt: Attempt, message: RegExp): void {
  expectCivil(attempt);
  expect(attempt.status, attempt.stderr).not.toBe(0);
  expect(attempt.stderr).toMatch(message);
}

describe.skipIf(missing !== undefined).concurrent('a base with a hostile layer', () => {
  const NOT_EXTRACTED = 'FROM base\nCOPY --chown=1:1 hello.txt /made-by-copy/\n';

  it.each(layers)('$name: a RUN on it', async (layer) => {
    const attempt = await buildOn({ layers: [busyboxTar, layer.tar] }, 'FROM base\nRUN ["/bin/busybox", "true"]\n');
    const extracted = join(attempt.place, 'store/layers', sha256(layer.tar).slice('sha256:'.length));
    if (layer.expect === 'error') {
      expectRefused(attempt, layer.message);
      expect(attempt.stderr).toMatch(/ERROR: Dockerfile:1:1: layer sha256:/);
      expect(existsSync(extracted)).toBe(false);
      return;
    }
    expectCivil(attempt);
    expect(describeTree(extracted)).toEqual(layer.tree);
  });

  it.each(layers)('$name: a COPY on it', async (layer) => {
    expectCivil(await buildOn({ layers: [busyboxTar, layer.tar] }, NOT_EXTRACTED));
  });

  it.each(layers.filter((layer) => layer.expect === 'tree' && !isHuge(layer)))('$name: as a file tree', async (layer) => {
    const attempt = await buildOn({ layers: [layer.tar] }, 'FROM base\n', ['-o', join(scratch.path, `tree-${count}`)]);
    expectCivil(attempt);
    expect(attempt.status, attempt.stderr).toBe(0);
  });
});

describe.skipIf(missing !== undefined).concurrent('ADD of a hostile archive', () => {
  it.each(layers.filter((layer) => !isHuge(layer)))('$name', async (layer) => {
    const place = newPlace();
    writeFileSync(join(place, 'context/evil.tar'), layer.tar);
    const tree = join(place, 'tree.tar');
    const attempt = await build(place, 'FROM scratch\nCOPY hello.txt /sub/dir/\nADD evil.tar /sub/dir/\n', ['-o', `type=tar,dest=${tree}`]);
    expectCivil(attempt);
    // Names like those of whiteouts are names like any other here.
    if (layer.expect === 'tree' || layer.name.startsWith('a whiteout')) return;
    if (attempt.status !== 0) expect(attempt.stderr).toMatch(/ERROR: Dockerfile:3:1: .*evil\.tar/);
    // What does not begin like a tar is a file.
    else expect(spawnSync('tar', ['-tf', tree], { encoding: 'utf8' }).stdout.split('\n')).toContain('sub/dir/evil.tar');
  });
});

/** Changes to the first descriptor of a document. */
const withLayer = (change: object) => (manifest: Json) => ({ ...manifest, layers: [{ ...firstOf(manifest['layers']), ...change }] });
const withEntry = (change: object) => (index: Json) => ({ ...index, manifests: [{ ...firstOf(index['manifests']), ...change }] });
const withConfig = (change: object) => (manifest: Json) => ({ ...manifest, config: { ...(manifest['config'] as object), ...change } });

function firstOf(list: unknown): object {
  return (list as object[])[0] ?? {};
}

describe.skipIf(missing !== undefined).concurrent('an image whose documents are hostile', () => {
  const hello = tarOf(member({ path: 'f', text: 'f' }));
  const escaping = 'sha256:../../../../../../etc/passwd';
  const zeros = `sha256:${'0'.repeat(64)}`;
  it.each<readonly [title: string, raw: RawLayout, message: RegExp]>([
    ['a digest of the index that is a path', { changeIndex: withEntry({ digest: escaping }) }, /manifests\[0\]\.digest.*"sha256:\.\./],
    ['a digest of a layer that is a path', { changeManifest: withLayer({ digest: escaping }) }, /layers\[0\]\.digest.*"sha256:\.\./],
    ['a digest of the config that is a path', { changeManifest: withConfig({ digest: escaping }) }, /config\.digest.*"sha256:\.\./],
    ['a digest in upper case', { changeManifest: withLayer({ digest: zeros.replace('0', 'A') }) }, /layers\[0\]\.digest/],
    ['a digest of another kind', { changeManifest: withLayer({ digest: `sha512:${'0'.repeat(128)}` }) }, /layers\[0\]\.digest/],
    ['a digest that is a number', { changeManifest: withLayer({ digest: 7 }) }, /layers\[0\]\.digest/],
    ['a digest of nothing', { changeManifest: withLayer({ digest: zeros }) }, /blob sha256:0{64} is missing/],
    [
      'a diffId that is a path',
      { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [escaping] } }) },
      /diff_ids\[0\].*"sha256:\.\./,
    ],
    ['another diffId', { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [zeros] } }) }, /diffId|diff_id/],
    ['a layer too many', { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [] } }) }, /0 diff_ids.*1 layers/],
    [
      'a manifest that is an index as well',
      { changeManifest: (manifest) => ({ ...manifest, manifests: [] }) },
      /must not have the field of an index/,
    ],
    [
      'an index that is a manifest as well',
      { changeIndex: (index) => ({ ...index, layers: [] }) },
      /must not have the field of a manifest/,
    ],
    [
      'a media type that does not fit',
      { changeManifest: (manifest) => ({ ...manifest, mediaType: 'application/vnd.oci.image.index.v1+json' }) },
      /mediaType/,
    ],
    ['a size too small', { changeManifest: withLayer({ size: 10 }) }, /damaged|bytes/],
    ['a size too large', { changeManifest: withLayer({ size: 10 ** 9 }) }, /damaged|bytes/],
    ['a negative size', { changeManifest: withLayer({ size: -1 }) }, /layers\[0\]\.size/],
    ['a size of 2^63', { changeManifest: withLayer({ size: 2 ** 63 }) }, /layers\[0\]\.size/],
    ['a manifest of another size', { changeIndex: withEntry({ size: 7 }) }, /damaged|bytes/],
    ['a manifest of 4 GB, it says', { changeIndex: withEntry({ size: 2 ** 32 }) }, /want at most/],
    ['a manifest without layers', { changeManifest: (manifest) => ({ ...manifest, layers: undefined }) }, /layers: want an array/],
    [
      'a manifest with 2000 layers',
      {
        changeManifest: (manifest) => ({
          ...manifest,
          layers: Array.from({ length: 2000 }, () => (manifest as { layers: object[] }).layers[0]),
        }),
      },
      /2000 elements, want at most/,
    ],
    ['a manifest that is a list', { changeManifest: () => [] }, /want an object/],
    ['a manifest that is null', { changeManifest: () => 'null' }, /want an object/],
    ['a manifest that is no JSON', { changeManifest: () => '{"schemaVersion":2,' }, /not JSON/],
    ['a manifest of 100,000 brackets', { changeManifest: () => '['.repeat(100_000) }, /not JSON|want an object/],
    ['a manifest with bytes that are no text', { changeManifest: () => Buffer.from('{"a":"\xff\xfe"}', 'latin1') }, /not JSON/],
    ['a manifest of another schema', { changeManifest: (manifest) => ({ ...manifest, schemaVersion: 1 }) }, /schemaVersion: want 2/],
    ['a manifest that says __proto__', { changeManifest: () => '{"__proto__":{"schemaVersion":2,"layers":[]}}' }, /schemaVersion/],
    [
      'a config of a million rows',
      { changeConfig: (config) => ({ ...config, history: Array.from({ length: 1_000_000 }, () => ({})) }) },
      /history: has 1000000 elements/,
    ],
    ['a config of 20 MB', { changeConfig: (config) => ({ ...config, author: 'x'.repeat(20_000_000) }) }, /want at most/],
    ['a config with a number as its author', { changeConfig: (config) => ({ ...config, author: 7 }) }, /author: want a string/],
    ['a config with a text as its environment', { container: { Env: 'PATH=/bin' } }, /config\.Env: want an array/],
    ['a config with null in its environment', { container: { Env: [null] } }, /config\.Env\[0\]: want a string/],
    ['a cut layer', { changeBlob: (kind, bytes) => (kind === 'layer' ? bytes.subarray(0, -5) : bytes) }, /damaged/],
    [
      'a layer with a tail',
      { changeBlob: (kind, bytes) => (kind === 'layer' ? Buffer.concat([bytes, Buffer.alloc(9)]) : bytes) },
      /damaged/,
    ],
    [
      'a changed config',
      { changeBlob: (kind, bytes) => (kind === 'config' ? Buffer.from(bytes.toString().replace('linux', 'linus')) : bytes) },
      /damaged/,
    ],
    ['an empty manifest', { changeBlob: (kind, bytes) => (kind === 'manifest' ? Buffer.alloc(0) : bytes) }, /damaged/],
    [
      'a layer that is not what its first bytes say',
      { blobs: [Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(600, 'x')])] },
      /not valid gzip/,
    ],
    ['a layer whose gzip breaks off', { blobs: [gzipSync(hello).subarray(0, 40)] }, /truncated|breaks? off/],
  ])('%s', async (_title, raw, message) => {
    const attempt = await buildOn({ layers: [hello], ...raw }, 'FROM base\nCOPY hello.txt /\nCOPY --from=base /f /g\n', [
      '--oci-layout',
      join(scratch.path, 'never'),
    ]);
    expectRefused(attempt, message);
    expect(existsSync(join(scratch.path, 'never'))).toBe(false);
  });

  it.each<readonly [title: string, container: Record<string, unknown>]>([
    ['a user above all numbers', { User: '4294967296' }],
    ['a volume that climbs', { Volumes: { '/../../x': {}, [`../../../..${outside}`]: {} } }],
    ['a working directory in /proc', { WorkingDir: '/proc/self/fd/7' }],
    ['a working directory that climbs', { WorkingDir: `../../../..${outside}/sub` }],
    ['a working directory with a NUL', { WorkingDir: '/a\0b' }],
    ['an environment with a NUL', { Env: ['A=x\0B=y', 'PATH=/bin'] }],
    ['an environment without a sign', { Env: ['A', '', '=', '=x', 'PATH=/bin'] }],
    ['an environment of a megabyte', { Env: [`A=${'x'.repeat(1 << 20)}`] }],
    ['a shell of nothing', { Shell: [] }],
    ['a shell of the empty word', { Shell: [''] }],
    ['labels from __proto__', { Labels: JSON.parse('{"__proto__":"x","constructor":"y"}') as unknown }],
    ['triggers that are no instructions', { OnBuild: ['FORM x'] }],
    ['triggers that are FROM', { OnBuild: ['FROM base'] }],
    ['triggers that copy from the outside', { OnBuild: ['COPY ../../../../etc/passwd /', `COPY --from=../.. / /x`] }],
    ['triggers without end', { OnBuild: ['ONBUILD RUN true'] }],
    ['ports that are none', { ExposedPorts: { '99999/tcp': {}, '../x': {} } }],
    ['a signal that is none', { StopSignal: 'SIGNOTHING' }],
  ])('%s', async (_title, container) => {
    const dockerfile = 'FROM base\nWORKDIR sub\nCOPY hello.txt .\nEXPOSE 80\nLABEL a=b\nENV C=$A\n';
    expectCivil(await buildOn({ layers: [busyboxTar], container }, dockerfile));
    if (missingRuntime === undefined)
      expectCivil(await buildOn({ layers: [busyboxTar], container }, `${dockerfile}RUN ["/bin/busybox", "true"]\n`));
  });

  it('an index of indexes of indexes, each naming the next a hundred times', async () => {
    const place = newPlace();
    const layout = writeRawLayout(join(place, 'layout'), { layers: [hello] });
    let child = (JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: object[] }).manifests[0];
    for (let level = 0; level < 6; level++) {
      const manifests = Array.from({ length: 100 }, () => ({ ...child, platform: { os: 'linux', architecture: 'amd64' } }));
      child = putJson(layout, 'application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests });
    }
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [child] }));
    expectCivil(await build(place, 'FROM base\nCOPY hello.txt /\n', ['--build-context', `base=oci-layout://${layout}`]));
  });

  it('a chain of a thousand indexes', async () => {
    const place = newPlace();
    const layout = writeRawLayout(join(place, 'layout'), { layers: [hello] });
    let child = (JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: object[] }).manifests[0];
    for (let level = 0; level < 1000; level++) {
      const manifests = [{ ...child, platform: { os: 'linux', architecture: 'amd64' } }];
      child = putJson(layout, 'application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests });
    }
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [child] }));
    expectCivil(await build(place, 'FROM base\nCOPY hello.txt /\n', ['--build-context', `base=oci-layout://${layout}`]));
  });

  it('layers that grow a thousandfold are unpacked without being held in memory', async () => {
    const big = 300 * 1024 * 1024;
    const tar = Buffer.concat([
      tarOf(directory('d'), member({ path: 'd/zeros', sizeBytes: big })).subarray(0, -1024),
      Buffer.alloc(big + 1024 + (1 << 20)),
    ]);
    const attempt = await buildOn({ layers: [tar] }, 'FROM scratch\nCOPY --from=base /d/zeros /\n', ['-o', 'type=tar,dest=/dev/null']);
    expectCivil(attempt);
    expect(attempt.status, attempt.stderr).toBe(0);
  });
});

describe.skipIf(missing !== undefined).concurrent('users of a hostile /etc/passwd', () => {
  const passwd = 'evil:x:0:0::/:/bin/sh\n';
  it.each<readonly [title: string, layer: Buffer, message: RegExp]>([
    [
      'that is a symlink to the outside',
      tarOf(directory('etc'), symlink('etc/passwd', `${outside}/${SENTINEL.name}`)),
      /unable to find user www|not names|passwd/,
    ],
    [
      'that is a symlink to the file of the machine',
      tarOf(directory('etc'), symlink('etc/passwd', '../../../../../../../etc/shadow')),
      /www/,
    ],
    ['that is a FIFO', tarOf(directory('etc'), member({ path: 'etc/passwd', type: 'fifo' })), /www|fifo/],
    ['that is a device', tarOf(directory('etc'), member({ path: 'etc/passwd', type: 'char', devMajor: 1, devMinor: 5 })), /www|char/],
    ['that is a directory', tarOf(directory('etc/passwd')), /www|directory/],
    ['that has 5 GB', tarOf(directory('etc'), sparsePasswd(5 * 10 ** 9)), /too large/],
    ['that has a huge line', tarOf(directory('etc'), member({ path: 'etc/passwd', text: `${'x'.repeat(3_000_000)}\n${passwd}` })), /www/],
    [
      'whose numbers are too large',
      tarOf(directory('etc'), member({ path: 'etc/passwd', text: 'www:x:4294967296:99999999999::/:\n' })),
      /www/,
    ],
    ['whose directory is a symlink to the outside', tarOf(symlink('etc', outside)), /www/],
  ])('%s', async (_title, layer, message) => {
    const base = { layers: [busyboxTar, layer] };
    const copy = await buildOn(base, 'FROM base\nCOPY --chown=www hello.txt /\n');
    expectCivil(copy);
    if (missingRuntime !== undefined) return;
    expectRefused(await buildOn(base, 'FROM base\nUSER www\nRUN ["/bin/busybox", "true"]\n'), message);
  });
});

/** Looks at every place that is mounted, and writes. */
function runOn(layer: Buffer): Promise<Attempt> {
  const script = 'busybox ls -la / /dev /etc /proc/self/exe; busybox cat /etc/hosts; busybox echo x >/dev/null; busybox echo y >/made';
  const dockerfile = `FROM base\nWORKDIR /work\nRUN ["/bin/busybox", "sh", "-c", "${script}"]\nRUN ["/bin/busybox", "test", "-f", "/made"]\n`;
  return buildOn({ layers: [busyboxTar, layer] }, dockerfile, ['-t', 'made']);
}

describe.skipIf(missingRuntime !== undefined).concurrent('a RUN on hostile mount points', () => {
  const target = `${outside}/${SENTINEL.name}`;
  it.each<readonly [title: string, layer: () => Buffer]>([
    ['dev is a symlink', () => tarOf(symlink('dev', outside))],
    ['dev is a symlink that climbs', () => tarOf(symlink('dev', '../../../../../../../dev'))],
    ['dev is a file', () => tarOf(member({ path: 'dev', text: 'x' }))],
    ['dev is a FIFO', () => tarOf(member({ path: 'dev', type: 'fifo' }))],
    ['dev/null is a symlink', () => tarOf(directory('dev'), symlink('dev/null', target))],
    [
      'dev/pts and dev/shm are symlinks',
      () => tarOf(directory('dev'), symlink('dev/pts', outside), symlink('dev/shm', outside), symlink('dev/ptmx', target)),
    ],
    ['proc is a symlink', () => tarOf(symlink('proc', outside))],
    ['proc is a file', () => tarOf(member({ path: 'proc', text: 'x' }))],
    ['proc/self is a symlink', () => tarOf(directory('proc'), symlink('proc/self', outside), symlink('proc/sys', outside))],
    ['sys is a symlink', () => tarOf(symlink('sys', outside), symlink('run', outside))],
    ['etc is a symlink', () => tarOf(symlink('etc', outside))],
    ['etc is a symlink to proc', () => tarOf(symlink('etc', '/proc'))],
    ['etc is a file', () => tarOf(member({ path: 'etc', text: 'x' }))],
    ['etc/hosts is a symlink', () => tarOf(directory('etc'), symlink('etc/hosts', target), symlink('etc/resolv.conf', target))],
    ['etc/hosts is a symlink to the host', () => tarOf(directory('etc'), symlink('etc/hosts', '../../../../../../../../etc/hosts'))],
    ['etc/hosts is a directory', () => tarOf(directory('etc/hosts'), directory('etc/resolv.conf'))],
    ['etc/hosts is a device', () => tarOf(directory('etc'), member({ path: 'etc/hosts', type: 'char', devMajor: 1, devMinor: 3 }))],
    ['etc/resolv.conf is a FIFO', () => tarOf(directory('etc'), member({ path: 'etc/resolv.conf', type: 'fifo' }))],
    ['everything is gone', () => tarOf(...['dev', 'etc', 'proc', 'sys'].map((name) => member({ path: `.wh.${name}` })))],
  ])('%s', async (_title, layer) => {
    const attempt = await runOn(layer());
    expectCivil(attempt);
    expect(attempt.status, attempt.stderr).toBe(0);
    expect(attempt.stderr).not.toContain(SENTINEL.text);
  });

  it('etc is a symlink in a circle', async () => {
    expectRefused(await runOn(tarOf(symlink('etc', 'etc'))), /too many symbolic links/);
  });

  it.each([
    ['a working directory behind a symlink', [symlink('work', outside)], 'WORKDIR /work/sub'],
    ['a working directory behind /proc', [symlink('work', '/proc/self/cwd')], 'WORKDIR /work/sub'],
    ['a working directory in /proc', [directory('x')], 'WORKDIR /proc/self/fd/7'],
    ['a working directory in /proc/1/root', [directory('x')], `WORKDIR /proc/1/root${outside}`],
    ['a working directory in /dev', [symlink('dev', outside)], 'WORKDIR /dev/sub'],
  ] as const)('%s', async (_title, members, workdir) => {
    expectCivil(
      await buildOn(
        { layers: [busyboxTar, tarOf(...members)] },
        `FROM base\n${workdir}\nRUN ["/bin/busybox", "sh", "-c", "busybox echo x >${HOSTILE_NAME}"]\n`,
      ),
    );
  });
});

/** Takes long to write where there are no holes. */
function isHuge({ name }: HostileLayer): boolean {
  return name.startsWith('etc/passwd of 5 GB');
}

/** GNU sparse format 0.1: all of it a hole. */
function sparsePasswd(sizeBytes: number): Buffer {
  const found = layers.find(isHuge);
  if (found === undefined || sizeBytes !== 5 * 10 ** 9) throw new Error('no such hostile layer');
  // Its members without the end.
  return found.tar.subarray(0, -1024);
}
