import { once } from 'node:events';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { writeLayer } from '../../src/image/layer.js';
import { fileEntry, sampleBytes } from './entries.js';

/** Writes a layer to the file given as argument, with `thread` after it in a worker thread, and prints its digest. */
if (!isMainThread) await write(workerData as string);
else if (process.argv[3] === 'thread') await once(new Worker(new URL(import.meta.url), { workerData: process.argv[2] }), 'exit');
else await write(process.argv[2] ?? '');

async function write(tempFile: string): Promise<void> {
  const entries = Array.from({ length: 12 }, (_, index) => fileEntry(`f${index}`, sampleBytes(700_000 + index * 50_001, index)));
  console.log((await writeLayer(entries, { tempFile, compression: 'gzip' })).digest);
}
