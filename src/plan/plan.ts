import type { GitRemote } from '../base/git-url.js';
import type { SourceRange } from '../base/source.js';
import type { ContainerConfig, HistoryEntry, ImageConfig, Platform } from '../oci/types.js';

/** How a step is written into the image's history (dockerfile-semantics: BuildKit's texts). */
export type StepHistory = Pick<HistoryEntry, 'created_by' | 'comment' | 'empty_layer'>;

interface StepCommon {
  /** Unique in the plan: `stage index.step index`. */
  readonly id: string;
  /** 1-based among the instructions of the stage; FROM is 1. */
  readonly index: number;
  /** As progress shows it. */
  readonly text: string;
  readonly range: SourceRange;
  readonly history: StepHistory;
}

/** A process in the root file system. Everything it depends on is spelled out here. */
export interface RunStep extends StepCommon {
  readonly kind: 'run';
  /** The full argument vector, SHELL included. */
  readonly args: readonly string[];
  /** `K=V`: the image's ENV and the ARGs in scope, later ones winning; PATH is always there. */
  readonly env: readonly string[];
  /**
   * Undeclared predefined proxy arguments, both cases of each name, as `K=V`. They reach the process and nothing else: no config, no history,
   * no record, no key.
   */
  readonly proxyEnv: readonly string[];
  /** Absolute and clean. */
  readonly cwd: string;
  /** As USER has it, expanded; `''` when never set. */
  readonly user: string;
  readonly network: 'default' | 'none' | 'host';
  /** In the order in which they are mounted: parents before children. */
  readonly mounts: readonly StepMount[];
  /** Heredocs that name their interpreter: files of mode 0755 in /dev/pipes while the step runs. */
  readonly scripts: readonly { readonly name: string; readonly text: string }[];
  readonly security: 'sandbox' | 'insecure';
  readonly hostname: string;
}

export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** A `RUN --mount`, every value expanded and checked. Targets are absolute and clean, never `/`. */
export type StepMount =
  | { readonly kind: 'bind'; readonly target: string; readonly from: CopyFrom; readonly source: string; readonly writable: boolean }
  | CacheMount
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes?: number; readonly writable: boolean }
  /** At least one of `target` and `env`. */
  | ({
      readonly kind: 'secret';
      readonly id: string;
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
    } & FileAccess)
  | ({ readonly kind: 'ssh'; readonly id: string; readonly target: string; readonly required: boolean } & FileAccess);

/** What it holds outlives the build. */
export interface CacheMount extends FileAccess {
  readonly kind: 'cache';
  readonly target: string;
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** What a new cache begins with; an empty directory without. */
  readonly from?: CopyFrom;
  readonly source: string;
  readonly writable: boolean;
}

/** COPY or ADD of files from the context, a stage or an image. */
export interface CopyStep extends StepCommon {
  readonly kind: 'copy';
  readonly op: 'COPY' | 'ADD';
  readonly from: CopyFrom;
  /** Expanded, as written otherwise: wildcards and slashes kept. Text, as `dest` is: `fromText` makes the bytes of file names of it. */
  readonly sources: readonly string[];
  /** Heredocs, expanded; they come after the sources. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** ADD of what lies elsewhere. */
  readonly remotes: readonly RemoteSource[];
  /** Absolute inside the image and clean; a trailing slash (or `/.`) is kept as a trailing slash. */
  readonly dest: string;
  readonly chown?: string;
  readonly chmod?: string;
  /** The files do not depend on what lies below: `dest` is no symlink there. */
  readonly link: boolean;
  readonly parents: boolean;
  /** Patterns as in .dockerignore, relative to each source. */
  readonly exclude: readonly string[];
  /** Unpack archives or do not, whatever the source is. */
  readonly unpack?: boolean;
}

export type RemoteSource =
  | { readonly kind: 'http'; readonly url: string; readonly checksum?: string }
  | { readonly kind: 'git'; readonly remote: GitRemote; readonly keepGitDir: boolean };

export type CopyFrom =
  /** The build's context or, with a name, a directory that `--build-context` gave. */
  | { readonly kind: 'context'; readonly name?: string }
  | { readonly kind: 'stage'; readonly stage: number }
  /** An image that is not a stage: `COPY --from=busybox`. */
  | ImageOrigin;

