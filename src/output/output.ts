import type { Compression } from '../image/image.js';

/** One `-o`/`--output`, parsed. `dest` is a path, or `-` for standard output where that makes sense. */
export type OutputSpec =
  /** `type=oci`: a layout directory (`tar=false`) or an archive of one. */
  | {
      readonly type: 'oci';
      readonly dest: string;
      readonly tar: boolean;
      /** Tag of the layout's index entry, when the image has no name of its own (`--oci-layout DIR:TAG`). */
      readonly tag?: string;
      readonly names: readonly string[];
      readonly annotations: Readonly<Record<string, string>>;
      readonly compression?: Compression;
      readonly compressionLevel?: number;
    }
  /** `type=docker`: the archive of `docker save`, with docker's media types. */
  | {
      readonly type: 'docker';
      readonly dest: string;
      readonly names: readonly string[];
      readonly compression?: Compression;
      readonly compressionLevel?: number;
    }
  /** `type=image`: the local store (what a build without `-o` does). */
  | { readonly type: 'image'; readonly names: readonly string[]; readonly compression?: Compression; readonly compressionLevel?: number }
  /** `type=local`: the flattened root file system as files. */
  | { readonly type: 'local'; readonly dest: string }
  /** `type=tar`: the flattened root file system as one tar. */
  | { readonly type: 'tar'; readonly dest: string };
