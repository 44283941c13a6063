/**
 * The library: everything that the command line does, as functions of plain values.
 *
 * ```ts
 * import { build } from 'tsbuild';
 *
 * const { image } = await build({ context: '.', tags: ['app:1.0'], onEvent: (event) => console.error(event) });
 * console.log(image?.descriptor.digest);
 * ```
 *
 * `checkDockerfile`, `outlineDockerfile` and `listTargets` look at the Dockerfile of such a build and build nothing:
 *
 * ```ts
 * const { warnings, error } = await checkDockerfile({ context: '.' });
 * for (const { ruleName, detail, range } of warnings) console.log(`${formatPosition(range)}: ${ruleName}: ${detail}`);
 * ```
 *
 * `pull`, `push` and `copy` move images between registries, the store and files:
 *
 * ```ts
 * await copy({ source: 'docker://registry.example/app:1', destination: 'oci:app', platforms: [{ os: 'linux', architecture: 'arm64' }] });
 * ```
 */
export type { GitRemote } from './base/git-url.js';
export { BuildError, type BuildErrorDetails, type ErrorKind } from './base/errors.js';
export { formatFrame, formatPosition, type SourceFile, type SourceRange } from './base/source.js';
export type { BuildEvent, EventSink, StepInfo, TransferInfo } from './events.js';
export type { Compression, Image, Layer } from './image/image.js';
export type { Digest } from './oci/digest.js';
export type { Annotations, ContainerConfig, Descriptor, HistoryEntry, ImageConfig, Manifest, Platform } from './oci/types.js';
export type {
  BuildOptions,
  BuildResult,
  ContextSpec,
  Entitlement,
  NamedContext,
  PushedImage,
  SecretSpec,
  SshSpec,
  StepTiming,
  Ulimit,
} from './options.js';
export type { OutputSpec } from './output/output.js';
export type { Dockerfile, Instruction } from './parse/instruction.js';
export { parseDockerfile } from './parse/parser.js';
export { expandWord } from './parse/words.js';
export { build } from './pipeline.js';
export { checkDockerfile, listTargets, outlineDockerfile, type CheckResult, type DockerfileText } from './check.js';
export type { HostCredentials, PullPolicy, RegistryMirror, RegistryOptions, UserPassword } from './registry/options.js';
export type { CopyOptions, MovedImage, PullOptions, PushOptions, TransportOptions } from './transport/options.js';
export { copy, pull, push } from './transport.js';
export type { Outline, OutlineArg, OutlineNeed } from './lint/outline.js';
export type { Target } from './lint/targets.js';
export type { LintWarning } from './lint/warning.js';
