#!/usr/bin/env node
import { availableParallelism } from 'node:os';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`ERROR: tsbuild needs Node.js 20.19 or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}
// The thread pool of libuv takes its size from here when its first job starts; compression uses one thread for each core.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));

const { main } = await import('../dist/main.js');
await main(process.argv.slice(2));
