import type { TarEntry } from '../../src/tar/entry.js';

const COMMON = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtimeSeconds: 1_700_000_000 } as const;

export function fileEntry(path: string, bytes: Buffer, more: Partial<TarEntry> = {}): TarEntry {
  return {
    ...COMMON,
    path,
    type: 'file',
    sizeBytes: bytes.length,
    ...(bytes.length === 0 ? {} : { content: { kind: 'bytes', bytes } }),
    ...more,
  };
}

/** A file of the disk, as a walk would have seen it when it had `sizeBytes`. */
export function diskEntry(path: string, fsPath: string, sizeBytes: number): TarEntry {
  return { ...COMMON, path, type: 'file', sizeBytes, content: { kind: 'path', path: fsPath } };
}

export function directoryEntry(path: string, more: Partial<TarEntry> = {}): TarEntry {
  return { ...COMMON, path, type: 'directory', mode: 0o755, ...more };
}

/** Half noise, half text, the same for the same seed: compresses to about half its size. */
export function sampleBytes(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, `line ${seed} of a text that repeats itself\n`);
  let state = seed * 2_654_435_761 + 1;
  for (let index = 0; index < sizeBytes; index++) {
    if ((index >> 10) % 2 === 0) continue;
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
