import type { Compression } from '../image/image.js';

interface TimedOutput {
  /** SOURCE_DATE_EPOCH of this output in place of the build's. */
  readonly epochSeconds?: number | 'none';
}

interface TreeParts extends TimedOutput {
  readonly dest: string;
  /** A directory `linux_amd64` for each platform; the default is that of several platforms only. */
  readonly platformSplit?: boolean;
}

interface ImageOutput extends TimedOutput {
  /** Names in addition to those of the build. */
  readonly names: readonly string[];
  /** Whether newer file times of new layers become SOURCE_DATE_EPOCH; the default is true. */
  readonly rewriteTimestamp?: boolean;
  readonly compression?: Compression;
  readonly compressionLevel?: number;
}

/** One `-o`/`--output`, parsed. `dest` is a path, or `-` for standard output where that makes sense. */
export type OutputSpec =
  /** `type=oci`: a layout directory (`tar=false`) or an archive of one. */
  | (ImageOutput & {
      readonly type: 'oci';
      readonly dest: string;
      readonly tar: boolean;
      /** Tag of the layout's index entry, when the image has no name of its own (`--oci-layout DIR:TAG`). */
      readonly tag?: string;
      readonly annotations: Readonly<Record<string, string>>;
    })
  /** `type=docker`: the archive of `docker save`. Its media types are docker's unless `ociMediaTypes` is true. */
  | (ImageOutput & { readonly type: 'docker'; readonly dest: string; readonly ociMediaTypes?: boolean })
  /** `type=image`: the local store (what a build without `-o` does). */
  | (ImageOutput & { readonly type: 'image' })
  /** `type=registry`: pushed under all names of the build and of the output. With `type=image,push=true` there are this one and the one above. */
  | (ImageOutput & {
      readonly type: 'registry';
      /** `push-by-digest=true`: no tag is written. */
      readonly byDigest?: boolean;
      /** `registry.insecure=true` */
      readonly insecure?: boolean;
      /** `oci-mediatypes=false`: docker's media types instead of OCI's, unless there are zstd layers or annotations, for which docker has no word. */
      readonly dockerMediaTypes?: boolean;
      readonly annotations: Readonly<Record<string, string>>;
    })
  /** `type=local`: the flattened root file system as files. */
  | (TreeParts & { readonly type: 'local' })
  /** `type=tar`: the flattened root file system as one tar. */
  | (TreeParts & { readonly type: 'tar' });

export type OciOutput = Extract<OutputSpec, { type: 'oci' }>;
export type DockerOutput = Extract<OutputSpec, { type: 'docker' }>;
export type RegistryOutput = Extract<OutputSpec, { type: 'registry' }>;
export type TreeOutput = Extract<OutputSpec, { type: 'local' | 'tar' }>;
