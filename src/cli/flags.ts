import { statSync } from 'node:fs';
import { BuildError } from '../base/errors.js';
import { didYouMean } from '../base/suggest.js';
import { parseReference } from '../oci/reference.js';
import type { BuildOptions } from '../options.js';
import type { OutputSpec } from '../output/output.js';
import { parseCompression, parseCompressionLevel } from '../output/compression.js';
import { parseOciLayout, parseOutputs } from '../output/spec.js';
import { COMMANDS } from './command-names.js';
import { parseAllow, parseSecret, parseSsh } from './grants.js';
import { parsePullPolicy, toRegistryOptions, type RawRegistryFlags } from './registry-flags.js';
import {
  parseAnnotations,
  parseBuildContext,
  parseEpoch,
  parseHost,
  parseMemorySize,
  parseNetwork,
  parsePairs,
  parsePlatforms,
  parseRemote,
  parseUlimit,
  parseWord,
} from './values.js';

/** What commander makes of the arguments of `build`. */
export interface RawBuildFlags extends RawRegistryFlags {
  readonly tag?: readonly string[];
  readonly file?: string;
  readonly buildArg?: readonly string[];
  readonly target?: string;
  readonly buildContext?: readonly string[];
  readonly label?: readonly string[];
  readonly annotation?: readonly string[];
  readonly output?: readonly string[];
  readonly ociLayout?: string;
  readonly compression?: string;
  readonly compressionLevel?: string;
  readonly platform?: readonly string[];
  readonly secret?: readonly string[];
  readonly ssh?: readonly string[];
  readonly allow?: readonly string[];
  readonly maxArchiveSize?: string;
  readonly check?: boolean;
  readonly call?: string;
  readonly network?: string;
  readonly addHost?: readonly string[];
  readonly shmSize?: string;
  readonly ulimit?: readonly string[];
  readonly load?: boolean;
  readonly push?: boolean;
  readonly pull?: string;
  readonly sourceDateEpoch?: string;
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly root?: string;
  readonly runtime?: string;
  readonly progress?: string;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'quiet'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** A `tsbuild build`, every value checked. */
export interface BuildRequest {
  readonly options: BuildOptions;
  readonly progress: ProgressMode;
  /** Print the image id on standard output. */
  readonly printId: boolean;
  readonly debug: boolean;
  readonly iidFile?: string;
  readonly metadataFile?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const USAGE = 'usage: tsbuild [build] [options] PATH';

/**
 * @param path the context
 * @param env for bare `--build-arg`, SOURCE_DATE_EPOCH and the like
 * @throws BuildError `usage`, `unsupported`; `input` when a directory is missing
 */
export function toBuildRequest(path: string | undefined, raw: RawBuildFlags, env: Environment): BuildRequest {
  for (const tag of raw.tag ?? []) parseTag(tag);
  const progress = parseProgress(raw);
  return {
    options: {
      context: parseContext(path),
      ...imageOptions(raw, env),
      ...runOptions(raw),
      ...grants(raw, env),
      ...placeOptions(raw),
      registry: toRegistryOptions(raw, env),
    },
    progress,
    printId: progress === 'quiet',
    debug: raw.debug ?? false,
    ...file('iidFile', '--iidfile', raw.iidfile),
    ...file('metadataFile', '--metadata-file', raw.metadataFile),
  };
}

type Part = Partial<BuildOptions>;

function imageOptions(raw: RawBuildFlags, env: Environment): Part {
  const contexts = (raw.buildContext ?? []).map(parseBuildContext);
  for (const [, context] of contexts) if (context.kind === 'directory') checkDirectory('build context', context.path);
  return {
    tags: raw.tag ?? [],
    buildArgs: toBuildArgs(raw, env),
    labels: parsePairs('--label', raw.label ?? [], () => ''),
    annotations: parseAnnotations(raw.annotation ?? []),
    buildContexts: Object.fromEntries(contexts),
    ...(raw.target === undefined ? {} : { target: nonEmpty('--target', raw.target) }),
    ...toPlatforms(raw, env),
    ...(raw.sourceDateEpoch === undefined ? {} : { sourceDateEpoch: parseEpoch('--source-date-epoch', raw.sourceDateEpoch) }),
  };
}

/** The environment's DOCKER_DEFAULT_PLATFORM stands in for the flag, as with docker. */
function toPlatforms(raw: RawBuildFlags, env: Environment): Part {
  const byDefault = env['DOCKER_DEFAULT_PLATFORM'] ?? '';
  const texts = raw.platform ?? (byDefault === '' ? [] : [byDefault]);
  return texts.length === 0 ? {} : { platforms: parsePlatforms(texts) };
}

/** The environment's SOURCE_DATE_EPOCH is a build argument, as buildx forwards it; `--source-date-epoch` is one too, unless given as such. */
function toBuildArgs(raw: RawBuildFlags, env: Environment): Record<string, string> {
  const given = parsePairs('--build-arg', raw.buildArg ?? [], (key) => env[key]);
  if (Object.hasOwn(given, 'SOURCE_DATE_EPOCH')) return given;
  const flag = raw.sourceDateEpoch;
  if (flag !== undefined) return { ...given, SOURCE_DATE_EPOCH: String(parseEpoch('--source-date-epoch', flag)) };
  // It may name what has a time, which only the Dockerfile tells from a mistake.
  const forwarded = env['SOURCE_DATE_EPOCH'];
  return forwarded === undefined || forwarded === '' ? given : { ...given, SOURCE_DATE_EPOCH: forwarded };
}

function runOptions(raw: RawBuildFlags): Part {
  return {
    addHosts: (raw.addHost ?? []).map(parseHost),
    ulimits: (raw.ulimit ?? []).map(parseUlimit),
    ...(raw.network === undefined ? {} : { network: parseNetwork(raw.network) }),
    ...(raw.shmSize === undefined ? {} : { shmSizeBytes: parseMemorySize('--shm-size', raw.shmSize) }),
    ...(raw.maxArchiveSize === undefined ? {} : { maxArchiveBytes: parseMemorySize('--max-archive-size', raw.maxArchiveSize) }),
    ...(raw.runtime === undefined ? {} : { runtime: nonEmpty('--runtime', raw.runtime) }),
  };
}

function grants(raw: RawBuildFlags, env: Environment): Part {
  return {
    ...(raw.secret === undefined ? {} : { secrets: raw.secret.map((text) => parseSecret(text, env)) }),
    ...(raw.ssh === undefined ? {} : { ssh: parseSsh(raw.ssh) }),
    ...(raw.allow === undefined ? {} : { allow: raw.allow.map(parseAllow) }),
  };
}

function placeOptions(raw: RawBuildFlags): Part {
  const compression = parseCompression(raw.compression);
  const level = parseCompressionLevel(raw.compressionLevel, compression);
  const outputs = toOutputs(raw);
  return {
    ...(raw.file === undefined ? {} : { file: nonEmpty('--file', raw.file) }),
    ...(raw.pull === undefined ? {} : { pull: parsePullPolicy(raw.pull) }),
    ...(raw.root === undefined ? {} : { root: nonEmpty('--root', raw.root) }),
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { compressionLevel: level }),
  };
}

function toOutputs(raw: RawBuildFlags): readonly OutputSpec[] {
  const given = [...(raw.output ?? []).flatMap(parseOutputs), ...(raw.ociLayout === undefined ? [] : [parseOciLayout(raw.ociLayout)])];
  const outputs = raw.push === true ? withPush(given) : given;
  const stored = outputs.some((output) => output.type === 'image');
  return raw.load === true && outputs.length > 0 && !stored ? [...outputs, { type: 'image', names: [] }] : outputs;
}

/** `--push` beside `-o type=image` makes that `type=image,push=true`. */
function withPush(outputs: readonly OutputSpec[]): readonly OutputSpec[] {
  if (outputs.some((output) => output.type === 'registry')) return outputs;
  const images = outputs.filter((output) => output.type === 'image');
  const pushed = images.length === 0 ? [{ names: [] }] : images;
  return [...outputs, ...pushed.map((output) => ({ ...output, type: 'registry' as const, annotations: {} }))];
}

function parseTag(text: string): void {
  if (parseReference(text).digest !== undefined) {
    throw new BuildError('usage', `invalid --tag ${JSON.stringify(text)}: a digest cannot be chosen`, {
      hint: 'leave out everything from "@" on',
    });
  }
}

export function parseProgress(raw: Pick<RawBuildFlags, 'quiet' | 'progress'>): ProgressMode {
  if (raw.quiet === true) return 'quiet';
  const text = raw.progress ?? 'auto';
  if (text === 'rawjson' || text === 'json')
    throw new BuildError('unsupported', `not supported yet: --progress ${text}`, { hint: 'use plain' });
  return text === 'none' ? 'quiet' : parseWord('--progress', text, PROGRESS_MODES);
}

/** A directory, `-` for standard input, a git repository or an http URL. */
function parseContext(path: string | undefined): BuildOptions['context'] {
  if (path === undefined || path === '')
    throw new BuildError('usage', `the context directory is missing\n${USAGE}`, { hint: 'for this directory: tsbuild .' });
  if (path === '-') return { kind: 'stdin' };
  const remote = parseRemote(path);
  if (remote !== undefined) return remote;
  checkDirectory('context', path);
  return path;
}

function checkDirectory(what: string, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  const quoted = JSON.stringify(path);
  if (found !== undefined)
    throw new BuildError('input', `${what} ${quoted} is not a directory`, {
      hint: 'give the directory that COPY reads from; --file names a Dockerfile',
    });
  const command = path.includes('/') ? '' : didYouMean(path, ['build', ...COMMANDS]);
  throw new BuildError(
    'input',
    `${what} ${quoted} does not exist`,
    command === '' ? {} : { hint: `if a command was meant, it comes first${command}` },
  );
}

function file<Key extends string>(key: Key, flag: string, path: string | undefined): { readonly [name in Key]?: string } {
  return path === undefined ? {} : ({ [key]: nonEmpty(flag, path) } as { readonly [name in Key]?: string });
}

function nonEmpty(flag: string, text: string): string {
  if (text === '') throw new BuildError('usage', `invalid ${flag} "": it is empty`);
  return text;
}
