import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  missingProgram,
  scratchDir,
  tsbuild,
  TSBUILD,
  writeFiles,
  type CliOptions,
  type CliResult,
  type FileSpec,
} from '../helpers/cli.js';
import { layoutFaults, unfinished } from '../helpers/leftovers.js';

const isRoot = process.getuid?.() === 0;
const missing = isRoot ? missingProgram('busybox', 'setpriv', 'mount') : 'needs root';
const missingRuntime = missing ?? missingProgram('runc', 'unshare');
if (missing !== undefined) console.warn(`SKIPPED: bad input that needs another user or a full disk: ${missing}`);
if (missingRuntime !== undefined) console.warn(`SKIPPED: bad input of RUN: ${missingRuntime}`);

const NOBODY = 65534;
const COPY_ONLY = 'FROM scratch\nCOPY hello.txt /\n';
const RUN_TRUE = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "true"]\n';

const scratch = scratchDir('tsbuild-bad-');
const at = (name: string): string => join(scratch.path, name);
let count = 0;
let dir: string;
let context: string;
let store: string;

beforeAll(() => chmodSync(scratch.path, 0o755));
beforeEach(() => {
  dir = at(String(count++));
  context = join(dir, 'context');
  store = join(dir, 'store');
  mkdirSync(context, { recursive: true });
});
afterAll(() => scratch[Symbol.dispose]());

function files(dockerfile: string | undefined, more: Readonly<Record<string, FileSpec>> = {}): void {
  writeFiles(context, { 'hello.txt': 'hello\n', ...(dockerfile === undefined ? {} : { Dockerfile: dockerfile }), ...more });
}

function addBusybox(): void {
  copyFileSync(spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim(), join(context, 'busybox'));
}

/** In the test's directory, so that messages show paths as they were given. */
function build(args: readonly string[], options: CliOptions = {}): CliResult {
  return tsbuild(['--root', 'store', '--progress', 'plain', ...args], { cwd: dir, ...options });
}

/** The words, in this order, on standard error; no stack trace; nothing half-made in the store. */
function expectFailure(result: CliResult, status: number, ...words: readonly string[]): void {
  expect(result.status, result.stderr).toBe(status);
  expect(result.stdout).toBe('');
  const message = result.stderr.slice(result.stderr.search(/^ERROR: /m));
  let from = 0;
  for (const word of words) {
    const found = message.indexOf(word, from);
    expect(found, `${word} in\n${message}`).toBeGreaterThanOrEqual(from);
    from = found;
  }
  expect(result.stderr).not.toMatch(/internal error|\n {4}at |undefined|\[object/);
  expect(result.stderr.split('\n').filter((line) => line.length > 400)).toEqual([]);
  expectCleanStore();
}

function expectCleanStore(): void {
  if (!existsSync(store)) return;
  expect(unfinished(store)).toEqual([]);
  if (existsSync(join(store, 'index.json'))) expect(layoutFaults(store)).toEqual([]);
}

/** Of another user, who can neither mount nor change owners. */
function buildAsNobody(args: readonly string[]): CliResult & { readonly durationMs: number } {
  chownSync(dir, NOBODY, NOBODY);
  const startedMs = performance.now();
  const as = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', process.execPath, TSBUILD];
  const { status, stdout, stderr } = spawnSync('setpriv', [...as, '--root', 'store', '--progress', 'plain', ...args], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: dir },
  });
  return { status, stdout, stderr, durationMs: performance.now() - startedMs };
}

/** Random, so that compression makes it no smaller. */
function bigContext(): void {
  files('FROM scratch\nCOPY big /\n');
  spawnSync('sh', ['-c', 'head -c 3000000 /dev/urandom > big'], { cwd: context });
}

function withSmallDisk(run: (disk: string) => void): void {
  const disk = join(dir, 'disk');
  mkdirSync(disk);
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).status).toBe(0);
  try {
    run(disk);
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
}

