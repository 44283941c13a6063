import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { hostPlatform } from '../../src/oci/platform.js';
import { findInterpreter, runsProgramsOf, tinyProgram } from '../../src/os/binfmt.js';
import { missingProgram, scratchDir } from '../helpers/cli.js';

const scratch = scratchDir('tsbuild-binfmt-');
afterAll(() => scratch[Symbol.dispose]());

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: programs in a root of their own need root');

/** Architectures with qemu's names for them. */
const MACHINES = {
  amd64: 'x86_64',
  '386': 'i386',
  arm64: 'aarch64',
  arm: 'arm',
  riscv64: 'riscv64',
  ppc64le: 'ppc64le',
  s390x: 's390x',
  mips64le: 'mips64el',
  loong64: 'loongarch64',
};

describe('tinyProgram', () => {
  test.each(Object.entries(MACHINES))('of %s ends with status 0', (architecture, name) => {
    const program = tinyProgram(architecture);
    expect(program?.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
    const qemu = `qemu-${name}-static`;
    const missing = missingProgram(qemu);
    if (missing !== undefined) {
      console.warn(`SKIPPED: the program for ${architecture} is not run: ${missing}`);
      return;
    }
    const file = join(scratch.path, architecture);
    writeFileSync(file, program ?? '', { mode: 0o755 });
    execFileSync(qemu, [file]);
  });

  test.each(['sparc64', '__proto__', 'constructor'])('is not known for %s', (name) => expect(tinyProgram(name)).toBeUndefined());
});

describe.skipIf(!isRoot)('runsProgramsOf', () => {
  test('this machine', async () => expect(await runsProgramsOf(hostPlatform().architecture, scratch.path)).toBe(true));
  test('no machine that nobody knows', async () => expect(await runsProgramsOf('sparc64', scratch.path)).toBe(false));
});

describe('findInterpreter', () => {
  const AARCH64 = [
    'interpreter /usr/bin/qemu-aarch64-static',
    'flags: OC',
    'offset 0',
    'magic 7f454c460201010000000000000000000200b700',
    'mask ffffffffffffff00fffffffffffffffffeffffff',
  ];

  function handlers(files: Readonly<Record<string, readonly string[]>>): string {
    const dir = join(scratch.path, `binfmt-${Math.random()}`);
    mkdirSync(dir);
    writeFileSync(join(dir, 'status'), 'enabled\n');
    writeFileSync(join(dir, 'register'), '');
    for (const [name, lines] of Object.entries(files)) writeFileSync(join(dir, name), `${lines.join('\n')}\n`);
    return dir;
  }

  test('is the one whose magic is that of the programs', () => {
    const dir = handlers({
      jar: ['enabled', 'interpreter /usr/bin/jexec', 'flags: ', 'offset 0', 'magic 504b0304'],
      python: ['enabled', 'interpreter /usr/bin/python3', 'flags: ', 'extension .pyc'],
      'qemu-aarch64': ['enabled', ...AARCH64],
    });
    expect(findInterpreter('arm64', dir)).toBe('/usr/bin/qemu-aarch64-static');
    expect(findInterpreter('s390x', dir)).toBeUndefined();
    expect(findInterpreter('386', dir)).toBeUndefined();
    expect(findInterpreter('sparc64', dir)).toBeUndefined();
  });

  test('is none when it is disabled, or the list cannot be read', () => {
    expect(findInterpreter('arm64', handlers({ 'qemu-aarch64': ['disabled', ...AARCH64] }))).toBeUndefined();
    expect(findInterpreter('arm64', join(scratch.path, 'none'))).toBeUndefined();
  });
});
