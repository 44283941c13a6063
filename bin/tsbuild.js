#!/usr/bin/env node
'use strict';
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`ERROR: tsbuild needs Node.js 20.19 or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}
// The thread pool of libuv takes its size from here when its first job starts; compression uses one thread for each core.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, require('node:os').availableParallelism()));

const { loadBundle } = require('./load-bundle.js');
const args = process.argv.slice(2);
const { exports: bundle, keepCode } = loadBundle({ debug: args.includes('-D') || args.includes('--debug') });
void bundle.main(args).then((hasBuilt) => {
  // The bytecode holds the functions that ran: those of a build are worth keeping, not those of --version.
  if (hasBuilt) keepCode();
});
