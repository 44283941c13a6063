import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './process.js';

/**
 * A program of a few bytes that ends with status 0: what tells whether the kernel runs programs of an architecture, itself or by an emulator.
 * `code` is the system call exit(0) in the machine's words, as they lie in memory.
 */
interface Machine {
  readonly bits: 32 | 64;
  readonly bigEndian?: boolean;
  /** `e_machine` of elf(5). */
  readonly id: number;
  readonly flags?: number;
  readonly code: string;
}

const MACHINES: ReadonlyMap<string, Machine> = new Map(
  Object.entries<Machine>({
    amd64: { bits: 64, id: 62, code: '31ff b83c000000 0f05' },
    '386': { bits: 32, id: 3, code: '31db b801000000 cd80' },
    arm64: { bits: 64, id: 183, code: '000080d2 a80b80d2 010000d4' },
    // Without the flag of the fifth ABI the kernel takes the system call for one of the old numbers.
    arm: { bits: 32, id: 40, flags: 0x05000000, code: '0000a0e3 0170a0e3 000000ef' },
    riscv64: { bits: 64, id: 243, code: '13050000 9308d005 73000000' },
    ppc64le: { bits: 64, id: 21, flags: 2, code: '01000038 00006038 02000044' },
    s390x: { bits: 64, bigEndian: true, id: 22, code: 'a7290000 0a01' },
    mips64le: { bits: 64, id: 8, flags: 0x80000007, code: 'c2130224 00000424 0c000000' },
    loong64: { bits: 64, id: 258, flags: 0x41, code: '0b748102 04001500 00002b00' },
  }),
);

const LOAD_ADDRESS = 0x10000;

/** An executable of that architecture (Go's name) that ends with status 0; `undefined` for one that is not known. */
export function tinyProgram(architecture: string): Buffer | undefined {
  const machine = MACHINES.get(architecture);
  if (machine === undefined) return undefined;
  const code = Buffer.from(machine.code.replaceAll(' ', ''), 'hex');
  const headerBytes = machine.bits === 64 ? 64 + 56 : 52 + 32;
  const head = new Header(machine);
  head.identify();
  // Type: executable. Version 1, entry point, program headers behind this one, no sections.
  head.half(2).half(machine.id).word(1);
  head
    .address(LOAD_ADDRESS + headerBytes)
    .address(machine.bits === 64 ? 64 : 52)
    .address(0);
  head
    .word(machine.flags ?? 0)
    .half(machine.bits === 64 ? 64 : 52)
    .half(machine.bits === 64 ? 56 : 32)
    .half(1)
    .half(0)
    .half(0)
    .half(0);
  head.segment(headerBytes + code.length);
  return Buffer.concat([head.bytes(), code]);
}

/** Writes the numbers of an ELF file in the order and width of its machine (elf(5)). */
class Header {
  readonly #machine: Machine;
  readonly #parts: Buffer[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  identify(): this {
    const { bits, bigEndian } = this.#machine;
    this.#parts.push(
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, bigEndian === true ? 2 : 1, 1, ...Array<number>(9).fill(0)]),
    );
    return this;
  }

  half(value: number): this {
    return this.#number(value, 2);
  }

  word(value: number): this {
    return this.#number(value, 4);
  }

  address(value: number): this {
    return this.#number(value, this.#machine.bits / 8);
  }

  /** One readable and executable segment of the whole file. */
  segment(sizeBytes: number): this {
    const [load, flags, align] = [1, 5, LOAD_ADDRESS];
    if (this.#machine.bits === 64) {
      this.word(load).word(flags).address(0).address(LOAD_ADDRESS).address(LOAD_ADDRESS).address(sizeBytes).address(sizeBytes);
      return this.address(align);
    }
    this.word(load).address(0).address(LOAD_ADDRESS).address(LOAD_ADDRESS).address(sizeBytes).address(sizeBytes);
    return this.word(flags).address(align);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #number(value: number, sizeBytes: number): this {
    const part = Buffer.alloc(sizeBytes);
    if (this.#machine.bigEndian === true) part.writeUIntBE(value, Math.max(0, sizeBytes - 4), Math.min(4, sizeBytes));
    else part.writeUIntLE(value, 0, Math.min(4, sizeBytes));
    this.#parts.push(part);
    return this;
  }
}

/**
 * Whether programs of that architecture run in a root file system that has nothing but them: by the machine itself (386 on amd64), or by an
 * emulator that binfmt_misc holds open (flag F). Found by running one, since neither the kernel's configuration nor, inside a container, the
 * emulators it knows can be read reliably.
 *
 * @param tempDir where the probe is put, on a file system that lets programs run
 */
export async function runsProgramsOf(architecture: string, tempDir: string): Promise<boolean> {
  const program = tinyProgram(architecture);
  if (program === undefined) return false;
  const root = join(tempDir, `probe-${architecture}`);
  try {
    mkdirSync(root);
    writeFileSync(join(root, 'probe'), program);
    chmodSync(join(root, 'probe'), 0o755);
    const { exitCode } = await runProgram('unshare', [`--root=${root}`, '/probe'], { timeoutMs: 10_000 });
    return exitCode === 0;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Where the kernel lists what it hands to interpreters. */
const BINFMT_DIR = '/proc/sys/fs/binfmt_misc';

/**
 * The interpreter that an enabled handler of binfmt_misc has for programs of that architecture: a path in the root file system of the program.
 * `undefined` when there is none, or the list cannot be read.
 *
 * @see https://docs.kernel.org/admin-guide/binfmt-misc.html
 */
export function findInterpreter(architecture: string, dir = BINFMT_DIR): string | undefined {
  const program = tinyProgram(architecture);
  if (program === undefined) return undefined;
  for (const name of listNames(dir)) {
    const handler = readHandler(join(dir, name));
    if (handler !== undefined && matches(handler, program)) return handler.interpreter;
  }
  return undefined;
}

interface Handler {
  readonly interpreter: string;
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer | undefined;
}

function readHandler(path: string): Handler | undefined {
  const lines = readFileSync(path, 'utf8').split('\n');
  const valueOf = (key: string): string | undefined => lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
  const interpreter = valueOf('interpreter');
  const magic = valueOf('magic');
  if (lines[0] !== 'enabled' || interpreter === undefined || magic === undefined) return undefined;
  const mask = valueOf('mask');
  return {
    interpreter,
    offset: Number(valueOf('offset') ?? 0),
    magic: Buffer.from(magic, 'hex'),
    mask: mask === undefined ? undefined : Buffer.from(mask, 'hex'),
  };
}

function matches({ offset, magic, mask }: Handler, program: Buffer): boolean {
  return magic.every((byte, index) => {
    const keep = mask?.[index] ?? 0xff;
    return ((program[offset + index] ?? 0) & keep) === (byte & keep);
  });
}

function listNames(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => name !== 'register' && name !== 'status');
  } catch {
    return [];
  }
}
