import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { quote } from './quote.js';

/**
 * A file in memory that one container's mount namespace has, and nothing else: no other process finds it, and it is gone when the container is,
 * however that comes about. Its bytes go through a pipe.
 */
export interface PrivateFile {
  /** Letters, digits, dots and hyphens. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** Where the file is, as that mount namespace has it. */
export function privatePathOf(dir: string, name: string): string {
  return join(dir, 'private', name);
}

export interface PrivateScript {
  /** The chain's own directory. */
  readonly dir: string;
  /** The runtime's: crun keeps a copy of config.json there. */
  readonly state: string;
  readonly files: readonly PrivateFile[];
  /** Of each file: a FIFO that its bytes are written to. It need not end with them. */
  readonly pipes: readonly string[];
}

/**
 * The part of the chain's script that makes the files; `return`s when one cannot be made. On ramfs: unlike those of tmpfs, its pages never go to
 * a swap device.
 */
export function privateScript({ dir, state, files, pipes }: PrivateScript): string {
  const places = [privatePathOf(dir, ''), state];
  for (const place of places) mkdirSync(place, { recursive: true });
  const mounts = places.map((place) => `"$MOUNT" -t ramfs -o mode=700 ramfs ${quote(place)} || return\n`);
  const writes = files.map((file, index) => `${writeCommand(file, privatePathOf(dir, file.name), pipes[index] ?? '')} &&\n`);
  return [...mounts, '(\n', ...writes, ':\n) || return\n'].join('');
}

/** Each program is a millisecond of the step's time: a umask does for most modes, and files are made by root. */
function writeCommand({ bytes, uid, gid, mode }: PrivateFile, path: string, pipe: string): string {
  const to = quote(path);
  const fill = bytes.length === 0 ? ':' : `head -c ${bytes.length} <${quote(pipe)}`;
  return [
    `umask ${(0o777 & ~mode).toString(8)} && ${fill} >${to}`,
    ...(uid === 0 && gid === 0 ? [] : [`chown ${uid}:${gid} ${to}`]),
    ...((mode & ~0o666) === 0 ? [] : [`chmod ${mode.toString(8)} ${to}`]),
  ].join(' && ');
}
