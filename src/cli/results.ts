import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BuildError, systemErrorText } from '../base/errors.js';
import { formatBytes, formatDuration } from '../base/format.js';
import type { Image } from '../image/image.js';
import type { Digest } from '../oci/digest.js';
import { formatPlatform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { redact } from './redact.js';
import type { BuildResult, PushedImage } from '../options.js';
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
  const id = resultId(result);
  if (request.iidFile !== undefined && id !== undefined) publish(request.iidFile, id);
  if (request.metadataFile !== undefined) publish(request.metadataFile, `${JSON.stringify(toMetadata(request, result), undefined, 2)}\n`);
}

/** What docker calls the image id: the digest of the config, or that of the index. */
export function resultId({ image, index, pushed }: BuildResult): Digest | undefined {
  return index === undefined ? image?.manifest.config.digest : (pushed[0]?.descriptor ?? index).digest;
}

/**
 * The keys of buildx, and under `tsbuild.` what it has none for. A build whose outputs are file trees has no image to describe; an index has no
 * config.
 */
export function toMetadata(request: BuildRequest, result: BuildResult): Record<string, unknown> {
  const names = imageNames(request);
  return {
    ...describe(result),
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
    'tsbuild.timings': { ...result.timings, steps: result.timings.steps.map((step) => ({ ...step, text: redact(step.text) })) },
    'tsbuild.warnings': result.warnings.map(redact),
  };
}

/** What a registry got is what others will see: with annotations or media types of an output it is not quite what lies in the store. */
function describe({ image, index, pushed }: BuildResult): Record<string, unknown> {
  const descriptor = pushed[0]?.descriptor ?? index ?? image?.descriptor;
  if (descriptor === undefined) return {};
  const result = { 'containerimage.descriptor': descriptor, 'containerimage.digest': descriptor.digest };
  if (index !== undefined || image === undefined) return result;
  const { architecture, os, variant } = image.config;
  return {
    'containerimage.config.digest': image.manifest.config.digest,
    ...result,
    'containerimage.descriptor': { ...descriptor, platform: { architecture, os, ...(variant === undefined ? {} : { variant }) } },
  };
}

/** The last words of a build on standard error: what was made, how large it is, how long it took. */
export function summarize(request: BuildRequest, result: BuildResult): string {
  const { image, images, index, pushed } = result;
  const total = formatDuration(result.timings.totalMs);
  const names = [...placedNames(request).map((name) => `  ${name}\n`), ...pushed.map(pushedLine)];
  if (index !== undefined) {
    const lines = images.map((one) => `  ${formatPlatform(one.config)}: ${contents(one)}, ${one.descriptor.digest}\n`);
    return `built index ${index.digest} in ${total}\n${names.join('')}${lines.join('')}`;
  }
  if (image === undefined) return `built in ${total}\n`;
  return `built ${image.descriptor.digest} in ${total}\n${names.join('')}  ${contents(image)}, image id ${image.manifest.config.digest}\n`;
}

/** `pushed registry.example/app:1@sha256:…` */
function pushedLine({ reference, descriptor }: PushedImage): string {
  return `  pushed ${reference}@${descriptor.digest}\n`;
}

/** What it is called anywhere but in a registry. */
function placedNames(request: BuildRequest): string[] {
  const outputs = request.options.outputs ?? [];
  return outputs.length > 0 && outputs.every(({ type }) => type === 'registry') ? [] : imageNames(request);
}

/** `3 layers, 12.3 MB` */
function contents({ layers }: Image): string {
  const sizeBytes = layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
  return `${layers.length === 1 ? '1 layer' : `${layers.length} layers`}, ${formatBytes(sizeBytes)}`;
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
