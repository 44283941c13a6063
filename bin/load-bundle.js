'use strict';
const { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

/**
 * Loads dist/main.cjs together with the bytecode that V8 made of it in an earlier run: to parse and compile the bundle would take a quarter of a small
 * build (110 ms instead of 150). A CommonJS bundle, since bytecode cannot be given to an ES module; and not Node's own compile cache, which begins
 * with Node 22 and keeps what is compiled at load only.
 *
 * The bytecode lies beside the bundle, where only those can write who can write the bundle too. Its name holds what it was made from: the digest of the
 * bundle's text, which is its first line, and the version of Node. V8 itself refuses bytecode of another version or of other flags.
 *
 * For --debug it is loaded as any module: of those alone Node reads the source map, which says where in the source a stack trace points to.
 */
function loadBundle({ debug }) {
  const path = join(__dirname, '../dist/main.cjs');
  if (debug) {
    process.setSourceMapsEnabled(true);
    return { exports: require(path), keepCode: () => undefined };
  }
  // The bundler writes ASCII alone, and this is the encoding that need not be checked.
  const source = readFileSync(path, 'latin1');
  const digest = source.slice(2, source.indexOf('\n'));
  const codePath = `${path}-${digest}-${process.version}-${process.arch}.code`;
  const cachedData = readIfThere(codePath);
  const script = new Script(`(function (exports, require, module, __filename) {${source}\n})`, {
    filename: path,
    cachedData,
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(path), module, path);
  const isKept = cachedData !== undefined && script.cachedDataRejected !== true;
  return { exports: module.exports, keepCode: () => (isKept ? undefined : writeIfAllowed(codePath, script.createCachedData())) };
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Whole or not at all, on disk before it has its name. The package may belong to another user: then each run compiles. */
function writeIfAllowed(path, code) {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    const fd = openSync(temporary, 'wx', 0o644);
    try {
      writeFileSync(fd, code);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}

module.exports = { loadBundle };
