/** What is wrong with one instruction, before its place in the file is known. Leaves `parse/` only as a BuildError. */
export class Fault extends Error {
  /** The word at fault, or a flag as `--name`, so that the error can point at it. */
  readonly word: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, { word, hint }: { word?: string; hint?: string } = {}) {
    super(message);
    this.name = 'Fault';
    this.word = word;
    this.hint = hint;
  }
}
