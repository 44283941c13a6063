import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { findProgram, requireProgram, runProgram, spawnFilter } from '../../src/os/process.js';

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe('findProgram', () => {
  test('looks along PATH, at files that can be executed, in absolute directories only', () => {
    expect(findProgram('sh', '/nowhere:/bin')).toBe('/bin/sh');
    expect(findProgram('/bin/sh')).toBe('/bin/sh');
    expect(findProgram('/etc/passwd')).toBeUndefined();
    expect(findProgram('passwd', '/etc')).toBeUndefined();
    expect(findProgram('bin', '/')).toBeUndefined();
    expect(findProgram('process.test.ts', 'test/os:')).toBeUndefined();
  });

  test('a missing program names its package', () => {
    expect(() => requireProgram('no-such-program', 'such-package')).toThrow(
      expect.objectContaining({ kind: 'environment', hint: expect.stringContaining('such-package') as string }) as Error,
    );
  });
});

describe('runProgram', () => {
  test('collects outputs and status', async () => {
    const result = await runProgram('sh', ['-c', 'cat; echo err >&2; exit 3'], { input: 'in\n' });
    expect(result).toEqual({ exitCode: 3, stdout: 'in\n', stderr: 'err\n' });
  });

  test('a signal is 128 and its number', async () => {
    expect((await runProgram('sh', ['-c', 'kill -9 $$'])).exitCode).toBe(137);
  });

  test('what cannot start, and what is stopped', async () => {
    await expect(runProgram('no-such-program', [])).rejects.toMatchObject({ kind: 'environment' });
    await expect(runProgram('sleep', ['60'], { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

describe('spawnFilter', () => {
  test('pipes through', async () => {
    const bytes = Buffer.alloc(3_000_000, 'tsbuild');
    const zipped = await collect(spawnFilter('gzip', ['-c'], Readable.from([bytes.subarray(0, 10), bytes.subarray(10)])));
    expect(gunzipSync(zipped).equals(bytes)).toBe(true);
  });

  test("the program's last words become the error", async () => {
    await expect(collect(spawnFilter('gzip', ['-dc'], Readable.from([Buffer.from('garbage')])))).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(/^gzip failed: .*not in gzip format/) as string,
    });
  });

  test('a truncated input fails', async () => {
    const zipped = gzipSync(Buffer.alloc(100_000, 'x'));
    await expect(collect(spawnFilter('gzip', ['-dc'], Readable.from([zipped.subarray(0, -20)])))).rejects.toMatchObject({ kind: 'input' });
  });

  test('the error of the input is told, not what follows from it', async () => {
    const source = Readable.from(
      (function* () {
        yield gzipSync('x').subarray(0, 12);
        throw new Error('disk on fire');
      })(),
    );
    await expect(collect(spawnFilter('gzip', ['-dc'], source))).rejects.toThrow('disk on fire');
  });

  test('leaving early ends the program', async () => {
    const before = performance.now();
    for await (const chunk of spawnFilter('sh', ['-c', 'echo $$; exec sleep 60'], Readable.from([Buffer.from('x')]))) {
      const pid = Number(chunk.toString());
      setImmediate(() => undefined);
      expect(pid).toBeGreaterThan(1);
      break;
    }
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('a program that is missing', async () => {
    await expect(collect(spawnFilter('no-such-program', [], Readable.from([Buffer.from('x')])))).rejects.toMatchObject({
      kind: 'environment',
    });
  });
});
