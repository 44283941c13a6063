import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tinyProgram } from '../../src/os/binfmt.js';

/** A handler of binfmt_misc, taken away again when the scope ends. */
export interface Emulator extends Disposable {
  /** Of the handler. */
  readonly name: string;
}

/** How a handler opens its interpreter: `F` at once and for good, or not, so that it is looked for in the root file system of the program. */
export type EmulatorFlags = 'F' | '';

/**
 * Registers an emulator with the kernel, for all of this machine.
 * @returns why it cannot be done, when it cannot
 */
export function registerEmulator(architecture: string, interpreter: string, flags: EmulatorFlags): Emulator | string {
  const program = tinyProgram(architecture);
  if (program === undefined) return `no program for ${architecture}`;
  const mountPoint = mkdtempSync(join(tmpdir(), 'tsbuild-binfmt-'));
  if (spawnSync('mount', ['-t', 'binfmt_misc', 'none', mountPoint]).status !== 0) {
    rmSync(mountPoint, { recursive: true });
    return 'binfmt_misc cannot be mounted';
  }
  const name = `tsbuild-test-${architecture}-${process.pid}`;
  // What tells machines apart: everything up to e_machine but the ABI, and e_type without its lowest bit.
  const magic = program.subarray(0, 20);
  const mask = Buffer.from('ffffffffffffff00fffffffffffffffffeffffff', 'hex');
  if (program[5] === 2) mask.set([0xff, 0xfe], 16);
  const escape = (bytes: Buffer): string => [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  const release = (): void => {
    spawnSync('umount', [mountPoint]);
    rmSync(mountPoint, { recursive: true });
  };
  try {
    writeFileSync(join(mountPoint, 'register'), `:${name}:M:0:${escape(magic)}:${escape(mask)}:${interpreter}:${flags}`);
  } catch (error) {
    release();
    return `binfmt_misc takes no handler: ${(error as Error).message}`;
  }
  return {
    name,
    [Symbol.dispose]() {
      if (readdirSync(mountPoint).includes(name)) writeFileSync(join(mountPoint, name), '-1');
      release();
    },
  };
}
