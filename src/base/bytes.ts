/**
 * File names are bytes. A `ByteString` holds one byte per UTF-16 unit (Node's `latin1` encoding): it can be compared, sorted, split and used
 * as a map key like any string, its natural order is the order of the bytes, and no name is lost that is not UTF-8.
 */
export type ByteString = string;

/** What `node:fs` takes. */
export type FsPath = string | Buffer;

const NON_ASCII = /[\u0080-\uffff]/;

/** From text (a Dockerfile, an argument) to the bytes of its UTF-8 form. */
export function fromText(text: string): ByteString {
  return NON_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** For showing to a person; bytes that are not UTF-8 become U+FFFD. */
export function toText(bytes: ByteString): string {
  return NON_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** Whether the bytes come back from `toText` as they were: only then can JSON and arguments of programs have them. */
export function isText(bytes: ByteString): boolean {
  return !NON_ASCII.test(bytes) || fromText(toText(bytes)) === bytes;
}

/** For a system call. Plain ASCII stays a string: Node passes that on several times faster than a Buffer. */
export function toFsPath(bytes: ByteString): FsPath {
  return NON_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1') : bytes;
}
