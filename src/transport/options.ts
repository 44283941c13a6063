import type { EventSink } from '../events.js';
import type { Digest } from '../oci/digest.js';
import type { Descriptor, ImageConfig, ImageIndex, Manifest, Platform } from '../oci/types.js';
import type { RegistryOptions, UserPassword } from '../registry/options.js';

/** What all commands take that move images about. */
export interface TransportOptions {
  /** Root of the store. The default is that of `build()`. */
  readonly root?: string;
  readonly registry?: RegistryOptions;
  readonly onEvent?: EventSink;
  /** Gets what helps to find out why a registry refuses: requests, where credentials come from. No secrets. */
  readonly onDebug?: (message: string) => void;
  /** Stops the command; no name moves from then on, and what is whole stays. */
  readonly signal?: AbortSignal;
}

export interface PullOptions extends TransportOptions {
  /** `app:1`, `registry.example/app@sha256:…` */
  readonly references: readonly string[];
  /** Of an index; the default is this machine's. */
  readonly platforms?: readonly Platform[];
  readonly allPlatforms?: boolean;
  /** Whether to unpack the layers too, so that the first RUN on the image does not wait for it. */
  readonly extract?: boolean;
}

export interface PushOptions extends TransportOptions {
  /** A name or id of the store; a name without a tag with `allTags`. */
  readonly source: string;
  /** The default is the name that the image has in the store. */
  readonly destination?: string;
  /** Of an index: one gives an image, several a smaller index. */
  readonly platforms?: readonly Platform[];
  readonly allTags?: boolean;
}

export interface CopyOptions extends TransportOptions {
  /** `docker://REF`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, or a name of the store. */
  readonly source: string;
  readonly destination: string;
  /** Of an index: one gives an image, several a smaller index. The default is all. */
  readonly platforms?: readonly Platform[];
  /** For the registry of that side alone; `registry.credentials` is for the destination's, or the source's when the destination is in none. */
  readonly sourceCredentials?: UserPassword;
  readonly destinationCredentials?: UserPassword;
}

/** An image or index that has arrived. */
export interface MovedImage {
  /** In full: of the store after a pull, of the registry after a push; as it was given after a copy. */
  readonly name: string;
  readonly descriptor: Descriptor;
}

export interface RepositoryOptions extends TransportOptions {
  /** `registry.example/team/app` */
  readonly repository: string;
}

export interface HostOptions extends TransportOptions {
  /** `registry.example:5000` */
  readonly host: string;
}

export interface DeleteOptions extends TransportOptions {
  readonly references: readonly string[];
}

export interface DeletedImage {
  /** As it was given, in full. */
  readonly name: string;
  readonly digest: Digest;
  /** Of the same digest, so that they are gone with it. */
  readonly otherTags: readonly string[];
}

export interface IndexOptions extends TransportOptions {
  /** Names of the index. */
  readonly targets: readonly string[];
  /** Images and indexes in registries. */
  readonly images: readonly string[];
}

export interface InspectOptions extends TransportOptions {
  readonly reference: string;
  readonly platform?: Platform;
}

/** The documents of an image in a registry; of an index its own alone, unless a platform is asked for. */
export interface RemoteDocuments {
  readonly descriptor: Descriptor;
  /** Of the manifest or index, as the registry sent them. */
  readonly bytes: Buffer;
  readonly index?: ImageIndex;
  readonly manifest?: Manifest;
  readonly config?: ImageConfig;
}
