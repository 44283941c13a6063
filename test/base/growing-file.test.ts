import * as fc from 'fast-check';
import { appendFileSync, closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Growth, readGrowing, type GrowingFile } from '../../src/base/growing-file.js';
import { scratchDir } from '../helpers/cli.js';

const { path: scratch, [Symbol.dispose]: removeScratch } = scratchDir('tsbuild-growing-');
afterAll(removeScratch);

let count = 0;

function newFile(): { readonly file: GrowingFile; readonly growth: Growth } {
  const growth = new Growth();
  const path = join(scratch, String(count++));
  writeFileSync(path, '');
  return { file: { path, finalPath: `${path}.final`, state: growth.state }, growth };
}

async function readAll(file: GrowingFile, offset = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readGrowing(file, offset)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The bytes 0, 1, 2 … */
function bytesOf(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, index) => index));
}

describe('a growing file', () => {
  it('gives the same bytes however it grows', async () => {
    const piece = fc.record({ sizeBytes: fc.integer({ min: 0, max: 3000 }), pauses: fc.integer({ min: 0, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.double({ min: 0, max: 1, noNaN: true }), async (pieces, from) => {
        const { file, growth } = newFile();
        const bytes = bytesOf(pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
        const offset = Math.floor(bytes.length * from);
        const [all, rest] = [readAll(file), readAll(file, offset)];
        const fd = openSync(file.path, 'a');
        let position = 0;
        for (const { sizeBytes, pauses } of pieces) {
          for (let pause = 0; pause < pauses; pause++) await new Promise(setImmediate);
          writeSync(fd, bytes, position, sizeBytes);
          growth.add(sizeBytes);
          position += sizeBytes;
        }
        closeSync(fd);
        growth.end('whole');
        expect((await all).equals(bytes)).toBe(true);
        expect((await rest).equals(bytes.subarray(offset))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('gives a first chunk that tells what it is', async () => {
    const { file, growth } = newFile();
    const first = readGrowing(file).next();
    for (let byte = 0; byte < 600; byte++) {
      appendFileSync(file.path, 'x');
      growth.add(1);
      if (byte % 100 === 0) await sleep(1);
    }
    const { value } = await first;
    expect(value?.length).toBeGreaterThanOrEqual(512);
  });

  it('gives a first chunk of fewer bytes when there are no more', async () => {
    const { file, growth } = newFile();
    appendFileSync(file.path, 'ab');
    growth.add(2);
    growth.end('whole');
    expect((await readAll(file)).toString()).toBe('ab');
  });

  it('is read on where it is moved, by those who have it open and those who come later', async () => {
    const { file, growth } = newFile();
    const early = readGrowing(file);
    appendFileSync(file.path, bytesOf(700));
    growth.add(700);
    const first = (await early.next()).value ?? Buffer.alloc(0);
    growth.end('whole');
    renameSync(file.path, file.finalPath);
    expect(first.equals(bytesOf(700)) && (await early.next()).done).toBe(true);
    expect(await readAll(file)).toEqual(bytesOf(700));
  });

  it('that fails says so, also to those who come when it is gone', async () => {
    const { file, growth } = newFile();
    appendFileSync(file.path, 'x');
    growth.add(1);
    const waiting = readAll(file);
    await sleep(5);
    growth.end('failed');
    await expect(waiting).rejects.toMatchObject({ kind: 'internal', message: `"${file.path}" does not become whole` });
    rmSync(file.path);
    await expect(readAll(file)).rejects.toMatchObject({ kind: 'internal' });
  });
});