describe('a Dockerfile', () => {
  it.each<readonly [title: string, dockerfile: string, status: number, words: readonly string[]]>([
    ['that is empty', '', 2, ['Dockerfile:1:1', 'empty', 'hint: ', 'FROM']],
    ['with comments only', '# nothing\n', 2, ['Dockerfile:1:1', 'no instructions', 'hint: ', 'FROM']],
    ['with a typing error', 'FORM x\n', 2, ['Dockerfile:1:1', 'unknown instruction: FORM', 'did you mean FROM?', '>>> 1 | FORM x']],
    [
      'with a line of 70,000 bytes',
      `${COPY_ONLY}LABEL a=${'x'.repeat(70_000)}\n`,
      2,
      ['Dockerfile:3:1', '65535', '70008 characters', 'hint: '],
    ],
    [
      'that copies a missing file',
      'FROM scratch\nCOPY helo.txt /\n',
      1,
      ['Dockerfile:2:1', '"helo.txt" not found', '>>> 2 | COPY', 'did you mean "hello.txt"?'],
    ],
    [
      'that copies a file of another directory',
      'FROM scratch\nCOPY nested.txt /\n',
      1,
      ['"nested.txt" not found', 'did you mean "sub/dir/nested.txt"?'],
    ],
    ['that copies what is unlike anything', 'FROM scratch\nCOPY zzzzzzzz /\n', 1, ['"zzzzzzzz" not found', 'hint: ', 'context']],
    ['that copies an excluded file', 'FROM scratch\nCOPY secret.key /\n', 1, ['"secret.key"', '.dockerignore:1 "*.key"']],
    [
      'that copies from a stage with a typing error',
      'FROM scratch AS build\nCOPY hello.txt /\nFROM scratch\nCOPY --from=biuld /hello.txt /\n',
      3,
      ['Dockerfile:4:1', '"biuld"', 'did you mean the stage "build"?'],
    ],
    [
      'that copies a missing file from a stage',
      'FROM scratch AS build\nCOPY hello.txt /\nFROM scratch\nCOPY --from=build /nothing /\n',
      1,
      ['Dockerfile:4:1', '"/nothing" not found', 'stage "build"'],
    ],
    [
      'on an image that nobody has',
      'FROM nowhere.invalid/debian:12\n',
      3,
      [
        'Dockerfile:1:1',
        '"nowhere.invalid/debian:12" is not in the store, and ',
        'tsbuild load',
        '--build-context nowhere.invalid/debian:12=oci-layout://DIR',
      ],
    ],
    ['with a name that is none', 'FROM Debian\n', 2, ['Dockerfile:1:1', 'lower']],
    ['with an unknown flag', 'FROM scratch\nCOPY --chonw=1 hello.txt /\n', 2, ['Dockerfile:2:', 'chonw', 'did you mean chown?']],
    ['with an instruction that lacks its argument', 'FROM scratch\nCOPY hello.txt\n', 2, ['Dockerfile:2:1', 'COPY requires']],
    ['that ends amid a heredoc', 'FROM scratch\nCOPY <<EOT /x\nhello\n', 2, ['Dockerfile:2', 'EOT']],
    ['that has a NUL (is UTF-16, say)', 'FROM scratch\nCOPY a\0b /\n', 2, ['Dockerfile:2:1', 'NUL', 'hint: ', 'UTF-8']],
    ['that names a user without a passwd file', 'FROM scratch\nCOPY --chown=www hello.txt /\n', 2, ['Dockerfile:2:1', 'www', 'hint: ']],
  ])('%s', (_title, dockerfile, status, words) => {
    files(dockerfile, { 'sub/dir/nested.txt': '', 'secret.key': '', '.dockerignore': '*.key\n' });
    expectFailure(build(['--oci-layout', 'out', 'context']), status, ...words);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('that is not there', () => {
    files(undefined);
    expectFailure(build(['context']), 2, 'no Dockerfile in', 'hint: ', '--file');
    expectFailure(build(['-f', 'Dockerfile.prod', 'context']), 2, '"Dockerfile.prod" not found', 'hint: ');
    expectFailure(build(['-f', 'context', 'context']), 2, '"context" is not a regular file');
  });

  it('with other bytes than text', () => {
    writeFiles(context, { Dockerfile: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 255, 254, 10, 0, 0]) });
    expectFailure(build(['context']), 2, 'Dockerfile:1:1', 'NUL', 'UTF-8');
  });
});

