import type { ByteString, FsPath } from '../base/bytes.js';
import type { TarEntry } from '../tar/entry.js';

/** COPY, or ADD of what is there already. */
export interface CopyRequest {
  readonly op: 'COPY' | 'ADD';
  /** Expanded. */
  readonly sources: readonly string[];
  /** ADD's sources from elsewhere, brought here. They come after `sources`. */
  readonly fetched?: readonly FetchedSource[];
  /** Heredocs, which come last. */
  readonly files?: readonly InlineFile[];
  /** Absolute; a slash at the end says that it is a directory. */
  readonly dest: string;
  /** `--chown`, looked up in the root file system that is copied into. */
  readonly chown?: { readonly uid: number; readonly gid: number };
  /** `--chmod` as written. */
  readonly chmod?: string;
  /** `--parents`: sources keep their paths below the destination. */
  readonly parents?: boolean;
  /** `--exclude`: patterns as in .dockerignore, relative to each source that is a directory. */
  readonly exclude?: readonly string[];
  /** `--unpack`: of the sources that are there already; ADD does unless it is false. */
  readonly unpack?: boolean;
  /** Files of the build context belong to root, whoever owns them on the host. */
  readonly fromContext: boolean;
  /** Where else the sources are, for messages: `stage "build"`. */
  readonly sourceName?: string;
  /** mtime of directories and heredocs, which no source has. */
  readonly nowSeconds: number;
  /** What `findArchives` found. */
  readonly archives?: ReadonlySet<string>;
}

/** What lay elsewhere, as files of this machine that belong to the build. In an image they belong to root. */
export type FetchedSource =
  | {
      readonly kind: 'file';
      /** Absolute. */
      readonly path: string;
      /** Its name when it goes into a directory. */
      readonly name: string;
      readonly mode: number;
      readonly mtimeSeconds: number;
      /** Unpack it if it is an archive. */
      readonly unpack: boolean;
    }
  /** The contents of a directory. */
  | { readonly kind: 'tree'; readonly dir: string };

/** A heredoc. */
export interface InlineFile {
  readonly name: string;
  readonly text: string;
}

export type CopyPart =
  /** In the order of a layer, each path once. */
  | { readonly kind: 'entries'; readonly entries: readonly TarEntry[] }
  /** An archive that ADD unpacks into a directory, which the part before it has made. */
  | { readonly kind: 'archive'; readonly fsPath: FsPath; readonly destDir: ByteString; readonly source: string };

export interface CopyPlan {
  /** To be applied one after the other; a later part wins. COPY has one of entries. */
  readonly parts: readonly CopyPart[];
  readonly warnings: readonly string[];
}
