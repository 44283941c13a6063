/** A git repository, or a directory of it, at one commit. */
export interface GitRemote {
  /** Without the fragment, and without the query keys that are read here. */
  readonly url: string;
  /** Branch, tag or commit; the default is the remote's HEAD. */
  readonly ref?: string;
  readonly subdir?: string;
  /** The commit that `ref` must be, or the beginning of its name. */
  readonly checksum?: string;
  readonly submodules: boolean;
}
