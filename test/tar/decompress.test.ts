import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { BuildError } from '../../src/base/errors.js';
import { decompressStream, openDecompressed, sniffCompression } from '../../src/tar/decompress.js';
import { missingProgram } from '../helpers/cli.js';
import { member, tarOf } from '../helpers/tar-builder.js';

const dir = mkdtempSync(join(tmpdir(), 'tsbuild-decompress-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const plain = Buffer.from(Array.from({ length: 40_000 }, (_, index) => `line ${index}\n`).join(''));

function compress(program: string, bytes: Buffer = plain): Buffer {
  return execFileSync(program, ['-c'], { input: bytes, maxBuffer: 1 << 28 });
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function readBack(name: string, bytes: Buffer): Promise<Buffer> {
  writeFileSync(join(dir, name), bytes);
  return collect(openDecompressed(join(dir, name)));
}

async function failure(name: string, bytes: Buffer): Promise<BuildError> {
  const error: unknown = await readBack(name, bytes).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(BuildError);
  return error as BuildError;
}

/** Of this process. */
function openFiles(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;
}

const programs = ['gzip', 'bzip2', 'xz', 'zstd'] as const;

describe.each(programs)('%s', (program) => {
  const missing = missingProgram(program);
  if (missing !== undefined) console.warn(`SKIPPED: ${missing}`);

  it.skipIf(missing !== undefined)('is known by its content and read back', async () => {
    const bytes = compress(program);
    expect(sniffCompression(bytes)).toBe(program);
    expect((await readBack(`${program}.txt`, bytes)).equals(plain)).toBe(true);
    expect((await collect(decompressStream(Readable.from([bytes.subarray(0, 300), bytes.subarray(300)]), 'stdin'))).equals(plain)).toBe(
      true,
    );
  });

  it.skipIf(missing !== undefined)('goes on behind the first member or frame', async () => {
    const bytes = Buffer.concat([
      compress(program, Buffer.from('one')),
      compress(program, Buffer.from('two')),
      compress(program, Buffer.from('three')),
    ]);
    expect((await readBack('several', bytes)).toString()).toBe('onetwothree');
  });

  it.skipIf(missing !== undefined)('says which file is damaged or truncated', async () => {
    const bytes = compress(program);
    const damaged = Buffer.from(bytes);
    damaged.fill(0x5a, bytes.length >> 1, (bytes.length >> 1) + 64);
    for (const [name, content] of [
      [`damaged-${program}`, damaged],
      [`truncated-${program}`, bytes.subarray(0, bytes.length - 30)],
      [`start-only-${program}`, bytes.subarray(0, 6)],
    ] as const) {
      const error = await failure(name, content);
      expect([error.kind, error.message]).toEqual(['input', expect.stringContaining(join(dir, name))]);
    }
  });

  it.skipIf(missing !== undefined)('ends the program and closes the file when the reader stops', async () => {
    const path = join(dir, `stop-${program}`);
    writeFileSync(path, compress(program, Buffer.concat([plain, plain, plain, plain])));
    for await (const chunk of openDecompressed(path)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => openFiles(path)).toBe(0);
    const children = execFileSync('ps', ['-o', 'comm=', '--ppid', String(process.pid)], { encoding: 'utf8' });
    expect(children.split('\n')).not.toContain(program);
  });
});

describe('openDecompressed', () => {
  it('passes plain files on', async () => {
    expect((await readBack('plain', plain)).equals(plain)).toBe(true);
    expect((await readBack('empty', Buffer.alloc(0))).length).toBe(0);
    expect((await readBack('short', Buffer.from('BZ'))).toString()).toBe('BZ');
  });

  it('takes a tar for a tar, whatever its first member is called', async () => {
    const tar = tarOf(member({ path: 'BZh91AY', text: 'x' }));
    expect(sniffCompression(tar)).toBe('none');
    expect((await readBack('tar', tar)).equals(tar)).toBe(true);
  });

  it('ignores what follows the last gzip member', async () => {
    expect((await readBack('tail', Buffer.concat([gzipSync('text'), Buffer.alloc(1000)]))).toString()).toBe('text');
  });

  it('reads a thousand gzip members', async () => {
    const bytes = Buffer.concat(Array.from({ length: 1000 }, () => gzipSync('x')));
    expect((await readBack('thousand', bytes)).toString()).toBe('x'.repeat(1000));
  });

  it.skipIf(missingProgram('zstd') !== undefined)('refuses a zstd window of 2 GiB', async () => {
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0x00, 0x00]);
    expect((await failure('window', frame)).kind).toBe('input');
  });

  it('names a file that is not there', async () => {
    const error: unknown = await collect(openDecompressed(join(dir, 'missing'))).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'input', message: `cannot read "${join(dir, 'missing')}": no such file or directory (ENOENT)` });
    const directory: unknown = await collect(openDecompressed(dir)).catch((thrown: unknown) => thrown);
    expect(directory).toMatchObject({ kind: 'input', message: expect.stringContaining('EISDIR') as string });
  });

  it('reads a stream that fails or has nothing', async () => {
    expect((await collect(decompressStream(Readable.from([]), 'stdin'))).length).toBe(0);
    await expect(collect(decompressStream(createReadStream(join(dir, 'missing')), 'stdin'))).rejects.toThrow(
      'cannot read "stdin": no such file or directory (ENOENT)',
    );
  });

  it('says which package has a missing program', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nonexistent';
    try {
      const error = await failure('no-xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]));
      expect([error.kind, error.hint]).toEqual(['environment', expect.stringContaining('xz-utils')]);
    } finally {
      process.env['PATH'] = path;
    }
  });
});
