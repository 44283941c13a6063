import type { ByteString } from '../../src/base/bytes.js';
import type { TarEntry } from '../../src/tar/entry.js';
import { encodeHeader, END_OF_ARCHIVE, paddingBytes } from '../../src/tar/write.js';

/** An entry with defaults: a file of root, 0644, at 1,000,000,000 seconds. Text content sets the size. */
export type EntrySpec = Partial<Omit<TarEntry, 'content'>> & { readonly path: ByteString; readonly text?: ByteString };

export function entryOf({ text, ...spec }: EntrySpec): TarEntry {
  const type = spec.type ?? 'file';
  const sizeBytes = text?.length ?? 0;
  return { type, mode: type === 'directory' ? 0o755 : 0o644, uid: 0, gid: 0, sizeBytes, mtimeSeconds: 1_000_000_000, ...spec };
}

/** The blocks of one member. */
export function member(spec: EntrySpec): Buffer {
  return withContent(encodeHeader(entryOf(spec)), spec.text ?? '');
}

export function directory(path: ByteString, spec: Partial<EntrySpec> = {}): Buffer {
  return member({ ...spec, path, type: 'directory' });
}

export function symlink(path: ByteString, linkTarget: ByteString): Buffer {
  return member({ path, type: 'symlink', mode: 0o777, linkTarget });
}

export function hardlink(path: ByteString, linkTarget: ByteString): Buffer {
  return member({ path, type: 'hardlink', linkTarget });
}

export function tarOf(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, END_OF_ARCHIVE]);
}

export interface RawHeader {
  readonly name: ByteString;
  readonly typeFlag?: string;
  /** Field contents as they shall stand: octal digits or any bytes. */
  readonly mode?: string;
  readonly uid?: string | Buffer;
  readonly gid?: string | Buffer;
  readonly size?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly linkName?: ByteString;
  readonly magic?: string;
  /** Written over the finished header by offset, before the checksum. */
  readonly patches?: Readonly<Record<number, string | Buffer>>;
}

/** A header block of which every byte can be wrong. */
export function rawHeader(raw: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const put = (offset: number, value: string | Buffer): void => void Buffer.from(value as string, 'latin1').copy(block, offset);
  put(0, raw.name);
  put(100, raw.mode ?? '0000644\0');
  put(108, raw.uid ?? '0000000\0');
  put(116, raw.gid ?? '0000000\0');
  put(124, raw.size ?? '00000000000\0');
  put(136, raw.mtime ?? '07346545000\0');
  put(148, '        ');
  put(156, raw.typeFlag ?? '0');
  put(157, raw.linkName ?? '');
  put(257, raw.magic ?? 'ustar\x0000');
  for (const [offset, value] of Object.entries(raw.patches ?? {})) put(Number(offset), value);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

export function withContent(header: Buffer, content: ByteString): Buffer {
  const bytes = Buffer.from(content, 'latin1');
  return Buffer.concat([header, bytes, Buffer.alloc(paddingBytes(bytes.length))]);
}

/** An extended header (`x`), a global one (`g`), or a GNU long name (`L`) or link (`K`). */
export function extension(typeFlag: 'x' | 'g' | 'L' | 'K', payload: ByteString): Buffer {
  return withContent(rawHeader({ name: 'ext', typeFlag, size: `${payload.length.toString(8).padStart(11, '0')}\0` }), payload);
}

export function paxRecord(keyword: string, value: ByteString): ByteString {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

/** A number in the base-256 form, in a field of 8 or 12 bytes. */
export function base256(value: bigint, bytes: 8 | 12): Buffer {
  const field = Buffer.alloc(bytes);
  let rest = BigInt.asUintN(bytes * 8, value);
  for (let index = bytes - 1; index >= 0; index--) {
    field[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}
