/** What `--secret` gave, as far as it is needed here. */
export interface SecretReader {
  /** `undefined` when there is none of that name. */
  read(id: string): Buffer | undefined;
}
