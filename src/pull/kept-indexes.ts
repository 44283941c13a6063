import { closeSync, fstatSync, futimesSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../base/errors.js';
import { decodeLayerIndex, encodeLayerIndex } from '../snapshot/index-encoding.js';
import type { LayerIndex } from '../snapshot/root-view.js';
import { temporaryName } from '../store/files.js';

/** Garbage collection goes by when an index was last used; once a day is exact enough. */
const TOUCH_EVERY_MS = 24 * 60 * 60 * 1000;

/**
 * Leaves the index of a layer for later builds. Never fails: whoever has no index makes one. Not synced: an index that a power cut tore is not
 * believed.
 */
export function keepLayerIndex(path: string, index: LayerIndex): void {
  const temporaryPath = join(dirname(path), temporaryName());
  try {
    writeFileSync(temporaryPath, encodeLayerIndex(index), { flag: 'wx', mode: 0o600 });
    renameSync(temporaryPath, path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    rmSync(temporaryPath, { force: true });
  }
}

/** `undefined` when there is none; one that is damaged is removed. */
export function readKeptIndex(path: string): LayerIndex | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const index = decodeLayerIndex(readFileSync(fd));
    if (index === undefined) rmSync(path, { force: true });
    else touch(fd);
    return index;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function touch(fd: number): void {
  const nowMs = Date.now();
  if (nowMs - fstatSync(fd).mtimeMs > TOUCH_EVERY_MS) futimesSync(fd, nowMs / 1000, nowMs / 1000);
}
