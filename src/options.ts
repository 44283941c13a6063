import type { Readable } from 'node:stream';
import type { GitRemote } from './base/git-url.js';
import type { EventSink } from './events.js';
import type { Image } from './image/image.js';
import type { LintWarning } from './lint/warning.js';
import type { Annotations, Descriptor, Platform } from './oci/types.js';
import type { OutputSpec } from './output/output.js';
import type { PullPolicy, RegistryOptions } from './registry/options.js';

/** What COPY and ADD read when they name nothing else. */
export type ContextSpec =
  | { readonly kind: 'directory'; readonly path: string }
  /** A tar in any compression, or a Dockerfile. */
  | { readonly kind: 'stdin' }
  /** The same, from there. */
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'git'; readonly remote: GitRemote };

export interface SecretSpec {
  readonly id: string;
  readonly source: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'env'; readonly name: string };
}

export interface SshSpec {
  readonly id: string;
  /** An agent's socket, or private keys; none is the agent of the environment. */
  readonly paths: readonly string[];
}

/** What the build may do beyond the sandbox. */
export type Entitlement = 'network.host' | 'security.insecure' | 'device';

/** Where a `--build-context` name leads. */
export type NamedContext =
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'git'; readonly remote: GitRemote }
  | { readonly kind: 'directory'; readonly path: string }
  /** `oci-layout://DIR[:TAG][@DIGEST]` */
  | { readonly kind: 'oci-layout'; readonly path: string; readonly tag?: string; readonly digest?: string }
  /** `docker-image://REF`, of the local store or a registry */
  | { readonly kind: 'image'; readonly reference: string };

export interface Ulimit {
  /** `nofile` */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** What `build()` takes. Everything but `context` has a default. */
export interface BuildOptions {
  /** What COPY and ADD read: a directory, or something else. */
  readonly context: string | ContextSpec;
  /** Path of the Dockerfile; `-` is standard input. The default is `Dockerfile` in the context, then `dockerfile`. */
  readonly file?: string;
  /** Names of the image, as given: `app`, `registry.example/team/app:1.2`. */
  readonly tags?: readonly string[];
  /** `undefined` values are taken out of the map before: a bare `--build-arg K` that the environment lacks is no argument. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** The default is this machine's. Several make an index. */
  readonly platforms?: readonly Platform[];
  readonly secrets?: readonly SecretSpec[];
  readonly ssh?: readonly SshSpec[];
  readonly allow?: readonly Entitlement[];
  /** Of one archive, unpacked; the default is 64 GiB. */
  readonly maxArchiveBytes?: number;
  /** Stands in for standard input. */
  readonly stdin?: Readable;
  readonly labels?: Readonly<Record<string, string>>;
  /** For the manifest. */
  readonly annotations?: Annotations;
  readonly buildContexts?: Readonly<Record<string, NamedContext>>;
  /** Whether registries are asked for base images; the default is `missing`: for those that the store does not have. */
  readonly pull?: PullPolicy;
  /** How registries are reached, for base images and for outputs. */
  readonly registry?: RegistryOptions;
  /** The default is one `image` output: the local store. */
  readonly outputs?: readonly OutputSpec[];
  /** The default is gzip. */
  readonly compression?: 'gzip' | 'zstd' | 'none';
  /** gzip 0–9, the default is 5; zstd 1–22, the default is 3. */
  readonly compressionLevel?: number;
  /** Network of RUN steps that do not say otherwise. The default is `host`. */
  readonly network?: 'host' | 'none';
  /** Lines for /etc/hosts of RUN steps: `name:address`. */
  readonly addHosts?: readonly string[];
  /** Bytes of /dev/shm in RUN steps; the default is 64 MiB. */
  readonly shmSizeBytes?: number;
  readonly ulimits?: readonly Ulimit[];
  /** Seconds since 1970: `created` fields and newer file times of new layers are clamped to it. Overrides the build argument of that name. */
  readonly sourceDateEpoch?: number;
  /** Root of the store. The default is TSBUILD_ROOT, else /var/lib/tsbuild for root, $XDG_DATA_HOME/tsbuild otherwise. */
  readonly root?: string;
  /** OCI runtime: a name on PATH or a path. The default is runc. */
  readonly runtime?: string;
  /** Whether to report the build checks; the default is true. A file that makes its warnings errors is checked in any case. */
  readonly checks?: boolean;
  readonly onEvent?: EventSink;
  /** Gets what helps to find out why a registry refuses: requests, where credentials come from. No secrets. */
  readonly onDebug?: (message: string) => void;
  /** Stops the build: containers are killed, nothing half-written stays, the promise rejects with kind `cancelled`. */
  readonly signal?: AbortSignal;
}

export interface StepTiming {
  readonly stepId: string;
  readonly text: string;
  readonly durationMs: number;
}

/** One name in a registry. */
export interface PushedImage {
  /** In full: `registry.example/app:1`; without a tag when it was pushed by digest. */
  readonly reference: string;
  /** What it leads to: other bytes than those of the store, where an output asks for annotations or docker's media types. */
  readonly descriptor: Descriptor;
}

/** What `build()` resolves to. */
export interface BuildResult {
  /** The one image. `undefined` when there are several, or when every output was a file tree (`local`, `tar`), which needs none. */
  readonly image: Image | undefined;
  /** One for each platform, in their order. */
  readonly images: readonly Image[];
  /** What names the images of several platforms. */
  readonly index: Descriptor | undefined;
  /** In the order of the outputs and of their names. */
  readonly pushed: readonly PushedImage[];
  readonly timings: { readonly totalMs: number; readonly steps: readonly StepTiming[] };
  readonly warnings: readonly string[];
  /** What the rules of BuildKit's linter say of the stages that were built. */
  readonly checks: readonly LintWarning[];
}
