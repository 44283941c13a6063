import { accessSync, constants, readdirSync, statSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { BuildError, errnoOf, systemErrorText } from '../base/errors.js';
import type { OutputSpec } from './output.js';

/**
 * Refuses what would fail after the build: destinations that cannot be written, two outputs to one place, an archive to a terminal.
 *
 * @param isIndex the build makes an index of images
 * @throws BuildError `usage`
 */
export function checkOutputs(specs: readonly OutputSpec[], { isIndex = false } = {}): void {
  const seen = new Set<string>();
  for (const spec of specs) {
    if (spec.type === 'docker' && isIndex) throw noDockerIndex();
    if (spec.type === 'image' || spec.type === 'registry') continue;
    const place = spec.dest === '-' ? '-' : resolve(spec.dest);
    if (seen.has(place)) throw new BuildError('usage', `two outputs go to ${JSON.stringify(spec.dest)}`);
    seen.add(place);
    checkOutput(spec);
  }
}

function noDockerIndex(): BuildError {
  return new BuildError('usage', 'type=docker does not support several platforms: its archive holds images, not an index of them', {
    hint: 'use type=oci, or build one platform',
  });
}

/** @throws BuildError `usage` */
export function checkOutput(spec: OutputSpec): void {
  if (spec.type === 'image' || spec.type === 'registry') return;
  if (spec.dest === '-') return checkStdout(spec.type);
  const found = statOf(spec.dest);
  const wantsDirectory = spec.type === 'local' || (spec.type === 'oci' && !spec.tar);
  if (found !== undefined && found.isDirectory() !== wantsDirectory && !isDevice(found)) {
    throw new BuildError(
      'usage',
      `output ${JSON.stringify(spec.dest)} is ${found.isDirectory() ? 'a directory, want a file' : 'a file, want a directory'}`,
    );
  }
  if (spec.type === 'oci' && !spec.tar && found !== undefined) checkLayoutPlace(spec.dest);
  checkWritable(spec.dest, wantsDirectory && found !== undefined);
}

function checkStdout(type: string): void {
  if (!process.stdout.isTTY) return;
  throw new BuildError('usage', `output type=${type} does not go to a terminal`, { hint: 'redirect standard output, or write dest=FILE' });
}

/** A directory is fit for a layout when it is one already, or is empty. */
function checkLayoutPlace(dir: string): void {
  const names = readdirSync(dir);
  if (names.length === 0 || names.includes('oci-layout')) return;
  throw new BuildError('usage', `output directory ${JSON.stringify(dir)} is neither empty nor an OCI layout`, {
    hint: 'name an empty or new directory; an existing OCI layout keeps its other images',
  });
}

/** What does not exist yet is made, with its parents: the nearest one that exists must be writable. */
function checkWritable(dest: string, itself: boolean): void {
  let dir = itself ? resolve(dest) : dirname(resolve(dest));
  for (let found = statOf(dir); found === undefined; found = statOf(dir)) dir = join(dir, '..');
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new BuildError('usage', `output ${JSON.stringify(dest)} cannot be written: ${dir}: ${systemErrorText(cause)}`, {
      cause,
    });
  }
}

function isDevice(found: Stats): boolean {
  return found.isCharacterDevice() || found.isFIFO();
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT') return undefined;
    throw new BuildError('usage', `output ${JSON.stringify(path)} cannot be written: ${systemErrorText(cause)}`, { cause });
  }
}
