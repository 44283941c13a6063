/**
 * The library: everything that the command line does, as functions of plain values.
 *
 * ```ts
 * import { build } from 'tsbuild';
 *
 * const { image } = await build({ context: '.', tags: ['app:1.0'], onEvent: (event) => console.error(event) });
 * console.log(image?.descriptor.digest);
 * ```
 */
export { BuildError, type BuildErrorDetails, type ErrorKind } from './base/errors.js';
export { formatFrame, formatPosition, type SourceFile, type SourceRange } from './base/source.js';
export type { BuildEvent, EventSink, StepInfo } from './events.js';
export type { Compression, Image, Layer } from './image/image.js';
export type { Digest } from './oci/digest.js';
export type { Annotations, ContainerConfig, Descriptor, HistoryEntry, ImageConfig, Manifest, Platform } from './oci/types.js';
export type { BuildOptions, BuildResult, NamedContext, StepTiming, Ulimit } from './options.js';
export type { OutputSpec } from './output/output.js';
export type { Dockerfile, Instruction } from './parse/instruction.js';
export { parseDockerfile } from './parse/parser.js';
export { expandWord } from './parse/words.js';
export { build } from './pipeline.js';