/** The directory of WORKDIR, made when missing and owned by USER. */
export interface WorkdirStep extends StepCommon {
  readonly kind: 'workdir';
  /** Absolute and clean, never `/`. */
  readonly path: string;
  readonly user: string;
}

/** Anything that changes the config alone. */
export interface ConfigStep extends StepCommon {
  readonly kind: 'config';
}

export type Step = RunStep | CopyStep | WorkdirStep | ConfigStep;

/** An image by its name and platform. */
export interface ImageOrigin {
  readonly kind: 'image';
  /** Finds it among the bases: one name can be used for several platforms. */
  readonly key: string;
  /** As the Dockerfile has it, expanded, or the name of the `--build-context` that stands for it. */
  readonly name: string;
  readonly platform: Platform;
}

export type StageBase = { readonly kind: 'scratch' } | { readonly kind: 'stage'; readonly stage: number } | ImageOrigin;

export interface PlannedStage {
  /** Unique in the plan. In that of one platform the position in the Dockerfile, 0-based: what `COPY --from=0` names. */
  readonly index: number;
  /** `AS` name, or `stage-N` for display. */
  readonly name: string;
  readonly base: StageBase;
  /** Of the programs in it. */
  readonly platform: Platform;
  readonly range: SourceRange;
  readonly text: string;
  readonly steps: readonly Step[];
  /** Stages whose file system this one needs: its base and what it copies from. */
  readonly needs: readonly number[];
  readonly config: ContainerConfig;
  readonly author?: string;
}

/** What becomes an image. */
export interface PlanTarget {
  /** What the image says of itself, whatever its base is for. */
  readonly platform: Platform;
  readonly stage: number;
}

export interface Plan {
  /** Only what the targets reach, each after all that it needs. */
  readonly stages: readonly PlannedStage[];
  /** One for each platform. */
  readonly targets: readonly [PlanTarget, ...PlanTarget[]];
  /** From the build argument or the global ARG of that name; seconds. */
  readonly sourceDateEpoch?: number;
  readonly warnings: readonly { readonly message: string; readonly range?: SourceRange }[];
}

/** What SOURCE_DATE_EPOCH can take its time from. */
export type EpochSource =
  | { readonly kind: 'context' }
  | { readonly kind: 'named-context'; readonly name: string }
  | { readonly kind: 'remote'; readonly remote: RemoteSource };

/** A time that planning needs to know before it can go on. */
export interface EpochRequest {
  /** What to look it up by in `PlanInput.epochs`: the value of SOURCE_DATE_EPOCH. */
  readonly value: string;
  readonly source: EpochSource;
  readonly range?: SourceRange;
}

/** An image that planning needs to know before it can go on. */
export interface BaseRequest {
  /** What to look it up by in `PlanInput.bases`. */
  readonly key: string;
  readonly name: string;
  readonly platform: Platform;
  readonly range: SourceRange;
  /** A stage of nearly that name, which may have been meant. */
  readonly similarStage?: string;
}

export interface PlanInput {
  readonly target?: string;
  /** `--build-arg`; a bare name has been looked up in the environment already. */
  readonly buildArgs: ReadonlyMap<string, string>;
  /** `--label`: applied last, without history. */
  readonly labels: ReadonlyMap<string, string>;
  /** Names given by `--build-context` that lead to directories. They hide stages and images of that name. */
  readonly directoryContexts: ReadonlySet<string>;
  /** Names given by `--build-context` that lead to images: known here because they hide stages of that name. */
  readonly imageContexts?: ReadonlySet<string>;
  /** Those of them that are `docker-image://scratch`: no image at all. */
  readonly scratchContexts?: ReadonlySet<string>;
  /** What BUILDPLATFORM and its like say: of this machine. */
  readonly buildPlatform: Platform;
  readonly targetPlatform: Platform;
  /** The target platform was asked for, so that the image says so whatever its base is. */
  readonly isPlatformGiven?: boolean;
  /** Configs of the images asked for so far, by key. */
  readonly bases: ReadonlyMap<string, ImageConfig>;
  /** Times asked for so far, by value: seconds since 1970, `undefined` for what has none. */
  readonly epochs?: ReadonlyMap<string, number | undefined>;
  /** `--network`, for RUN steps that do not say otherwise. */
  readonly network: 'default' | 'none' | 'host';
  /** `--allow`: entitlements. */
  readonly allowed?: ReadonlySet<string>;
}
