import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type * as Library from '../src/index.js';
import { scratchDir, writeFiles, type FileSpec } from './helpers/cli.js';
import { readConfig, readDescriptor, readManifest } from './helpers/image-tools.js';
import { putJson } from './helpers/raw-layout.js';
import { member } from './helpers/tar-builder.js';

/** The library as it ships. */
const { build, BuildError, expandWord, formatFrame, formatPosition, parseDockerfile } = (await import(
  new URL('../dist/index.js', import.meta.url).href
)) as typeof Library;

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-api-');
afterAll(removeScratch);
const root = join(scratch, 'store');
let count = 0;

function contextOf(dockerfile: string, files: Readonly<Record<string, FileSpec>> = {}): string {
  const dir = join(scratch, `context-${count++}`);
  mkdirSync(dir);
  return writeFiles(dir, { Dockerfile: dockerfile, ...files });
}

/** Builds into a new layout. */
async function buildLayout(options: Library.BuildOptions): Promise<{ layout: string; result: Library.BuildResult }> {
  const layout = join(scratch, `layout-${count++}`);
  const result = await build({ root, ...options, outputs: [{ type: 'oci', tar: false, dest: layout, names: [], annotations: {} }] });
  return { layout, result };
}

async function failure(options: Library.BuildOptions): Promise<Library.BuildError> {
  const error: unknown = await build({ root, ...options }).then(
    () => new Error('the build did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof BuildError)) throw error;
  // Whatever went wrong, nothing is left in the store's place for work in progress.
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  return error;
}

describe('build', () => {
  const steps = ['FROM scratch AS files', 'COPY a b /', 'FROM files', 'LABEL k=v', 'COPY --from=files /a /c', ''].join('\n');

  test('tells what happens, in order, and what came of it', async () => {
    const events: Library.BuildEvent[] = [];
    const context = contextOf(steps, { a: 'a', b: 'b' });
    const result = await build({ context, root, tags: ['api:1'], onEvent: (event) => events.push(event) });

    const told = events.map((event) => {
      if (event.type === 'step-started') return `start ${event.step.stage} ${event.step.index}/${event.step.total} ${event.step.text}`;
      if (event.type === 'step-finished') return `finish ${event.stepId}`;
      return event.type;
    });
    expect(told.filter((text) => text !== 'layer-finished')).toEqual([
      'build-started',
      'start files 1/2 FROM scratch AS files',
      'finish 0.from',
      'start files 2/2 COPY a b /',
      'finish 0.1',
      'start stage-1 1/3 FROM files',
      'finish 1.from',
      'start stage-1 3/3 COPY --from=files /a /c',
      'finish 1.2',
      'output-written',
      'build-finished',
    ]);
    // Layers are written behind the steps' backs: in any order.
    const finished = events.flatMap((event) => (event.type === 'layer-finished' ? [event] : []));
    const layers = finished.toSorted((a, b) => (a.stepId < b.stepId ? -1 : 1));
    expect(layers.map(({ stepId }) => stepId)).toEqual(['0.1', '1.2']);
    expect(layers.map(({ diffId, descriptor }) => ({ diffId, descriptor }))).toEqual(result.image?.layers);
    expect(events[0]).toMatchObject({ stages: ['files', 'stage-1'], steps: 4 });
    expect(events.at(-1)).toMatchObject({ manifestDigest: result.image?.descriptor.digest });
    const times = events.map(({ timeMs }) => timeMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(result.timings.steps.map(({ stepId }) => stepId)).toEqual(['0.from', '0.1', '1.from', '1.2']);
    expect(result.timings.totalMs).toBeGreaterThanOrEqual(times.at(-1) ?? Infinity);
    expect(result.image?.config).toMatchObject({
      config: { Labels: { k: 'v' } },
      rootfs: { diff_ids: layers.map(({ diffId }) => diffId) },
    });
  });

  test('returns the warnings that it told', async () => {
    const context = contextOf('FROM scratch\nCOPY a b /x\n', { a: '1', b: '2' });
    const told: string[] = [];
    const result = await build({ context, root, onEvent: (event) => void (event.type === 'warning' && told.push(event.message)) });
    expect(result.warnings).toEqual(told);
    expect(told).toEqual([expect.stringContaining('several sources and a destination without a trailing slash')]);
  });

  test('makes no image where none is asked for', async () => {
    const dest = join(scratch, 'tree');
    const events: string[] = [];
    const context = contextOf(steps, { a: 'a', b: 'b' });
    const result = await build({ context, root, outputs: [{ type: 'local', dest }], onEvent: ({ type }) => events.push(type) });
    expect(result.image).toBeUndefined();
    expect(readdirSync(dest).toSorted()).toEqual(['a', 'b', 'c']);
    expect(events).not.toContain('layer-finished');
  });

  test('of a base and nothing else gives the same image each time', async () => {
    const base = await build({ context: contextOf('FROM scratch\nCOPY a /\n', { a: 'a' }), root, tags: ['api-base:1'] });
    const context = contextOf('FROM api-base:1\nENV a=b\n');
    const first = await build({ context, root });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await build({ context, root });
    expect(second.image?.descriptor).toEqual(first.image?.descriptor);
    expect(second.image?.config.created).toBe(base.image?.config.created);
  });

  test('has a layer for every COPY and WORKDIR, even an empty one, and none for WORKDIR /', async () => {
    const lines = ['FROM scratch', 'WORKDIR /w', 'WORKDIR /w', 'WORKDIR /', 'COPY none* /', 'COPY a /w/'];
    const { layout } = await buildLayout({ context: contextOf(lines.join('\n'), { a: 'a' }) });
    const config = readConfig(layout);
    expect(config.history?.map(({ created_by, empty_layer }) => `${created_by}${empty_layer === true ? ' (empty)' : ''}`)).toEqual([
      'WORKDIR /w',
      'WORKDIR /w',
      'WORKDIR / (empty)',
      'COPY none* / # buildkit',
      'COPY a /w/ # buildkit',
    ]);
    const { layers } = readManifest(layout);
    expect(layers).toHaveLength(4);
    // Two layers of nothing are one blob.
    expect(layers[1]?.digest).toBe(layers[2]?.digest);
    expect(new Set(layers.map(({ digest }) => digest)).size).toBe(3);
  });

  test('takes an image of a layout whose index lists platforms that are not there', async () => {
    const { layout } = await buildLayout({ context: contextOf('FROM scratch\nCOPY a /\n', { a: 'a' }) });
    const { digest, size, mediaType } = readDescriptor(layout);
    const { architecture, os } = readConfig(layout);
    const absent = { mediaType, digest: `sha256:${'0'.repeat(64)}`, size: 9, platform: { os, architecture: 'riscv64' } };
    const manifests = [absent, { mediaType, digest, size, platform: { os, architecture } }];
    const index = putJson(layout, 'application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests });
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
    const own = join(scratch, 'own-store');
    const { image } = await build({
      context: contextOf('FROM base\nCOPY b /\n', { b: 'b' }),
      root: own,
      buildContexts: { base: { kind: 'oci-layout', path: layout } },
    });
    expect(image?.layers).toHaveLength(2);
  });
});

describe('a build that fails', () => {
  test.each([
    { title: 'in the Dockerfile', lines: 'FROM scratch\nCOPYY a /\n', kind: 'dockerfile', message: /^unknown instruction: COPYY/, line: 2 },
    {
      title: 'in a step',
      lines: 'FROM scratch\n\nCOPY \\\n  none /\n',
      kind: 'input',
      message: /^COPY: "none" not found in the build context$/,
      line: 3,
    },
    {
      title: 'for a base',
      lines: 'FROM scratch\nFROM nowhere.invalid/base:1\n',
      kind: 'registry',
      message: /^image "nowhere.invalid\/base:1" is not in the store, and /,
      line: 2,
    },
    {
      title: 'for a name that is too long',
      lines: `FROM scratch\nCOPY ${'a'.repeat(300)} /\n`,
      kind: 'input',
      message: /not found in the build context$/,
      line: 2,
    },
    { title: 'for a link to itself', lines: 'FROM scratch\nCOPY loop /\n', kind: 'input', message: /too many symbolic links/, line: 2 },
    {
      title: 'in an archive',
      lines: 'FROM scratch\nADD broken.tar /\n',
      kind: 'input',
      message: /^broken\.tar is truncated within entry "file"/,
      line: 2,
    },
  ])('$title says what, where and of which kind', async ({ lines, kind, message, line }) => {
    const context = contextOf(lines, { loop: { link: 'loop' }, 'broken.tar': brokenTar() });
    const error = await failure({ context });
    expect(error).toMatchObject({ name: 'BuildError', kind });
    expect(error.message).toMatch(message);
    const { range } = error;
    if (range === undefined) throw new Error('the error has no range');
    expect(formatPosition(range)).toBe(`${range.file.name}:${line}:1`);
    expect(formatFrame(range)).toContain(`>>> ${line} | `);
  });

  test.each([1e12, 1.5, Number.NaN, -1e12])('for a time that no config can say: %d', async (sourceDateEpoch) => {
    const error = await failure({ context: contextOf('FROM scratch\n'), sourceDateEpoch });
    expect([error.kind, error.message]).toEqual([
      'usage',
      `invalid SOURCE_DATE_EPOCH ${sourceDateEpoch}: want whole seconds since 1970, before the year 10000`,
    ]);
  });

  test('names the line of FROM when a layer of the base is damaged', async () => {
    const base = await build({ context: contextOf('FROM scratch\nCOPY a /\n', { a: 'a' }), root, tags: ['damaged:1'] });
    const digest = base.image?.layers[0]?.descriptor.digest ?? '';
    const blob = join(root, 'blobs', digest.replace(':', '/'));
    const bytes = readFileSync(blob);
    writeFileSync(blob, bytes.fill(0x55, bytes.length - 8, bytes.length - 4));
    const error = await failure({ context: contextOf('# a comment\nFROM damaged:1\nCOPY Dockerfile /\n') });
    rmSync(blob);
    expect(error).toMatchObject({ kind: 'input', range: { startLine: 2 } });
    expect(error.message).toMatch(new RegExp(`^layer ${digest}: .+ is not valid gzip data`));
  });
});

test('what the sink of events throws ends the build', async () => {
  const reason = new Error('no more events');
  const onEvent = ({ type }: Library.BuildEvent): void => {
    if (type === 'step-started') throw reason;
  };
  await expect(build({ context: contextOf('FROM scratch\nCOPY a /\n', { a: 'a' }), root, onEvent })).rejects.toBe(reason);
});

describe('a build that is told to stop', () => {
  test('before it begins', async () => {
    const reason = new Error('enough');
    const events: string[] = [];
    const signal = AbortSignal.abort(reason);
    const error = await failure({
      context: contextOf('FROM scratch\nCOPY a /\n', { a: 'a' }),
      signal,
      onEvent: ({ type }) => events.push(type),
    });
    expect(error).toMatchObject({ kind: 'cancelled', message: 'the build was cancelled', cause: reason });
    expect(events).not.toContain('build-finished');
  });

  // Past what is copied inline, so that a thread is at it.
  const big = Buffer.alloc(48 * 1024 * 1024, 'tsbuild ');

  test.each([
    { title: 'in a step', at: 'step-started' },
    { title: 'while layers are written', at: 'step-finished' },
    { title: 'before the output', at: 'layer-finished' },
  ])('$title', async ({ at }) => {
    const stop = new AbortController();
    const context = contextOf('FROM scratch\nCOPY big /\nWORKDIR /x\n', { big });
    let stoppedAt = Infinity;
    const error = await failure({
      context,
      tags: ['stopped:1'],
      compressionLevel: 9,
      signal: stop.signal,
      onEvent: (event) => {
        if (
          event.type !== at ||
          stop.signal.aborted ||
          ('step' in event && event.step.index === 1) ||
          ('stepId' in event && event.stepId === '0.from')
        )
          return;
        // Not in the midst of the event: by then the thread is at work.
        setTimeout(() => {
          stoppedAt = performance.now();
          stop.abort();
        }, 0);
      },
    });
    expect(error.kind).toBe('cancelled');
    expect(performance.now() - stoppedAt).toBeLessThan(1000);
    expect(JSON.stringify(readFileSync(join(root, 'index.json'), 'utf8'))).not.toContain('stopped:1');
  });
});

describe('the parts', () => {
  test('parseDockerfile gives instructions and warnings', () => {
    const { instructions } = parseDockerfile('FROM scratch AS a\nCOPY --chown=1 x y /\n', { name: 'here' });
    expect(instructions).toMatchObject([
      { kind: 'from', name: 'a' },
      { kind: 'copy', sources: ['x', 'y'], dest: '/', chown: '1' },
    ]);
    expect(() => parseDockerfile('FROM scratch\nNO\n', { name: 'here' })).toThrow(BuildError);
  });

  test('expandWord expands', () => {
    expect(expandWord('${a:-x}/$b', (name) => (name === 'b' ? 'y' : undefined))).toBe('x/y');
  });
});

/** A file of a tar that breaks off after half of its content. */
function brokenTar(): Buffer {
  return member({ path: 'file', text: 'x'.repeat(2000) }).subarray(0, 1500);
}
