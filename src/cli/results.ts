import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BuildError, systemErrorText } from '../base/errors.js';
import { formatBytes, formatDuration } from '../base/format.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { redact } from './redact.js';
import type { BuildResult } from '../options.js';
import type { BuildRequest } from './flags.js';

/**
 * Refuses places that could not be written after the build.
 * @throws BuildError `usage` for a directory, `environment` when it cannot be written
 */
export function checkResultFiles({ iidFile, metadataFile }: Pick<BuildRequest, 'iidFile' | 'metadataFile'>): void {
  if (iidFile !== undefined) checkPlace('--iidfile', iidFile);
  if (metadataFile !== undefined) checkPlace('--metadata-file', metadataFile);
}

function checkPlace(flag: string, path: string): void {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) {
      throw new BuildError('usage', `invalid ${flag} ${JSON.stringify(path)}: it is a directory, want a file`, {
        hint: `name a file in it: ${flag} ${path.replace(/\/*$/, '/')}id`,
      });
    }
    let dir = found === undefined || found.isFile() ? dirname(resolve(path)) : resolve(path);
    while (statSync(dir, { throwIfNoEntry: false }) === undefined) dir = dirname(dir);
    accessSync(dir, constants.W_OK);
  } catch (cause) {
    if (cause instanceof BuildError) throw cause;
    throw cannotWrite(path, cause);
  }
}

/** Writes `--iidfile` and `--metadata-file`. @throws BuildError `environment` */
export function writeResultFiles(request: BuildRequest, result: BuildResult): void {
  if (request.iidFile !== undefined && result.image !== undefined) publish(request.iidFile, result.image.manifest.config.digest);
  if (request.metadataFile !== undefined) publish(request.metadataFile, `${JSON.stringify(toMetadata(request, result), undefined, 2)}\n`);
}

/** The keys of buildx, and under `tsbuild.` what it has none for. A build whose outputs are file trees has no image to describe. */
export function toMetadata(request: BuildRequest, result: BuildResult): Record<string, unknown> {
  const names = imageNames(request);
  const { image } = result;
  return {
    ...(image === undefined
      ? {}
      : {
          'containerimage.config.digest': image.manifest.config.digest,
          'containerimage.descriptor': { ...image.descriptor, platform: { architecture: image.config.architecture, os: image.config.os } },
          'containerimage.digest': image.descriptor.digest,
        }),
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
    'tsbuild.timings': { ...result.timings, steps: result.timings.steps.map((step) => ({ ...step, text: redact(step.text) })) },
    'tsbuild.warnings': result.warnings.map(redact),
  };
}

/** The last words of a build on standard error: what was made, how large it is, how long it took. */
export function summarize(request: BuildRequest, result: BuildResult): string {
  const { image } = result;
  const total = formatDuration(result.timings.totalMs);
  if (image === undefined) return `built in ${total}\n`;
  const sizeBytes = image.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
  const layers = image.layers.length === 1 ? '1 layer' : `${image.layers.length} layers`;
  const names = imageNames(request).map((name) => `  ${name}\n`);
  return `built ${image.descriptor.digest} in ${total}\n${names.join('')}  ${layers}, ${formatBytes(sizeBytes)}, image id ${image.manifest.config.digest}\n`;
}

function imageNames(request: BuildRequest): string[] {
  const outputs = request.options.outputs ?? [];
  const given = [...(request.options.tags ?? []), ...outputs.flatMap((output) => ('names' in output ? output.names : []))];
  return [...new Set(given.map((name) => formatReference(parseReference(name))))];
}

/** Whole or not at all; the directory is made when missing. A place that is no file (`/dev/stdout`) is written to as it is. */
function publish(path: string, text: string): void {
  const temporaryPath = path.startsWith('/dev/') ? path : `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporaryPath, text);
    if (temporaryPath !== path) renameSync(temporaryPath, path);
  } catch (cause) {
    if (temporaryPath !== path && existsSync(temporaryPath)) rmSync(temporaryPath);
    throw cannotWrite(path, cause);
  }
}

function cannotWrite(path: string, cause: unknown): BuildError {
  return new BuildError('environment', `cannot write "${path}": ${systemErrorText(cause)}`, { cause });
}