describe('a command line', () => {
  it.each<readonly [title: string, args: readonly string[], status: number, words: readonly string[]]>([
    ['with an unknown stage', ['--target', 'biuld', 'context'], 2, ['target stage "biuld"', 'did you mean build?']],
    ['with an unknown flag', ['--tga', 'x', 'context'], 2, ["unknown option '--tga'", 'did you mean --tag?']],
    ['with a context that is missing', ['nowhere'], 1, ['context "nowhere" does not exist']],
    ['with a context that is a file', ['context/Dockerfile'], 1, ['context "context/Dockerfile" is not a directory', '--file']],
    ['without a context', [], 2, ['context directory is missing', 'tsbuild .']],
    ['with two contexts', ['context', 'context'], 2, ['argument']],
    ['with a name in upper case', ['-t', 'App:1', 'context'], 2, ['"App:1"', 'upper-case', 'write app:1']],
    ['with a tag that is none', ['-t', 'app:a b', 'context'], 2, ['app:a b']],
    ['with a build argument without a name', ['--build-arg', '=x', 'context'], 2, ['--build-arg "=x"', 'name is empty']],
    ['with a flag without its value', ['context', '--tag'], 2, ['--tag']],
    ['with a directory as --iidfile', ['--iidfile', 'taken', 'context'], 2, ['--iidfile "taken"', 'directory', 'taken/id']],
    ['with a directory as --metadata-file', ['--metadata-file', 'taken', 'context'], 2, ['--metadata-file "taken"', 'directory']],
    [
      'with an output directory that is none of ours',
      ['--oci-layout', 'taken', 'context'],
      2,
      ['"taken" is neither empty nor an OCI layout', 'hint: '],
    ],
    ['with an archive where a directory is', ['-o', 'type=oci,dest=taken', 'context'], 2, ['"taken" is a directory, want a file']],
    [
      'with a layout where a file is',
      ['--oci-layout', 'context/Dockerfile', 'context'],
      2,
      ['"context/Dockerfile" is a file, want a directory'],
    ],
    ['with a store that is something else', ['--root', 'taken', 'context'], 1, ['taken" is not a store: it holds "thing"', '--root']],
    ['with a store that is a file', ['--root', 'context/Dockerfile', 'context'], 1, ['context/Dockerfile" is not a directory', '--root']],
    ['with two outputs to one place', ['-o', 'x', '-o', 'x', 'context'], 2, ['two outputs go to "x"']],
    ['with an unknown output type', ['-o', 'type=odi', 'context'], 2, ['odi', 'did you mean oci?']],
    [
      'with a layout that is none',
      ['--build-context', 'base=oci-layout://taken', '--target', 'based', 'context'],
      1,
      ['Dockerfile:3:1', 'taken" is not an OCI image layout'],
    ],
    ['with a platform that is none', ['--platform', 'linux/', 'context'], 2, ['"linux/"', 'hint: ']],
  ])('%s', (_title, args, status, words) => {
    files('FROM scratch AS build\nCOPY hello.txt /\nFROM base AS based\nFROM build\n');
    writeFiles(dir, { 'taken/thing': 'mine' });
    expectFailure(build(args), status, ...words);
    expect(readdirSync(dir).filter((name) => !['context', 'taken', 'store'].includes(name))).toEqual([]);
    expect(readdirSync(join(dir, 'taken'))).toEqual(['thing']);
  });
});

describe('a base image', () => {
  it.each<readonly [title: string, damage: (blob: string, bytes: Buffer) => void, words: readonly string[]]>([
    [
      'with a changed layer',
      (blob, bytes) => writeFileSync(blob, Buffer.concat([bytes.subarray(0, -1), Buffer.from('?')])),
      ['is damaged: got ', 'want '],
    ],
    ['with a shortened layer', (blob, bytes) => writeFileSync(blob, bytes.subarray(0, -1)), ['is damaged: got ', 'want ']],
    ['without its layer', (blob) => unlinkSync(blob), ['is missing']],
  ])('%s', (_title, damage, words) => {
    files(COPY_ONLY);
    expect(build(['--oci-layout', 'base', 'context']).status).toBe(0);
    rmSync(store, { recursive: true });
    const blobs = join(dir, 'base/blobs/sha256');
    const layer = readdirSync(blobs).find((name) => readFileSync(join(blobs, name))[0] === 0x1f) ?? '';
    const bytes = readFileSync(join(blobs, layer));
    // The blob is a hard link to the store's.
    unlinkSync(join(blobs, layer));
    writeFileSync(join(blobs, layer), bytes);
    damage(join(blobs, layer), bytes);
    writeFiles(context, { Dockerfile: 'FROM base\nCOPY hello.txt /again\n' });
    const result = build(['--build-context', 'base=oci-layout://base', '--oci-layout', 'out', 'context']);
    expectFailure(result, 1, 'Dockerfile:1:1', layer, ...words);
    expect(existsSync(join(dir, 'out'))).toBe(false);
    expect(readdirSync(join(store, 'blobs/sha256'))).not.toContain(layer);
  });
});

