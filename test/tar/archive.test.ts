import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable, type Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readArchive, writeArchive, type ArchiveInput, type ArchiveMember } from '../../src/tar/archive.js';
import { hardlink, member, rawHeader, symlink, tarOf } from '../helpers/tar-builder.js';

const dir = mkdtempSync(join(tmpdir(), 'tsbuild-archive-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const blob = join(dir, 'blob');
const BLOB_BYTES = 3_000_000;
const archive = join(dir, 'image.tar');

const inputs: readonly ArchiveInput[] = [
  { name: 'blobs/', mode: 0o755, mtimeSeconds: 0, sizeBytes: 0, content: 'directory' },
  { name: 'blobs/one', mode: 0o644, mtimeSeconds: 7, sizeBytes: 3, content: Buffer.from('abc') },
  { name: 'blobs/large', mode: 0o644, mtimeSeconds: 0, sizeBytes: BLOB_BYTES, content: { path: blob } },
  { name: 'index.json', mode: 0o600, mtimeSeconds: 0, sizeBytes: 0, content: Buffer.alloc(0) },
];

beforeAll(async () => {
  writeFileSync(blob, Buffer.alloc(BLOB_BYTES, 7));
  await writeArchive(createWriteStream(archive), inputs);
});

async function members(source: string | Readable): Promise<(ArchiveMember & { readonly readBytes: number })[]> {
  const seen: (ArchiveMember & { readonly readBytes: number })[] = [];
  await readArchive(source, async (found, content) => {
    let readBytes = 0;
    for await (const chunk of content) readBytes += chunk.length;
    seen.push({ ...found, readBytes });
  });
  return seen;
}

function file(name: string, bytes: Buffer): string {
  writeFileSync(join(dir, name), bytes);
  return join(dir, name);
}

describe('writeArchive', () => {
  it('is read by GNU tar', () => {
    const listing = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', archive], { encoding: 'utf8' });
    expect(listing).toMatch(/^drwxr-xr-x 0\/0 +0 1970-01-01 00:00 blobs\/$/m);
    expect(listing).toMatch(/^-rw-r--r-- 0\/0 +3000000 .* blobs\/large$/m);
    expect(execFileSync('tar', ['-xOf', archive, 'blobs/one'], { encoding: 'utf8' })).toBe('abc');
  });

  it('makes equal archives of equal members', async () => {
    const again = join(dir, 'again.tar');
    await writeArchive(createWriteStream(again), inputs);
    expect(readFileSync(again).equals(readFileSync(archive))).toBe(true);
  });

  const large = inputs[2] as ArchiveInput;
  it.each([
    ['a file that has grown', { ...large, sizeBytes: 10 }, /"blobs\/large" has changed/],
    ['a file that has shrunk', { ...large, sizeBytes: BLOB_BYTES + 1 }, /got 3000000 bytes, want 3000001/],
    ['bytes of another size', { ...large, content: Buffer.from('x') }, /got 1 bytes/],
    ['a missing file', { ...large, content: { path: join(dir, 'missing') } }, /missing": no such file or directory \(ENOENT\)/],
  ])('fails for %s', async (_title, input, message) => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    await expect(writeArchive(sink, [input])).rejects.toThrow(message);
    expect(sink.destroyed).toBe(true);
  });

  it('fails when its destination does', async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) });
    await expect(writeArchive(full, inputs)).rejects.toThrow('disk full');
  });
});

describe('readArchive', () => {
  const wanted = [
    { path: 'blobs', type: 'directory', sizeBytes: 0, readBytes: 0 },
    { path: 'blobs/one', type: 'file', sizeBytes: 3, readBytes: 3 },
    { path: 'blobs/large', type: 'file', sizeBytes: BLOB_BYTES, readBytes: BLOB_BYTES },
    { path: 'index.json', type: 'file', sizeBytes: 0, readBytes: 0 },
  ];

  it('reads files, streams and compressed archives', async () => {
    expect(await members(archive)).toEqual(wanted);
    expect(await members(createReadStream(archive))).toEqual(wanted);
    expect(await members(file('image.tgz', gzipSync(readFileSync(archive))))).toEqual(wanted);
    expect(await members(createReadStream(join(dir, 'image.tgz')))).toEqual(wanted);
  });

  it('skips what is not read', async () => {
    const paths: string[] = [];
    await readArchive(archive, async ({ path }, content) => {
      paths.push(path);
      if (path === 'blobs/large') for await (const _chunk of content) break;
    });
    expect(paths).toEqual(wanted.map(({ path }) => path));
  });

  it('reports links, which docker save makes', async () => {
    const tar = tarOf(member({ path: 'a/layer.tar', text: 'x' }), symlink('b/layer.tar', '../a/layer.tar'), hardlink('c', 'a/layer.tar'));
    const found = await members(file('links.tar', tar));
    expect(found.map(({ type, linkTarget }) => [type, linkTarget])).toEqual([
      ['file', undefined],
      ['symlink', '../a/layer.tar'],
      ['hardlink', 'a/layer.tar'],
    ]);
  });

  it.each([
    ['truncated', () => readFileSync(archive).subarray(0, 100_000), /not a valid tar archive/],
    ['no tar', () => Buffer.alloc(5000, 'A'), /not a valid tar archive/],
    ['truncated gzip', () => gzipSync(readFileSync(archive)).subarray(0, 2000), /truncated/],
    ['a name that climbs', () => tarOf(rawHeader({ name: '../x' })), /climbs above the root/],
    ['a device', () => tarOf(member({ path: 'null', type: 'char', devMajor: 1, devMinor: 3 })), /is a character-device/],
  ])('refuses %s', async (title, bytes, message) => {
    await expect(members(file(`bad ${title}`, bytes()))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(message) as string,
    });
  });

  it('passes on what the reader of a member throws, and closes the file', async () => {
    const stop = readArchive(archive, () => Promise.reject(new Error('enough')));
    await expect(stop).rejects.toThrow('enough');
  });
});