describe.skipIf(missingRuntime !== undefined)('RUN', () => {
  it('that fails is told with its status and its last words', () => {
    files('FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "echo first; echo last >&2; exit 3"]\n');
    addBusybox();
    const result = build(['--oci-layout', 'out', 'context']);
    expectFailure(result, 1, 'Dockerfile:3:1', 'did not complete successfully: exit code: 3', '| first', '| last', '>>> 3 | RUN');
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('without a shell says what to do', () => {
    files('FROM scratch\nCOPY busybox /bin/busybox\nRUN echo hi\n');
    addBusybox();
    expectFailure(build(['context']), 1, 'Dockerfile:3:1', '/bin/sh', 'no such file', 'hint: ', 'exec form');
  });

  it('as a user that the image does not know', () => {
    files('FROM scratch\nCOPY busybox /bin/busybox\nUSER www\nRUN ["/bin/busybox", "true"]\n');
    addBusybox();
    expectFailure(build(['context']), 2, 'Dockerfile:4:1', 'unable to find user www', 'hint: ');
  });

  it('without a runtime', () => {
    files(RUN_TRUE);
    addBusybox();
    expectFailure(build(['--runtime', 'nope', 'context']), 1, 'OCI runtime "nope" not found', 'hint: ', 'apt-get install runc');
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    for (const name of ['setpriv', 'unshare', 'mount', 'sh'])
      symlinkSync(spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim(), join(bin, name));
    expectFailure(build(['context'], { env: { PATH: bin } }), 1, 'OCI runtime "runc" not found on PATH', 'hint: ');
    unlinkSync(join(bin, 'unshare'));
    symlinkSync(spawnSync('sh', ['-c', 'command -v runc'], { encoding: 'utf8' }).stdout.trim(), join(bin, 'runc'));
    expectFailure(build(['context'], { env: { PATH: bin } }), 1, '"unshare" not found on PATH', 'util-linux');
  });

  it('with a store that was named by a relative path', () => {
    files(RUN_TRUE);
    addBusybox();
    expect(build(['context'])).toMatchObject({ status: 0 });
  });
});

describe.skipIf(missing !== undefined)('without privilege', () => {
  it('RUN is refused at once', () => {
    files(RUN_TRUE);
    addBusybox();
    const result = buildAsNobody(['--oci-layout', 'out', 'context']);
    expectFailure(result, 5, 'RUN needs root', `user ${NOBODY}`, 'hint: ', 'sudo');
    expect(result.stderr).not.toContain('COPY');
    expect(result.durationMs).toBeLessThan(1500);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('a Dockerfile without RUN builds, on a base too', () => {
    files('FROM scratch\nWORKDIR /work\nCOPY --chown=5:6 --chmod=600 hello.txt /work/\n');
    expect(buildAsNobody(['-t', 'base', 'context'])).toMatchObject({ status: 0 });
    files('FROM base\nCOPY --chown=7 hello.txt again/\n');
    expect(buildAsNobody(['--oci-layout', 'out', 'context'])).toMatchObject({ status: 0 });
    expect(layoutFaults(join(dir, 'out'))).toEqual([]);
    expect(statSync(store).mode & 0o777).toBe(0o700);
    expectCleanStore();
  });

  it('files of other owners cannot be unpacked, and the message says so', () => {
    files('FROM scratch\nCOPY --chown=5:6 hello.txt /\n');
    expect(buildAsNobody(['-t', 'base', 'context'])).toMatchObject({ status: 0 });
    files('FROM scratch\nCOPY --from=base /hello.txt /\n');
    expectFailure(buildAsNobody(['context']), 5, 'Dockerfile:2:1', 'cannot unpack', 'not permitted', 'hint: ', 'root');
  });

  it.each([
    ['a file of the context', 'hello.txt', 'Dockerfile:2:1', 'cannot read "hello.txt": permission denied', '.dockerignore'],
    ['the Dockerfile', 'Dockerfile', 'cannot read "Dockerfile": permission denied'],
  ])('%s that cannot be read is named', (_title, name, ...words) => {
    files(COPY_ONLY);
    chmodSync(join(context, name), 0o600);
    expectFailure(buildAsNobody(['--oci-layout', 'out', 'context']), 1, ...words);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it.each([
    ['the store', ['--root', 'closed/store'], 1, 'closed/store'],
    ['an output', ['--oci-layout', 'closed/out'], 2, '"closed/out" cannot be written'],
    ['--iidfile', ['--iidfile', 'closed/id'], 1, 'closed/id'],
  ] as const)('%s that cannot be written is named before the build begins', (_title, args, status, words) => {
    files(COPY_ONLY);
    mkdirSync(join(dir, 'closed'), { mode: 0o755 });
    const result = buildAsNobody([...args, 'context']);
    expectFailure(result, status, words, 'permission denied');
    expect(result.stderr).not.toContain('DONE');
  });
});

describe.skipIf(missing !== undefined)('a full disk', () => {
  it('under the store', () => {
    bigContext();
    withSmallDisk((disk) => {
      store = join(disk, 'store');
      expectFailure(
        build(['--root', 'disk/store', 'context']),
        1,
        'Dockerfile:2:1',
        'disk/store',
        'no space left on device',
        'hint: free some space',
      );
      files(COPY_ONLY);
      expect(build(['--root', 'disk/store', 'context'])).toMatchObject({ status: 0 });
    });
  });

  it.each([
    ['an OCI layout', ['--oci-layout', 'disk/out']],
    ['an OCI archive', ['-o', 'type=oci,dest=disk/out']],
    ['a docker archive', ['-o', 'type=docker,dest=disk/out']],
    ['a tar', ['-o', 'type=tar,dest=disk/out']],
    ['a directory', ['-o', 'disk/out']],
  ])('under %s', (_title, args) => {
    bigContext();
    withSmallDisk((disk) => {
      expectFailure(build([...args, 'context']), 1, 'disk/out', 'no space left on device', 'hint: free some space');
      expect(readdirSync(disk)).toEqual([]);
    });
  });

  it('under an OCI layout that has images leaves them alone', () => {
    files(COPY_ONLY);
    withSmallDisk((disk) => {
      expect(build(['--oci-layout', 'disk/out:small', 'context'])).toMatchObject({ status: 0 });
      const index = readFileSync(join(disk, 'out/index.json'), 'utf8');
      bigContext();
      expectFailure(build(['--oci-layout', 'disk/out:big', 'context']), 1, 'no space left on device');
      expect(readFileSync(join(disk, 'out/index.json'), 'utf8')).toBe(index);
      expect(layoutFaults(join(disk, 'out'))).toEqual([]);
      expect(unfinished(join(disk, 'out'))).toEqual([]);
    });
  });

  it('under standard output', () => {
    files(COPY_ONLY);
    const result = spawnSync('sh', ['-c', `"$0" "$@" >/dev/full`, process.execPath, TSBUILD, '-q', '--root', 'store', 'context'], {
      cwd: dir,
      encoding: 'utf8',
    });
    expectFailure({ ...result }, 1, 'cannot write to standard output', 'no space left on device');
  });
});

describe('a reader that goes away', () => {
  it.each([
    ['of an image', ['-o', 'type=oci,dest=-'], 'stdout', 1],
    ['of a file tree', ['-o', 'type=tar,dest=-'], 'stdout', 1],
    ['of the image id', ['-q'], 'stdout', 0],
    ['of the progress', [], 'stderr', 0],
  ] as const)('%s is no internal error', async (_title, args, stream, want) => {
    files(COPY_ONLY, { big: 'x'.repeat(1 << 20) });
    writeFiles(context, { Dockerfile: 'FROM scratch\nCOPY big /\n' });
    const child = spawn(process.execPath, [TSBUILD, '--root', 'store', '--progress', 'plain', ...args, 'context'], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child[stream].destroy();
    let text = '';
    child[stream === 'stdout' ? 'stderr' : 'stdout'].on('data', (chunk: Buffer) => (text += chunk.toString()));
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    expect({ status, signal }, text).toEqual({ status: want, signal: null });
    if (want !== 0) expect(text).toMatch(/^ERROR: cannot write to standard output: broken pipe/m);
    expect(text).not.toMatch(/internal error|\n {4}at /);
    expectCleanStore();
  });
});

// Vitest runs as root: the checkout must be readable for others, or the tests above would say something else.
if (missing === undefined && (statSync(dirname(TSBUILD)).mode & 0o005) !== 0o005)
  console.warn('the checkout is closed to other users: tests without privilege fail');
